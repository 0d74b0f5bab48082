"""What a case said and heard, for the report of one that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

MOST_ENTRIES = 14
MOST_CHARACTERS = 600


class Transcript:
    """The last things that went over the wire, without the keys."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._entries: deque[str] = deque(maxlen=MOST_ENTRIES)

    def sent(self, what: str, body: bytes | str = b"") -> None:
        self._note("sent", what, body)

    def came(self, what: str, body: bytes | str = b"") -> None:
        self._note("came", what, body)

    def __str__(self) -> str:
        return "\n".join(self._entries)

    def _note(self, direction: str, what: str, body: bytes | str) -> None:
        text = body if isinstance(body, str) else body.decode("utf-8", "backslashreplace")
        whole = self._hide(f"{what} {text}".strip())
        if len(whole) > MOST_CHARACTERS:
            whole = f"{whole[:MOST_CHARACTERS]} … ({len(whole)} characters)"
        self._entries.append(f"  {direction}: {whole}")
