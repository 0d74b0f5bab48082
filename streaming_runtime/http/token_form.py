"""The form of a signed token, read strictly before anything in it is believed."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from typing import Any, NamedTuple, NoReturn

# All headers together may have 16 KiB; real tokens have 1 to 3.
MAX_TOKEN_CHARACTERS = 8 * 1024
MAX_KEY_ID = 256
# Three parts; five would be an encrypted token, and an empty one a detached or unsigned one.
SIGNED = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# Where a caller names the key that its own signature is checked with.
KEYS_OF_THE_CALLER = ("jku", "jwk", "x5u")
# A token of another type was made for another use: RFC 7519, section 5.1; RFC 9068, section 2.1.
TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}


class Malformed(Exception):
    """This is no token that could count here; the text tells a client why, in our words."""


class Token(NamedTuple):
    """A token whose head was read; nothing of it is believed yet."""

    text: str
    algorithm: str
    key_id: str | None


def opened(text: str) -> Token:
    """Return a token with what its head asks for.

    Raises:  Malformed.
    """
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise Malformed("The token is too long")
    match = SIGNED.fullmatch(text)
    if match is None:
        raise Malformed("This is no signed token")
    head = json_object(_decoded(match[1]))
    if any(name in head for name in KEYS_OF_THE_CALLER):
        raise Malformed("The token brings its own key")
    # We understand no extension, and b64 is one even where it is not marked as such: RFC 7797.
    if "crit" in head or "b64" in head:
        raise Malformed("The token asks for something that is not understood here")
    kind, algorithm, key_id = head.get("typ"), head.get("alg"), head.get("kid")
    if "typ" in head and (not isinstance(kind, str) or kind.lower() not in TYPES):
        raise Malformed("The token is of another type")
    if not isinstance(algorithm, str):
        raise Malformed("The token does not say how it is signed")
    if "kid" in head and not (isinstance(key_id, str) and len(key_id) <= MAX_KEY_ID):
        raise Malformed("The token names its key in no usable way")
    return Token(text, algorithm, key_id)


def json_object(body: bytes) -> dict[str, Any]:
    """Return an object whose names are unique, so that no two parsers read it differently.

    Raises:  Malformed.
    """
    try:
        found = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise Malformed("The token cannot be read") from None
    if not isinstance(found, dict):
        raise Malformed("The token cannot be read")
    return found


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise Malformed("The token cannot be read") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError
