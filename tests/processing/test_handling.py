from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing.catalog import PROCESSORS, Catalog
from streaming_runtime.processing.handling import Destinations, Handling
from streaming_runtime.processing.processor import (
    NoParameters,
    Output,
    Process,
    Processor,
    Rejected,
    Unprocessable,
)
from streaming_runtime.processing.records import OutputRecord
from streaming_runtime.processing.time_limit import ALARM_SECONDS, TimeLimit
from streaming_runtime.processing.topics import Topics
from tests.processing.records import KEY, record

MAX_RESULT = 1_000
CUSTOM = b'{"name":"custom"}'


def handling(
    process: Process | None = None,
    pauses: list[float] | None = None,
    limit: TimeLimit | None = None,
) -> Handling:
    """Return what is tested; ``process`` is that of a processor called custom."""
    custom = Processor("custom", NoParameters, lambda _: process or (lambda data: data))
    noted: list[float] = [] if pauses is None else pauses
    return Handling(
        Destinations("results", "dead", MAX_RESULT, 100_000),
        Catalog([*PROCESSORS, custom]),
        lambda: 2_000,
        limit=limit,
        pause=noted.append,
    )


def kinds(outputs: Sequence[OutputRecord]) -> list[str]:
    return [output.kind for output in outputs]


def detail(output: OutputRecord) -> str:
    return str(json.loads(output.value or b"")["detail"])


def test_a_record_gives_one_result_of_its_processor() -> None:
    (result,) = handling().outputs(record(b'"a"', b'{"name":"uppercase"}'))

    assert (result.kind, result.value, result.key) == ("result", b'"A"', KEY)


def test_several_results_are_numbered_from_one() -> None:
    made: list[Output] = [b"1", Rejected("no"), b"3"]

    outputs = handling(lambda _: made).outputs(record(processor=CUSTOM))

    assert kinds(outputs) == ["result", "failed", "result"]
    assert [dict(o.headers)["source"] for o in outputs] == [b"2-7-1", b"2-7-2", b"2-7-3"]


def test_a_list_of_one_is_one_result() -> None:
    (result,) = handling(lambda _: [b"1"]).outputs(record(processor=CUSTOM))

    assert dict(result.headers)["source"] == b"2-7"


def test_an_end_is_an_end_whatever_else_is_in_it() -> None:
    (end,) = handling().outputs(record(b"{broken", None, kind=b"end"))

    assert (end.kind, end.value) == ("end", b"null")


def test_what_is_rejected_is_a_failed_result_and_no_dead_letter() -> None:
    (failed,) = handling().outputs(record(b'{"a":1}', b'{"name":"reject","when":"a"}'))

    assert failed.kind == "failed"
    assert detail(failed) == "The data matches what this stream rejects"


@pytest.mark.parametrize("key", [None, b"", b"short", b"k" * 23, b"\xff" * 22, b"k" * 21 + b"\n"])
def test_without_the_key_of_a_stream_there_is_a_dead_letter_and_no_result(
    key: bytes | None,
) -> None:
    (letter,) = handling().outputs(record(key=key))

    assert (letter.kind, letter.key) == ("dead-letter", key)
    assert dict(letter.headers)["attempts"] == b"1"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"value": b"{"}, "not valid JSON"),
        ({"value": None}, "no data"),
        ({"kind": b"question"}, "kind header"),
        ({"kind": None}, "kind header"),
        ({"processor": None}, "processor header is missing"),
        ({"processor": b"{"}, "processor header is not"),
        ({"processor": b'{"name":"nobody"}'}, "no processor 'nobody'"),
        ({"processor": b'{"name":"jmespath","expression":"abs(@)"}', "value": b"[]"}, "abs"),
        ({"value": b'"' + b"x" * MAX_RESULT + b'"'}, "larger than"),
    ],
)
def test_poison_is_tried_three_times_kept_and_told(changes: dict[str, Any], told: str) -> None:
    poison = record(**changes)

    letter, failed = handling().outputs(poison)

    assert kinds([letter, failed]) == ["dead-letter", "failed"]
    assert letter.value == poison.value
    assert dict(letter.headers)["attempts"] == b"3"
    assert told in detail(failed)
    assert told in (dict(letter.headers)["reason"] or b"").decode()
    assert dict(failed.headers)["source"] == dict(letter.headers)["source"] == b"2-7"


