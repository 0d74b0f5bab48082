"""One process on a real broker: what goes in, and what comes out for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.producer import message_accumulator, producer
from aiokafka.record import default_records

from streaming_runtime.core.model import new_stream_id
from tests.eventually import eventually
from tests.processing.conftest import Running
from tests.processing.traffic import Sent, headers_of, metric, source_of

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_result_has_the_key_the_partition_and_the_headers_of_the_contract(
    running: Running,
) -> None:
    sent = Sent(b'{"n": 1.0}', headers={"sent-at": b"1700000000123", "traceparent": TRACE})

    (source,) = await running.traffic.send(sent)
    (result,) = await running.traffic.results_of([source])

    headers = headers_of(result)
    assert [name for name, _ in result.headers] == [
        "kind",
        "source",
        "sent-at",
        "processed-at",
        "traceparent",
    ]
    assert result.key == sent.key
    assert result.value == b'{"n": 1.0}'
    assert headers["kind"] == b"result"
    assert headers["source"].decode() == source
    assert result.partition == int(source.partition("-")[0])
    assert headers["sent-at"] == b"1700000000123"
    assert int(headers["processed-at"]) == result.timestamp
    assert headers["traceparent"] == TRACE


async def test_each_processor_does_its_work_and_none_touches_a_number(running: Running) -> None:
    numbers = b"[9007199254740993,1e400,-0.0,1.10," + b"7" * 5_000 + b"]"
    data = b'{"a":"stra\xc3\x9fe","n":' + numbers + b"}"
    jmespath = {"name": "jmespath", "expression": "n"}
    reject = {"name": "reject", "when": "a"}

    sources = await running.traffic.send(
        Sent(data),
        Sent(data, processor="uppercase"),
        Sent(data, processor=jmespath),
        Sent(data, processor=reject),
        Sent(b'{"a":""}', processor=reject),
        Sent(b"null", kind="end"),
    )
    results = await running.traffic.results_of(sources)

    kinds = [headers_of(result)["kind"] for result in results]
    assert kinds == [b"result", b"result", b"result", b"failed", b"result", b"end"]
    assert results[0].value == data
    assert results[1].value == data.replace(b"stra\xc3\x9fe", b"STRASSE")
    assert results[2].value == numbers
    assert json.loads(results[3].value)["code"] == "processing-failed"
    assert results[4].value == b'{"a":""}'
    assert results[5].value == b"null"
    assert "traceparent" not in headers_of(results[0])


async def test_results_are_contiguous_and_in_input_order_in_every_partition(
    running: Running,
) -> None:
    keys = [new_stream_id().encode() for _ in range(20)]

    sources = await running.traffic.send(
        *(Sent(b"%d" % n, key=keys[n % len(keys)]) for n in range(2_000))
    )
    results = await running.traffic.results_of(sources)

    assert [int(result.value) for result in results] == list(range(2_000))
    own = set(sources)
    log = [s for s in map(source_of, await running.traffic.all_results()) if s in own]
    for partition in range(running.traffic.settings.partitions):
        offsets = [int(s.split("-")[1]) for s in log if s.startswith(f"{partition}-")]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


async def test_a_stream_lives_in_the_partition_that_murmur2_gives_any_kafka_client(
    running: Running,
) -> None:
    keys = [new_stream_id().encode() for _ in range(60)]
    partitions = running.traffic.settings.partitions

    sources = await running.traffic.send(*(Sent(b"0", key=key) for key in keys))
    results = await running.traffic.results_of(sources)

    expected = [(murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]
    assert [int(source.partition("-")[0]) for source in sources] == expected
    assert [result.partition for result in results] == expected
    assert len(set(expected)) == partitions


async def test_poison_is_kept_told_and_passed(running: Running) -> None:
    key = new_stream_id().encode()
    poison = [
        Sent(b"{not json", key=key, headers={"note": b"\xff\x00", "empty": None}),
        Sent(b"1", key=key, processor=b"{broken"),
        Sent(b"1", key=key, processor="nobody"),
        Sent(b"1", key=key, processor={"name": "uppercase", "shout": True}),
        Sent(b'"x"', key=key, processor={"name": "jmespath", "expression": "abs(@)"}),
        Sent(b"1", key=key, kind="question"),
        Sent(b"1", key=key, kind=None),
        Sent(None, key=key),
        Sent(b"[" * 100_000, key=key),
        Sent(b'"\xff"', key=key),
    ]

    sources = await running.traffic.send(*poison, Sent(b'"after"', key=key))
    *failed, after = await running.traffic.results_of(sources)
    letters = await running.traffic.dead_letters_of(sources[: len(poison)])

    assert after.value == b'"after"'
    for result in failed:
        problem = json.loads(result.value)
        assert headers_of(result)["kind"] == b"failed"
        assert problem.keys() == {"type", "title", "detail", "code", "retriable"}
        assert (problem["code"], problem["retriable"]) == ("processing-failed", False)
    for record, letter in zip(poison, letters, strict=True):
        assert (letter.key, letter.value) == (record.key, record.value)
        own = [name for name, _ in record.written_headers()]
        assert [name for name, _ in letter.headers] == [*own, "source", "reason", "attempts"]
        assert headers_of(letter)["attempts"] == b"3"
        assert headers_of(letter)["reason"]
    assert headers_of(letters[0])["note"] == b"\xff\x00"


async def test_a_record_of_nobody_is_a_dead_letter_and_no_result(running: Running) -> None:
    nobody = [Sent(b"1", key=None), Sent(b"1", key=b"not a stream"), Sent(b"1", key=b"\xff" * 22)]

    sources = await running.traffic.send(*nobody)
    letters = await running.traffic.dead_letters_of(sources)
    (after,) = await running.traffic.send(Sent(b"2"))
    await running.traffic.results_of([after])

    results = {source_of(result) for result in await running.traffic.all_results()}
    assert [(letter.key, letter.value) for letter in letters] == [(s.key, b"1") for s in nobody]
    assert not results & set(sources)


async def test_headers_that_no_client_can_read_stop_nothing(running: Running) -> None:
    key = new_stream_id().encode()
    # Python calls differently what it has called often, and only then the process would die.
    await running.traffic.send(*(Sent(b"%d" % n, key=key) for n in range(100)))
    with _header_names_of_bytes():
        (unreadable,) = await _send_raw(running, key, [(_NotText("name"), b"x")])

    sources = await running.traffic.send(
        Sent(b"1", key=key, headers={"huge": b"h" * (1 << 20)}),
        Sent(b"{", key=key, headers={"huge": b"h" * ((2 << 20) - 250)}),
        Sent(b"2", key=key, headers={"sent-at": b"\xff", "traceparent": b"t" * 10_000}),
    )
    first, huge, dropped, after = await running.traffic.results_of([unreadable, *sources])
    letters = await running.traffic.dead_letters_of([unreadable, sources[1]])

    assert headers_of(first)["kind"] == headers_of(dropped)["kind"] == b"failed"
    assert huge.value == b"1"
    assert after.value == b"2"
    assert int(headers_of(after)["sent-at"]) > 1_700_000_000_000
    assert "traceparent" not in headers_of(after)
    unread, oversized = (headers_of(letter)["reason"] for letter in letters)
    assert b"not text" in unread
    assert b"left out for their size" in oversized


async def test_the_figures_on_the_metrics_page_are_true_when_idle(running: Running) -> None:
    (source,) = await running.traffic.send(Sent(b"1"))
    await running.traffic.results_of([source])

    await eventually(lambda: metric(running.metrics_port, "millrace_processing_lag_records") == 0)
    results = await running.traffic.all_results()
    failed = sum(headers_of(result)["kind"] == b"failed" for result in results)
    port = running.metrics_port
    assert metric(port, 'millrace_processed_total{kind="failed"}') == failed
    assert metric(port, "millrace_processing_seconds_count") == len(results)
    assert metric(port, "millrace_processing_partitions") == running.traffic.settings.partitions
    assert metric(port, "millrace_processing_restarts_total") == 0
    assert metric(port, "process_resident_memory_bytes") > 0


class _NotText(str):
    """A header's name that is not UTF-8, which aiokafka would refuse to write."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


@contextmanager
def _header_names_of_bytes() -> Iterator[None]:
    """Let aiokafka write with its Python code, which asks a name for its bytes."""
    builder = default_records._DefaultRecordBatchBuilderPy
    patch = pytest.MonkeyPatch()
    for module in (message_accumulator, producer):
        patch.setattr(module, "DefaultRecordBatchBuilder", builder)
    try:
        yield
    finally:
        patch.undo()


async def _send_raw(running: Running, key: bytes, headers: list[Any]) -> list[str]:
    client = AIOKafkaProducer(bootstrap_servers=running.traffic.settings.broker)
    await client.start()
    try:
        stored = await client.send_and_wait(
            running.traffic.settings.input_topic, b"1", key, headers=headers
        )
    finally:
        await client.stop()
    return [f"{stored.partition}-{stored.offset}"]
