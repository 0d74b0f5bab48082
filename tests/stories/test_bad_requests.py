"""Requests that no client library makes: refused in words, never half stored, never in the way."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress

import pytest

from tests.client import Client
from tests.product import KEY, Process
from tests.stories.readers import Reader
from tests.stories.refused import AUTHORISED, GOOD, UNKNOWN, assert_only_good, send
from tests.stories.wire import Wire, request, wire


async def test_head_is_get_without_a_body_and_the_connection_goes_on(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    for path in (f"/stream/{stream}", f"/stream/{stream}/results", "/health/live", "/", "/nowhere"):
        heard = await peer.ask(request("HEAD", path, AUTHORISED))

        assert heard.status == (404 if path == "/nowhere" else 200)
        assert heard.body == b""
    assert (await peer.ask(request("GET", "/health/live"))).json() == {"status": "alive"}


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 15\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 15",
        "Content-Length: 15\r\nContent-Length: 15",
        "Content-Length: 15\r\nContent-Length: 16",
        "Content-Length: +15",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, chunked\r\nContent-Length: 15",
        "X : space before the colon",
        "X: folded\r\n line",
        "X: nul\x00",
        "no colon",
    ],
)
async def test_a_request_that_can_be_read_in_two_ways_is_refused_and_closed(
    client: Client, peer: Wire, head: str
) -> None:
    stream = await client.start()
    line = f"POST /stream/{stream}/send HTTP/1.1\r\nHost: a\r\nx-api-key: {KEY}\r\n"

    await peer.say(f"{line}{head}\r\n\r\n".encode("latin-1") + GOOD)
    heard = await peer.hear()

    assert (heard.status, heard.code()) == (400, "invalid-parameter")
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert await peer.is_closed()
    await assert_only_good(client, stream, 0)


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"f\r\n" + GOOD + b"no end of line"])
async def test_a_body_that_breaks_off_its_own_form_is_refused_and_closed(
    client: Client, peer: Wire, chunk: bytes
) -> None:
    stream = await client.start()
    fields = {**AUTHORISED, "Transfer-Encoding": "chunked"}

    await peer.say(request("POST", f"/stream/{stream}/send", fields))
    await peer.say(chunk)
    heard = await peer.hear()

    assert (heard.status, heard.code()) == (400, "invalid-parameter")
    assert await peer.is_closed()
    await assert_only_good(client, stream, 0)


@pytest.mark.parametrize(
    "behind",
    [
        b"nonsense\r\n\r\n",
        request("POST", "/stream/a/send", AUTHORISED | {"Transfer-Encoding": "chunked"})
        + b"zz\r\n",
    ],
)
async def test_nonsense_behind_requests_is_answered_after_them(
    client: Client, peer: Wire, behind: bytes
) -> None:
    stream = await client.start()
    path = f"/stream/{stream}/send"

    await peer.say(request("POST", path, AUTHORISED, GOOD) * 3 + behind)
    heard = await peer.hear_all()

    statuses = [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", heard)]
    assert statuses == [202] * 3 + [400]
    await assert_only_good(client, stream, 3)


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"],
)
async def test_what_is_no_http_is_refused_and_closed(peer: Wire, sent: bytes) -> None:
    await peer.say(sent)
    heard = await peer.hear()

    assert (heard.status, heard.code()) == (400, "invalid-parameter")
    assert await peer.is_closed()


async def test_requests_that_are_sent_ahead_are_answered_in_their_order(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    path = f"/stream/{stream}/send"
    numbers = range(40)

    await peer.say(
        b"".join(request("POST", path, AUTHORISED, b'{"data":%d}' % n) for n in numbers)
        + request("POST", path, AUTHORISED, b"{")
        + request("GET", f"/stream/{stream}", AUTHORISED)
    )
    heard = [await peer.hear() for _ in range(len(numbers) + 2)]

    assert [answer.status for answer in heard] == [202] * len(numbers) + [400, 200]
    offsets = [answer.json()["offset"] for answer in heard[:-2]]
    assert offsets == sorted(offsets)
    reader = Reader(client, stream)
    async with asyncio.timeout(20):
        await reader.sse(most=len(numbers))
    assert [result["data"] for result in reader.results] == list(numbers)


async def test_a_socket_behind_sends_that_are_not_answered_yet_is_refused_in_its_turn(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    sends = [request("POST", f"/stream/{stream}/send", AUTHORISED, b'{"data":1}')] * 3
    opening = {
        **AUTHORISED,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    await peer.say(b"".join(sends) + request("GET", f"/stream/{stream}/results", opening))
    heard = [await peer.hear() for _ in range(4)]

    assert [answer.status for answer in heard] == [202, 202, 202, 400]
    assert heard[-1].code() == "invalid-parameter"
    assert await peer.is_closed()


async def test_a_body_in_chunks_of_one_byte_is_a_body(client: Client, peer: Wire) -> None:
    stream = await client.start()
    fields = {**AUTHORISED, "Transfer-Encoding": "chunked"}
    head = request("POST", f"/stream/{stream}/send", fields)

    for piece in (head, *(b"1\r\n%c\r\n" % byte for byte in GOOD)):
        await peer.say(piece)
        await asyncio.sleep(0)
    heard = await peer.ask(b"0\r\nTrailer: passed over\r\n\r\n")

    assert heard.status == 202
    await assert_only_good(client, stream)


async def test_who_waits_to_be_told_to_go_on_is_told_or_refused_at_once(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    fields = {**AUTHORISED, "Expect": "100-continue", "Content-Length": str(len(GOOD))}

    await peer.say(request("POST", f"/stream/{stream}/send", fields))
    assert (await peer.hear_head()).status == 100
    assert (await peer.ask(GOOD)).status == 202

    await peer.say(request("POST", f"/stream/{UNKNOWN}/send", fields))
    assert (await peer.hear()).code() == "unknown-stream"


async def test_half_a_request_stores_nothing_and_holds_up_nobody(
    client: Client, server: Process
) -> None:
    stream = await client.start()
    whole = request("POST", f"/stream/{stream}/send", AUTHORISED, b'{"data":"half"}')
    lines = {**AUTHORISED, "Content-Type": "application/x-ndjson", "Content-Length": "1000"}
    endless = request("POST", f"/stream/{stream}/send", lines) + GOOD + b"\n" + b'{"data":"half'
    for cut in (1, 10, len(whole) // 2, len(whole) - 1):
        async with wire(server.url) as peer:
            await peer.say(whole[:cut])
            assert (await client.http.get(f"/stream/{stream}")).status_code == 200
    async with wire(server.url) as peer:
        await peer.say(endless)
        # The whole line has its receipt although the body goes on.
        head = await peer.hear_head()
        receipt = json.loads(await peer.hear_chunk())
    assert head.status == 200
    assert receipt["stream_id"] == stream

    await assert_only_good(client, stream)


@pytest.mark.parametrize(
    "fields",
    [
        {f"X-{number}": "x" for number in range(80)},
        {f"X-{number}": "x" for number in range(5_000)},
        {"X-Large": "x" * 17_000},
        {"X-Large": "x" * 2_000_000},
        {"x" * 17_000: "large"},
        {"Cookie": "a=b; " * 4_000},
    ],
    ids=["80 fields", "5,000 fields", "17 KB", "2 MB", "17 KB name", "cookies"],
)
async def test_a_head_that_is_too_large_is_refused_and_closed(
    client: Client, server: Process, fields: dict[str, str]
) -> None:
    stream = await client.start()
    async with wire(server.url) as peer:
        with suppress(ConnectionError):  # It may be closed before all of it is said.
            await peer.say(request("POST", f"/stream/{stream}/send", AUTHORISED | fields, GOOD))
        heard = await peer.hear()

        assert (heard.status, heard.code()) == (431, "head-too-large")
        assert await peer.is_closed()
    await assert_only_good(client, stream, 0)


async def test_absurd_fields_that_are_not_too_large_are_passed_over_or_refused(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    absurd = [
        {"Last-Event-ID": "x" * 10_000},
        {"Prefer": "wait=" + "9" * 10_000},
        {"Prefer": "wait=, wait, =9, wait=-1"},
        {"traceparent": "00-" + "z" * 5_000},
        {"Content-Type": "application/json; charset=" + "\xff" * 500},
        {"Content-Type": "text/plain"},
        {"Accept": "\xff\xfe"},
    ]
    for fields in absurd:
        assert (await send(peer, stream, GOOD, **fields)).status == 202, fields

    await assert_only_good(client, stream, len(absurd))


async def test_who_offers_http_2_is_served_as_if_it_had_not(client: Client, peer: Wire) -> None:
    stream = await client.start()
    # What Java's own client and curl --http2 say with each first request.
    offer = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA",
    }
    for _ in range(2):
        assert (await send(peer, stream, GOOD, **offer)).status == 202
    looked = await peer.ask(request("GET", f"/stream/{stream}", AUTHORISED | offer))
    assert looked.status == 200
    await assert_only_good(client, stream, 2)
