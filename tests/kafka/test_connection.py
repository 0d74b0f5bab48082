"""A long registry is read to its end as long as it comes on; an outage is not waited out."""

from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.core.entries import to_json
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.kafka import connection
from streaming_runtime.kafka.registry import KafkaRegistry
from tests.core.memory import a_stream

PATIENCE_SECONDS = 0.05


class LongRegistry:
    """A registry that is read some way with each look at it, and then no further."""

    def __init__(self, entries: int, ends_at: int) -> None:
        self.read_offset = 0
        self._entries = entries
        self._ends_at = ends_at

    async def catch_up(self) -> None:
        self.read_offset = min(self.read_offset + 1, self._ends_at)
        if self.read_offset < self._entries:
            raise BrokerUnavailable


async def read(registry: Any) -> None:
    await connection._read_whole(registry, 0.0, PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RETRY_SECONDS", 0.01)


async def test_a_registry_that_comes_on_is_read_however_long_it_takes() -> None:
    registry = LongRegistry(entries=30, ends_at=30)

    await read(registry)

    assert registry.read_offset == 30


async def test_one_that_comes_on_no_more_is_given_up() -> None:
    registry = LongRegistry(entries=30, ends_at=5)

    with pytest.raises(BrokerUnavailable):
        await read(registry)

    assert registry.read_offset == 5


@pytest.mark.parametrize(
    "order", [range(200), range(199, -1, -1), [n * 37 % 200 for n in range(200)]]
)
def test_streams_are_listed_in_the_order_of_their_starts_whatever_that_of_the_log(
    order: Any,
) -> None:
    unused: Any = None
    registry = KafkaRegistry("streams", unused, unused, unused)
    for number in order:
        stream_id = f"{number * 7919 % 10_000:022d}"
        stream = a_stream(stream_id=stream_id, created_at=1_000 + number // 3)
        registry._apply(stream_id.encode(), to_json(stream))

    places = [registry._place(stream_id) for stream_id in registry._by_tenant["acme"]]

    assert len(places) == 200
    assert places == sorted(places)
