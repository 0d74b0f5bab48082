"""core.ports.StreamRegistry, on every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from streaming_runtime.core.model import Processor, Stream, new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from tests.contracts.adapters import REGISTRIES, Replicas


@pytest.fixture(params=REGISTRIES)
async def registries(
    request: pytest.FixtureRequest, unmade: KafkaSettings
) -> AsyncIterator[Replicas]:
    async with REGISTRIES[request.param](unmade) as replicas:
        yield replicas


def a_stream(**fields: Any) -> Stream:
    known: dict[str, Any] = {"tenant": "acme", "created_at": 1_000} | fields
    return Stream(
        stream_id=new_stream_id(),
        processor=Processor("identity"),
        incarnation="AAAAAAAA",
        partition=2,
        first_offset=17,
        **known,
    )


async def test_a_stream_nobody_stored_is_none(registries: Replicas) -> None:
    assert await registries.one.get(new_stream_id()) is None


async def test_what_was_put_is_found_on_every_replica_at_once(registries: Replicas) -> None:
    stream = a_stream(label="naïve \N{GRINNING FACE}", ttl_seconds=60)
    stream = replace(stream, processor=Processor("jmespath", {"expression": "a", "n": [1, None]}))

    await registries.one.put(stream)

    assert await registries.other.get(stream.stream_id) == stream
    assert await registries.one.get(stream.stream_id) == stream
    assert await registries.other.page("acme", None, 10) == [stream]


async def test_an_entry_changes_when_it_is_put_again(registries: Replicas) -> None:
    stream = a_stream()
    ended = stream.ended(2_000)
    await registries.one.put(stream)
    await registries.one.put(ended)
    await registries.one.put(ended.ended(2_000, 42))

    assert await registries.one.get(stream.stream_id) == ended.ended(2_000, 42)
    assert len(await registries.one.page("acme", None, 10)) == 1


async def test_an_end_that_is_known_is_never_taken_back(registries: Replicas) -> None:
    stream = a_stream()
    await registries.one.put(stream.ended(2_000, 42))

    await registries.one.put(stream)
    await registries.one.put(stream.ended(3_000))
    await registries.one.put(stream.ended(3_000, 50))

    assert await registries.one.get(stream.stream_id) == stream.ended(2_000, 42)


async def test_of_ends_at_once_the_first_moment_and_the_first_record_count(
    registries: Replicas,
) -> None:
    stream = a_stream()
    await registries.one.put(stream)

    await asyncio.gather(
        registries.one.put(stream.ended(2_000, 42)), registries.other.put(stream.ended(1_999, 43))
    )
    await registries.one.page("acme", None, 10)
    await registries.other.page("acme", None, 10)

    for registry in registries:
        assert await registry.get(stream.stream_id) == stream.ended(1_999, 42)


async def test_pages_are_in_the_order_of_starts_and_of_ids_within_a_moment(
    registries: Replicas,
) -> None:
    streams = [a_stream(created_at=at) for at in (5, 3, 3, 9, 3, 1)]
    await asyncio.gather(*map(registries.one.put, streams))
    ordered = sorted(streams, key=lambda s: (s.created_at, s.stream_id))

    found: list[Stream] = []
    after: tuple[int, str] | None = None
    while page := await registries.other.page("acme", after, 2):
        assert len(page) <= 2
        found += page
        after = (page[-1].created_at, page[-1].stream_id)

    assert found == ordered


async def test_a_page_goes_on_behind_a_place_at_which_no_stream_stands(
    registries: Replicas,
) -> None:
    early, late = a_stream(created_at=1), a_stream(created_at=9)
    await registries.one.put(early)
    await registries.one.put(late)

    assert await registries.one.page("acme", (5, ""), 10) == [late]


async def test_a_tenant_sees_only_its_own(registries: Replicas) -> None:
    mine, theirs = a_stream(), a_stream(tenant="other")
    await registries.one.put(mine)
    await registries.one.put(theirs)

    assert await registries.one.page("acme", None, 10) == [mine]
    assert await registries.one.page("other", None, 10) == [theirs]
    assert await registries.one.page("nobody", None, 10) == []


async def test_many_at_once_are_all_stored(registries: Replicas) -> None:
    streams = [a_stream(created_at=number) for number in range(120)]

    await asyncio.gather(*map(registries.one.put, streams))

    assert await registries.other.page("acme", None, 1_000) == streams
