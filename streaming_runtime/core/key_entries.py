"""Entries of issued keys as they are stored: one JSON object each, and none holds a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from streaming_runtime.core.api_keys import KEY_ID, IssuedKey, merged
from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.principals import SCOPES

# The topic of streams holds keys as well; a stream's id has no "/".
KEY_PREFIX = b"key/"

FIELDS = frozenset(IssuedKey.__dataclass_fields__)
TEXTS = ("key_id", "tenant", "digest", "pepper", "streams")
MOMENTS = ("expires_at", "revoked_at", "per_second", "burst")


def to_entry(key: IssuedKey) -> dict[str, Any]:
    """Return an entry as JSON can hold it; what is not set is left out."""
    entry = {name: getattr(key, name) for name in IssuedKey.__dataclass_fields__}
    entry["scopes"] = [scope for scope in SCOPES if scope in key.scopes]
    return {name: value for name, value in entry.items() if value is not None}


def from_entry(entry: Any) -> IssuedKey:
    """Read an entry; fields of later versions are passed over.

    Raises:  BadEntry.
    """
    if not isinstance(entry, dict):
        raise BadEntry("not a JSON object")
    fields = {name: entry[name] for name in entry.keys() & FIELDS}
    scopes = fields.get("scopes")
    if not isinstance(scopes, list) or not set(map(str, scopes)) <= set(SCOPES):
        raise BadEntry("its scopes are none that we know")
    try:
        key = IssuedKey(**{**fields, "scopes": frozenset(scopes)})
    except TypeError as exc:
        raise BadEntry("a field is missing") from exc
    if not _is_sound(key):
        raise BadEntry("a field has another type")
    return key


def to_json(key: IssuedKey) -> bytes:
    return json.dumps(to_entry(key), separators=(",", ":")).encode()


def from_json(value: bytes) -> IssuedKey:
    """Read an entry from its JSON.

    Raises:  BadEntry.
    """
    try:
        entry = json.loads(value.decode())
    except (ValueError, RecursionError) as exc:
        raise BadEntry("not JSON") from exc
    return from_entry(entry)


class KeysInMemory:
    """Keys by id, as the entries of a log tell of them, in any order."""

    def __init__(self) -> None:
        self._keys: dict[str, IssuedKey] = {}

    def get(self, key_id: str) -> IssuedKey | None:
        return self._keys.get(key_id)

    def all(self) -> Iterable[IssuedKey]:
        return self._keys.values()

    def apply(self, key_id: str, value: bytes | None) -> None:
        """Take in an entry; an empty one forgets the key.

        Raises:  BadEntry.
        """
        if not value:
            self._keys.pop(key_id, None)
            return
        key = from_json(value)
        if key.key_id != key_id:
            raise BadEntry("the key of the record is another key's")
        known = self._keys.get(key_id)
        if known is not None and (known.tenant, known.digest) != (key.tenant, key.digest):
            raise BadEntry("a key's tenant and digest never change")
        self._keys[key_id] = key if known is None else merged(known, key)


def _is_sound(key: IssuedKey) -> bool:
    return (
        all(type(getattr(key, name)) is str for name in TEXTS)
        and all(type(getattr(key, name)) in (int, type(None)) for name in MOMENTS)
        and type(key.created_at) is int
        and type(key.label) in (str, type(None))
        and KEY_ID.fullmatch(key.key_id) is not None
        and key.digest.isascii()
    )