def test_unreadable_headers_are_poison() -> None:
    outputs = handling().outputs(record()._replace(headers=None))

    assert kinds(outputs) == ["dead-letter", "failed"]


def test_of_headers_with_one_name_the_last_counts() -> None:
    (end,) = handling().outputs(record(more=(("kind", b"end"),)))

    assert end.kind == "end"


class Fails:
    """A processor of somebody else that fails so many times."""

    def __init__(self, times: int, error: Callable[[], Exception]) -> None:
        self.calls = 0
        self._times = times
        self._error = error

    def __call__(self, data: bytes) -> bytes:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error()
        return data


def test_what_fails_twice_and_then_works_is_no_poison() -> None:
    pauses: list[float] = []
    process = Fails(2, lambda: ConnectionError("secret text"))

    outputs = handling(process, pauses).outputs(record(processor=CUSTOM))

    assert kinds(outputs) == ["result"]
    assert process.calls == 3
    assert 0 < sum(pauses) < 0.5


@pytest.mark.parametrize("error", [ZeroDivisionError, RecursionError, MemoryError, KeyError])
def test_whatever_a_processor_raises_its_partition_goes_on_and_no_foreign_text_is_told(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    process = Fails(9, lambda: error("secret text"))

    letter, failed = handling(process).outputs(record(processor=CUSTOM))

    assert process.calls == 3
    assert dict(letter.headers)["attempts"] == b"3"
    assert dict(letter.headers)["reason"] == f"The processor raised {error.__name__}".encode()
    assert detail(failed) == "The processor failed on this record"
    assert "secret text" in caplog.text


def test_slow_failures_are_not_tried_until_the_neighbours_have_waited_a_second() -> None:
    def slow(data: bytes) -> bytes:
        time.sleep(0.2)
        raise Unprocessable("slow")

    started = time.monotonic()
    letter, _ = handling(slow).outputs(record(processor=CUSTOM))

    assert dict(letter.headers)["attempts"] == b"2"
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("made", [b"{", b"NaN", "text", None, [], [b"1"] * 10_000, [b"1", b"{"]])
def test_what_readers_could_not_take_does_not_become_a_result(made: Any) -> None:
    outputs = handling(lambda _: made).outputs(record(processor=CUSTOM))

    assert kinds(outputs) == ["dead-letter", "failed"]


def test_a_result_stays_below_what_its_topic_takes() -> None:
    kafka = KafkaSettings("b:1", "plaintext", "t.", 1)

    small = Destinations.of(kafka, Topics(1, 20_000, 30_000))
    large = Destinations.of(kafka, Topics(1, 4 << 20, 4 << 20))

    assert small.max_result_bytes < 20_000
    assert large.max_result_bytes == 1 << 20
    assert (small.results, small.dead_letters) == ("t.results", "t.dead-letter")
    assert small.max_dead_letter_bytes == 30_000


def forever(data: bytes) -> bytes:
    while True:
        with contextlib.suppress(Exception):
            data = bytes(data)


def waits(data: bytes) -> bytes:
    threading.Event().wait()
    return data


def explodes(data: bytes) -> bytes:
    re.fullmatch("(a|a)*b", "a" * 40)
    return data


@pytest.fixture
def limit() -> Iterator[TimeLimit]:
    limit = TimeLimit()
    limit.start()
    yield limit
    limit.close()


@pytest.mark.parametrize("process", [forever, waits, explodes])
def test_a_processor_that_never_returns_costs_its_neighbours_less_than_a_second(
    process: Process, limit: TimeLimit
) -> None:
    started = time.thread_time()
    clock = time.monotonic()

    letter, failed = handling(process, limit=limit).outputs(record(processor=CUSTOM))
    (after,) = handling(limit=limit).outputs(record())

    # Of its own time, whatever else the machine does; a wait takes none.
    assert time.thread_time() - started < 1
    assert time.monotonic() - clock < 5
    assert (letter.value, failed.kind, after.kind) == (b"1", "failed", "result")
    assert b"takes too long" in (dict(letter.headers)["reason"] or b"")
    assert "takes too long" in detail(failed)


def test_the_time_limit_touches_nothing_but_a_processor(limit: TimeLimit) -> None:
    quick = handling(limit=limit)
    deadline = time.monotonic() + 8 * ALARM_SECONDS

    while time.monotonic() < deadline:
        (result,) = quick.outputs(record())
        assert result.kind == "result"
    time.sleep(8 * ALARM_SECONDS)
