"""What can be asked of the API, as its own document says: the requests of every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.security.credentials import Carried
from tests.stories.wire import request

STREAM = "{stream_id}"
NONSENSE = b"\x00nonsense"


@dataclass(frozen=True)
class Asked:
    """One request of an operation, for any stream and with any credential."""

    method: str
    path: str
    query: str = ""
    accept: str = ""
    content_type: str = ""
    body: bytes | None = None

    def __str__(self) -> str:
        parts = (self.method, self.path, self.query, self.accept, self.content_type)
        return " ".join(part for part in parts if part)

    def bytes_for(self, stream: str, carried: Carried) -> bytes:
        query = "&".join(part for part in (self.query, carried.query) if part)
        target = self.path.replace(STREAM, stream) + (f"?{query}" if query else "")
        fields = dict(carried.headers)
        if self.accept:
            fields["Accept"] = self.accept
        if self.content_type:
            fields["Content-Type"] = self.content_type
        return request(self.method, target, fields, self.body)


async def document_of(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url) as http:
        found: dict[str, Any] = (await http.get("/schema")).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give method, path and operation of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def requests_of(document: dict[str, Any], *, is_about_a_stream: bool) -> list[Asked]:
    """Return requests of every operation that needs a credential: each form, and bodies of it."""
    return [
        asked
        for method, path, operation in operations(document)
        if operation["security"] and (STREAM in path) is is_about_a_stream
        for asked in _requests(method, path, operation)
    ]


def _requests(method: str, path: str, operation: dict[str, Any]) -> Iterator[Asked]:
    names = {parameter["name"] for parameter in operation["parameters"]}
    bodies = operation.get("requestBody", {}).get("content", {})
    if method == "GET":
        for accept in (*_answers(operation), "image/x-none"):
            yield Asked(method, path, accept=accept)
            yield Asked("HEAD", path, accept=accept)
            if "cursor" in names:
                yield Asked(method, path, "cursor=nonsense", accept)
                yield Asked(method, path, "limit=0", accept)
    for content_type, content in bodies.items():
        yield Asked(method, path, content_type=content_type, body=_example(content))
        yield Asked(method, path, content_type=content_type, body=NONSENSE)
    if bodies:
        yield Asked(method, path, body=b"")


def _answers(operation: dict[str, Any]) -> list[str]:
    return list(operation["responses"].get("200", {}).get("content", {}))


def _example(content: dict[str, Any]) -> bytes:
    for example in content.get("examples", {}).values():
        value = example["value"]
        return value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return b'{"data": 1}'
