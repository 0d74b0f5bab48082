"""When a reader's credential ends: told a minute before, and then the connection is closed."""

from __future__ import annotations

from collections.abc import Callable

# Time enough for a page to ask for another ticket and to go on at its cursor.
NOTICE_SECONDS = 60.0


class CredentialExpiry:
    """The end of one connection's credential, None for one that does not end.

    Units:  ``expires_at`` is milliseconds since 1970.
    """

    __slots__ = ("_expires_at", "_is_told", "_now_ms")

    def __init__(self, expires_at: int | None, now_ms: Callable[[], int]) -> None:
        self._expires_at = expires_at
        self._now_ms = now_ms
        self._is_told = False

    def seconds_left(self) -> float | None:
        """Return what is left, 0 if nothing is; None for a credential that does not end."""
        if self._expires_at is None:
            return None
        return max(0.0, (self._expires_at - self._now_ms()) / 1000)

    def wait(self, most: float) -> float:
        """Return how long a reader may be waited for, until it is to be told."""
        left = self.seconds_left()
        if left is None or self._is_told:
            return most
        return min(most, max(0.0, left - NOTICE_SECONDS))

    def due(self) -> int | None:
        """Return the whole seconds that are left, once, when it is time to tell them."""
        left = self.seconds_left()
        if left is None or self._is_told or left > NOTICE_SECONDS:
            return None
        self._is_told = True
        return int(left)
