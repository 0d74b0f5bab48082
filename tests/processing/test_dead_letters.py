from __future__ import annotations

from streaming_runtime.processing.dead_letters import dead_letter
from streaming_runtime.processing.records import Header, InputRecord, OutputRecord
from tests.processing.records import KEY, record

MAX = 1_000


def letter(of: InputRecord) -> OutputRecord:
    return dead_letter(of, "why", 3, topic="dead", max_bytes=MAX, now_ms=5)


def test_the_record_is_kept_as_it_came_with_source_reason_and_attempts() -> None:
    original = record(b"\xff{", more=(("note", b"\x00"), ("empty", None)))

    made = letter(original)

    assert original.headers is not None
    assert (made.topic, made.partition, made.key, made.value) == ("dead", None, KEY, b"\xff{")
    assert made.headers == [
        *original.headers,
        ("source", b"2-7"),
        ("reason", b"why"),
        ("attempts", b"3"),
    ]


def test_headers_that_do_not_fit_are_left_out_before_the_value() -> None:
    made = letter(record(b"v" * 500, more=(("huge", b"h" * 600),)))

    assert made.value == b"v" * 500
    assert [name for name, _ in made.headers] == ["source", "reason", "attempts"]
    assert dict(made.headers)["reason"] == b"why; its headers were left out for their size"


def test_a_value_that_does_not_fit_can_be_found_at_its_source() -> None:
    made = letter(record(b"v" * MAX))

    assert made.value is None
    assert dict(made.headers)["source"] == b"2-7"
    assert (dict(made.headers)["reason"] or b"").endswith(b"; its value too")


def test_unreadable_headers_are_told() -> None:
    made = letter(record()._replace(headers=None))

    assert dict(made.headers)["reason"] == b"why; its headers are not text and were left out"


def test_what_is_kept_is_within_the_limit_to_the_byte() -> None:
    def size(made: OutputRecord) -> int:
        parts: list[Header] = [("", made.key), ("", made.value), *made.headers]
        return sum(len(name.encode()) + len(value or b"") for name, value in parts)

    sizes = [size(letter(record(b"v" * n, more=(("é" * 9, b"h" * n),)))) for n in range(0, MAX, 7)]

    assert max(sizes) < MAX
    assert max(sizes) > MAX // 2
