"""Principals: who a credential speaks for, and what it may do."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

Scope = Literal["start", "send", "read", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("start", "send", "read", "admin")
EVERY_SCOPE: Final[frozenset[Scope]] = frozenset(SCOPES)
EVERY_STREAM = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """A tenant, through one of its credentials.

    Shape:  ``streams`` is a pattern of stream ids, as a shell has them; ``key_id`` names an issued
            key, and is empty for every other credential; ``is_bearer`` for a bearer token, whose
            refusals tell what it lacks.
    Units:  ``expires_at`` is milliseconds since 1970, None for a credential that does not expire;
            ``per_second`` and ``burst`` limit the requests with this key, besides the tenant's
            limits; None for no limit of its own.
    """

    tenant: str
    scopes: frozenset[Scope] = EVERY_SCOPE
    streams: str = EVERY_STREAM
    key_id: str = ""
    expires_at: int | None = None
    per_second: int | None = None
    burst: int | None = None
    is_bearer: bool = False

    def may(self, scope: Scope, stream_id: str | None = None) -> bool:
        """Say whether it may do this, to this stream if it is about one."""
        is_about = stream_id is None or self.streams == EVERY_STREAM
        return scope in self.scopes and (is_about or fnmatchcase(stream_id or "", self.streams))


# Who a request was let in as, for whoever holds its connection or refuses it later. Each request is
# a task of its own.
CALLER: ContextVar[Principal | None] = ContextVar("caller", default=None)
