"""The registry of streams in DynamoDB: a process keeps none of it, so a cold one knows all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from botocore.exceptions import ClientError

from streaming_runtime.aws import items
from streaming_runtime.aws.calls import Dynamo, failed_condition
from streaming_runtime.aws.items import Item
from streaming_runtime.core.entries import from_json, merged
from streaming_runtime.core.errors import Overloaded
from streaming_runtime.core.model import Stream

# Only replicas that end one stream at the same moment meet at all.
MOST_TRIES = 10
# What BatchGetItem takes.
MOST_KEYS = 100
# What it leaves out when it is asked for more than it gives at once.
MOST_ROUNDS = 20
DUE_AT_ONCE = 100


class DynamoRegistry:
    """Implements core.ports.StreamRegistry and OverdueStreams over the table."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def put(self, stream: Stream) -> None:
        known: Stream | None = None
        if stream.ended_at is not None:
            known = await self.get(stream.stream_id)
        for _ in range(MOST_TRIES):
            written = stream if known is None else merged(known, stream)
            if written == known:
                return
            try:
                await self._replace(known, written)
            except ClientError as failure:
                standing = failed_condition(failure)
                if standing is None:
                    raise
                known = _stream_in(standing) if standing else await self.get(stream.stream_id)
            else:
                return
        raise Overloaded("Too many change this stream at once")

    def at_hand(self, stream_id: str) -> Stream | None:
        return None

    async def get(self, stream_id: str) -> Stream | None:
        item = await self._dynamo.item(items.stream_key(stream_id))
        return None if item is None else _stream_in(item)

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        places = await asyncio.gather(
            *(
                self._places(
                    items.tenant_shard(tenant, shard),
                    "sk > :place",
                    items.place_of(*after) if after else "",
                    limit,
                )
                for shard in range(items.TENANT_SHARDS)
            )
        )
        first = sorted(place for shard in places for place in shard)[:limit]
        return sorted(await self._streams(first), key=attrgetter("created_at", "stream_id"))

    async def due(self, now_ms: int) -> list[Stream]:
        last = items.place_of(now_ms + 1, "")
        places = await asyncio.gather(
            *(
                self._places(items.due_shard(shard), "sk < :place", last, DUE_AT_ONCE)
                for shard in range(items.DUE_SHARDS)
            )
        )
        return await self._streams([place for shard in places for place in shard])

    async def _replace(self, known: Stream | None, written: Stream) -> None:
        """Write an entry and what points to it, all or nothing, unless somebody was faster.

        Raises:  ClientError for the entry's condition; as Dynamo.write.
        """
        put: dict[str, Any] = {
            "TableName": self._dynamo.table,
            "Item": items.stream_item(written),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if known is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "entry = :known"
            put["ExpressionAttributeValues"] = {":known": items.stream_item(known)[items.ENTRY]}
        changes = [{"Put": put}]
        if known is None:
            changes.append(self._put(items.listing_key(written)))
        before, after = known and items.due_key(known), items.due_key(written)
        if before != after:
            changes += [self._delete(before)] if before else []
            changes += [self._put(after)] if after else []
        await self._dynamo.write("transact_write_items", TransactItems=changes)

    def _put(self, item: Item) -> dict[str, Any]:
        return {"Put": {"TableName": self._dynamo.table, "Item": item}}

    def _delete(self, key: Item) -> dict[str, Any]:
        return {"Delete": {"TableName": self._dynamo.table, "Key": key}}

    async def _places(self, shard: str, condition: str, place: str, limit: int) -> list[str]:
        """Return the first ``sk`` of a shard that hold the condition, in their order."""
        found: list[str] = []
        request: dict[str, Any] = {
            "TableName": self._dynamo.table,
            "KeyConditionExpression": f"pk = :shard AND {condition}",
            "ExpressionAttributeValues": {
                ":shard": items.text(shard),
                # An empty text is no key: the space comes before every digit.
                ":place": items.text(place or " "),
            },
            "ProjectionExpression": "sk",
            "ConsistentRead": True,
        }
        for _ in range(MOST_ROUNDS):
            answer = await self._dynamo.read("query", Limit=limit - len(found), **request)
            found += [item["sk"]["S"] for item in answer["Items"]]
            if len(found) >= limit or "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found

    async def known(self, ids: Sequence[str]) -> list[Stream]:
        """Return the streams of these ids, as far as there are any, in any order."""
        batches = [ids[first : first + MOST_KEYS] for first in range(0, len(ids), MOST_KEYS)]
        found = await asyncio.gather(*map(self._batch, batches))
        return [stream for batch in found for stream in batch]

    async def _streams(self, places: Sequence[str]) -> list[Stream]:
        return await self.known([items.place_in(place)[1] for place in places])

    async def _batch(self, ids: Sequence[str]) -> list[Stream]:
        """Return the streams of up to MOST_KEYS ids, in any order."""
        wanted = {
            self._dynamo.table: {
                "Keys": [items.stream_key(stream_id) for stream_id in ids],
                "ConsistentRead": True,
            }
        }
        found: list[Stream] = []
        for _ in range(MOST_ROUNDS):
            answer = await self._dynamo.read("batch_get_item", RequestItems=wanted)
            found += map(_stream_in, answer["Responses"].get(self._dynamo.table, ()))
            wanted = answer.get("UnprocessedKeys", {})
            if not wanted:
                return found
        raise Overloaded("The table of streams gives no more at the moment")


def _stream_in(item: Item) -> Stream:
    value: str = item[items.ENTRY]["S"]
    stream_id: str = item["pk"]["S"].removeprefix("stream#")
    return from_json(stream_id.encode(), value.encode())
