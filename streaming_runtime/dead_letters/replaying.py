"""Sending letters in again: which of them can be, whether they shall be, and what became of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping

from streaming_runtime.core.errors import OutcomeUnknown
from streaming_runtime.core.model import Stream, is_stream_id
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.dead_letters.streams import known_streams
from streaming_runtime.kafka.dead_letters import DeadLetters, Ends, Letter, Replays, replaying

DONE, NOT_DONE, ASKED_WRONGLY = 0, 1, 2
# A letter has up to 2 MiB, and nearly always far less.
SENT_AT_ONCE = 100
MOST_COMPLAINTS = 20


async def replay(
    asked: argparse.Namespace,
    environ: Mapping[str, str],
    settings: KafkaSettings,
    letters: DeadLetters,
) -> int:
    """Replay what was asked for, the oldest first; 1 if a letter of it could not be.

    The letters are read twice, so that all are counted before the first is sent, and none held.
    """
    selection = _selection(asked, letters, await letters.ends())
    keys = [(letter.place, _stream_id(letter)) async for letter in selection()]
    streams = await known_streams(environ, {key for _, key in keys}, letters)
    now_ms = time.time_ns() // 1_000_000
    refused = {place: why for place, key in keys if (why := _refusal(key, streams, now_ms))}
    missing = {f"{p}-{n}" for p, n in asked.places} - {place for place, _ in keys}
    _complain_of(refused | dict.fromkeys(missing, "there is no such letter (any more)"))
    count = len(keys) - len(refused)
    if not keys and not missing:
        sys.stderr.write("there are no such letters\n")
    if count > 1 and not asked.yes and not _agrees(count):
        return ASKED_WRONGLY
    done = count and await _send(settings, selection, refused, count)
    return DONE if 0 < done == len(keys) + len(missing) else NOT_DONE


def _selection(
    asked: argparse.Namespace, letters: DeadLetters, ends: Ends
) -> Callable[[], AsyncIterator[Letter]]:
    """Return what yields the letters asked for: the same ones, as often as it is called."""

    async def at_places() -> AsyncIterator[Letter]:
        for place in sorted(set(asked.places)):
            if (letter := await letters.at(*place)) is not None:
                yield letter

    async def of_streams() -> AsyncIterator[Letter]:
        async for letter in letters.until(ends):
            if asked.stream is None or _stream_id(letter) == asked.stream:
                yield letter

    return at_places if asked.places else of_streams


def _refusal(key: str, streams: dict[str, Stream], now_ms: int) -> str | None:
    """Say why nobody would see a result, or None."""
    if not is_stream_id(key):
        return "its key is no stream id, so nobody would get a result"
    if (stream := streams.get(key)) is None:
        return "its stream is not known, so nobody would get a result"
    if stream.ended_by(now_ms) is not None:
        return "its stream has ended, and readers stop at the end"
    return None


async def _send(
    settings: KafkaSettings,
    selection: Callable[[], AsyncIterator[Letter]],
    refused: dict[str, str],
    count: int,
) -> int:
    done, some = 0, list[Letter]()
    try:
        async with replaying(settings) as replays:
            async for letter in selection():
                if letter.place not in refused:
                    some.append(letter)
                if len(some) == SENT_AT_ONCE:
                    done += await _send_some(replays, some)
            done += await _send_some(replays, some)
    except OutcomeUnknown:
        rest = f"{count - done:,} letters may have been sent or not"
        sys.stderr.write(f"{rest}: the same command again is safe within 24 h\n")
    return done


async def _send_some(replays: Replays, some: list[Letter]) -> int:
    for letter, receipt in zip(some, await replays.send(some), strict=True):
        sys.stdout.write(f"{letter.place} is {receipt.record_id} now\n")
    sys.stdout.flush()
    count = len(some)
    some.clear()
    return count


def _agrees(count: int) -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write(f"these are {count:,} letters: say --yes to replay them\n")
        return False
    return input(f"Replay {count:,} letters? [y/N] ").strip().lower() in {"y", "yes"}


def _stream_id(letter: Letter) -> str:
    return (letter.key or b"").decode("ascii", "replace")


def _complain_of(refused: dict[str, str]) -> None:
    for place, why in list(refused.items())[:MOST_COMPLAINTS]:
        sys.stderr.write(f"{place} cannot be replayed: {why}\n")
    if len(refused) > MOST_COMPLAINTS:
        sys.stderr.write(f"and {len(refused) - MOST_COMPLAINTS:,} more cannot\n")
