"""Issued keys in DynamoDB: an item for each, and one that lists it below all keys."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from botocore.exceptions import ClientError

from streaming_runtime.aws import items
from streaming_runtime.aws.calls import Dynamo, failed_condition
from streaming_runtime.aws.items import Item
from streaming_runtime.core.api_keys import IssuedKey, merged
from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.errors import Overloaded
from streaming_runtime.core.key_entries import from_json

# Only commands that change one key at the same moment meet at all.
MOST_TRIES = 10


class DynamoKeys:
    """Implements core.ports.IssuedKeyStore over the table."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def put(self, key: IssuedKey) -> None:
        for _ in range(MOST_TRIES):
            known = await self.get(key.key_id)
            written = key if known is None else merged(known, key)
            if written == known:
                return
            try:
                await self._replace(known, written)
            except ClientError as failure:
                if failed_condition(failure) is None:
                    raise
            else:
                return
        raise Overloaded("Too many change this key at once")

    async def get(self, key_id: str) -> IssuedKey | None:
        item = await self._dynamo.item(items.issued_key(key_id))
        return None if item is None else _key_in(item)

    async def all(self, tenant: str | None = None) -> list[IssuedKey]:
        ids = await self._ids("" if tenant is None else items.listing_of_keys(tenant, ""))
        found = [await self.get(key_id) for key_id in ids]
        wanted = [key for key in found if key is not None and tenant in (None, key.tenant)]
        return sorted(wanted, key=attrgetter("created_at", "key_id"))

    async def _replace(self, known: IssuedKey | None, written: IssuedKey) -> None:
        """Write an entry and its place in the list, unless somebody was faster."""
        put: dict[str, Any] = {
            "TableName": self._dynamo.table,
            "Item": items.issued_item(written),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if known is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "entry = :known"
            put["ExpressionAttributeValues"] = {":known": items.issued_item(known)[items.ENTRY]}
        listing = {"TableName": self._dynamo.table, "Item": items.issued_listing(written)}
        await self._dynamo.write(
            "transact_write_items", TransactItems=[{"Put": put}, {"Put": listing}]
        )

    async def _ids(self, prefix: str) -> list[str]:
        request: dict[str, Any] = {
            "TableName": self._dynamo.table,
            "KeyConditionExpression": "pk = :list",
            "ExpressionAttributeValues": {":list": items.text(items.ISSUED_KEYS)},
            "ProjectionExpression": "sk",
            "ConsistentRead": True,
        }
        if prefix:
            request["KeyConditionExpression"] += " AND begins_with(sk, :prefix)"
            request["ExpressionAttributeValues"][":prefix"] = items.text(prefix)
        found: list[str] = []
        while True:
            answer = await self._dynamo.read("query", **request)
            found += [item["sk"]["S"].rpartition("#")[2] for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _key_in(item: Item) -> IssuedKey | None:
    """Return the key of an item; what is no entry of ours is no key."""
    try:
        return from_json(item[items.ENTRY]["S"].encode())
    except BadEntry:
        return None
