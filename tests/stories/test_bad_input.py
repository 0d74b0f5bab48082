"""Whatever a client sends: a problem that says what is wrong, nothing stored, and life goes on."""

from __future__ import annotations

import asyncio
import json

from tests.client import Client, frame
from tests.product import KEY
from tests.stories.refused import AUTHORISED, GOOD, LARGEST, UNKNOWN, assert_only_good, send
from tests.stories.wire import Wire, request

DEEP = b"[" * 100_000 + b"]" * 100_000

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
