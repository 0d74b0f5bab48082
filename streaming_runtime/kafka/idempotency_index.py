"""All claims of a day on the disk of one process: exact, whatever their number.

A private temporary SQLite database: what does not fit its cache goes to a file that the system
forgets with the process, and the topic fills it anew at the next start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from streaming_runtime.core.idempotency import KEPT_MS, TAKEOVER_MS
from streaming_runtime.kafka.idempotency_entries import Claimed

CACHE_KIB = 8 << 10
# Removed in one turn, so that the loop is not held up after a long night.
EXPIRED_AT_ONCE = 500

SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{CACHE_KIB};
CREATE TABLE claims (
    use BLOB PRIMARY KEY, place INTEGER, owner TEXT, digest BLOB, input INTEGER, results INTEGER,
    at INTEGER, is_left INTEGER, offsets BLOB
) WITHOUT ROWID;
CREATE INDEX by_time ON claims (at);
"""
FIND = "SELECT place, owner, digest, input, results, at, is_left, offsets FROM claims WHERE use = ?"
PUT = "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, 0, NULL)"
KEEP = "UPDATE claims SET offsets = ? WHERE use = ? AND place = ?"
LEAVE = "UPDATE claims SET is_left = 1 WHERE use = ?"
DELETE = "DELETE FROM claims WHERE use = ?"
EXPIRE = "DELETE FROM claims WHERE use IN (SELECT use FROM claims WHERE at <= ? LIMIT ?)"


class Row(NamedTuple):
    """The claim that counts for one key.

    Shape:  ``owner`` is the process that made it; ``is_left`` once that is done with it;
            ``offsets`` is JSON.
    """

    place: int
    owner: str
    digest: bytes
    input: int
    results: int
    at: int
    is_left: int = 0
    offsets: bytes | None = None

    def is_over(self, now_ms: int) -> bool:
        return self.at + KEPT_MS <= now_ms

    def is_open_to(self, owner: str, now_ms: int) -> bool:
        """Say whether a process may take this claim's place."""
        return owner == self.owner or bool(self.is_left) or self.at + TAKEOVER_MS <= now_ms

    def gives_way_to(self, entry: Claimed, at: int) -> bool:
        """Say whether a later claim counts instead: every replica comes to the same answer.

        Shape:  only its own process may put another body in its place: nobody else can know that
                the first one was not stored.
        """
        if self.is_over(at):
            return True
        is_same_body = bytes.fromhex(entry.digest) == self.digest
        may_replace = is_same_body or entry.by == self.owner
        return entry.over == self.place and may_replace and self.is_open_to(entry.by, at)


class ClaimIndex:
    """The claims that count, by the hash of stream and key."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make many changes at the cost of one."""
        self._database.execute("BEGIN")
        try:
            yield
        finally:
            self._database.execute("COMMIT")

    def find(self, use: bytes) -> Row | None:
        found = self._database.execute(FIND, (use,)).fetchone()
        return None if found is None else Row(*found)

    def take(self, use: bytes, entry: Claimed, place: int, at: int) -> Row:
        """Let a claim count if nothing stands against it, and return the one that does."""
        standing = self.find(use)
        if standing is not None and not standing.gives_way_to(entry, at):
            return standing
        digest = bytes.fromhex(entry.digest)
        row = Row(place, entry.by, digest, entry.input, entry.results, at)
        self._database.execute(PUT, (use, *row[:6]))
        return row

    def keep(self, use: bytes, place: int, offsets: bytes) -> None:
        """Note the first answer to what was claimed at ``place``."""
        self._database.execute(KEEP, (offsets, use, place))

    def release(self, use: bytes, owner: str, place: int, *, is_unused: bool) -> None:
        """Let others have what was claimed at ``place``."""
        standing = self.find(use)
        if standing is not None and (standing.owner, standing.place) == (owner, place):
            self._database.execute(DELETE if is_unused else LEAVE, (use,))

    def expire(self, now_ms: int) -> None:
        """Remove claims that count no more; a part of them, the rest later."""
        self._database.execute(EXPIRE, (now_ms - KEPT_MS, EXPIRED_AT_ONCE))
