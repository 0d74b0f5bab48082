"""Log entries and an encoder for the tests of the live end."""

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.model import Height, Kind, LogEntry
from streaming_runtime.core.results import ResultEncoder

STREAM = "a" * 22
OTHER = "b" * 22
ENCODER = ResultEncoder(CursorSeal(b"secret"), "AAAAAAAA")


def entry(
    offset: int, source: int, stream: str = STREAM, value: bytes = b"1", kind: Kind = "result"
) -> LogEntry:
    return LogEntry(stream, offset, kind, f"0-{source}", Height(source), value, 1_000, 2_000)
