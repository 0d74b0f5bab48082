"""Runs one function and writes down what it asks of Kafka and of AWS.

``python -m tests.infra.recording NAME`` in the environment that the function would have; a list of
requests comes on standard input, and what they were answered and what was asked on the file
descriptor that follows the name, since standard output is where a function logs.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from aiokafka.protocol.api import Request
from botocore.client import BaseClient

from tests.functions.invoke import Context

# What a function says that is too late, or whose look at its limit is.
TOO_EARLY = (429, 503)
MOST_TRIES = 5

Asked = tuple[str, str, str]


class Notes:
    """What was asked: a service, what of it, and of which topic or table, each once."""

    def __init__(self) -> None:
        self._asked: set[Asked] = set()
        self._lock = threading.Lock()

    def add(self, service: str, operation: str, *things: str) -> None:
        with self._lock:
            self._asked |= {(service, operation, thing) for thing in things or ("",)}

    def all(self) -> list[Asked]:
        with self._lock:
            return sorted(self._asked)


def listen_to_kafka(notes: Notes) -> None:
    """Note each request on its way to a broker, by the name that the protocol has for it."""
    prepare = Request.prepare

    def noting(self: Any, versions: Any) -> Any:
        struct = prepare(self, versions)
        name = type(struct).__name__.partition("Request")[0]
        notes.add("kafka", name, *topics_in(struct.to_object()))
        return struct

    Request.prepare = noting


def topics_in(node: Any, name: str = "") -> Iterator[str]:
    """Return the topics that a request names, wherever they stand in it."""
    if isinstance(node, str):
        if name in ("topic", "topics", "resource_name"):
            yield node
    elif isinstance(node, dict):
        for inner, one in node.items():
            yield from topics_in(one, inner)
    elif isinstance(node, list):
        for one in node:
            yield from topics_in(one, name)


def listen_to_aws(notes: Notes) -> None:
    """Note each call of AWS; a transaction is what it is made of, as IAM sees it."""
    call = BaseClient._make_api_call

    def noting(self: Any, operation: str, request: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        for part, thing in parts_of(operation, request):
            notes.add(service, part, thing)
        return call(self, operation, request)

    BaseClient._make_api_call = noting


def parts_of(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if operation == "TransactWriteItems":
        names = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem"}
        for item in request["TransactItems"]:
            for part, about in item.items():
                yield names.get(part, part), about["TableName"]
    elif operation == "BatchGetItem":
        yield from ((operation, table) for table in request["RequestItems"])
    else:
        yield operation, request.get("TableName") or request.get("SecretId") or ""


def event(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as a REST API gives it to a function."""
    headers = {"X-Api-Key": os.environ["RECORDING_KEY"], **request.get("headers", {})}
    query = request.get("query")
    return {
        "resource": request["path"],
        "path": request["path"],
        "httpMethod": request["method"],
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": query and {k: [v] for k, v in query.items()},
        "requestContext": {"requestId": "1", "stage": "prod", "path": f"/prod{request['path']}"},
        "body": request.get("body"),
        "isBase64Encoded": False,
    }


def answered(handler: Any, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """Call a function until it answers: on a busy machine a first call may be too late."""
    for _ in range(MOST_TRIES):
        answer: dict[str, Any] = handler(event(request), Context(name))
        if answer["statusCode"] not in TOO_EARLY:
            break
    return answer


def main(name: str, descriptor: int) -> None:
    notes = Notes()
    listen_to_kafka(notes)
    listen_to_aws(notes)
    handler = importlib.import_module(f"functions.{name}.handler").handler
    with os.fdopen(descriptor, "w") as out:
        answers = [answered(handler, name, request) for request in json.load(sys.stdin)]
        json.dump({"answers": answers, "asked": notes.all()}, out)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
