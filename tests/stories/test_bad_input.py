"""Whatever a client sends: a problem that says what is wrong, nothing stored, and life goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.client import Client, frame
from tests.product import KEY, Process
from tests.stories.readers import Reader
from tests.stories.wire import Heard, Wire, request, wire

AUTHORISED = {"x-api-key": KEY}
UNKNOWN = "0123456789012345678901"
LARGEST = 256 << 10
DEEP = b"[" * 100_000 + b"]" * 100_000
GOOD = b'{"data":"good"}'
NONCE = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

# What is no record: body, status and code.
RECORDS: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "invalid-body"),
    ("not json", b"nonsense", 400, "invalid-body"),
    ("half", b'{"data":', 400, "invalid-body"),
    ("trailing", GOOD + b"x", 400, "invalid-body"),
    ("a string", b'"data"', 400, "invalid-body"),
    ("no data", b"{}", 400, "invalid-body"),
    ("unknown field", b'{"data":1,"more":2}', 400, "invalid-body"),
    ("data twice", b'{"data":1,"data":2}', 400, "invalid-body"),
    ("NaN", b'{"data":NaN}', 400, "invalid-body"),
    ("Infinity", b'{"data":[-Infinity]}', 400, "invalid-body"),
    ("lone surrogate", b'{"data":"\\ud800"}', 400, "invalid-body"),
    ("bad UTF-8", b'{"data":"\xff\xfe"}', 400, "invalid-body"),
    ("overlong UTF-8", b'{"data":"\xc0\xaf"}', 400, "invalid-body"),
    ("control in a string", b'{"data":"\x00"}', 400, "invalid-body"),
    ("one level too deep", b'{"data":' + b"[" * 101 + b"]" * 101 + b"}", 400, "invalid-body"),
    ("100,000 brackets", b'{"data":' + DEEP + b"}", 400, "invalid-body"),
    ("100,000 brackets alone", DEEP, 400, "invalid-body"),
    ("100,000 braces", b'{"a":' * 100_000, 400, "invalid-body"),
    ("one byte too large", b'{"data":"%b"}' % (b"x" * (LARGEST - 1)), 413, "record-too-large"),
    ("2 MB", b'{"data":"%b"}' % (b"x" * (2 << 20)), 413, "record-too-large"),
    ("empty batch", b"[]", 400, "invalid-body"),
    ("1,001 records", b"[" + b",".join([GOOD] * 1_001) + b"]", 413, "batch-too-large"),
    ("2 MB of records", b"[" + b",".join([GOOD] * 140_000) + b"]", 413, "batch-too-large"),
]

STARTS: list[tuple[str, bytes]] = [
    ("not json", b"nonsense"),
    ("a list", b"[]"),
    ("unknown field", b'{"colour":"red"}'),
    ("a number as label", b'{"label":5}'),
    ("a label that is too long", b'{"label":"%b"}' % (b"x" * 201)),
    ("a bool as ttl", b'{"ttl_seconds":true}'),
    ("a ttl of 0", b'{"ttl_seconds":0}'),
    ("a text as ttl", b'{"ttl_seconds":"60"}'),
    ("unknown processor", b'{"processor":"nonsense"}'),
    ("unknown parameter", b'{"processor":{"name":"uppercase","speed":9}}'),
    ("no name", b'{"processor":{"expression":"a"}}'),
    ("a bad expression", b'{"processor":{"name":"jmespath","expression":"a[["}}'),
    ("deep", b'{"processor":' + DEEP + b"}"),
    ("a member twice", b'{"label":"a","label":"b"}'),
    ("NaN", b'{"ttl_seconds":NaN}'),
    ("20 KiB", b'{"label":"%b"}' % (b"x" * 20_480)),
]

QUERIES = [
    ("cursor=nonsense", "invalid-cursor"),
    ("cursor=", "invalid-cursor"),
    ("cursor=" + "A" * 64, "invalid-cursor"),
    ("cursor=" + "A" * 4_096, "invalid-cursor"),
    ("cursor=%C3%BC%00%0A", "invalid-cursor"),
    ("from=yesterday", "invalid-parameter"),
    ("from=start&tail=1", "invalid-parameter"),
    ("from=now&from=start", "invalid-parameter"),
    ("since=2026-01-01T00:00:00", "invalid-parameter"),
    ("since=now", "invalid-parameter"),
    ("tail=0", "invalid-parameter"),
    ("tail=%D9%A1", "invalid-parameter"),
    ("until=later", "invalid-parameter"),
    ("limit=0", "invalid-parameter"),
    ("limit=-1", "invalid-parameter"),
    ("limit=" + "9" * 5_000, "invalid-parameter"),
]


@pytest.fixture
async def peer(server: Process) -> AsyncIterator[Wire]:
    async with wire(server.url) as opened:
        yield opened


async def send(peer: Wire, stream: str, body: bytes, **headers: str) -> Heard:
    fields = {**AUTHORISED, **headers}
    return await peer.ask(request("POST", f"/stream/{stream}/send", fields, body))


async def assert_only_good(client: Client, stream: str, count: int = 1) -> None:
    """Nothing that was refused has a result, now or later: what comes next follows the good."""
    await client.send(stream, "last")
    reader = Reader(client, stream)
    async with asyncio.timeout(20):
        while not reader.results or reader.results[-1]["data"] != "last":
            await reader.page()
    assert [result["data"] for result in reader.results] == ["good"] * count + ["last"]
    offsets = [int(result["source"].partition("-")[2]) for result in reader.results]
    assert offsets == list(range(offsets[0], offsets[0] + count + 1))


async def test_a_bad_record_is_refused_and_the_good_ones_around_it_are_stored(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    for name, body, status, code in RECORDS:
        assert (await send(peer, stream, GOOD)).status == 202
        heard = await send(peer, stream, body)

        assert (heard.status, heard.code()) == (status, code), name
        assert heard.headers["cache-control"] == "no-store", name

    await assert_only_good(client, stream, len(RECORDS))


async def test_what_is_just_allowed_is_allowed(client: Client, peer: Wire) -> None:
    stream = await client.start()
    for body in (
        b'{"data":"%b"}' % (b"x" * (LARGEST - 2)),
        b'{"data":' + b"[" * 100 + b"]" * 100 + b"}",
        b" \n" * 1_000 + GOOD,
        b'{"data":"\\ud83d\\ude00"}',
        b'{"data":null}',
    ):
        assert (await send(peer, stream, body)).status == 202
    batch = b"[" + b",".join([b'{"data":1}'] * 1_000) + b"]"
    heard = await send(peer, stream, batch)
    assert (heard.status, heard.json()["accepted"]) == (207, 1_000)


async def test_a_bad_line_or_member_is_refused_by_itself(client: Client, peer: Wire) -> None:
    stream = await client.start()
    bad = [body for _, body, status, _ in RECORDS if body and b"\n" not in body and status == 400]
    lines = b"\n".join(part for body in bad for part in (GOOD, body))

    heard = await send(peer, stream, lines, **{"Content-Type": "application/x-ndjson"})

    answers = [json.loads(line) for line in heard.body.splitlines()]
    assert heard.status == 200
    assert ["record_id" in answer for answer in answers] == [True, False] * len(bad)
    # A line has no end of its own: what is far too long to be a record is not even looked at.
    assert {answer["code"] for answer in answers[1::2]} == {"invalid-body", "record-too-large"}
    members = b"[" + GOOD + b',5,{"more":1},' + GOOD + b"]"
    batch = (await send(peer, stream, members)).json()
    assert (batch["accepted"], batch["failed"]) == (2, 2)
    await assert_only_good(client, stream, len(bad) + 2)


async def test_a_bad_start_starts_nothing(client: Client, peer: Wire) -> None:
    before = await count_streams(client)
    for name, body in STARTS:
        heard = await peer.ask(request("POST", "/stream/start", AUTHORISED, body))

        assert (heard.status, heard.code()) == (400, "invalid-body"), name
    assert await count_streams(client) == before


async def count_streams(client: Client) -> int:
    count, after = 0, None
    while True:
        query = {"limit": 1_000} | ({"after": after} if after else {})
        page = (await client.http.get("/streams", params=query)).json()
        count, after = count + len(page["streams"]), page["after"]
        if after is None:
            return count


async def test_a_bad_position_is_refused_on_every_form(client: Client, peer: Wire) -> None:
    stream = await client.start()
    for query, code in QUERIES:
        path = f"/stream/{stream}/results?{query}"
        for accept in ("text/event-stream", "application/json", "application/x-ndjson"):
            heard = await peer.ask(request("GET", path, {**AUTHORISED, "Accept": accept}))

            assert (heard.status, heard.code()) == (400, code), (query[:40], accept)
        async with asyncio.timeout(10), client.socket(stream, f"?{query}") as socket:
            told = await frame(socket)
            await socket.wait_closed()
        assert (told["type"], told["problem"]["code"]) == ("error", code), query[:40]
        assert socket.close_code == 4400
    header = {**AUTHORISED, "Last-Event-ID": "nonsense"}
    heard = await peer.ask(request("GET", f"/stream/{stream}/results", header))
    assert (heard.status, heard.code()) == (400, "invalid-cursor")


async def test_a_cursor_is_worth_nothing_changed_or_on_another_stream(
    client: Client, peer: Wire
) -> None:
    stream, other = await client.start(), await client.start()
    cursor = (await client.page(stream))["cursor"]
    changed = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        for place in range(len(cursor))
    ]

    for target, text in [(other, cursor), *((stream, text) for text in changed)]:
        path = f"/stream/{target}/results?cursor={text}"
        heard = await peer.ask(request("GET", path, {**AUTHORISED, "Accept": "application/json"}))
        assert (heard.status, heard.code()) == (400, "invalid-cursor"), text


async def test_what_is_not_there_is_told_from_what_is_not_possible(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    for method, path, status, code in (
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/../../etc/passwd", 404, "not-found"),
        ("GET", f"/stream/{UNKNOWN}", 404, "unknown-stream"),
        ("POST", f"/stream/{UNKNOWN}/send", 404, "unknown-stream"),
        ("GET", f"/stream/{UNKNOWN}/results", 404, "unknown-stream"),
        ("POST", f"/stream/{UNKNOWN}/end", 404, "unknown-stream"),
        ("GET", "/stream/%ff%fe%00", 404, "unknown-stream"),
        ("GET", f"/stream/{'x' * 5_000}", 404, "unknown-stream"),
        ("GET", f"/stream/{stream}/send", 405, "method-not-allowed"),
        ("DELETE", f"/stream/{stream}", 405, "method-not-allowed"),
        ("PUT", f"/stream/{stream}/results", 405, "method-not-allowed"),
        ("OPTIONS", f"/stream/{stream}/send", 405, "method-not-allowed"),
        ("TRACE", "/streams", 405, "method-not-allowed"),
        ("PROPFIND", "/streams", 405, "method-not-allowed"),
        ("GET", "/streams?limit=0", 400, "invalid-parameter"),
        ("GET", "/streams?after=nonsense", 400, "invalid-parameter"),
        ("GET", f"/stream/{stream}/results?wait=26", 400, "invalid-parameter"),
    ):
        body = b"" if method == "POST" else None
        fields = {**AUTHORISED, "Accept": "application/json"}
        heard = await peer.ask(request(method, path, fields, body))

        assert (heard.status, heard.code()) == (status, code), (method, path[:60])
        assert ("allow" in heard.headers) == (status == 405)
    allowed = await peer.ask(request("DELETE", f"/stream/{stream}", AUTHORISED))
    assert allowed.headers["allow"] == "GET, HEAD"


async def test_nothing_acceptable_is_told_and_nonsense_in_accept_is_passed_over(
    client: Client, peer: Wire
) -> None:
    stream = await client.start()
    path = f"/stream/{stream}/results?limit=1"
    for accept in ("image/png", "text/html", "text/event-stream;q=0", "*/*;q=0", "a" * 8_000, ";;"):
        heard = await peer.ask(request("GET", path, {**AUTHORISED, "Accept": accept}))
        assert (heard.status, heard.code()) == (406, "not-acceptable"), accept[:40]
    nonsense = {**AUTHORISED, "Accept": "/,;q=,text/*;q=abc,application/json;q=0.5"}
    heard = await peer.ask(request("GET", path, nonsense))
    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")


async def test_no_key_and_a_wrong_key_open_nothing(client: Client, peer: Wire) -> None:
    stream = await client.start()
    routes = [
        ("POST", "/stream/start"),
        ("POST", f"/stream/{stream}/send"),
        ("POST", f"/stream/{stream}/end"),
        ("GET", f"/stream/{stream}/results"),
        ("GET", f"/stream/{stream}"),
        ("GET", f"/stream/{UNKNOWN}"),
        ("GET", "/streams"),
    ]
    keys = [{}, {"x-api-key": ""}, {"x-api-key": KEY + "x"}, {"x-api-key": KEY[:-1]}]
    keys += [{"x-api-key": KEY.upper()}, {"x-api-key": "\xff" * 2_000}]
    keys += [{"Authorization": f"Bearer {KEY}"}, {"x-api-key ".strip(): f"{KEY}, {KEY}"}]
    for method, path in routes:
        for fields in keys:
            body = GOOD if method == "POST" else None
            heard = await peer.ask(request(method, path, fields, body))

            assert (heard.status, heard.code()) == (401, "unauthorized"), (path, fields)
            assert "www-authenticate" in heard.headers
    assert (await client.http.get(f"/stream/{stream}")).json()["ended_at"] is None


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


async def test_nonsense_behind_requests_is_answered_after_them(client: Client, peer: Wire) -> None:
    stream = await client.start()
    path = f"/stream/{stream}/send"

    await peer.say(request("POST", path, AUTHORISED, GOOD) * 3 + b"nonsense\r\n\r\n")
    heard = await peer.hear_all()

    # Whether or not the last word is said: what was stored is never answered as refused.
    statuses = [int(line.split()[1]) for line in heard.splitlines() if line.startswith(b"HTTP/")]
    assert statuses in ([], [202] * 3, [202] * 3 + [400])
    assert (await client.http.get(f"/stream/{stream}")).status_code == 200


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
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


@pytest.mark.parametrize(
    "text, code",
    [
        ("{", "invalid-body"),
        ("", "invalid-body"),
        ("[]", "invalid-body"),
        ('{"type":"sing"}', "invalid-body"),
        ('{"data":1}', "invalid-body"),
        (b"\x00binary", "invalid-body"),
    ],
)
async def test_a_frame_that_is_none_closes_the_socket_with_the_reason(
    client: Client, text: str | bytes, code: str
) -> None:
    stream = await client.start()
    async with asyncio.timeout(10), client.socket(stream) as socket:
        await frame(socket)
        await socket.send(text)
        told = await frame(socket)
        await socket.wait_closed()

    assert (told["type"], told["problem"]["code"]) == ("error", code)
    assert socket.close_code == 4400


async def test_bad_data_in_a_frame_is_refused_and_the_socket_goes_on(client: Client) -> None:
    stream = await client.start()
    bad = [
        ('"more":1,"data":1', "invalid-body"),
        ('"no":"data"', "invalid-body"),
        ('"data":NaN', "invalid-body"),
        ('"data":"\\ud800"', "invalid-body"),
        ('"data":' + "[" * 101 + "]" * 101, "invalid-body"),
        ('"data":"' + "x" * (LARGEST - 1) + '"', "record-too-large"),
    ]
    async with asyncio.timeout(20), client.socket(stream) as socket:
        await frame(socket)
        for ref, (members, code) in enumerate(bad):
            await socket.send(f'{{"type":"send","ref":{ref},{members}}}')
            told = await frame(socket)
            assert (told["type"], told["ref"]) == ("error", ref)
            assert told["problem"]["code"] == code
        await socket.send('{"type":"send","data":"good"}')
        assert (await frame(socket))["type"] in ("receipt", "result")

    await assert_only_good(client, stream)


async def test_a_frame_is_answered_in_json_whatever_its_ref_is(client: Client) -> None:
    stream = await client.start()
    for ref in ("NaN", "1e400", '"\\ud800"', "[" * 99 + "]" * 99, "{}", '"' + "r" * 10_000 + '"'):
        async with asyncio.timeout(10), client.socket(stream, "?from=now") as socket:
            await frame(socket)
            await socket.send(f'{{"type":"send","no":"data","ref":{ref}}}')
            text = str(await socket.recv())

        told = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in {text[:80]}"))
        assert (told["type"], told["problem"]["code"]) == ("error", "invalid-body")


@pytest.mark.parametrize(
    "head",
    [
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short",
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Version: 13\r\n{NONCE}\r\n{NONCE}",
        f"Sec-WebSocket-Version: 13\r\n{NONCE}\r\nContent-Length: 5",
        f"Sec-WebSocket-Version: 13\r\n{NONCE}\r\nCookie: {'x' * 9_000}",
    ],
    ids=["no key", "short key", "old version", "two keys", "body", "9 KB field"],
)
async def test_a_handshake_that_is_none_is_refused_and_closed(
    client: Client, peer: Wire, head: str
) -> None:
    stream = await client.start()
    line = f"GET /stream/{stream}/results HTTP/1.1\r\nHost: a\r\nx-api-key: {KEY}\r\n"

    await peer.say(f"{line}Connection: Upgrade\r\nUpgrade: websocket\r\n{head}\r\n\r\n".encode())
    heard = await peer.hear()

    assert (heard.status, heard.code()) == (400, "invalid-parameter")
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert await peer.is_closed()


@pytest.mark.xfail(strict=True, reason="the body of a request that offers h2c is lost")
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


@pytest.mark.xfail(strict=True, reason="the last of two members counts, the first is dropped")
async def test_a_frame_that_gives_its_data_twice_is_refused(client: Client) -> None:
    stream = await client.start()
    async with asyncio.timeout(10), client.socket(stream) as socket:
        await frame(socket)
        await socket.send('{"type":"send","data":1,"data":2,"ref":"twice"}')
        told = await frame(socket)

    assert (told["type"], told["ref"]) == ("error", "twice")
