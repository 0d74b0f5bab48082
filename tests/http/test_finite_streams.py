"""Answers that end: what comes first, what comes last, and what is said of a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming_runtime.core.cursor import Cursor
from streaming_runtime.core.model import Position
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.reading import Gap, Readings
from streaming_runtime.http.answers import EVENT_STREAM, NDJSON
from streaming_runtime.http.edge import Exchange
from streaming_runtime.http.finite_streams import FiniteStreams
from tests.core.memory import SEAL, STREAM_ID, MemoryLog, a_stream

NOW_MS = 1_000_000
ACME = Principal("acme")


async def answered(
    log: MemoryLog,
    form: str,
    offset: int = 0,
    gap: Gap | None = None,
    principal: Principal = ACME,
) -> tuple[dict[str, Any], str]:
    """Return the head and the body of one answer."""
    cursor = Cursor("incarn01", Position(offset))
    answer = await FiniteStreams(Readings(log, SEAL), lambda: NOW_MS).answer(
        form, a_stream(), cursor, gap, principal, {"RateLimit": "r"}
    )
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    scope: Any = {"millrace": Exchange("GET")}
    await answer(scope, None, send)  # type: ignore[arg-type]
    head = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    assert messages[-1]["more_body"] is False
    return head, b"".join(message["body"] for message in messages[1:]).decode()


def blocks(body: str) -> list[list[str]]:
    return [block.splitlines() for block in body.strip("\n").split("\n\n")]


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(batch=1)
    for source in range(3):
        log.write(source)
    return log


async def test_an_event_stream_begins_with_retry_and_ends_with_a_bare_id(log: MemoryLog) -> None:
    head, body = await answered(log, EVENT_STREAM)

    first, *events, last = blocks(body)
    assert first[0].startswith("retry: ") and first[1].startswith("id: ")
    assert [json.loads(event[1][6:])["source"] for event in events] == ["3-0", "3-1", "3-2"]
    assert last == [events[-1][0]]
    assert head["content-type"] == "text/event-stream"
    assert head["cache-control"] == "no-store, no-transform"
    assert head["x-accel-buffering"] == "no"
    assert head["ratelimit"] == "r"


async def test_an_empty_answer_ends_with_a_position_as_well() -> None:
    log = MemoryLog()

    _, body = await answered(log, EVENT_STREAM)

    last = blocks(body)[-1]
    assert last[0].startswith("id: ") and len(last) == 1
    assert SEAL.decode(STREAM_ID, last[0][4:]).position.offset == 0


async def test_a_gap_comes_before_any_result_and_no_id_before_it(log: MemoryLog) -> None:
    earliest = SEAL.encode(STREAM_ID, Cursor("incarn01", Position(1)))

    _, body = await answered(log, EVENT_STREAM, 1, Gap("asked", earliest, "retention"))

    opening, gap, *events, _ = blocks(body)
    assert len(opening) == 1 and opening[0].startswith("retry: ")
    assert gap[:2] == [f"id: {earliest}", "event: gap"]
    assert [json.loads(event[1][6:])["source"] for event in events] == ["3-1", "3-2"]


async def test_lines_begin_and_end_with_a_position(log: MemoryLog) -> None:
    head, body = await answered(log, NDJSON)

    lines = [json.loads(line) for line in body.splitlines()]
    assert head["content-type"] == "application/x-ndjson"
    assert [line.get("control") for line in lines] == ["position", None, None, None, "position"]
    assert lines[-1]["cursor"] == lines[-2]["id"]


@pytest.mark.parametrize("form", [EVENT_STREAM, NDJSON])
async def test_a_failure_to_read_is_told_and_keeps_the_position(log: MemoryLog, form: str) -> None:
    log.lags = True

    _, body = await answered(log, form, 1)

    start = SEAL.encode(STREAM_ID, Cursor("incarn01", Position(1)))
    *_, error, position = body.strip("\n").split("\n\n" if form == EVENT_STREAM else "\n")
    assert "broker-unavailable" in error
    assert start in position


@pytest.mark.parametrize(("left_ms", "told"), [(61_000, None), (59_500, 59), (0, 0)])
async def test_a_credential_that_ends_soon_is_told_of_at_once(
    log: MemoryLog, left_ms: int, told: int | None
) -> None:
    principal = Principal("acme", expires_at=NOW_MS + left_ms)

    _, events = await answered(log, EVENT_STREAM, principal=principal)
    _, lines = await answered(log, NDJSON, principal=principal)

    event = ["event: credential-expiring", f'data: {{"expires_in":{told}}}']
    expected = [] if told is None else [event]
    assert [block for block in blocks(events) if "event: credential-expiring" in block] == expected
    assert (f'{{"control":"credential-expiring","expires_in":{told}}}' in lines) is bool(expected)
