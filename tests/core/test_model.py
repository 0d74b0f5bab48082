from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.model import (
    NOTHING_SEEN,
    Height,
    Processor,
    Receipt,
    is_stream_id,
    new_incarnation,
    new_stream_id,
    parse_source,
    timestamp,
)
from tests.core.memory import a_stream

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_a_stream_id_is_128_random_bits_that_fit_a_url() -> None:
    ids = {new_stream_id() for _ in range(1_000)}

    assert len(ids) == 1_000
    assert all(is_stream_id(one) for one in ids)
    # Every bit varies: six of each character, but two of the last.
    assert all(len({one[place] for one in ids}) > 30 for place in range(21))


@pytest.mark.parametrize(
    "text", ["", "A" * 21, "A" * 23, "A" * 21 + "=", "A" * 21 + "\n", "A" * 22 + "\n", "é" * 22]
)
def test_what_is_no_stream_id_is_told(text: str) -> None:
    assert not is_stream_id(text)


def test_an_incarnation_is_short_and_random() -> None:
    ids = {new_incarnation() for _ in range(1_000)}

    assert len(ids) == 1_000
    assert {len(one) for one in ids} == {8}


@given(st.integers(0, 253_402_300_799_999))
def test_a_timestamp_is_the_millisecond_it_was_made_from(milliseconds: int) -> None:
    text = timestamp(milliseconds)

    assert len(text) == len("2026-01-31T12:00:00.000Z")
    assert datetime.fromisoformat(text) == EPOCH + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (-1, "1970-01-01T00:00:00.000Z"),
        (-(10**30), "1970-01-01T00:00:00.000Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (10**30, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_beyond_the_calendar_is_the_nearest_there_is(
    milliseconds: int, shown: str
) -> None:
    assert timestamp(milliseconds) == shown


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (b"0-0", (0, Height(0, 0))),
        (b"11-42", (11, Height(42, 0))),
        (b"11-42-7", (11, Height(42, 7))),
        (b"1-999999999999999999-9999", (1, Height(999_999_999_999_999_999, 9_999))),
    ],
)
def test_a_source_is_partition_offset_and_perhaps_a_part(
    text: bytes, parsed: tuple[int, Height]
) -> None:
    assert parse_source(text) == parsed


@pytest.mark.parametrize(
    "text",
    [b"", b"1", b"-", b"1-", b"-1", b"1--2", b"1-2-", b"1-2-3-4", b"1-2\n", b" 1-2", b"1-0x2"],
)
def test_what_is_no_source_is_told(text: bytes) -> None:
    assert parse_source(text) is None


@pytest.mark.parametrize(
    "text", [b"1-1000000000000000000", b"1-2-10000", b"1234567890-1", b"1-2\0", b"1-\xd9\xa2"]
)
def test_a_source_is_never_larger_than_a_cursor_can_hold(text: bytes) -> None:
    assert parse_source(text) is None


@given(st.integers(0, 999_999_999), st.integers(0, 10**18 - 1))
def test_a_receipt_names_the_source_of_its_result(partition: int, offset: int) -> None:
    record_id = Receipt(partition, offset).record_id

    assert parse_source(record_id.encode()) == (partition, Height(offset))


def test_heights_go_by_offset_and_then_by_part() -> None:
    heights = [NOTHING_SEEN, Height(0), Height(0, 1), Height(1), Height(10)]

    assert sorted({*heights}) == heights


@pytest.mark.parametrize(
    ("processor", "shown"),
    [
        (Processor("identity"), "identity"),
        (Processor("jmespath", {"expression": "a"}), {"name": "jmespath", "expression": "a"}),
    ],
)
def test_a_processor_is_shown_as_it_was_asked_for(processor: Processor, shown: object) -> None:
    assert processor.as_json() == shown


@pytest.mark.parametrize(
    ("ttl_seconds", "ended_at", "now", "ended"),
    [
        (None, None, 10**15, None),
        (9, None, 9_999, None),
        (9, None, 10_000, 10_000),
        (9, None, 99_999, 10_000),
        (9, 4_000, 99_999, 4_000),
        (9, 12_000, 99_999, 10_000),
        (None, 4_000, 4_000, 4_000),
        (9, 12_000, 11_000, 10_000),
    ],
)
def test_a_stream_ends_when_it_is_ended_or_expires(
    ttl_seconds: int | None, ended_at: int | None, now: int, ended: int | None
) -> None:
    stream = a_stream(created_at=1_000, ttl_seconds=ttl_seconds, ended_at=ended_at)

    assert stream.ended_by(now) == ended


def test_an_end_by_a_replica_whose_clock_is_ahead_counts_at_once() -> None:
    assert a_stream(ended_at=5_000).ended_by(4_000) == 5_000


def test_the_first_end_of_a_stream_stays() -> None:
    ended = a_stream().ended(5_000)

    completed = ended.ended(6_000, end_source=17)

    assert (ended.ended_at, ended.end_source) == (5_000, None)
    assert (completed.ended_at, completed.end_source) == (5_000, 17)


def test_a_stream_without_ttl_never_expires() -> None:
    assert a_stream().expires_at() is None
    assert a_stream(created_at=1_000, ttl_seconds=60).expires_at() == 61_000
