"""What the registry in DynamoDB does beside its contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from streaming_runtime.aws import items
from streaming_runtime.aws.registry import MOST_KEYS, DynamoRegistry
from streaming_runtime.core.errors import OutcomeUnknown
from streaming_runtime.core.model import INTERRUPTED_MS, Processor, Stream, new_stream_id
from tests.aws.table import OneAtATime, client, dynamo, emulated_client, emulated_table


@pytest.fixture
def registry() -> Iterator[DynamoRegistry]:
    with emulated_table(), dynamo() as opened:
        yield DynamoRegistry(opened)


def stream(**fields: Any) -> Stream:
    known = {"created_at": 1_000, "ttl_seconds": None} | fields
    return Stream(new_stream_id(), "acme", Processor("identity"), "AAAAAAAA", 2, 17, **known)


async def test_a_stream_is_due_when_its_time_is_over_and_until_its_end_is_stored(
    registry: DynamoRegistry,
) -> None:
    short, endless = stream(ttl_seconds=1), stream()
    await registry.put(short)
    await registry.put(endless)

    assert await registry.due(1_999) == []
    assert await registry.due(2_000) == [short]
    ended = short.ended(2_000)
    await registry.put(ended)
    assert await registry.due(2_000) == [ended]
    await registry.put(ended.ended(2_000, 42))
    assert await registry.due(10**14) == []


async def test_an_end_that_was_left_half_done_is_due_later(registry: DynamoRegistry) -> None:
    half = stream().ended(5_000)
    await registry.put(stream())
    await registry.put(half)

    assert await registry.due(5_000 + INTERRUPTED_MS - 1) == []
    assert await registry.due(5_000 + INTERRUPTED_MS) == [half]


async def test_more_streams_than_one_request_gives_are_listed_in_order(
    registry: DynamoRegistry,
) -> None:
    streams = [stream(created_at=1_000 + number) for number in range(2 * MOST_KEYS + 20)]
    for each in streams:
        await registry.put(each)

    assert await registry.page("acme", None, 1_000) == streams


async def test_a_start_whose_answer_was_lost_can_be_tried_again(registry: DynamoRegistry) -> None:
    class Deaf(OneAtATime):
        """Does what it is told, and its answer never comes."""

        def transact_write_items(self, **request: Any) -> None:
            super().__getattr__("transact_write_items")(**request)
            raise ReadTimeoutError(endpoint_url="https://dynamodb.invalid")

    started = stream(ttl_seconds=9)
    with dynamo(lambda: Deaf(client())) as opened, pytest.raises(OutcomeUnknown):
        await DynamoRegistry(opened).put(started)

    await registry.put(started)

    assert await registry.page("acme", None, 10) == [started]


async def test_an_entry_that_is_replaced_keeps_its_place_in_the_list(
    registry: DynamoRegistry,
) -> None:
    started = stream(label="one")
    await registry.put(started)
    await registry.put(replace(started, label="two"))

    found = await registry.page("acme", None, 10)

    assert [each.label for each in found] == ["two"]
    assert emulated_client().scan(TableName="millrace")["Count"] == 2


def test_places_sort_as_their_moments_do() -> None:
    moments = [0, 9, 10, 99_999, 1_700_000_000_000, 253_402_300_799_999]

    places = [items.place_of(moment, "A" * 22) for moment in moments]

    assert sorted(places) == places
    assert [items.place_in(place)[0] for place in places] == moments
