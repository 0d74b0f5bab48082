"""What is tested: a server, the credentials for it, and what else was prepared there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "CONFORMANCE_"


class NotThere(Exception):
    """The server, the machine or the operator does not offer what a case needs; it is skipped."""


@dataclass(frozen=True)
class Lost:
    """A stream whose oldest results were removed, as retention does it.

    Shape:  ``cursor`` is a position before what is gone.
    """

    stream_id: str
    cursor: str


@dataclass(frozen=True)
class Target:
    """One server, and what may be known of it beyond its address."""

    url: str
    key: str
    other_key: str | None = None
    origin: str | None = None
    limited_url: str | None = None
    limited_keys: tuple[str, ...] = ()
    lost: Lost | None = None
    without: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Target | None:
        """Return what the variables ``CONFORMANCE_…`` name; None if they name no server."""

        def named(name: str) -> str | None:
            return environ.get(PREFIX + name) or None

        url = named("URL")
        if url is None:
            return None
        stream_id, _, cursor = (named("LOST") or "").partition(":")
        return cls(
            url=url.rstrip("/"),
            key=named("KEY") or "test-api-key",
            other_key=named("KEY2"),
            origin=named("ORIGIN"),
            limited_url=named("LIMITED_URL"),
            limited_keys=tuple((named("LIMITED_KEYS") or "").split(",")),
            lost=Lost(stream_id, cursor) if cursor else None,
            without=frozenset((named("WITHOUT") or "").split(",")),
        )

    def has(self, part: str) -> None:
        """Go on if a part of the contract is there.

        Raises:  NotThere if the operator said that it is not.
        """
        if part in self.without:
            raise NotThere(f"the operator says that there is no {part}")

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    def hide(self, text: str) -> str:
        """Return a text without the keys, fit for a report."""
        for key in filter(None, (self.key, self.other_key, *self.limited_keys)):
            text = text.replace(key, "KEY")
        return text
