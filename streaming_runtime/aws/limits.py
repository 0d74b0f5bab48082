"""What a tenant may do, counted in DynamoDB: every process of a region shares one budget.

The bucket is kept as the moment at which it will be full again. A request moves that moment on by
its price, in one conditional write, as long as it is not further away than a whole bucket.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from streaming_runtime.aws import items
from streaming_runtime.aws.calls import Dynamo, failed_condition
from streaming_runtime.core.leasing import Lease, Outlook
from streaming_runtime.core.limits import Verdict

# In a second, so that a token of the greatest limit, 10**9 a second, is a thousand of them.
TICKS = 10**12
TICKS_OF_A_MICROSECOND = 1_000_000
# A bucket that was not used for so long is full, and forgotten.
KEPT_SECONDS = 3_600
# Between two attempts another process may have filled or emptied it, again and again.
MOST_TRIES = 5
MOST_SEEN = 10_000
# An answer takes milliseconds; who counts without one lets in more than all may together.
WAIT_SECONDS = 1.0


class DynamoLimits:
    """Takes requests of a tenant from the budget that all processes share.

    Source:  the generic cell rate algorithm, ITU-T I.371, annex A.
    """

    def __init__(
        self,
        dynamo: Dynamo,
        per_second: int,
        burst: int,
        now: Callable[[], float] = time.time,
        key: Callable[[str], items.Item] = items.limit_key,
    ) -> None:
        self._dynamo = dynamo
        self._rate = per_second
        self._depth = burst * TICKS // per_second
        self._burst = burst
        self._now = now
        self._key = key
        # When each bucket is full, as far as was last seen here: only a guess at which of two
        # conditions will hold.
        self._seen: dict[str, int] = {}

    async def take(self, tenant: str, count: int = 1, held: int = 0) -> Verdict:
        """Take ``count`` if all are there, else none; a count above the burst needs a full bucket.

        Units:   ``held`` is for how many ticks it may be used: it is paid from then on.
        Raises:  BrokerUnavailable, Overloaded or OutcomeUnknown: perhaps it was taken.
        """
        price = count * TICKS // self._rate
        room = max(0, self._depth - price) if not held else self._depth - price
        full_at = self._seen.get(tenant, 0)
        for _ in range(MOST_TRIES):
            # Asked anew: the call before may have taken as long as a cold start does.
            now = self._ticks()
            if full_at > now + room or held > room:
                # Refused without a write, if that is still so by what the table says.
                standing = await self._read(tenant)
                if standing > now + room or held > room:
                    return self._verdict(tenant, standing, now, max(now, standing - room))
                full_at = standing
            written = await self._moved(tenant, full_at, now + held, price, now + room)
            if written is not None:
                return self._verdict(tenant, written, now, None)
            full_at = await self._read(tenant)
        now = self._ticks()
        return self._verdict(tenant, full_at, now, now + TICKS)

    async def give_back(self, tenant: str, count: int) -> None:
        """Undo a take: what it was for did not happen.

        Raises:  BrokerUnavailable, Overloaded or OutcomeUnknown: perhaps it was given back.
        """
        now, price = self._ticks(), count * TICKS // self._rate
        try:
            await self._dynamo.write(
                "update_item",
                TableName=self._dynamo.table,
                Key=self._key(tenant),
                UpdateExpression="SET full_at = full_at - :price",
                # A bucket that is full by now has had it back already.
                ConditionExpression="full_at > :now",
                ExpressionAttributeValues={":price": items.whole(price), ":now": items.whole(now)},
            )
        except ClientError as failure:
            if failed_condition(failure) is None:
                raise
        self._seen.pop(tenant, None)

    def seen(self, tenant: str, wanted: int) -> tuple[int, float]:
        """Return how many there are as far as was last seen here, and when as many as wanted are.

        Units:   seconds from now.
        """
        now = self._ticks()
        missing = max(0, self._seen.get(tenant, 0) - now)
        remaining = max(0, (self._depth - missing) * self._rate // TICKS)
        wait = missing - self._depth - (-wanted * TICKS // self._rate)
        return remaining, max(0, wait) / TICKS

    async def _moved(
        self, tenant: str, full_at: int, now: int, price: int, latest: int
    ) -> int | None:
        """Pay, and return when the bucket is full then; None when the guess was wrong."""
        if full_at > now:
            change = "full_at = full_at + :price"
            condition = "full_at BETWEEN :now AND :latest"
            values = {":price": price, ":now": now, ":latest": latest}
        else:
            change = "full_at = :full_at"
            condition = "attribute_not_exists(pk) OR full_at <= :now"
            values = {":full_at": now + price, ":now": now}
        # A debt may last for longer than a bucket that nobody uses.
        values[":expires_at"] = max(now, full_at) // TICKS + KEPT_SECONDS
        try:
            answer = await self._dynamo.write(
                "update_item",
                TableName=self._dynamo.table,
                Key=self._key(tenant),
                UpdateExpression=f"SET {change}, expires_at = :expires_at",
                ConditionExpression=condition,
                ExpressionAttributeValues={k: items.whole(v) for k, v in values.items()},
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as failure:
            if failed_condition(failure) is None:
                raise
            return None
        return _full_at(answer["Attributes"])

    async def _read(self, tenant: str) -> int:
        return _full_at(await self._dynamo.item(self._key(tenant)) or {})

    def _ticks(self) -> int:
        # A float has no more digits than microseconds need.
        return int(self._now() * 1_000_000) * TICKS_OF_A_MICROSECOND

    def _verdict(self, tenant: str, full_at: int, now: int, retry_at: int | None) -> Verdict:
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[tenant] = full_at
        missing = max(0, full_at - now)
        remaining = max(0, (self._depth - missing) * self._rate // TICKS)
        more_at = full_at - self._depth + (remaining + 1) * TICKS // self._rate
        return Verdict(
            is_admitted=retry_at is None,
            remaining=remaining,
            reset_seconds=0 if remaining >= self._burst else _seconds(more_at - now),
            retry_after_seconds=0 if retry_at is None else max(1, _seconds(retry_at - now)),
        )


class DynamoLeases:
    """Implements core.leasing.LeaseStore: many requests at once, for those who serve many."""

    def __init__(self, limits: DynamoLimits, hold_ms: int) -> None:
        self.hold_seconds = hold_ms / 1_000
        self.wait_seconds = WAIT_SECONDS
        self._limits = limits
        self._held = hold_ms * TICKS // 1_000

    def outlook(self, tenant: str, taken: int) -> Outlook:
        remaining, seconds = self._limits.seen(tenant, taken + 1)
        return Outlook(remaining - taken, seconds)

    async def lease(self, tenant: str, direct: int, ahead: int) -> Lease:
        if ahead and (await self._limits.take(tenant, direct + ahead, self._held)).is_admitted:
            return Lease(direct, ahead)
        if not direct:
            return Lease(0, 0)
        verdict = await self._limits.take(tenant, direct)
        if verdict.is_admitted or not verdict.remaining:
            return Lease(direct if verdict.is_admitted else 0, 0)
        fewer = min(direct, verdict.remaining)
        return Lease(fewer if (await self._limits.take(tenant, fewer)).is_admitted else 0, 0)


def _full_at(item: dict[str, Any]) -> int:
    return int(item["full_at"]["N"]) if "full_at" in item else 0


def _seconds(ticks: int) -> int:
    # Rounded up, and a millisecond more: a request after Retry-After must succeed.
    return max(0, math.ceil(ticks / TICKS + 0.001))
