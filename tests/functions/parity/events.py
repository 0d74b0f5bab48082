"""A request as AWS hands it to a function: REST API (v1), HTTP API (v2), and a load balancer."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qsl

from tests.functions.parity.asked import Asked

HOST = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
TARGET_GROUP = (
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/millrace/50dc6c495c0c9188"
)
ROUTES = [
    ("start", re.compile(r"/stream/start")),
    ("send", re.compile(r"/stream/[^/]+/send")),
    ("results", re.compile(r"/stream/[^/]+/results")),
]
TEXTUAL = re.compile(r"text/|application/(json|javascript|xml)")


def function_of(asked: Asked) -> str:
    """Return the function that the template sends a request to."""
    found = (name for name, pattern in ROUTES if pattern.fullmatch(asked.path))
    return next(found, "streams")


def rest_v1(asked: Asked) -> dict[str, Any]:
    """Return what a REST API makes of a request: names as they were written, queries decoded."""
    fields = [("Host", HOST), ("X-Forwarded-Proto", "https"), *_titled(asked)]
    query = parse_qsl(asked.query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": asked.path,
        "httpMethod": asked.method,
        "headers": dict(fields),
        "multiValueHeaders": _many(fields),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _many(query) or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": asked.method,
            "identity": {"sourceIp": "198.51.100.7"},
            "path": f"/v1{asked.path}",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "stage": "v1",
        },
        **_body(asked, is_text=_is_utf8(asked.body)),
    }


def http_v2(asked: Asked) -> dict[str, Any]:
    """Return what a HTTP API makes of it: a stage before the path, the query as it was written."""
    fields = {name: asked.field(name) for name, _ in asked.headers}
    path = f"/prod{asked.path}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": asked.query,
        "headers": {"host": HOST, "x-forwarded-proto": "https", **fields},
        "requestContext": {
            "http": {
                "method": asked.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "prod",
        },
        **_body(asked, is_text=TEXTUAL.match(asked.field("content-type")) is not None),
    }


def alb_multi_value(asked: Asked) -> dict[str, Any]:
    """Return what a load balancer with multi-value headers makes of it: queries as written."""
    query = _raw_pairs(asked)
    return {
        **_alb(asked),
        "multiValueHeaders": _many([("host", "millrace.example"), *asked.headers]),
        "multiValueQueryStringParameters": _many(query),
    }


def alb(asked: Asked) -> dict[str, Any]:
    """Return what one without them makes of it: of what comes twice it keeps the last."""
    return {
        **_alb(asked),
        "headers": dict([("host", "millrace.example"), *asked.headers]),
        "queryStringParameters": dict(_raw_pairs(asked)),
    }


def _alb(asked: Asked) -> dict[str, Any]:
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": asked.method,
        "path": asked.path,
        **_body(asked, is_text=TEXTUAL.match(asked.field("content-type")) is not None),
    }


def _body(asked: Asked, *, is_text: bool) -> dict[str, Any]:
    if not asked.body:
        return {"body": None if is_text else "", "isBase64Encoded": False}
    if is_text:
        return {"body": asked.body.decode(), "isBase64Encoded": False}
    return {"body": base64.b64encode(asked.body).decode(), "isBase64Encoded": True}


def _titled(asked: Asked) -> list[tuple[str, str]]:
    return [(name.title(), value) for name, value in asked.headers]


def _many(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _raw_pairs(asked: Asked) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in asked.query.split("&") if pair]
    return [(name, value) for name, _, value in pairs]


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
