import json
from typing import Any

import pytest

from streaming_runtime.core.entries import (
    BadEntry,
    announcement,
    from_json,
    merged,
    read_announcement,
    to_json,
)
from streaming_runtime.core.model import Incarnation, Processor, Stream

STREAM_ID = "A" * 22
KEY = STREAM_ID.encode()
STREAM = Stream(
    stream_id=STREAM_ID,
    tenant="acme",
    processor=Processor("jmespath", {"expression": "a.b"}),
    incarnation="AAAAAAAA",
    partition=3,
    first_offset=17,
    created_at=1_700_000_000_000,
    label="Straße \ud83d",
    ttl_seconds=60,
    ended_at=1_700_000_000_500,
    end_source=99,
)


def test_an_entry_reads_back_as_it_was_written() -> None:
    assert from_json(KEY, to_json(STREAM)) == STREAM


def test_an_entry_holds_only_what_is_known() -> None:
    plain = Stream(STREAM_ID, "acme", Processor("identity"), "AAAAAAAA", 0, 0, 1)

    assert json.loads(to_json(plain)) == {
        "stream_id": STREAM_ID,
        "tenant": "acme",
        "processor": {"name": "identity"},
        "incarnation": "AAAAAAAA",
        "partition": 0,
        "first_offset": 0,
        "created_at": 1,
    }


def test_fields_of_later_versions_are_passed_over() -> None:
    entry = json.loads(to_json(STREAM)) | {"shape": {"of": "things to come"}}

    assert from_json(KEY, json.dumps(entry).encode()) == STREAM


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(to_json(STREAM)) | fields).encode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"[" * 100_000,
        b"1" * 5_000,
        changed(created_at="yesterday"),
        changed(created_at=1.5),
        changed(partition=None),
        changed(partition=True),
        changed(tenant=7),
        changed(ttl_seconds="60"),
        changed(ended_at=[]),
        changed(label={}),
        changed(processor="identity"),
        changed(processor={}),
        changed(processor={"name": 1}),
        changed(processor=None),
        changed(stream_id="B" * 22),
    ],
)
def test_what_is_no_entry_is_refused_as_such(value: bytes) -> None:
    with pytest.raises(BadEntry):
        from_json(KEY, value)


def ended(at: int | None, source: int | None) -> Stream:
    return Stream(
        STREAM_ID,
        "acme",
        Processor("identity"),
        "AAAAAAAA",
        0,
        0,
        1,
        ended_at=at,
        end_source=source,
    )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (ended(None, None), ended(5, None), ended(5, None)),
        (ended(5, 7), ended(None, None), ended(5, 7)),
        (ended(5, 7), ended(6, None), ended(5, 7)),
        (ended(5, 9), ended(4, 7), ended(4, 7)),
        (ended(5, 0), ended(4, 7), ended(4, 0)),
    ],
)
def test_entries_of_one_stream_say_the_same_in_either_order(
    one: Stream, other: Stream, both: Stream
) -> None:
    assert merged(one, other) == both
    assert merged(other, one) == both


def test_an_announcement_has_a_key_of_its_own_and_reads_back() -> None:
    key, value = announcement(Incarnation("AAAAAAAA", 12), "BBBBBBBB")

    assert key == b"incarnation/AAAAAAAA"
    assert read_announcement(value) == (Incarnation("AAAAAAAA", 12), "BBBBBBBB")


@pytest.mark.parametrize(
    "value",
    [
        b"no JSON",
        b"{}",
        b'{"incarnation":1,"partitions":3,"replaces":null}',
        b'{"incarnation":"AAAAAAAA","partitions":0,"replaces":null}',
        b'{"incarnation":"AAAAAAAA","partitions":"3","replaces":null}',
        b'{"incarnation":"AAAAAAAA","partitions":3,"replaces":5}',
    ],
)
def test_what_is_no_announcement_is_refused_as_such(value: bytes) -> None:
    with pytest.raises(BadEntry):
        read_announcement(value)
