"""Requests that no client library makes: limits of a head, a body, and what is read in two ways."""

from __future__ import annotations

import asyncio
import json
import time

from ..case import each, waits
from ..client.answer import Answer
from ..client.api import NDJSON, UNKNOWN, Api
from ..client.stream import Stream
from ..client.wire import Wire, request

GOOD = b'{"data":"good"}'


async def _send(stream: Stream, wire: Wire, **headers: str) -> Answer:
    fields = {**stream.api.credential, **headers}
    return await wire.ask(request("POST", f"{stream.path}/send", fields, GOOD))


async def _nothing_was_stored(stream: Stream) -> None:
    await stream.send("last")
    assert [result["data"] for result in await stream.results(1)] == ["last"]


@each(
    {
        "length and encoding": "Content-Length: 15\r\nTransfer-Encoding: chunked",
        "encoding and length": "Transfer-Encoding: chunked\r\nContent-Length: 15",
        "the same length twice": "Content-Length: 15\r\nContent-Length: 15",
        "two lengths": "Content-Length: 15\r\nContent-Length: 16",
        "two lengths in one": "Content-Length: 15, 16",
        "the length as a list": "Content-Length: 15, 15",
        "a plus": "Content-Length: +15",
        "a negative length": "Content-Length: -1",
        "a length in hexadecimal": "Content-Length: 0xf",
        "a length without end": "Content-Length: 99999999999999999999",
        "a length with a space within": "Content-Length: 1 5",
        "an empty length": "Content-Length:",
        "an encoding nobody knows": "Transfer-Encoding: xchunked",
        "chunked not last": "Transfer-Encoding: chunked, gzip",
        "chunked twice and a length": "Transfer-Encoding: chunked, chunked\r\nContent-Length: 15",
        "a space before the colon": "Content-Length : 15",
        "an encoding with a space": "Transfer-Encoding : chunked\r\nContent-Length: 15",
        "a folded field": "X: folded\r\n line\r\nContent-Length: 15",
        "a NUL in a field": "X: nul\x00\r\nContent-Length: 15",
        "a line without a colon": "no colon\r\nContent-Length: 15",
        "a bare CR": "X: a\rContent-Length: 15\r\nContent-Length: 15",
    }
)
async def a_request_that_can_be_read_in_two_ways_is_refused_and_closed(api: Api, head: str) -> None:
    """A request that two parsers could read differently is 400 and closed."""
    stream = await api.start()
    line = f"POST {stream.path}/send HTTP/1.1\r\nHost: a\r\nx-api-key: {api.key}\r\n"
    async with api.wire() as wire:
        await wire.say(f"{line}{head}\r\n\r\n".encode("latin-1") + GOOD)
        answer = await wire.hear()

        assert answer.status == 400
        assert answer.media_type == "application/problem+json"
        assert await wire.is_closed()
    await _nothing_was_stored(stream)


@each(
    {
        "no size": b"zz\r\n",
        "a negative size": b"-1\r\n",
        "no end of a chunk": b"f\r\n" + GOOD + b"no end of line",
        "a size without end": b"f" * 40 + b"\r\n",
    }
)
async def a_body_that_breaks_its_own_form_is_refused_and_closed(api: Api, chunk: bytes) -> None:
    stream = await api.start()
    fields = {**api.credential, "Transfer-Encoding": "chunked"}
    async with api.wire() as wire:
        await wire.say(request("POST", f"{stream.path}/send", fields) + chunk)
        answer = await wire.hear()

        assert answer.status == 400
        assert await wire.is_closed()
    await _nothing_was_stored(stream)


