"""core.ports.KeyClaims, on every adapter."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.ports import Claim, Ends, KeyClaims
from streaming_runtime.core.settings import KafkaSettings
from tests.contracts.claims import CLAIMS, Claimants

BODY, ANOTHER = b"1" * 16, b"2" * 16
ENDS = Ends(41, 17)


@pytest.fixture(params=CLAIMS)
async def claimants(
    request: pytest.FixtureRequest, unmade: KafkaSettings
) -> AsyncIterator[Claimants]:
    async with CLAIMS[request.param](unmade) as claimants:
        yield claimants


@pytest.fixture
def use() -> bytes:
    return secrets.token_bytes(16)


async def claim(claims: KeyClaims, use: bytes, body: bytes = BODY) -> Claim:
    return await claims.claim(use, body, ENDS, None)


async def test_a_key_that_nobody_claimed_has_no_claim(claimants: Claimants, use: bytes) -> None:
    await claim(claimants.one, secrets.token_bytes(16))

    assert await claimants.one.find(use) is None
    assert await claimants.other.find_latest(use) is None


async def test_the_first_claim_counts_for_everybody(claimants: Claimants, use: bytes) -> None:
    mine = await claim(claimants.one, use)
    theirs = await claim(claimants.other, use, ANOTHER)

    assert (mine.is_mine, mine.digest, mine.ends) == (True, BODY, ENDS)
    assert (theirs.is_mine, theirs.is_open, theirs.place) == (False, False, mine.place)
    assert (theirs.digest, theirs.ends, theirs.at) == (BODY, ENDS, mine.at)
    found = await claimants.other.find_latest(use)
    assert found is not None and found.place == mine.place


async def test_of_many_claims_at_once_exactly_one_counts(claimants: Claimants, use: bytes) -> None:
    made = await asyncio.gather(*(claim(claims, use) for claims in [*claimants] * 20))

    assert sum(each.is_mine for each in made) == 1
    assert len({each.place for each in made}) == 1


async def test_whoever_made_a_claim_may_replace_it_and_others_may_not_yet(
    claimants: Claimants, use: bytes
) -> None:
    first = await claim(claimants.one, use)

    refused = await claimants.other.claim(use, BODY, ENDS, first)
    second = await claimants.one.claim(use, BODY, Ends(50, 20), first)
    late = await claimants.one.claim(use, BODY, ENDS, first)

    assert (refused.is_mine, refused.place) == (False, first.place)
    assert (second.is_mine, second.ends) == (True, Ends(50, 20))
    assert (late.is_mine, late.place) == (False, second.place)


async def test_what_was_kept_is_known_to_whoever_keeps_it(claimants: Claimants, use: bytes) -> None:
    mine = await claim(claimants.one, use)

    await claimants.one.keep(use, mine, (5, None, 7))

    found = await claimants.one.find(use)
    assert found is not None and found.offsets == (5, None, 7)


async def test_a_claim_that_left_nothing_is_as_if_it_had_never_been(
    claimants: Claimants, use: bytes
) -> None:
    mine = await claim(claimants.one, use)
    await claimants.one.release(use, mine, is_unused=True)

    standing = await claimants.one.find(use)
    assert standing is None or standing.is_unused
    second = await claimants.one.claim(use, ANOTHER, ENDS, standing)
    assert (second.is_mine, second.digest) == (True, ANOTHER)
    await claimants.one.release(use, second, is_unused=True)
    async with asyncio.timeout(10):
        while await claimants.other.find_latest(use) is not None:
            await asyncio.sleep(0.01)
    assert (await claim(claimants.other, use)).is_mine


async def test_a_claim_without_an_answer_is_open_to_the_same_body(
    claimants: Claimants, use: bytes
) -> None:
    mine = await claim(claimants.one, use)
    await claimants.one.release(use, mine, is_unused=False)
    async with asyncio.timeout(10):
        while (standing := await claimants.other.find_latest(use)) and not standing.is_open:
            await asyncio.sleep(0.01)

    assert standing is not None
    refused = await claimants.other.claim(use, ANOTHER, ENDS, standing)
    taken = await claimants.other.claim(use, BODY, ENDS, standing)

    assert (refused.is_mine, refused.is_unused, taken.is_mine) == (False, False, True)
