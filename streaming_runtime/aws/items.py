"""How items lie in the one table: ``pk`` and ``sk``, both texts.

| pk | sk | what |
|---|---|---|
| ``stream#ID`` | ``entry`` | a stream, as JSON in ``entry`` |
| ``tenant#SHARD#TENANT`` | ``MOMENT#ID`` | that a tenant has the stream, begun at that moment |
| ``due#SHARD`` | ``MOMENT#ID`` | that the stream has to be ended at that moment |
| ``issued#ID`` | ``entry`` | an issued key, as JSON in ``entry`` |
| ``issued-keys`` | ``TENANT#ID`` | that there is the key |
| ``key#USE`` | ``claim`` | who uses an Idempotency-Key |
| ``limit#TENANT`` | ``requests`` | how far a tenant's requests are paid for |

What comes with a time to live has it in ``expires_at``, seconds since 1970.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from streaming_runtime.core.api_keys import IssuedKey
from streaming_runtime.core.entries import to_json
from streaming_runtime.core.key_entries import to_json as key_to_json
from streaming_runtime.core.model import Stream

Item = dict[str, Any]

ENTRY, CLAIM, REQUESTS, TAKES = "entry", "claim", "requests", "takes"
ISSUED_KEYS = "issued-keys"
# DynamoDB takes 1,000 writes a second below one ``pk``: a tenant may start eight times as many.
TENANT_SHARDS = 8
DUE_SHARDS = 4
# The last millisecond of the year 9999 has 15 digits; texts sort as the numbers then.
MOMENT_DIGITS = 15


def text(value: str) -> Item:
    return {"S": value}


def whole(value: int) -> Item:
    return {"N": str(value)}


def stream_key(stream_id: str) -> Item:
    return {"pk": text(f"stream#{stream_id}"), "sk": text(ENTRY)}


def claim_key(use: bytes) -> Item:
    return {"pk": text(f"key#{use.hex()}"), "sk": text(CLAIM)}


def limit_key(tenant: str) -> Item:
    return {"pk": text(f"limit#{tenant}"), "sk": text(REQUESTS)}


def take_key(bucket: str) -> Item:
    """Return where a bucket of a further limit lies, whose name a tenant may have as well."""
    return {"pk": text(f"limit#{bucket}"), "sk": text(TAKES)}


def issued_key(key_id: str) -> Item:
    return {"pk": text(f"issued#{key_id}"), "sk": text(ENTRY)}


def issued_item(key: IssuedKey) -> Item:
    return {**issued_key(key.key_id), ENTRY: text(key_to_json(key).decode())}


def issued_listing(key: IssuedKey) -> Item:
    return {"pk": text(ISSUED_KEYS), "sk": text(listing_of_keys(key.tenant, key.key_id))}


def listing_of_keys(tenant: str, key_id: str) -> str:
    return f"{tenant}#{key_id}"


def listing_key(stream: Stream) -> Item:
    shard = _shard(stream.stream_id, TENANT_SHARDS)
    place = place_of(stream.created_at, stream.stream_id)
    return {"pk": text(tenant_shard(stream.tenant, shard)), "sk": text(place)}


def tenant_shard(tenant: str, shard: int) -> str:
    return f"tenant#{shard}#{tenant}"


def due_key(stream: Stream) -> Item | None:
    """Return where it stands that a stream has to be ended, None if nobody has to."""
    moment = stream.due_at()
    if moment is None:
        return None
    shard = _shard(stream.stream_id, DUE_SHARDS)
    return {"pk": text(due_shard(shard)), "sk": text(place_of(moment, stream.stream_id))}


def due_shard(shard: int) -> str:
    return f"due#{shard}"


def place_of(moment: int, stream_id: str) -> str:
    return f"{moment:0{MOMENT_DIGITS}d}#{stream_id}"


def place_in(place: str) -> tuple[int, str]:
    moment, _, stream_id = place.partition("#")
    return int(moment), stream_id


def stream_item(stream: Stream) -> Item:
    return {**stream_key(stream.stream_id), ENTRY: text(to_json(stream).decode())}


def _shard(stream_id: str, shards: int) -> int:
    return blake2b(stream_id.encode(), digest_size=1).digest()[0] % shards
