"""Once, in order: the rule that makes every reader of a partition see the same results."""

from __future__ import annotations

from streaming_runtime.core.model import NOTHING_SEEN, Height, LogEntry


class OnceOnly:
    """Takes a record of a results partition only if its source is above the highest seen.

    Processing writes at least once, contiguously and in input order, so what a crash, a replay or
    a zombie adds to the log has a source that was seen before.
    """

    __slots__ = ("height",)

    def __init__(self, height: Height = NOTHING_SEEN) -> None:
        self.height = height

    def takes(self, entry: LogEntry) -> bool:
        if entry.height <= self.height:
            return False
        self.height = entry.height
        return True
