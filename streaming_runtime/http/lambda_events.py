"""What a function is called with: which events are requests, and what they say of themselves."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

Event = dict[str, Any]
Kind = Literal["request", "ping", "foreign"]

# Rules and schedules of EventBridge, as people use them to keep a function warm.
PINGING = ("aws.events", "aws.scheduler")
# Names of an authorizer's call, which looks like a request in all else.
AUTHORIZING = ("methodArn", "routeArn")
LONGEST_ID = 200
# Of no use to a route. Mangum splits them into host and port, and a client may write anything.
HOST_FIELDS = ("host", "x-forwarded-port")


def kind_of(event: Any) -> Kind:
    """Say whether an event is a request: of API Gateway, a load balancer or a function's URL."""
    if not isinstance(event, dict):
        return "foreign"
    if event.get("source") in PINGING and "detail-type" in event:
        return "ping"
    context = event.get("requestContext")
    if not isinstance(context, dict) or any(name in event for name in AUTHORIZING):
        return "foreign"
    is_known = "elb" in context or "resource" in event or event.get("version") in ("1.0", "2.0")
    return "request" if is_known else "foreign"


def correlation_of(event: Event) -> str | None:
    """Return the id under which AWS itself logs a request."""
    found = event["requestContext"].get("requestId") or _trace_of(event)
    return found[:LONGEST_ID] if isinstance(found, str) else None


def readable(event: Event) -> Event:
    """Return a request as Mangum can read it: the client's path, no field that it trips over."""
    return _without_host(without_stage(event))


def without_stage(event: Event) -> Event:
    """Return an HTTP API's event with the path that the client asked for.

    A named stage stands before the path there, and nowhere else; Mangum passes it on.
    """
    context = event["requestContext"]
    stage, http = context.get("stage"), context.get("http")
    if http is None or stage in (None, "$default"):
        return event
    path = http["path"]
    if not path.startswith(f"/{stage}/"):
        return event
    return {
        **event,
        "requestContext": {**context, "http": {**http, "path": path[len(stage) + 1 :]}},
    }


def body_of(event: Event) -> bytes | None:
    """Return the body of a request, None for one that is not what it says it is."""
    body = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            return base64.b64decode(body, validate=True)
        return str(body).encode()
    except (binascii.Error, ValueError):
        return None


def refused_records(event: Any) -> dict[str, Any]:
    """Return what tells a queue or a log that none of its records was taken, {} for anything else.

    Source:  AWS Lambda, "Reporting batch item failures": with an empty identifier all of a batch
             stay where they are, if the mapping asks for the report.
    """
    has_records = isinstance(event, dict) and isinstance(event.get("Records"), list)
    return {"batchItemFailures": [{"itemIdentifier": ""}]} if has_records else {}


def _trace_of(event: Event) -> Any:
    fields, many = event.get("headers"), event.get("multiValueHeaders")
    if isinstance(fields, dict) and (trace := fields.get("x-amzn-trace-id")):
        return trace
    traces = many.get("x-amzn-trace-id") if isinstance(many, dict) else None
    return traces[0] if isinstance(traces, list) and traces else None


def _without_host(event: Event) -> Event:
    found = dict(event)
    for name in ("headers", "multiValueHeaders"):
        if name in event:
            fields = event[name] or {}
            found[name] = {n: v for n, v in fields.items() if n.lower() not in HOST_FIELDS}
    return found
