"""Idempotency-Key: a repeated send is stored once."""

from __future__ import annotations

import asyncio
import secrets

from ..case import each
from ..client.api import NDJSON, UNKNOWN, Api
from ..client.stream import Stream
from ..target import NotThere

BODY = b'{"data":{"order":1}}'


def _key() -> str:
    return f"key-{secrets.token_hex(8)}"


async def _is_read_once(stream: Stream, *data: object) -> None:
    """What comes next follows what was stored, so nothing stored is overlooked."""
    await stream.send("last")
    results = await stream.results(len(data) + 1)
    assert [result["data"] for result in results] == [*data, "last"]


async def a_first_send_with_a_key_is_a_send(api: Api) -> None:
    stream = await api.start()

    answer = await stream.post(BODY, idempotency_key=_key())

    assert answer.ok(202).keys() == {"stream_id", "record_id", "partition", "offset"}
    assert "idempotent-replayed" not in answer.headers


async def the_same_key_and_body_give_the_first_receipt(api: Api) -> None:
    """same key and same bytes of body give the first receipt with `Idempotent-Replayed: true`"""
    stream, key = await api.start(), _key()
    first = await stream.post(BODY, idempotency_key=key)

    again = [await stream.post(BODY, idempotency_key=key) for _ in range(3)]

    assert first.status == 202
    for answer in again:
        assert answer.ok(202) == first.ok(202)
        assert answer.headers["idempotent-replayed"] == "true"
    await _is_read_once(stream, {"order": 1})


async def another_body_under_the_same_key_is_422(api: Api) -> None:
    stream, key = await api.start(), _key()
    assert (await stream.post(BODY, idempotency_key=key)).status == 202

    answer = await stream.post(b'{"data":{"order":2}}', idempotency_key=key)

    assert answer.refused("idempotency-mismatch")["retriable"] is False
    await _is_read_once(stream, {"order": 1})


async def the_same_value_in_other_bytes_is_another_body(api: Api) -> None:
    """same bytes of body"""
    stream, key = await api.start(), _key()
    assert (await stream.post(BODY, idempotency_key=key)).status == 202

    answer = await stream.post(BODY.replace(b":", b": "), idempotency_key=key)

    answer.refused("idempotency-mismatch")


async def after_a_mismatch_the_first_receipt_is_still_given(api: Api) -> None:
    stream, key = await api.start(), _key()
    first = (await stream.post(BODY, idempotency_key=key)).ok(202)
    (await stream.post(b'{"data":2}', idempotency_key=key)).refused("idempotency-mismatch")

    again = await stream.post(BODY, idempotency_key=key)

    assert again.ok(202) == first


async def a_key_is_for_its_stream(api: Api) -> None:
    """for this stream"""
    one, other, key = await api.start(), await api.start(), _key()

    first = await one.post(BODY, idempotency_key=key)
    second = await other.post(b'{"data":"another"}', idempotency_key=key)

    assert first.ok(202)["stream_id"] == one.id
    assert second.ok(202)["stream_id"] == other.id
    assert "idempotent-replayed" not in second.headers
    await _is_read_once(other, "another")


async def two_keys_are_two_records(api: Api) -> None:
    stream = await api.start()

    first = (await stream.post(BODY, idempotency_key="a")).ok(202)
    second = (await stream.post(BODY, idempotency_key="A")).ok(202)

    assert first["record_id"] != second["record_id"]
    await _is_read_once(stream, {"order": 1}, {"order": 1})


async def without_a_key_the_same_body_is_another_record(api: Api) -> None:
    stream = await api.start()

    await stream.post(BODY, idempotency_key=_key())
    await stream.post(BODY)
    await stream.post(BODY)

    await _is_read_once(stream, *[{"order": 1}] * 3)


@each(
    {
        "one character": "x",
        "255 characters": "k" * 255,
        "a UUID": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        "a structured string": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        "signs": "a:b/c?d=e&f;g,h!*'()@+$%~^|{}[]<>#\\`",
        "a space within": "order 7",
    }
)
async def a_key_has_up_to_255_characters(api: Api, key: str) -> None:
    stream = await api.start()

    first = await stream.post(BODY, idempotency_key=key)
    again = await stream.post(BODY, idempotency_key=key)

    assert first.ok(202) == again.ok(202)
    assert again.headers["idempotent-replayed"] == "true"


@each({"256": "k" * 256, "5,000": "k" * 5_000})
async def a_key_of_more_characters_is_refused(api: Api, key: str) -> None:
    stream = await api.start()

    (await stream.post(BODY, idempotency_key=key)).refused("invalid-parameter")

    await _is_read_once(stream)


