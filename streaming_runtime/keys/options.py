"""The command line, and what its words mean."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from streaming_runtime.core.api_keys import KEY_ID, parsed
from streaming_runtime.core.principals import EVERY_STREAM, SCOPES, Scope

PATTERN = re.compile(r"[A-Za-z0-9_*?\[\]!-]{1,200}")
MOST_CHARACTERS = 200
MOST_SECONDS = 10 * 366 * 86_400
MOST_REQUESTS = 10**9
USUAL_SCOPES: frozenset[Scope] = frozenset({"start", "send", "read"})
# Time for every client to be told of the new key.
OVERLAP_SECONDS = 86_400

DESCRIPTION = """\
Makes and withdraws keys for clients while servers run; a change acts within 60 s, without restart.
A key is shown once, when it is made: what is kept of it is a digest. Keys lie where streams are
registered (Kafka or DynamoDB), found by the settings of the servers, or in a file (--file), which
servers read when API_KEYS_FILE names it. Without KAFKA_BROKER the broker of a `make run` of this
folder is asked."""
EPILOG = """\
examples:
  KEY=$(python -m streaming_runtime.keys add --tenant acme --label "the website")
  python -m streaming_runtime.keys list --tenant acme
  python -m streaming_runtime.keys rotate 3fH8kQ0aZr1B --overlap 3600
  python -m streaming_runtime.keys revoke 3fH8kQ0aZr1B

exit codes: 0 done, 1 not done, 2 asked wrongly"""


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m streaming_runtime.keys",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=raw,
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="add|list|rotate|revoke")
    _add_add(actions.add_parser("add", help="make a key and print it, once"))
    listing = actions.add_parser("list", help="what keys there are, without their secrets")
    listing.add_argument("--tenant", type=_tenant, metavar="NAME", help="of this tenant only")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    rotating = actions.add_parser("rotate", help="make a second key with the rights of a first")
    rotating.add_argument("key_id", type=_key_id, metavar="ID", help="as the list shows it")
    rotating.add_argument(
        "--overlap",
        type=_overlap,
        default=OVERLAP_SECONDS,
        metavar="SECONDS",
        help="for so long the first one still counts (86400, a day)",
    )
    revoking = actions.add_parser("revoke", help="withdraw a key for good")
    revoking.add_argument("key_id", type=_key_id, metavar="ID", help="as the list shows it")
    for action in actions.choices.values():
        action.add_argument("--file", metavar="PATH", help="keys in this file")
    return top


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for; what makes no sense ends the process with 2 and says why."""
    top = parser()
    asked = top.parse_args(arguments)
    if asked.action == "add" and asked.burst and not asked.per_second:
        top.error("--burst is said beside --per-second")
    return asked


def _add_add(adding: argparse.ArgumentParser) -> None:
    adding.add_argument(
        "--tenant", type=_tenant, required=True, metavar="NAME", help="whose streams it is for"
    )
    adding.add_argument(
        "--scopes",
        type=_scopes,
        default=USUAL_SCOPES,
        metavar="LIST",
        help=f"of {','.join(SCOPES)} (start,send,read)",
    )
    adding.add_argument(
        "--streams",
        type=_pattern,
        default=EVERY_STREAM,
        metavar="PATTERN",
        help="only streams whose id fits, as 'Ab*' (all)",
    )
    adding.add_argument("--label", type=_label, metavar="TEXT", help="what it is for")
    adding.add_argument(
        "--expires-in", type=_seconds, metavar="SECONDS", help="it counts for so long (for ever)"
    )
    adding.add_argument(
        "--per-second", type=_count, metavar="N", help="requests with this key (no own limit)"
    )
    adding.add_argument("--burst", type=_count, metavar="N", help="and at once (twice as many)")


def _tenant(text: str) -> str:
    # A colon would be another tenant's in API_KEYS, and a list is read line by line.
    if not _is_plain(text) or set(text) & set(":,"):
        raise argparse.ArgumentTypeError(
            f"a name of 1 to {MOST_CHARACTERS} visible characters without ':' and ','"
        )
    return text


def _label(text: str) -> str:
    if not _is_plain(text):
        raise argparse.ArgumentTypeError(f"1 to {MOST_CHARACTERS} visible characters")
    return text


def _is_plain(text: str) -> bool:
    return text.isprintable() and text == text.strip() and 1 <= len(text) <= MOST_CHARACTERS


def _scopes(text: str) -> frozenset[Scope]:
    names = {name.strip().removeprefix("stream:") for name in text.split(",")}
    scopes = frozenset(scope for scope in SCOPES if scope in names)
    if names != scopes:
        raise argparse.ArgumentTypeError(f"a list with commas of {', '.join(SCOPES)}")
    return scopes


def _pattern(text: str) -> str:
    if PATTERN.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("a stream id with * for any characters, ? for one")
    return text


def _key_id(text: str) -> str:
    """Return the id; of a whole key as well, since that is what whoever lost it has at hand."""
    presented = parsed(text.encode("utf-8", "replace"))
    if presented is not None:
        return presented.key_id
    if KEY_ID.fullmatch(text) is None:
        # Not shown: it may be a key with a character missing.
        raise argparse.ArgumentTypeError("an id has 12 characters of A-Z a-z 0-9: see the list")
    return text


def _seconds(text: str) -> int:
    return _whole(text, 1, MOST_SECONDS)


def _overlap(text: str) -> int:
    return _whole(text, 0, MOST_SECONDS)


def _count(text: str) -> int:
    return _whole(text, 1, MOST_REQUESTS)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"a whole number from {low} to {high}")
    return int(text)
