"""One request and one answer, whatever carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

Fields = tuple[tuple[str, str], ...]


class Asked(NamedTuple):
    """A request as a client makes it: ``target`` is path and query as they stand in its line."""

    method: str
    target: str
    headers: Fields = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def field(self, name: str) -> str:
        return ", ".join(value for known, value in self.headers if known == name)


class Answered(NamedTuple):
    """An answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What carries requests of the table to the product and its answers back."""

    name: str

    async def answer(self, asked: Asked) -> Answered: ...
