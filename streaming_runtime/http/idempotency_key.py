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
# What begins with a quote and is no string is a client's mistake, not its key.
BARE = re.compile(r"[!#-~][ -~]*")


def key_of(scope: Any, text: str) -> str:
    """Return the key of a request; ``text`` is the field's value.

    Shape:   ``"abc"`` and ``abc`` are one key: the quotes are the field's syntax, not the key's.
    Raises:  InvalidParameter.
    Source:  draft-ietf-httpapi-idempotency-key-header-07, section 2.1, which knows only the quoted
             form; most clients send it bare.
    """
    if sum(name == NAME.encode() for name, _ in scope["headers"]) > 1:
        raise InvalidParameter("Idempotency-Key is given more than once")
    key = _unquoted(text.strip(" \t"))
    if key is None or not 1 <= len(key) <= MAX_CHARACTERS:
        raise InvalidParameter(
            f"Idempotency-Key must hold 1 to {MAX_CHARACTERS} ASCII characters that can be seen; "
            'one that begins with a quote or a space must be quoted: "a key"'
        )
    return key


def _unquoted(text: str) -> str | None:
    if (quoted := QUOTED.fullmatch(text)) is not None:
        return ESCAPED.sub(r"\1", quoted[1])
    return text if BARE.fullmatch(text) else None
