"""POST /stream/{id}/send with an Idempotency-Key: one record, one receipt, one result."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown
from streaming_runtime.core.model import Receipt, Record
from streaming_runtime.http.application import create_app
from streaming_runtime.kafka.idempotency_parts import idempotency_over
from streaming_runtime.kafka.sink import KafkaSink
from tests.functions.api import ROUTERS, Api, client_of, no_limits, services
from tests.functions.test_send import stored_record

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODY = b'{"data": {"n": 1}}'


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def other(api: Api) -> httpx.AsyncClient:
    """A client of another replica: its own claims, the same Kafka."""
    parts = services(
        api.kafka, idempotency_over(api.kafka, now_ms), api.log, no_limits(), is_streaming=True
    )
    return client_of(create_app(ROUTERS, parts, api.figures))


async def send(
    client: httpx.AsyncClient, stream_id: str, key: str, body: bytes = BODY, **headers: str
) -> httpx.Response:
    return await client.post(
        f"/stream/{stream_id}/send",
        content=body,
        headers={"idempotency-key": key, **headers},
    )


async def records_of(api: Api, stream_id: str) -> int:
    """Return how many records of a stream stand in the input topic."""
    await api.client.post(f"/stream/{stream_id}/end")
    page: dict[str, Any] = {"results": [], "cursor": None}
    results: list[Any] = []
    query: dict[str, Any] = {"wait": 10}
    while not any(result["kind"] == "end" for result in results):
        page = await api.page(stream_id, **query)
        results += page["results"]
        query["cursor"] = page["cursor"]
    return len(results) - 1


async def test_a_repeat_gets_the_first_receipt_and_stores_nothing(api: Api) -> None:
    stream_id = await api.start()

    first = await send(api.client, stream_id, "k")
    second = await send(api.client, stream_id, "k")

    assert (first.status_code, second.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()
    assert dict((await stored_record(api, first.json())).headers)["idempotency-key"] == b"k"
    assert await records_of(api, stream_id) == 1


async def test_a_repeat_on_another_replica_gets_the_first_receipt(
    api: Api, other: httpx.AsyncClient
) -> None:
    stream_id = await api.start()

    first = await send(api.client, stream_id, "k")
    second = await send(other, stream_id, "k")
    third = await send(other, stream_id, "k")

    assert second.json() == third.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert await records_of(api, stream_id) == 1


async def test_a_key_counts_for_its_stream_only(api: Api) -> None:
    streams = [await api.start(), await api.start()]

    answers = [await send(api.client, stream_id, "k") for stream_id in streams]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert not any("idempotent-replayed" in answer.headers for answer in answers)


async def test_another_body_is_refused_on_every_replica(api: Api, other: httpx.AsyncClient) -> None:
    stream_id = await api.start()
    await send(api.client, stream_id, "k")

    refused = [
        await send(client, stream_id, "k", body)
        for client in (api.client, other)
        for body in (BODY.replace(b" ", b""), b"[%b]" % BODY, b'{"data":2}')
    ]

    assert {(r.status_code, r.json()["code"]) for r in refused} == {(422, "idempotency-mismatch")}
    assert await records_of(api, stream_id) == 1


async def test_of_equal_requests_at_once_one_is_stored(api: Api, other: httpx.AsyncClient) -> None:
    stream_id = await api.start()
    clients = [api.client, other] * 25

    answers = await asyncio.gather(*(send(client, stream_id, "k") for client in clients))

    stored = [a for a in answers if a.status_code == 202]
    busy = [a for a in answers if a.status_code == 409]
    assert len(stored) + len(busy) == 50
    assert len({a.text for a in stored}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in stored) == 1
    assert {a.json()["code"] for a in busy} <= {"idempotency-in-progress"}
    assert {a.headers["retry-after"] for a in busy} <= {"1"}
    assert await records_of(api, stream_id) == 1


async def test_a_request_while_the_first_runs_is_told_to_wait(
    api: Api, other: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()
    is_running, may_go_on = asyncio.Event(), asyncio.Event()
    append = KafkaSink.append

    async def slow(sink: KafkaSink, record: Record) -> Receipt:
        is_running.set()
        await may_go_on.wait()
        return await append(sink, record)

    monkeypatch.setattr(KafkaSink, "append", slow)
    first = asyncio.ensure_future(send(api.client, stream_id, "k"))
    await is_running.wait()
    meanwhile = [await send(client, stream_id, "k") for client in (api.client, other)]
    mismatched = await send(other, stream_id, "k", b'{"data":2}')
    may_go_on.set()
    receipt = await first

    assert [answer.status_code for answer in meanwhile] == [409, 409]
    assert mismatched.status_code == 422
    assert receipt.status_code == 202


async def test_an_array_is_replayed_as_a_whole(api: Api, other: httpx.AsyncClient) -> None:
    stream_id = await api.start()
    body = b'[{"data":1},{"wrong":2},{"data":3}]'

    first = await send(api.client, stream_id, "k", body)
    again = [await send(client, stream_id, "k", body) for client in (api.client, other)]

    assert first.json()["accepted"] == 2
    for answer in again:
        assert answer.status_code == 207
        assert answer.headers["idempotent-replayed"] == "true"
        assert _plain(answer.json()) == _plain(first.json())
    record = await stored_record(api, first.json()["records"][2])
    assert dict(record.headers)["idempotency-key"] == b"k\n2"
    assert await records_of(api, stream_id) == 2


def _plain(outcome: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(r.get("record_id"), r.get("code")) for r in outcome["records"]]


@pytest.mark.parametrize("failure", [BrokerUnavailable, OutcomeUnknown])
async def test_what_was_not_stored_leaves_the_key_to_the_next_request(
    api: Api,
    other: httpx.AsyncClient,
    failure: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream_id = await api.start()
    append = KafkaSink.append
    failures = [failure()]

    async def fails_first(sink: KafkaSink, record: Record) -> Receipt:
        if failures:
            raise failures.pop()
        return await append(sink, record)

    monkeypatch.setattr(KafkaSink, "append", fails_first)
    refused = await send(api.client, stream_id, "k")
    receipt = await send(api.client, stream_id, "k")
    replayed = await send(other, stream_id, "k")

    assert refused.status_code == 503
    assert (receipt.status_code, "idempotent-replayed" in receipt.headers) == (202, False)
    assert replayed.json() == receipt.json()


async def test_after_a_503_that_stored_nothing_another_body_may_have_the_key(
    api: Api, other: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()

    async def fails(sink: KafkaSink, record: Record) -> Receipt:
        raise BrokerUnavailable

    monkeypatch.setattr(KafkaSink, "append", fails)
    refused = await send(api.client, stream_id, "k")
    monkeypatch.undo()
    receipt = await send(api.client, stream_id, "k", b'{"data":2}')
    late = await send(other, stream_id, "k")

    assert (refused.status_code, receipt.status_code, late.status_code) == (503, 202, 422)


async def test_a_record_that_landed_although_nobody_said_so_is_the_first_one(
    api: Api, other: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()
    append = KafkaSink.append
    landed: list[Receipt] = []

    async def loses_the_answer(sink: KafkaSink, record: Record) -> Receipt:
        landed.append(await append(sink, record))
        raise OutcomeUnknown

    monkeypatch.setattr(KafkaSink, "append", loses_the_answer)
    unknown = await send(api.client, stream_id, "k")
    monkeypatch.undo()
    answers = [await send(client, stream_id, "k") for client in (other, api.client)]

    assert (unknown.status_code, unknown.json()["code"]) == (503, "outcome-unknown")
    for answer in answers:
        assert (answer.status_code, answer.headers["idempotent-replayed"]) == (202, "true")
        assert answer.json()["record_id"] == landed[0].record_id
    assert await records_of(api, stream_id) == 1


async def test_after_an_unknown_outcome_the_key_stays_with_its_body(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()

    async def fails(sink: KafkaSink, record: Record) -> Receipt:
        raise OutcomeUnknown

    monkeypatch.setattr(KafkaSink, "append", fails)
    await send(api.client, stream_id, "k")
    monkeypatch.undo()

    assert (await send(api.client, stream_id, "k", b'{"data":2}')).status_code == 422
    assert (await send(api.client, stream_id, "k")).status_code == 202


async def test_of_an_array_that_failed_in_part_only_the_rest_is_stored_again(
    api: Api, other: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = await api.start()
    append = KafkaSink.append

    async def fails_for_two(sink: KafkaSink, record: Record) -> Receipt:
        if record.value == b"2":
            raise BrokerUnavailable
        return await append(sink, record)

    body = b'[{"data":1},{"data":2},{"data":3}]'
    monkeypatch.setattr(KafkaSink, "append", fails_for_two)
    first = (await send(api.client, stream_id, "k", body)).json()
    monkeypatch.undo()
    second = await send(api.client, stream_id, "k", body)
    third = await send(other, stream_id, "k", body)

    assert (first["accepted"], first["failed"]) == (2, 1)
    assert second.json()["records"][::2] == first["records"][::2]
    assert (second.json()["accepted"], "idempotent-replayed" in second.headers) == (3, False)
    assert third.json() == second.json()
    assert third.headers["idempotent-replayed"] == "true"
    assert await records_of(api, stream_id) == 3


async def test_what_is_refused_for_its_body_leaves_the_key_unused(api: Api) -> None:
    stream_id = await api.start()
    bad = [b"{", b"[]", b'{"data":"' + b"x" * (256 << 10) + b'"}']

    refused = [await send(api.client, stream_id, "k", body) for body in bad]
    receipt = await send(api.client, stream_id, "k")

    assert [answer.status_code for answer in refused] == [400, 400, 413]
    assert receipt.status_code == 202


async def test_a_receipt_is_replayed_after_the_end_and_a_new_key_is_refused(
    api: Api, other: httpx.AsyncClient
) -> None:
    stream_id = await api.start()
    first = await send(api.client, stream_id, "k")
    await api.client.post(f"/stream/{stream_id}/end")

    for client in (api.client, other):
        replayed = await send(client, stream_id, "k")
        refused = await send(client, stream_id, "new")

        assert (replayed.status_code, replayed.json()) == (202, first.json())
        assert (refused.status_code, refused.json()["code"]) == (409, "stream-ended")


async def test_a_replay_can_wait_for_its_result(api: Api, other: httpx.AsyncClient) -> None:
    stream_id = await api.start(processor="uppercase")
    body = b'{"data":"x"}'

    first = await send(api.client, stream_id, "k", body, prefer="wait=10")
    await api.send(stream_id, "more", "and more")
    again = [await send(c, stream_id, "k", body, prefer="wait=10") for c in (api.client, other)]
    receipt = await send(api.client, stream_id, "k", body)

    assert (first.status_code, first.json()["data"]) == (200, "X")
    assert [(a.status_code, a.json()) for a in again] == [(200, first.json())] * 2
    assert {a.headers["preference-applied"] for a in again} == {"wait"}
    assert receipt.json()["record_id"] == first.json()["source"]


async def test_lines_take_no_key(api: Api) -> None:
    stream_id = await api.start()
    before = await api.stored()

    answer = await send(
        api.client, stream_id, "k", BODY + b"\n", **{"content-type": "application/x-ndjson"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")
    assert await api.stored() == before


@pytest.mark.parametrize(
    "first, second",
    [('"abc"', "abc"), ('"a\\"b\\\\"', 'a"b\\'), ('"a, b"', "a, b"), ("a b", "a b")],
)
async def test_quotes_are_not_part_of_a_key(api: Api, first: str, second: str) -> None:
    stream_id = await api.start()

    await send(api.client, stream_id, first)
    answer = await send(api.client, stream_id, second)

    assert answer.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "keys",
    [
        [""],
        ["  "],
        ['""'],
        ['"a'],
        ['"a\\b"'],
        ['"a";x=1'],
        ["a\tb"],
        ["\N{LATIN SMALL LETTER E WITH ACUTE}"],
        ["x" * 256],
        ["a", "a"],
        ['"a', 'b"'],
    ],
)
async def test_an_unusable_key_is_refused(api: Api, keys: list[str]) -> None:
    stream_id = await api.start()

    answer = await api.client.post(
        f"/stream/{stream_id}/send",
        content=BODY,
        headers=[(b"idempotency-key", key.encode("latin-1")) for key in keys],
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")


async def test_the_longest_key_is_taken(api: Api) -> None:
    stream_id = await api.start()

    answer = await send(api.client, stream_id, "~" * 255)

    record = await stored_record(api, answer.json())
    assert dict(record.headers)["idempotency-key"] == b"~" * 255
    assert json.loads(record.value) == {"n": 1}
