"""The Idempotency-Key header: a structured field's string, or a bare word as most clients send."""

from __future__ import annotations

import re
from typing import Any

from streaming_runtime.core.errors import InvalidParameter

NAME = "idempotency-key"
MAX_CHARACTERS = 255
# RFC 9651, section 3.3.3; a backslash only before itself or a quote.
QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
ESCAPED = re.compile(r"\\(.)")
# Without a comma, which is where a gateway joins two fields, and without a quote.
BARE = re.compile(r"[!#-+\--~]+")


def key_of(scope: Any, text: str) -> str:
    """Return the key of a request; ``text`` is the field's value.

    Shape:   ``"abc"`` and ``abc`` are one key: the quotes are the field's syntax, not the key's.
    Raises:  InvalidParameter.
    Source:  draft-ietf-httpapi-idempotency-key-header-07, section 2.1, which knows only the quoted
             form; what is bare is refused where it could be read in two ways.
    """
    if sum(name == NAME.encode() for name, _ in scope["headers"]) > 1:
        raise InvalidParameter("Idempotency-Key is given more than once")
    key = _unquoted(text.strip(" \t"))
    if key is None or not 1 <= len(key) <= MAX_CHARACTERS:
        raise InvalidParameter(
            f"Idempotency-Key must hold 1 to {MAX_CHARACTERS} visible ASCII characters; one with a "
            'comma, a space or a quote must be quoted: "a key"'
        )
    return key


def _unquoted(text: str) -> str | None:
    if (quoted := QUOTED.fullmatch(text)) is not None:
        return ESCAPED.sub(r"\1", quoted[1])
    return text if BARE.fullmatch(text) else None