async def an_empty_key_never_replays_another_send(api: Api) -> None:
    stream = await api.start()

    for _ in range(2):
        answer = await stream.post(BODY, idempotency_key="")
        assert answer.status == 202 or answer.refused("invalid-parameter")
        assert "idempotent-replayed" not in answer.headers


async def a_key_with_an_array_covers_the_batch(api: Api) -> None:
    """with an array it covers the batch"""
    stream, key = await api.start(), _key()
    body = b'[{"data":1},{"data":2},{"data":3}]'
    first = await stream.post(body, idempotency_key=key)

    again = await stream.post(body, idempotency_key=key)

    assert first.ok(207)["accepted"] == 3
    assert again.ok(207) == first.ok(207)
    assert again.headers["idempotent-replayed"] == "true"
    await _is_read_once(stream, 1, 2, 3)


async def a_batch_with_bad_records_is_replayed_too(api: Api) -> None:
    stream, key = await api.start(), _key()
    body = b'[{"data":1},{"nothing":2},{"data":3}]'
    first = (await stream.post(body, idempotency_key=key)).ok(207)

    again = (await stream.post(body, idempotency_key=key)).ok(207)

    assert (again["accepted"], again["failed"]) == (2, 1)
    assert [r.get("record_id") for r in again["records"]] == [
        r.get("record_id") for r in first["records"]
    ]
    await _is_read_once(stream, 1, 3)


async def a_full_batch_can_be_repeated(api: Api) -> None:
    stream, key = await api.start(), _key()
    body = b"[" + b",".join(b'{"data":%d}' % number for number in range(1_000)) + b"]"
    first = (await stream.post(body, idempotency_key=key)).ok(207)

    again = (await stream.post(body, idempotency_key=key)).ok(207)

    assert first["records"] == again["records"]
    await _is_read_once(stream, *range(1_000))


async def an_array_under_the_key_of_a_record_is_another_body(api: Api) -> None:
    stream, key = await api.start(), _key()
    assert (await stream.post(BODY, idempotency_key=key)).status == 202

    answer = await stream.post(b"[" + BODY + b"]", idempotency_key=key)

    answer.refused("idempotency-mismatch")
    await _is_read_once(stream, {"order": 1})


async def a_key_with_lines_is_refused(api: Api) -> None:
    """with NDJSON 400"""
    stream = await api.start()

    answer = await stream.post(BODY, idempotency_key=_key(), content_type=NDJSON)

    answer.refused("invalid-parameter")
    await _is_read_once(stream)


@each(
    {
        "no JSON": b"{",
        "NaN": b'{"data":NaN}',
        "an unknown field": b'{"data":1,"more":2}',
        "too large": b'{"data":"%b"}' % (b"x" * (300 << 10)),
        "too many records": b"[" + b",".join([BODY] * 1_001) + b"]",
    }
)
async def a_refused_request_leaves_its_key_unused(api: Api, bad: bytes) -> None:
    """A refused request leaves its Idempotency-Key unused: only a receipt is replayed."""
    stream, key = await api.start(), _key()
    refused = await stream.post(bad, idempotency_key=key)

    answer = await stream.post(BODY, idempotency_key=key)

    assert refused.status in (400, 413)
    assert "idempotent-replayed" not in answer.headers
    assert "record_id" in answer.ok(202)
    await _is_read_once(stream, {"order": 1})


async def a_refused_request_is_refused_again_under_its_key(api: Api) -> None:
    stream, key = await api.start(), _key()

    for _ in range(2):
        answer = await stream.post(b"{", idempotency_key=key)
        answer.refused("invalid-body")
        assert "idempotent-replayed" not in answer.headers


async def sends_under_one_key_at_once_are_stored_once(api: Api) -> None:
    """in progress 409"""
    stream, key = await api.start(), _key()

    answers = await asyncio.gather(*(stream.post(BODY, idempotency_key=key) for _ in range(12)))

    stored = [answer for answer in answers if answer.status == 202]
    assert len({answer.body for answer in stored}) == 1
    for answer in answers:
        assert answer.status == 202 or answer.refused("idempotency-in-progress")
    await _is_read_once(stream, {"order": 1})


