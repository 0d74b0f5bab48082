"""What a request may be, over loopback: bytes, fields, time, and one meaning only."""

from __future__ import annotations

import asyncio
import json

import pytest
from litestar.types import Receive, Scope, Send

from streaming_runtime.live import request_limits
from tests.live.test_server import asked, hello, serving

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


def refused(answer: bytes) -> tuple[int, str]:
    """Return the status and the code of a problem, whose connection must be closed."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    return problem["status"], problem["code"]


async def test_a_head_within_its_limits_is_answered() -> None:
    fields = b"".join(b"x-%d: %b\r\n" % (n, b"v" * 200) for n in range(60))
    async with serving(hello) as (_, _, port):
        answer = await asked(port, HEAD + fields + b"Connection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "fields",
    [
        b"x: " + b"v" * 17_000 + b"\r\n",
        b"".join(b"x-%d: v\r\n" % n for n in range(70)),
        b"".join(b"x-%d: %b\r\n" % (n, b"v" * 1_000) for n in range(20)),
    ],
    ids=["one long field", "many fields", "much in all"],
)
async def test_a_head_over_its_limits_is_refused(fields: bytes) -> None:
    async with serving(hello) as (_, _, port):
        answer = await asked(port, HEAD + fields + b"\r\n")

    assert refused(answer) == (431, "head-too-large")


async def test_a_long_path_is_refused() -> None:
    async with serving(hello) as (_, _, port):
        answer = await asked(port, b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert refused(answer) == (431, "head-too-large")


async def test_a_field_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    async with serving(hello) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"x: ")
        reading = asyncio.ensure_future(reader.read())
        written = 0
        while not reading.done() and written < 64:
            writer.write(b"v" * 1_024)
            written += 1
            await asyncio.sleep(0.02)
        answer = await reading
        writer.close()

    assert refused(answer) == (431, "head-too-large")


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Content-Length: 1\r\nContent-Length: 1\r\n",
        b"Content-Length: +1\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Host: b\r\nContent-Length: 5\r\n",
        b"X-A : b\r\n",
    ],
)
async def test_what_two_parsers_could_read_differently_is_refused(fields: bytes) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n0\r\n\r\n"
    async with serving(hello) as (_, _, port):
        answer = await asked(port, request)

    assert refused(answer) == (400, "invalid-parameter")


async def test_half_a_head_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "HEAD_SECONDS", 0.2)
    async with serving(hello) as (_, _, port):
        answer = await asked(port, HEAD)

    assert refused(answer) == (408, "request-timeout")


async def test_the_next_head_of_a_connection_has_its_time_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_limits, "HEAD_SECONDS", 0.3)
    async with serving(hello) as (_, _, port):
        answer = await asked(port, HEAD + b"\r\n" + HEAD)

    first, _, second = answer.partition(b"hello")
    assert first.startswith(b"HTTP/1.1 200")
    assert refused(second[second.index(b"HTTP/1.1") :]) == (408, "request-timeout")


async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "HEAD_SECONDS", 0.2)
    async with serving(hello) as (_, _, port):
        assert await asked(port, b"") == b""


async def test_an_idle_connection_is_kept_between_two_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_limits, "HEAD_SECONDS", 0.2)
    async with serving(hello) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"0\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.write(HEAD + b"\r\n")

        assert b"200" in await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)

        writer.close()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    event = await receive()
    while event["type"] == "http.request":
        body += event["body"]
        if not event["more_body"]:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        event = await receive()


POST = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


async def test_half_a_body_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 0.2)
    async with serving(echo) as (_, _, port):
        answer = await asked(port, POST % 100 + b"half")

    assert refused(answer) == (408, "request-timeout")


async def test_a_body_that_comes_fast_enough_may_take_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 0.1)
    async with serving(echo) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST % 20_000)
        for _ in range(10):
            writer.write(b"x" * 2_000)
            await asyncio.sleep(0.05)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"x") == 20_000


@pytest.mark.parametrize("offer", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"])
async def test_a_proxy_is_not_what_this_is(offer: bytes) -> None:
    async with serving(hello) as (_, _, port):
        answer = await asked(port, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n")

    assert refused(answer) == (400, "invalid-parameter")


async def test_a_request_without_a_host_is_refused() -> None:
    async with serving(hello) as (_, _, port):
        answer = await asked(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert refused(answer) == (400, "invalid-parameter")


async def test_an_offer_of_http_2_in_two_pieces_is_passed_over() -> None:
    async with serving(echo) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST[: -len(b"\r\n")] % 4 + b"Upgrade: ")
        await asyncio.sleep(0.05)
        writer.write(b"h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\r\nbody")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"body" in answer
