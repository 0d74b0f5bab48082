"""What a history consists of: one line for each thing that a client did, saw, or suffered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

FILE = "history.jsonl"
_BUFFER_BYTES = 1 << 20


class Event(
    msgspec.Struct, tag_field="event", tag=str.lower, kw_only=True, omit_defaults=True, gc=False
):
    """One line.

    Units:  ``t`` is seconds since the run began.
    """

    t: float


class Plan(Event):
    """The first line: what was meant to happen.

    Shape:  ``streams`` is the tenant by stream; ``partitions`` the results partition by stream.
    Units:  the limits are seconds from a heal to what must work again.
    """

    seed: int
    command: str
    faults: int
    streams: dict[str, str]
    partitions: dict[str, int]
    first_ok_limit: float
    first_recv_limit: float


class Invoke(Event):
    """A request is about to be sent: names of its records, in order, and sums of their data.

    Every attempt is one; a retry names the same records under the same key.

    Shape:  ``poison`` says that no processor can take it: its result must say that.
    """

    op: int
    producer: str
    stream: str
    names: list[str]
    sums: list[int]
    key: str | None
    form: str
    via: int
    poison: bool = False


class Ok(Event):
    """Records of an attempt that were acknowledged, with where they are said to be."""

    op: int
    names: list[str]
    records: list[str]
    replayed: bool = False


class Fail(Event):
    """Records of an attempt that were refused: certainly not stored."""

    op: int
    names: list[str]
    code: str


class Info(Event):
    """Records of an attempt of whose outcome nobody knows."""

    op: int
    names: list[str]
    why: str


class Open(Event):
    """A reader opens a connection at its cursor; None is the start."""

    reader: str
    conn: int
    stream: str
    form: str
    via: int
    cursor: str | None


class Recv(Event):
    """A result: whose it says it is, where it comes from, which record it carries.

    Shape:  ``name`` is empty where it carries none, as a ``failed`` one.
    """

    reader: str
    conn: int
    stream: str
    id: str
    source: str
    name: str
    sum: int
    kind: str = "result"
    owner: str | None = None


class Gap(Event):
    """A reader was told that results are gone."""

    reader: str
    conn: int
    stream: str
    requested: str | None
    earliest: str
    reason: str


class Close(Event):
    """A connection of a reader is over; by whose doing."""

    reader: str
    conn: int
    why: str


class Final(Event):
    """A reader has read to the end after everything was healed."""

    reader: str
    stream: str


class Probe(Event):
    """Something that must be refused was tried: another's stream, or a cursor of another stream."""

    what: str
    stream: str
    via: int
    status: int
    code: str
    expected: int


class Fault(Event):
    """A fault begins."""

    number: int
    kind: str
    target: str
    detail: str = ""


class Heal(Event):
    """A fault is over: what it hurt is whole again."""

    number: int


class Trim(Event):
    """Results before an offset were deleted, as retention does.

    Shape:  ``kept`` is the source of the first that was not.
    """

    partition: int
    before: int
    kept: str | None = None


class Exit(Event):
    """A process ended that nobody had told to."""

    target: str
    code: int


Any = (
    Plan | Invoke | Ok | Fail | Info | Open | Recv | Gap | Close | Final
    | Probe | Fault | Heal | Trim | Exit
)  # fmt: skip

_decoder = msgspec.json.Decoder(Any)


class Log:
    """Writes a history; what is written is complete up to the last flush."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = (folder / FILE).open("wb", buffering=_BUFFER_BYTES)
        self._encoder = msgspec.json.Encoder()
        self.lines = 0

    def add(self, event: Event) -> None:
        self._file.write(self._encoder.encode(event))
        self._file.write(b"\n")
        self.lines += 1

    def close(self) -> None:
        self._file.close()


def load(folder: Path) -> Iterator[Any]:
    """Read a history back, line by line.

    Raises:  msgspec.DecodeError for a line that is none.
    """
    with (folder / FILE).open("rb", buffering=_BUFFER_BYTES) as file:
        yield from map(_decoder.decode, file)
