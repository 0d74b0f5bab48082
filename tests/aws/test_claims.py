"""What the claims in DynamoDB do beside their contract."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from streaming_runtime.aws.claims import DynamoClaims
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.idempotency import KEPT_MS, TAKEOVER_MS
from streaming_runtime.core.ports import Ends
from tests.aws.table import OneAtATime, client, dynamo, emulated_table

BODY, ANOTHER = b"1" * 16, b"2" * 16
ENDS = Ends(41, 17)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def use() -> bytes:
    return secrets.token_bytes(16)


@pytest.fixture
def claims(clock: Clock) -> Iterator[tuple[DynamoClaims, DynamoClaims]]:
    with emulated_table(), dynamo() as one, dynamo() as other:
        yield DynamoClaims(one, clock), DynamoClaims(other, clock)


async def test_a_claim_counts_for_a_day_and_then_the_key_is_new(
    claims: tuple[DynamoClaims, DynamoClaims], clock: Clock, use: bytes
) -> None:
    one, other = claims
    mine = await one.claim(use, BODY, ENDS, None)
    clock.ms += KEPT_MS - 1
    assert not (await other.claim(use, ANOTHER, ENDS, None)).is_mine

    clock.ms = mine.at + KEPT_MS

    assert await other.find(use) is None
    assert (await other.claim(use, ANOTHER, ENDS, None)).is_mine


async def test_a_claim_of_a_process_that_is_gone_can_be_taken_over(
    claims: tuple[DynamoClaims, DynamoClaims], clock: Clock, use: bytes
) -> None:
    one, other = claims
    mine = await one.claim(use, BODY, ENDS, None)
    clock.ms += TAKEOVER_MS

    standing = await other.find(use)
    assert standing is not None and standing.is_open
    assert not (await other.claim(use, ANOTHER, ENDS, mine)).is_mine
    assert (await other.claim(use, BODY, ENDS, mine)).is_mine


async def test_the_first_answer_is_known_to_every_replica(
    claims: tuple[DynamoClaims, DynamoClaims], use: bytes
) -> None:
    one, other = claims
    mine = await one.claim(use, BODY, ENDS, None)
    await one.keep(use, mine, (5, None))

    found = await other.find(use)

    assert found is not None and found.offsets == (5, None)


async def test_an_answer_comes_too_late_for_a_claim_that_was_replaced(
    claims: tuple[DynamoClaims, DynamoClaims], use: bytes
) -> None:
    one, _ = claims
    first = await one.claim(use, BODY, ENDS, None)
    await one.claim(use, BODY, ENDS, first)

    await one.keep(use, first, (5,))
    await one.release(use, first, is_unused=True)

    found = await one.find(use)
    assert found is not None and found.offsets is None


async def test_a_claim_whose_answer_was_lost_is_released(
    claims: tuple[DynamoClaims, DynamoClaims], clock: Clock, use: bytes
) -> None:
    class Deaf(OneAtATime):
        def put_item(self, **request: Any) -> None:
            super().__getattr__("put_item")(**request)
            raise ReadTimeoutError(endpoint_url="https://dynamodb.invalid")

    with dynamo(lambda: Deaf(client())) as opened:
        deaf = DynamoClaims(opened, clock)
        with pytest.raises(BrokerUnavailable):
            await deaf.claim(use, BODY, ENDS, None)
        await deaf.close()

    assert (await claims[1].claim(use, ANOTHER, ENDS, None)).is_mine


async def test_a_claim_that_nobody_waits_for_any_more_is_released(
    claims: tuple[DynamoClaims, DynamoClaims], clock: Clock, use: bytes
) -> None:
    may_go = threading.Event()

    class Slow(OneAtATime):
        def put_item(self, **request: Any) -> Any:
            may_go.wait(10)
            return super().__getattr__("put_item")(**request)

    with dynamo(lambda: Slow(client())) as opened:
        slow = DynamoClaims(opened, clock)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await slow.claim(use, BODY, ENDS, None)
        may_go.set()
        await slow.close()

    assert await claims[1].find(use) is None
