"""The command line, and what its words mean."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import datetime

from streaming_runtime.core.model import is_stream_id

PLACE = re.compile(r"([0-9]{1,9})-([0-9]{1,18})", re.ASCII)
AGE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# All of them are held, with their values.
MOST_LISTED = 1_000

DESCRIPTION = """\
Records that could not be processed are kept in the dead-letter topic, as they came, for 30 days.
Kafka is found by KAFKA_BROKER, KAFKA_TOPIC_PREFIX and KAFKA_SECURITY, as by everything else."""
EPILOG = """\
examples:
  python -m streaming_runtime.dead_letters list --since 2h
  python -m streaming_runtime.dead_letters show 0-17
  python -m streaming_runtime.dead_letters replay 0-17 0-18
  python -m streaming_runtime.dead_letters replay --stream k3v9dQm0TgWn1b2c3d4e5f --yes

exit codes: 0 done, 1 not done or not all of it, 2 asked wrongly"""
REPLAY = """\
Writes the records to the input topic again, in order, with their headers: they are processed as if
they had just been sent, by the processor that their stream has. A letter that is replayed twice
within 24 h gives one result; one that fails again is a new letter and can be replayed in turn."""


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m streaming_runtime.dead_letters",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=raw,
    )
    top.add_argument(
        "--within",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="give up after that (60); a topic with many letters takes longer to search",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="list|show|replay")
    _add_list(actions.add_parser("list", help="the newest letters, one a line"))
    _add_show(actions.add_parser("show", help="one letter: reason, headers, bytes"))
    _add_replay(
        actions.add_parser(
            "replay",
            help="send letters in again",
            description=REPLAY,
            formatter_class=raw,
        )
    )
    return top


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for; what makes no sense ends the process with 2 and says why."""
    top = parser()
    asked = top.parse_args(arguments)
    if asked.action == "replay":
        ways = [bool(asked.places), asked.stream is not None, asked.all]
        if sum(ways) != 1:
            top.error("say what to replay: places, or --stream ID, or --all")
    return asked


def _add_list(listing: argparse.ArgumentParser) -> None:
    listing.add_argument("--limit", type=_count, default=20, metavar="N", help="at most so many")
    listing.add_argument("--stream", type=_stream, metavar="ID", help="of this stream only")
    listing.add_argument("--reason", metavar="TEXT", help="whose reason contains this")
    listing.add_argument(
        "--since", type=_moment, metavar="TIME", help="given up since: 30m, 2h, 1d, or RFC 3339"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_show(showing: argparse.ArgumentParser) -> None:
    showing.add_argument("place", type=_place, metavar="PARTITION-OFFSET")
    showing.add_argument("--full", action="store_true", help="all of a long value")
    showing.add_argument("--json", action="store_true", help="exact, with bytes in base64")


def _add_replay(replaying: argparse.ArgumentParser) -> None:
    replaying.add_argument("places", nargs="*", type=_place, metavar="PARTITION-OFFSET")
    replaying.add_argument("--stream", type=_stream, metavar="ID", help="every letter of a stream")
    replaying.add_argument("--all", action="store_true", help="every letter there is")
    replaying.add_argument("--yes", action="store_true", help="do not ask about more than one")


def _place(text: str) -> tuple[int, int]:
    match = PLACE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("a place is PARTITION-OFFSET, as in 0-17")
    return int(match[1]), int(match[2])


def _stream(text: str) -> str:
    if not is_stream_id(text):
        raise argparse.ArgumentTypeError("a stream id has 22 characters of A-Z a-z 0-9 _ -")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_LISTED):
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_LISTED:,}")
    return int(text)


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= UNIT_MS["h"]):
        raise argparse.ArgumentTypeError("a whole number of seconds")
    return float(text)


def _moment(text: str) -> int:
    """Return milliseconds since 1970; an age is negative, and counts back from now."""
    if age := AGE.fullmatch(text):
        return -int(age[1]) * UNIT_MS[age[2]] or -1
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError("an age (30m, 2h, 1d), or RFC 3339 with its offset")
    return int(moment.timestamp() * 1_000)