async def a_conflict_says_that_trying_again_helps(api: Api) -> None:
    stream, key = await api.start(), _key()

    answers = await asyncio.gather(*(stream.post(BODY, idempotency_key=key) for _ in range(24)))
    again = await stream.post(BODY, idempotency_key=key)

    for answer in answers:
        if answer.status == 409:
            assert answer.refused("idempotency-in-progress")["retriable"] is True
    assert again.headers["idempotent-replayed"] == "true"


async def many_keys_at_once_do_not_disturb_each_other(api: Api) -> None:
    stream = await api.start()
    keys = [_key() for _ in range(20)]

    async def twice(number: int, key: str) -> None:
        body = b'{"data":%d}' % number
        first = (await stream.post(body, idempotency_key=key)).ok(202)
        assert (await stream.post(body, idempotency_key=key)).ok(202) == first

    await asyncio.gather(*(twice(number, key) for number, key in enumerate(keys)))

    results = await stream.results(20)
    assert sorted(result["data"] for result in results) == list(range(20))
    assert (await stream.page(cursor=results[-1]["id"]))["results"] == []


async def a_repetition_that_waits_gets_the_first_record(api: Api) -> None:
    stream, key = await api.start(), _key()
    first = (await stream.post(BODY, idempotency_key=key)).ok(202)

    again = await stream.post(BODY, idempotency_key=key, prefer="wait=20")

    assert again.status in (200, 202)
    found = again.ok(again.status)
    assert found.get("source", found.get("record_id")) == first["record_id"]
    assert again.headers["idempotent-replayed"] == "true"
    await _is_read_once(stream, {"order": 1})


async def a_first_send_that_waits_can_be_repeated(api: Api) -> None:
    stream, key = await api.start(), _key()
    first = (await stream.post(BODY, idempotency_key=key, prefer="wait=20")).ok(200)

    again = await stream.post(BODY, idempotency_key=key)

    assert again.ok(202)["record_id"] == first["source"]
    assert again.headers["idempotent-replayed"] == "true"
    await _is_read_once(stream, {"order": 1})


async def a_repetition_behind_the_end_gets_its_receipt(api: Api) -> None:
    """same key and same bytes of body give the first receipt: 409 would say "not stored"."""
    stream, key = await api.start(), _key()
    first = (await stream.post(BODY, idempotency_key=key)).ok(202)
    await stream.end()

    again = await stream.post(BODY, idempotency_key=key)

    assert again.ok(202) == first


async def a_new_key_behind_the_end_is_refused(api: Api) -> None:
    stream = await api.start()
    await stream.end()

    (await stream.post(BODY, idempotency_key=_key())).refused("stream-ended")


async def the_type_of_the_body_does_not_matter_for_a_key(api: Api) -> None:
    stream, key = await api.start(), _key()
    first = (await stream.post(BODY, idempotency_key=key, content_type="text/plain")).ok(202)

    again = await stream.post(BODY, idempotency_key=key, content_type="application/json")

    assert again.ok(202) == first


async def another_server_knows_the_key(api: Api) -> None:
    """Any replica serves any client; whichever replica took the retry."""
    if api.target.limited_url is None:
        raise NotThere("no second server of the deployment was named (LIMITED_URL)")
    tenant = api.with_key(api.target.limited_keys[0])
    elsewhere = tenant.with_key(tenant.key, api.target.limited_url)
    stream, key = await tenant.start(), _key()
    first = (await stream.post(BODY, idempotency_key=key)).ok(202)
    async with asyncio.timeout(30):
        while (
            answer := await stream.seen_by(elsewhere).post(BODY, idempotency_key=key)
        ).status == 429:
            await asyncio.sleep(1)

    assert answer.ok(202) == first
    assert answer.headers["idempotent-replayed"] == "true"
    await _is_read_once(stream, {"order": 1})


async def a_key_does_not_make_an_unknown_stream_known(api: Api) -> None:
    answer = await api.post(f"/stream/{UNKNOWN}/send", BODY, idempotency_key=_key())

    answer.refused("unknown-stream")


async def a_foreign_key_tells_nothing(api: Api) -> None:
    stream, key = await api.start(), _key()
    await stream.post(BODY, idempotency_key=key)

    answer = await stream.seen_by(api.other()).post(BODY, idempotency_key=key)

    answer.refused("unknown-stream")
    assert "idempotent-replayed" not in answer.headers


async def the_schema_names_the_key(api: Api) -> None:
    operation = (await api.schema())["paths"]["/stream/{stream_id}/send"]["post"]

    names = [parameter.get("name", "").lower() for parameter in operation["parameters"]]
    assert "idempotency-key" in names
    assert {"409", "422"} <= operation["responses"].keys()
