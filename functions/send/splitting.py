"""Bytes as they come, cut into lines; pure, and holding no more than one line."""

from __future__ import annotations


class LineSplitter:
    """Joins the pieces of a body and gives out its lines, without their ends.

    Shape:  None stands for a line longer than ``most_bytes``, whose bytes are not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes | None]:
        """Return the lines that ``piece`` completes."""
        first, *others = piece.split(b"\n")
        lines = []
        self._hold(first)
        for other in others:
            lines.append(self._completed())
            self._hold(other)
        return lines

    def finish(self) -> list[bytes | None]:
        """Return the last line, if the body does not end with a line's end."""
        return [self._completed()] if self._size else []

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most_bytes:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def _completed(self) -> bytes | None:
        line = b"".join(self._pieces) if self._size <= self._most_bytes else None
        self._pieces.clear()
        self._size = 0
        return line