@each(
    {
        "words": b"nonsense\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        "HTTP 9.9": b"GET / HTTP/9.9\r\n\r\n",
        "no version": b"GET /\r\n\r\n",
        "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "a proxy's request": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    }
)
async def what_is_no_request_is_refused_and_closed(api: Api, sent: bytes) -> None:
    async with api.wire() as wire:
        await wire.say(sent)
        answer = await wire.hear()

        assert answer.status in (400, 404, 405, 505)
        assert answer.media_type == "application/problem+json"


@each(
    {
        "80 fields": {f"X-{number}": "x" for number in range(80)},
        "5,000 fields": {f"X-{number}": "x" for number in range(5_000)},
        "17 KB in a field": {"X-Large": "x" * 17_000},
        "2 MB in a field": {"X-Large": "x" * 2_000_000},
        "17 KB in a name": {"x" * 17_000: "large"},
        "17 KB in many fields": {f"X-{number}": "x" * 850 for number in range(20)},
    }
)
async def a_head_over_16_kib_or_64_fields_is_431_and_closed(
    api: Api, fields: dict[str, str]
) -> None:
    """head-too-large (16 KiB, 64 fields); the connection is closed"""
    stream = await api.start()
    async with api.wire() as wire:
        await wire.say(request("POST", f"{stream.path}/send", {**api.credential, **fields}, GOOD))
        answer = await wire.hear()

        answer.refused("head-too-large")
        assert await wire.is_closed()
    await _nothing_was_stored(stream)


async def a_long_path_is_431_or_a_problem_of_its_own(api: Api) -> None:
    async with api.wire() as wire:
        answer = await wire.ask(request("GET", "/" + "x" * 20_000, api.credential))

    assert answer.status in (404, 431)
    assert answer.media_type == "application/problem+json"


async def a_head_within_its_limits_is_read(api: Api) -> None:
    stream = await api.shared()
    many = {f"X-{number}": "x" for number in range(60)}
    async with api.wire() as wire:
        assert (await _send(stream, wire, **many)).status == 202
        assert (await _send(stream, wire, **{"X-Large": "x" * 15_000})).status == 202


async def the_65th_field_is_one_too_many(api: Api) -> None:
    """64 fields"""
    stream = await api.shared()
    # Host, x-api-key and Content-Length are three of them.
    async with api.wire() as wire:
        answer = await _send(stream, wire, **{f"X-{number}": "x" for number in range(61)})
        assert answer.status == 202
    async with api.wire() as wire:
        answer = await _send(stream, wire, **{f"X-{number}": "x" for number in range(62)})
        answer.refused("head-too-large")


@waits
async def half_a_head_is_408_after_10_s(api: Api) -> None:
    """request-timeout (head within 10 s); the connection is closed"""
    async with api.wire() as wire:
        begun = time.monotonic()
        await wire.say(b"GET /streams HTTP/1.1\r\nHost: a\r\n")
        answer = await wire.hear()

        answer.refused("request-timeout")
        assert 9 < time.monotonic() - begun < 20
        assert await wire.is_closed()


@waits
async def a_head_that_drips_is_408_after_10_s(api: Api) -> None:
    async with api.wire() as wire:
        begun = time.monotonic()
        hearing = asyncio.ensure_future(wire.hear())
        for byte in b"GET /streams HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaaaa":
            await wire.say(bytes([byte]))
            if (await asyncio.wait([hearing], timeout=0.4))[0]:
                break

        (await hearing).refused("request-timeout")
        assert 9 < time.monotonic() - begun < 20


@waits
async def half_a_body_is_408_after_15_s(api: Api) -> None:
    """body within 15 s or at 1 KiB/s; the connection is closed"""
    stream = await api.start()
    async with api.wire() as wire:
        begun = time.monotonic()
        fields = {**api.credential, "Content-Length": "100"}
        await wire.say(request("POST", f"{stream.path}/send", fields) + GOOD)
        answer = await wire.hear()

        answer.refused("request-timeout")
        assert 14 < time.monotonic() - begun < 25
        assert await wire.is_closed()
    await _nothing_was_stored(stream)


@waits
async def a_body_at_more_than_1_kib_a_second_may_take_longer(api: Api) -> None:
    stream = await api.start()
    body = b'{"data":"%b"}' % (b"x" * 200_000)
    fields = {**api.credential, "Content-Length": str(len(body))}
    async with api.wire() as wire:
        await wire.say(request("POST", f"{stream.path}/send", fields))
        pieces = 18
        for number in range(pieces):
            await wire.say(body[number * len(body) // pieces : (number + 1) * len(body) // pieces])
            await asyncio.sleep(1)

        assert (await wire.hear()).status == 202


async def requests_sent_ahead_are_answered_in_their_order(api: Api) -> None:
    stream = await api.start()
    path = f"{stream.path}/send"
    async with api.wire() as wire:
        await wire.say(
            b"".join(request("POST", path, api.credential, b'{"data":%d}' % n) for n in range(30))
            + request("POST", path, api.credential, b"{")
            + request("GET", stream.path, api.credential)
        )
        answers = [await wire.hear() for _ in range(32)]

    assert [answer.status for answer in answers] == [202] * 30 + [400, 200]
    assert [result["data"] for result in await stream.results(30)] == list(range(30))


async def a_body_in_chunks_of_one_byte_is_a_body(api: Api) -> None:
    stream = await api.start()
    fields = {**api.credential, "Transfer-Encoding": "chunked"}
    async with api.wire() as wire:
        await wire.say(request("POST", f"{stream.path}/send", fields))
        for byte in GOOD:
            await wire.say(b"1\r\n%c\r\n" % byte)
        answer = await wire.ask(b"0\r\nTrailer: passed over\r\n\r\n")

    assert answer.status == 202
    assert [result["data"] for result in await stream.results(1)] == ["good"]


async def who_expects_100_continue_is_told_to_go_on(api: Api) -> None:
    stream = await api.shared()
    fields = {**api.credential, "Expect": "100-continue", "Content-Length": str(len(GOOD))}
    async with api.wire() as wire:
        await wire.say(request("POST", f"{stream.path}/send", fields))
        assert (await wire.hear_head()).status == 100
        assert (await wire.ask(GOOD)).status == 202


async def who_expects_100_continue_is_refused_at_once(api: Api) -> None:
    fields = {**api.credential, "Expect": "100-continue", "Content-Length": str(len(GOOD))}
    async with api.wire() as wire:
        await wire.say(request("POST", f"/stream/{UNKNOWN}/send", fields))
        (await wire.hear()).refused("unknown-stream")


async def who_offers_http_2_is_served_over_http_1(api: Api) -> None:
    stream = await api.shared()
    offer = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA",
    }
    async with api.wire() as wire:
        for _ in range(2):
            assert (await _send(stream, wire, **offer)).status == 202


async def a_connection_goes_on_behind_a_refusal(api: Api) -> None:
    stream = await api.shared()
    async with api.wire() as wire:
        for _ in range(3):
            bad = request("POST", f"{stream.path}/send", api.credential, b"{")
            (await wire.ask(bad)).refused("invalid-body")
            assert (await _send(stream, wire)).status == 202


async def a_record_is_stored_whole_or_not_at_all(api: Api) -> None:
    stream = await api.start()
    whole = request("POST", f"{stream.path}/send", api.credential, GOOD)
    for cut in (1, 10, len(whole) // 2, len(whole) - 1):
        async with api.wire() as wire:
            await wire.say(whole[:cut])

    await _nothing_was_stored(stream)


async def lines_of_half_a_request_are_stored_where_they_are_whole(api: Api) -> None:
    stream = await api.start()
    fields = {**api.credential, "Content-Type": NDJSON, "Content-Length": "1000"}
    async with api.wire() as wire:
        half = GOOD + b'\n{"data":"half'
        await wire.say(request("POST", f"{stream.path}/send", fields) + half)
        assert (await wire.hear_head()).status == 200
        receipt = json.loads(await wire.hear_chunk())

    assert receipt["stream_id"] == stream.id
    await stream.send("last")
    assert [result["data"] for result in await stream.results(2)] == ["good", "last"]


@each(
    {
        "no key": "Sec-WebSocket-Version: 13",
        "a short key": "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short",
        "an old version": "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    }
)
async def a_handshake_that_is_none_is_a_problem(api: Api, head: str) -> None:
    api.target.has("websocket")
    stream = await api.shared()
    line = f"GET {stream.results_path} HTTP/1.1\r\nHost: a\r\nx-api-key: {api.key}\r\n"
    async with api.wire() as wire:
        await wire.say(
            f"{line}Connection: Upgrade\r\nUpgrade: websocket\r\n{head}\r\n\r\n".encode()
        )
        answer = await wire.hear()

    assert answer.status in (400, 426)
    assert answer.media_type == "application/problem+json"


@each(
    {
        "a long last id": {"Last-Event-ID": "x" * 10_000},
        "a long preference": {"Prefer": "wait=" + "9" * 10_000},
        "bytes in a type": {"Content-Type": "application/json; charset=" + "\xff" * 500},
        "bytes in accept": {"Accept": "\xff\xfe"},
        "cookies": {"Cookie": "a=b; " * 1_000},
        "a lying proxy": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"},
        "a range": {"Range": "bytes=0-1"},
        "a condition": {"If-None-Match": "*", "If-Match": '"x"'},
        "another method": {"X-HTTP-Method-Override": "DELETE"},
    }
)
async def absurd_fields_do_not_matter_to_a_send(api: Api, fields: dict[str, str]) -> None:
    stream = await api.shared()
    async with api.wire() as wire:
        assert (await _send(stream, wire, **fields)).status in (200, 202)
