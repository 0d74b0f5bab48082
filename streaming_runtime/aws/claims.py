"""Claims of Idempotency-Keys in DynamoDB: one conditional write each, so all replicas agree.

Powertools' idempotency keeps an answer, and cannot tell what became of a send whose process died
between Kafka's acknowledgement and the answer. A claim with the ends of the log before it can: the
record is looked for from there (core.idempotency).
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from streaming_runtime.aws import items
from streaming_runtime.aws.calls import Dynamo, failed_condition
from streaming_runtime.aws.items import Item
from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    Overloaded,
    StreamingError,
)
from streaming_runtime.core.idempotency import KEPT_MS, TAKEOVER_MS
from streaming_runtime.core.ports import Claim, Ends

log = logging.getLogger("millrace.aws.claims")

# A place names a claim; whoever guesses one gains nothing, but two must not be equal.
PLACE_BITS = 62
MAX_CLEANUPS = 1_000
# The claim that stands gives way: to anybody once it is over; else to whoever names it, if its
# process is done with it or long gone. Only that process may put another body in its place: nobody
# else can know that the first one was not stored.
CONDITION = (
    "attribute_not_exists(pk) OR #at <= :over OR (place = :named"
    " AND (digest = :digest OR #by = :me)"
    " AND (#by = :me OR is_left = :yes OR #at <= :takeover))"
)
NAMES = {"#by": "by", "#at": "at"}
MINE = "place = :place AND #by = :me"


class DynamoClaims:
    """Implements core.ports.KeyClaims over the table."""

    def __init__(self, dynamo: Dynamo, now_ms: Callable[[], int]) -> None:
        self._dynamo = dynamo
        self._now_ms = now_ms
        self._owner = secrets.token_hex(8)
        self._cleanups: set[asyncio.Task[None]] = set()

    async def find(self, use: bytes) -> Claim | None:
        return await self.find_latest(use)

    async def find_latest(self, use: bytes) -> Claim | None:
        item = await self._dynamo.item(items.claim_key(use))
        claim = None if item is None else self._claim_in(item)
        return None if claim is None or claim.at + KEPT_MS <= self._now_ms() else claim

    async def claim(self, use: bytes, digest: bytes, ends: Ends, over: Claim | None) -> Claim:
        place = secrets.randbits(PLACE_BITS)
        now = self._now_ms()
        item = self._item(use, digest, ends, place, now)
        putting = asyncio.ensure_future(self._put(item, digest, over, now))
        try:
            standing = await asyncio.shield(putting)
        except asyncio.CancelledError:
            self._clean_up(use, place, putting)
            raise
        except OutcomeUnknown:
            # Whatever became of the claim, its record was not sent.
            self._clean_up(use, place, None)
            raise BrokerUnavailable from None
        # An attempt whose answer was lost has won against the one after it.
        return self._claim_in(standing)._replace(is_mine=int(standing["place"]["N"]) == place)

    async def keep(self, use: bytes, claim: Claim, offsets: tuple[int | None, ...]) -> None:
        await self._change(
            "the first answer is not noted: a repeat looks for its record",
            use,
            UpdateExpression="SET offsets = :offsets",
            ConditionExpression="place = :place",
            ExpressionAttributeValues={
                ":offsets": items.text(json.dumps(offsets)),
                ":place": items.whole(claim.place),
            },
        )

    async def release(self, use: bytes, claim: Claim, *, is_unused: bool) -> None:
        await self._release(use, claim.place, is_unused=is_unused)

    async def close(self) -> None:
        """Wait for the releases of what was given up; each has a deadline."""
        if self._cleanups:
            await asyncio.wait(self._cleanups)

    async def _put(self, item: Item, digest: bytes, over: Claim | None, now: int) -> Item:
        """Return the claim that counts now: ``item``, or the one that stood against it."""
        try:
            await self._dynamo.write(
                "put_item",
                TableName=self._dynamo.table,
                Item=item,
                ConditionExpression=CONDITION,
                ExpressionAttributeNames=NAMES,
                ExpressionAttributeValues={
                    ":over": items.whole(now - KEPT_MS),
                    ":takeover": items.whole(now - TAKEOVER_MS),
                    ":named": items.whole(-1 if over is None else over.place),
                    ":digest": {"B": digest},
                    ":me": items.text(self._owner),
                    ":yes": {"BOOL": True},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as failure:
            standing = failed_condition(failure)
            if not standing:
                raise
            return standing
        return item

    def _item(self, use: bytes, digest: bytes, ends: Ends, place: int, now: int) -> Item:
        return {
            **items.claim_key(use),
            "place": items.whole(place),
            "by": items.text(self._owner),
            "digest": {"B": digest},
            "input": items.whole(ends.input),
            "results": items.whole(ends.results),
            "at": items.whole(now),
            "is_left": {"BOOL": False},
            "expires_at": items.whole((now + KEPT_MS) // 1000 + 1),
        }

    def _claim_in(self, item: Item) -> Claim:
        owner: str = item["by"]["S"]
        at = int(item["at"]["N"])
        is_open = owner == self._owner or item["is_left"]["BOOL"]
        offsets = json.loads(item["offsets"]["S"]) if "offsets" in item else None
        return Claim(
            place=int(item["place"]["N"]),
            digest=item["digest"]["B"],
            ends=Ends(int(item["input"]["N"]), int(item["results"]["N"])),
            at=at,
            is_open=is_open or at + TAKEOVER_MS <= self._now_ms(),
            offsets=None if offsets is None else tuple(offsets),
        )

    def _clean_up(self, use: bytes, place: int, putting: asyncio.Task[Item] | None) -> None:
        """Release, beside the calls that go on, a claim that nobody waits for any more."""
        if len(self._cleanups) >= MAX_CLEANUPS:
            return  # It is open to others after TAKEOVER_MS.

        async def release() -> None:
            if putting is not None:
                await asyncio.wait({putting})
                if putting.cancelled() or isinstance(putting.exception(), Overloaded):
                    return
            await self._release(use, place, is_unused=True)

        task = asyncio.ensure_future(release())
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)

    async def _release(self, use: bytes, place: int, *, is_unused: bool) -> None:
        mine: dict[str, Any] = {
            "ConditionExpression": MINE,
            "ExpressionAttributeNames": {"#by": "by"},
        }
        values = {":place": items.whole(place), ":me": items.text(self._owner)}
        trouble = "a key is free later than it could be"
        if is_unused:
            await self._change(
                trouble, use, "delete_item", ExpressionAttributeValues=values, **mine
            )
        else:
            await self._change(
                trouble,
                use,
                UpdateExpression="SET is_left = :yes",
                ExpressionAttributeValues={**values, ":yes": {"BOOL": True}},
                **mine,
            )

    async def _change(
        self, trouble: str, use: bytes, operation: str = "update_item", **request: Any
    ) -> None:
        """Change a claim if it still counts; what fails is only told, since a claim ages."""
        key = items.claim_key(use)
        try:
            await self._dynamo.write(operation, TableName=self._dynamo.table, Key=key, **request)
        except StreamingError as failure:
            log.warning(trouble, extra={"reason": failure.code})
        except ClientError as failure:
            if failed_condition(failure) is None:
                raise
