"""Entries of issued keys: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.key_entries import (
    KEY_PREFIX,
    KeysInMemory,
    from_json,
    to_entry,
    to_json,
)
from streaming_runtime.core.model import is_stream_id
from tests.core.issued import issued


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"label": "ü", "expires_at": 1, "revoked_at": 2, "per_second": 3, "burst": 4},
        {"scopes": frozenset({"read"}), "streams": "ab*"},
        {"scopes": frozenset[str]()},
    ],
)
def test_an_entry_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    _, key = issued(**changes)

    assert from_json(to_json(key)) == key


def test_an_entry_holds_no_secret() -> None:
    text, key = issued()
    secret = text.split("_")[2]

    assert secret not in to_json(key).decode()
    assert set(to_entry(key)) == {
        "key_id",
        "tenant",
        "digest",
        "pepper",
        "created_at",
        "scopes",
        "streams",
    }


def test_fields_of_later_versions_are_passed_over() -> None:
    _, key = issued()

    assert from_json(json.dumps({**to_entry(key), "colour": "red"}).encode()) == key


def test_a_records_key_can_be_no_streams() -> None:
    assert not is_stream_id(KEY_PREFIX.decode() + "A" * (22 - len(KEY_PREFIX)))


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": None},
        {"tenant": 7},
        {"digest": 7},
        {"digest": "ä"},
        {"created_at": "now"},
        {"created_at": True},
        {"expires_at": "soon"},
        {"expires_at": 1.5},
        {"scopes": "read"},
        {"scopes": ["everything"]},
        {"scopes": [["read"]]},
        {"scopes": None},
        {"key_id": "../etc"},
        {"label": 1},
    ],
)
def test_an_entry_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    entry = {**to_entry(issued()[1]), **change}

    with pytest.raises(BadEntry):
        from_json(json.dumps(entry).encode())


@pytest.mark.parametrize("value", [b"", b"[]", b"7", b"\xff", b"{}", b"[" * 100_000])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(BadEntry):
        from_json(value)


def test_memory_takes_entries_in_any_order_and_forgets_empty_ones() -> None:
    _, key = issued()
    revoked = replace(key, revoked_at=9)
    memory = KeysInMemory()

    memory.apply(key.key_id, to_json(revoked))
    memory.apply(key.key_id, to_json(key))
    assert memory.get(key.key_id) == revoked

    memory.apply(key.key_id, None)
    memory.apply(key.key_id, b"")
    assert list(memory.all()) == []


def test_an_entry_of_another_key_and_one_that_moves_a_key_to_another_tenant_are_refused() -> None:
    _, key = issued()
    memory = KeysInMemory()
    memory.apply(key.key_id, to_json(key))

    for key_id, entry in (
        ("A" * 12, key),
        (key.key_id, replace(key, tenant="thief")),
        (key.key_id, replace(key, digest="0" * 64)),
    ):
        with pytest.raises(BadEntry):
            memory.apply(key_id, to_json(entry))
    assert memory.get(key.key_id) == key
