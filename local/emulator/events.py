"""Requests as the events of API Gateway (REST and HTTP) and of a load balancer, and answers back.

Source:  AWS: "Lambda proxy integrations" (payloads 1.0 and 2.0), "Lambda functions as targets".
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from local.emulator.http_server import Headers, Reply, Request
from local.emulator.routes import Route
from local.emulator.setting import ACCOUNT, REGION

Form = Literal["rest", "http", "alb"]
FORMS: tuple[Form, ...] = ("rest", "http", "alb")
STAGE = "v1"
API_ID = "a1b2c3d4e5"
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")
# What belongs to one connection, and is the gateway's own on the next one.
_OF_THE_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "te", "upgrade"))


class MalformedAnswer(Exception):
    """A function returned what is no answer to an HTTP request."""


def event_of(form: Form, request: Request, route: Route, parameters: dict[str, str]) -> bytes:
    """Return a request as the event that a function gets."""
    made = {"rest": _rest, "http": _http, "alb": _alb}[form](request, route, parameters)
    return json.dumps(made).encode()


def reply_of(body: bytes) -> Reply:
    """Return a function's answer as HTTP.

    Raises:  MalformedAnswer.
    """
    try:
        answer: dict[str, Any] = json.loads(body)
        text = answer.get("body") or ""
        raw = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        return Reply(int(answer["statusCode"]), raw, list(_headers_of(answer)))
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise MalformedAnswer(f"{type(wrong).__name__}: {wrong}") from wrong


def _headers_of(answer: dict[str, Any]) -> Iterable[tuple[str, str]]:
    several: dict[str, list[str]] = answer.get("multiValueHeaders") or {}
    for name, value in (answer.get("headers") or {}).items():
        if name not in several:
            yield name, str(value)
    for name, values in several.items():
        yield from ((name, str(value)) for value in values)
    yield from (("Set-Cookie", cookie) for cookie in answer.get("cookies") or ())


def _rest(request: Request, route: Route, parameters: dict[str, str]) -> dict[str, Any]:
    headers = _passed_on(request)
    query = parse_qsl(request.raw_query, keep_blank_values=True)
    request_id = str(uuid.uuid4())
    now = time.time()
    return {
        "resource": route.path,
        "path": request.raw_path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _by_name(headers) or None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _by_name(query) or None,
        "pathParameters": {name: unquote(value) for name, value in parameters.items()} or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": _domain(),
            "domainPrefix": API_ID,
            "extendedRequestId": base64.b64encode(request_id.encode()).decode()[:16],
            "httpMethod": request.method,
            "identity": {
                "sourceIp": request.client,
                "userAgent": request.header("user-agent") or None,
            },
            "path": f"/{STAGE}{request.raw_path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": "abc123",
            "resourcePath": route.path,
            "stage": STAGE,
        },
        # template.yaml takes every type for binary, so no byte of a body is replaced on its way.
        "body": base64.b64encode(request.body).decode() or None,
        "isBase64Encoded": bool(request.body),
    }


def _http(request: Request, route: Route, parameters: dict[str, str]) -> dict[str, Any]:
    headers = _passed_on(request)
    cookies = [value for name, value in headers if name.lower() == "cookie"]
    path = f"/{STAGE}{request.raw_path}"
    query = _by_name(parse_qsl(request.raw_query, keep_blank_values=True))
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{route.method} {route.path}",
        "rawPath": path,
        "rawQueryString": request.raw_query,
        "headers": {n: ",".join(v) for n, v in _lowered(headers).items() if n != "cookie"},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": _domain(),
            "domainPrefix": API_ID,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": request.header("user-agent"),
            },
            "requestId": base64.b64encode(uuid.uuid4().bytes).decode()[:16],
            "routeKey": f"{route.method} {route.path}",
            "stage": STAGE,
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [part.strip() for value in cookies for part in value.split(";")]
    if query:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in query.items()}
    if parameters:
        event["pathParameters"] = {name: unquote(value) for name, value in parameters.items()}
    if request.body:
        event["body"], event["isBase64Encoded"] = _by_type(request)
    return event


def _alb(request: Request, route: Route, parameters: dict[str, str]) -> dict[str, Any]:
    # A load balancer knows no routes. It decodes nothing, and of several values it has the last.
    pairs = (part.partition("=") for part in request.raw_query.split("&") if part)
    body, is_base64 = _by_type(request)
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup"
                f"/millrace-{route.function}/0123456789abcdef"
            }
        },
        "httpMethod": request.method,
        "path": request.raw_path,
        "queryStringParameters": {name: value for name, _, value in pairs},
        "headers": {name: values[-1] for name, values in _lowered(_passed_on(request)).items()},
        "body": body,
        "isBase64Encoded": is_base64,
    }


def _passed_on(request: Request) -> Headers:
    """Return the client's headers, and those that a gateway adds."""
    own = [(n, v) for n, v in request.headers if n.lower() not in _OF_THE_HOP]
    trace = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    added = {
        "X-Amzn-Trace-Id": trace,
        "X-Forwarded-For": request.client,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    theirs = {name.lower() for name in added}
    return [*((n, v) for n, v in own if n.lower() not in theirs), *added.items()]


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _lowered(headers: Headers) -> dict[str, list[str]]:
    return _by_name((name.lower(), value) for name, value in headers)


def _by_type(request: Request) -> tuple[str, bool]:
    """Return a body as HTTP APIs and load balancers do: what they hold for text stays text."""
    is_text = request.header("content-type").lower().startswith(_TEXT)
    if not request.body or (is_text and not request.header("content-encoding")):
        return request.body.decode(errors="replace"), False
    return base64.b64encode(request.body).decode(), True


def _domain() -> str:
    return f"{API_ID}.execute-api.{REGION}.amazonaws.com"
