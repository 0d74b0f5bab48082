"""Clients of HTTP/1.0, as old proxies and load tools are: no chunks, and the close is the end."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.client import Client
from tests.product import KEY, Process
from tests.stories.event_bytes import EventBytes
from tests.stories.wire import Heard, Wire, wire

NDJSON = "application/x-ndjson"


async def asked(peer: Wire, line: str, fields: str = "", body: bytes = b"") -> Heard:
    """Send a request of HTTP/1.0; return the answer with all that came until the close."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{line} HTTP/1.0\r\nx-api-key: {KEY}\r\nConnection: keep-alive\r\n{fields}{length}\r\n"
    await peer.say(head.encode() + body)
    heard = await peer.hear_head()
    return Heard(heard.status, heard.headers, await peer.hear_all())


def check_is_delimited_by_its_close(heard: Heard) -> None:
    assert heard.status == 200
    assert "transfer-encoding" not in heard.headers
    assert "content-length" not in heard.headers
    assert heard.headers["connection"] == "close"


@pytest.mark.parametrize("form", ["text/event-stream", NDJSON])
async def test_results_are_not_chunked_and_end_with_their_connection(
    client: Client, server: Process, form: str
) -> None:
    stream = await client.start()
    for number in range(3):
        await client.send(stream, number)
    await client.http.post(f"/stream/{stream}/end")

    async with asyncio.timeout(30), wire(server.url) as peer:
        heard = await asked(peer, f"GET /stream/{stream}/results", f"Accept: {form}\r\n")

    check_is_delimited_by_its_close(heard)
    assert heard.headers["content-type"] == form
    assert [r.get("data") for r in results_of(heard.body, form)] == [0, 1, 2, None]


def results_of(body: bytes, form: str) -> list[dict[str, object]]:
    if form == NDJSON:
        lines = [json.loads(line) for line in body.splitlines() if line]
        return [line for line in lines if "control" not in line]
    return [event.json() for event in EventBytes().feed(body) if event.data]


async def test_lines_are_answered_by_lines_and_the_close(client: Client, server: Process) -> None:
    stream = await client.start()
    lines = b"".join(b'{"data":%d}\n' % number for number in range(100))

    async with asyncio.timeout(30), wire(server.url) as peer:
        fields = f"Content-Type: {NDJSON}\r\n"
        heard = await asked(peer, f"POST /stream/{stream}/send", fields, lines)

    check_is_delimited_by_its_close(heard)
    receipts = [json.loads(line) for line in heard.body.splitlines()]
    assert len({receipt["record_id"] for receipt in receipts}) == 100
