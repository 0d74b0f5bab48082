"""What cannot be meant: each row its status and its problem, nothing stored, and no 500."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import Position, new_stream_id
from tests.functions.api import KEY, OTHER_KEY, SEAL, Api, client_of, used_up_after_one

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = {"content-type": "application/x-ndjson"}
PAGE = {"accept": "application/json"}
DEEP = b"[" * 100_000
LARGE = b"x" * (256 << 10)
HUGE = b"x" * (1 << 20)
FOREIGN = SEAL.encode(new_stream_id(), Cursor("AAAAAAAA", Position(0)))


class Row(NamedTuple):
    """One request and what it must be answered with; ``{id}`` is a stream of the caller."""

    method: str
    path: str
    status: int
    code: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's default, never changed


def sends(body: bytes, status: int, code: str, **headers: str) -> Row:
    return Row("POST", "/stream/{id}/send", status, code, body, headers)


def starts(body: bytes) -> Row:
    return Row("POST", "/stream/start", 400, "invalid-body", body)


def reads(query: str, status: int, code: str, **headers: str) -> Row:
    return Row("GET", "/stream/{id}/results" + query, status, code, headers={**PAGE, **headers})


ROWS = {
    "start: no json": starts(b"{"),
    "start: form fields": starts(b"processor=uppercase"),
    "start: an array": starts(b"[]"),
    "start: deep": starts(DEEP),
    "start: too large": starts(b'{"label":"%b"}' % LARGE),
    "start: not utf-8": starts(b'{"label":"\xff"}'),
    "start: unknown field": starts(b'{"proccessor":"identity"}'),
    "start: unknown processor": starts(b'{"processor":"lowercase"}'),
    "start: empty processor": starts(b'{"processor":""}'),
    "start: processor without name": starts(b'{"processor":{"expression":"a"}}'),
    "start: unknown parameter": starts(b'{"processor":{"name":"uppercase","x":1}}'),
    "start: missing parameter": starts(b'{"processor":{"name":"jmespath"}}'),
    "start: bad expression": starts(b'{"processor":{"name":"jmespath","expression":"a["}}'),
    "start: wrong type": starts(b'{"ttl_seconds":"60"}'),
    "send: no body": sends(b"", 400, "invalid-body"),
    "send: no json": sends(b'{"data":', 400, "invalid-body"),
    "send: form fields": sends(b"data=1", 400, "invalid-body"),
    "send: trailing garbage": sends(b'{"data":1}}', 400, "invalid-body"),
    "send: deep": sends(b'{"data":' + DEEP + b"}", 400, "invalid-body"),
    "send: deep array": sends(DEEP, 400, "invalid-body"),
    "send: nan": sends(b'{"data":NaN}', 400, "invalid-body"),
    "send: not utf-8": sends(b'{"data":"\xff"}', 400, "invalid-body"),
    "send: half a pair": sends(b'{"data":"\\ud800"}', 400, "invalid-body"),
    "send: no data": sends(b"{}", 400, "invalid-body"),
    "send: unknown field": sends(b'{"data":1,"extra":2}', 400, "invalid-body"),
    "send: data twice": sends(b'{"data":1,"data":2}', 400, "invalid-body"),
    "send: a text": sends(b'"data"', 400, "invalid-body"),
    "send: record too large": sends(b'{"data":"%b"}' % LARGE, 413, "record-too-large"),
    "send: body too large": sends(b'{"data":"%b"}' % HUGE, 413, "record-too-large"),
    "send: batch too large": sends(b'[{"data":"%b"}]' % HUGE, 413, "batch-too-large"),
    "send: batch of 1,001": sends(
        b"[" + b",".join([b'{"data":1}'] * 1_001) + b"]", 413, "batch-too-large"
    ),
    "send: empty batch": sends(b"[]", 400, "invalid-body"),
    "send: batch with nan": sends(b'[{"data":1},{"data":NaN}]', 400, "invalid-body"),
    "send: wrong key": sends(b'{"data":1}', 401, "unauthorized", **{"x-api-key": "wrong"}),
    "send: bearer": sends(
        b'{"data":1}', 401, "unauthorized", **{"x-api-key": "", "authorization": "Bearer " + KEY}
    ),
    "send: another tenant's": sends(
        b'{"data":1}', 404, "unknown-stream", **{"x-api-key": OTHER_KEY}
    ),
    "send: lines of a wrong key": sends(
        b'{"data":1}\n', 401, "unauthorized", **{**LINES, "x-api-key": "wrong"}
    ),
    "send: unknown stream": Row(
        "POST", f"/stream/{'A' * 22}/send", 404, "unknown-stream", b'{"data":1}'
    ),
    "send: no stream id": Row("POST", "/stream/%0a/send", 404, "unknown-stream", b'{"data":1}'),
    "send: a path too short": Row("POST", "/stream//send", 405, "method-not-allowed", b"x"),
    "results: cursor": reads("?cursor=x", 400, "invalid-cursor"),
    "results: no cursor": reads("?cursor=", 400, "invalid-cursor"),
    "results: long cursor": reads("?cursor=" + "A" * 5_000, 400, "invalid-cursor"),
    "results: another stream's cursor": reads(f"?cursor={FOREIGN}", 400, "invalid-cursor"),
    "results: last-event-id": reads("", 400, "invalid-cursor", **{"last-event-id": "0:7"}),
    "results: two places": reads("?from=now&tail=1", 400, "invalid-parameter"),
    "results: twice": reads("?tail=1&tail=2", 400, "invalid-parameter"),
    "results: from": reads("?from=end", 400, "invalid-parameter"),
    "results: since": reads("?since=yesterday", 400, "invalid-parameter"),
    "results: local time": reads("?since=2026-01-31T12:00:00", 400, "invalid-parameter"),
    "results: tail": reads("?tail=-1", 400, "invalid-parameter"),
    "results: until": reads("?until=later", 400, "invalid-parameter"),
    "results: limit 0": reads("?limit=0", 400, "invalid-parameter"),
    "results: limit 1,001": reads("?limit=1001", 400, "invalid-parameter"),
    "results: limit in words": reads("?limit=ten", 400, "invalid-parameter"),
    "results: other digits": reads("?limit=%D9%A3", 400, "invalid-parameter"),
    "results: wait 26": reads("?wait=26", 400, "invalid-parameter"),
    "results: accept": reads("", 406, "not-acceptable", accept="image/png"),
    "results: unknown stream": Row(
        "GET", f"/stream/{'A' * 22}/results", 404, "unknown-stream", headers=PAGE
    ),
    "streams: limit": Row("GET", "/streams?limit=1001", 400, "invalid-parameter"),
    "streams: after": Row("GET", "/streams?after=x", 400, "invalid-parameter"),
    "streams: unknown": Row("GET", f"/stream/{'A' * 22}", 404, "unknown-stream"),
    "end: a body": Row("POST", "/stream/{id}/end", 400, "invalid-body", b'{"now":true}'),
    "end: a large body": Row("POST", "/stream/{id}/end", 400, "invalid-body", LARGE),
    "end: unknown stream": Row("POST", f"/stream/{'A' * 22}/end", 404, "unknown-stream"),
    "no such route": Row("GET", "/stream/{id}/send/more", 404, "not-found"),
    "no such method": Row("DELETE", "/stream/{id}", 405, "method-not-allowed"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_bad_input_gets_its_problem_and_stores_nothing(api: Api, row: Row) -> None:
    stream_id = await api.start()
    before, ended_before = await api.stored(), await ended_at(api, stream_id)

    answer = await api.client.request(
        row.method, row.path.replace("{id}", stream_id), content=row.body, headers=row.headers
    )

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (row.status, row.code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {
        "type",
        "title",
        "status",
        "detail",
        "code",
        "retriable",
        "request_id",
    }
    assert (problem["type"], problem["status"]) == (f"/problems/{row.code}", row.status)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert ("www-authenticate" in answer.headers) == (row.status == 401)
    assert len(answer.content) < 1_000
    assert await api.stored() == before
    assert await ended_at(api, stream_id) == ended_before


async def ended_at(api: Api, stream_id: str) -> Any:
    return (await api.client.get(f"/stream/{stream_id}")).json()["ended_at"]


PLACES = [
    ("POST", "/stream/start"),
    ("POST", f"/stream/{'A' * 22}/send"),
    ("GET", f"/stream/{'A' * 22}/results"),
    ("POST", f"/stream/{'A' * 22}/end"),
    ("GET", f"/stream/{'A' * 22}"),
    ("GET", "/streams"),
]


@pytest.mark.parametrize("method, path", PLACES)
async def test_the_key_comes_before_everything_else(api: Api, method: str, path: str) -> None:
    async with client_of(api.app, key=None) as nobody:
        answer = await nobody.request(
            method, path, content=DEEP, params={"limit": "x"}, headers={"accept": "image/png"}
        )

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"]


@pytest.mark.parametrize("method, path", PLACES)
async def test_the_limit_comes_before_the_stream_and_the_body(
    api: Api, method: str, path: str
) -> None:
    async with client_of(api.application(used_up_after_one())) as client:
        await client.get("/streams")
        answer = await client.request(method, path, content=DEEP, params={"limit": "x"})

    assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"] == '"requests";q=2;w=1'
    assert answer.headers["ratelimit"].startswith('"requests";r=0;t=')


async def test_answers_within_the_limit_tell_what_is_left(api: Api) -> None:
    async with client_of(api.application(used_up_after_one())) as client:
        answer = await client.post("/stream/start")

    assert answer.headers["ratelimit"].startswith('"requests";r=0;t=')
    assert answer.headers["ratelimit-policy"] == '"requests";q=2;w=1'


async def test_the_stream_comes_before_the_body(api: Api) -> None:
    answer = await api.client.post(f"/stream/{'A' * 22}/send", content=DEEP)

    assert answer.status_code == 404


async def test_a_body_beyond_its_limit_is_not_read_to_its_end(api: Api) -> None:
    stream_id = await api.start()
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65_536
            await asyncio.sleep(0)

    async with asyncio.timeout(10):
        answer = await api.client.post(f"/stream/{stream_id}/send", content=endless())

    assert answer.status_code == 413
    assert read < 20
