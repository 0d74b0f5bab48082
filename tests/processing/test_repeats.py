from __future__ import annotations

from datetime import timedelta

import pytest

from streaming_runtime.processing.repeats import KEPT, NAME_BYTES, Repeats
from tests.processing.records import record

NOW = 1_800_000_000_000
OTHER_KEY = b"o" * 22


class Kept:
    """The state of a partition in a dictionary, with the times it was told."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.times: list[int | None] = []
        self.ttl: timedelta | None = None

    def get_bytes(self, key: bytes, prefix: bytes, *, timestamp: int | None = None) -> bytes | None:
        self.times.append(timestamp)
        return self.entries.get(prefix + key)

    def set_bytes(
        self,
        key: bytes,
        value: bytes,
        prefix: bytes,
        *,
        timestamp: int | None = None,
        ttl: timedelta | None = None,
    ) -> None:
        self.times.append(timestamp)
        self.ttl = ttl
        self.entries[prefix + key] = value


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def repeats(kept: Kept) -> Repeats:
    return Repeats(lambda partition: kept, lambda: NOW)


def test_the_second_record_with_a_key_is_a_repeat(repeats: Repeats) -> None:
    held = [repeats.holds(record()._replace(offset=offset), b"k") for offset in (5, 6, 9)]

    assert held == [False, True, True]


def test_keys_of_other_streams_and_other_keys_are_no_repeats(repeats: Repeats) -> None:
    repeats.holds(record()._replace(offset=5), b"k")

    assert not repeats.holds(record(key=OTHER_KEY)._replace(offset=6), b"k")
    assert not repeats.holds(record()._replace(offset=7), b"k\n0")
    assert not repeats.holds(record()._replace(offset=8), b"K")


def test_the_same_record_again_is_no_repeat_of_itself(repeats: Repeats) -> None:
    first = record()._replace(offset=5)

    assert not repeats.holds(first, b"k")
    assert not repeats.holds(first, b"k")


def test_what_a_lost_run_has_left_does_not_eat_an_earlier_record(
    repeats: Repeats, kept: Kept
) -> None:
    repeats.holds(record()._replace(offset=9), b"k")

    assert not repeats.holds(record()._replace(offset=5), b"k")
    assert repeats.holds(record()._replace(offset=9), b"k")
    assert list(kept.entries.values()) == [b"5"]


def test_an_entry_has_one_size_whatever_the_key_is(repeats: Repeats, kept: Kept) -> None:
    for key in (b"k", b"\xff" * 100_000, b"\0"):
        repeats.holds(record(), key)

    assert {len(name) for name in kept.entries} == {NAME_BYTES}
    assert kept.ttl == KEPT == timedelta(hours=24)


@pytest.mark.parametrize(
    ("timestamp", "counted"), [(NOW - 5, NOW - 5), (0, 0), (NOW + 10**9, NOW), (-1, NOW)]
)
def test_the_time_of_a_record_counts_but_none_that_is_to_come(
    repeats: Repeats, kept: Kept, timestamp: int, counted: int
) -> None:
    repeats.holds(record(timestamp=timestamp), b"k")

    assert kept.times == [counted, counted]
