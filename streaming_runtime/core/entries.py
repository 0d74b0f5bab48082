"""Registry entries as they are stored, and how two of one stream become one."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from sys import intern
from typing import Any

from streaming_runtime.core.model import Incarnation, Processor, Stream

INCARNATION_PREFIX = b"incarnation/"

FIELDS = frozenset(Stream.__dataclass_fields__) - {"processor"}
MAYBE_TEXT = (str, type(None))
MAYBE_WHOLE = (int, type(None))
# Most streams have one of a few processors without parameters: one object for all of them.
SHARED_PROCESSORS = 256


class BadEntry(ValueError):
    """What stands in the topic is no entry of ours."""


def to_json(stream: Stream) -> bytes:
    """Return a registry entry as it stands in the topic."""
    entry: dict[str, Any] = {
        name: getattr(stream, name)
        for name in Stream.__dataclass_fields__
        if name != "processor" and getattr(stream, name) is not None
    }
    entry["processor"] = {"name": stream.processor.name, **stream.processor.parameters}
    return json.dumps(entry, separators=(",", ":")).encode()


def from_json(key: bytes, value: bytes) -> Stream:
    """Read a registry entry; fields of later versions are passed over.

    Raises:  BadEntry.
    """
    entry = _object(value)
    try:
        processor = _processor(entry.pop("processor"))
        stream = Stream(processor=processor, **{n: entry[n] for n in entry.keys() & FIELDS})
    except (KeyError, TypeError, ValueError) as exc:
        raise BadEntry(f"a field is missing: {exc}") from exc
    if not _is_sound(stream):
        raise BadEntry("a field has another type")
    if stream.stream_id.encode("utf-8", "replace") != key:
        raise BadEntry("the key is another stream's")
    return stream


def merged(known: Stream, written: Stream) -> Stream:
    """Return what two entries of one stream say together.

    Two replicas may end a stream at once. Whatever the order of their entries, the first moment
    and the first end record count, so that all replicas agree and an end is never taken back.
    """
    ended_at = _first(known.ended_at, written.ended_at)
    end_source = _first(known.end_source, written.end_source)
    if (ended_at, end_source) == (written.ended_at, written.end_source):
        return written
    return replace(written, ended_at=ended_at, end_source=end_source)


def announcement(incarnation: Incarnation, replaces: str | None) -> tuple[bytes, bytes]:
    """Return the key and the value that tell everybody of an incarnation.

    Each has a key of its own, so that compaction keeps them all, in order: the first that replaces
    what was known before it counts, and whoever reads the log comes to the same one.
    """
    entry = {
        "incarnation": incarnation.id,
        "partitions": incarnation.partitions,
        "replaces": replaces,
    }
    return INCARNATION_PREFIX + incarnation.id.encode(), json.dumps(entry).encode()


def read_announcement(value: bytes) -> tuple[Incarnation, str | None]:
    """Read an announcement: the incarnation, and the id of the one it replaces.

    Raises:  BadEntry.
    """
    entry = _object(value)
    incarnation, partitions = entry.get("incarnation"), entry.get("partitions")
    replaces = entry.get("replaces")
    if not (isinstance(incarnation, str) and type(partitions) is int and partitions > 0):
        raise BadEntry("an announcement names no incarnation")
    if not (replaces is None or isinstance(replaces, str)):
        raise BadEntry("an announcement replaces something else than an incarnation")
    return Incarnation(intern(incarnation), partitions), replaces


def _object(value: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(value.decode())
    except (ValueError, RecursionError) as exc:
        raise BadEntry("not JSON") from exc
    if not isinstance(entry, dict):
        raise BadEntry("not a JSON object")
    return entry


def _processor(entry: dict[str, Any]) -> Processor:
    if len(entry) == 1:
        return _plain_processor(entry["name"])
    return Processor(entry["name"], {name: entry[name] for name in entry if name != "name"})


@lru_cache(maxsize=SHARED_PROCESSORS)
def _plain_processor(name: str) -> Processor:
    return Processor(name)


def _is_sound(stream: Stream) -> bool:
    """Check the types: a wrong one would break the order of a tenant's streams much later."""
    return (
        type(stream.stream_id) is type(stream.tenant) is type(stream.incarnation) is str
        and type(stream.partition) is type(stream.first_offset) is type(stream.created_at) is int
        and type(stream.processor.name) is str
        and type(stream.label) in MAYBE_TEXT
        and type(stream.ttl_seconds) in MAYBE_WHOLE
        and type(stream.ended_at) in MAYBE_WHOLE
        and type(stream.end_source) in MAYBE_WHOLE
    )


def _first(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
