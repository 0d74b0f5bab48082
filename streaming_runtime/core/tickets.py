"""Tickets: what a browser carries in a URL in place of a key; every replica knows its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from streaming_runtime.core.errors import InvalidParameter
from streaming_runtime.core.principals import SCOPES, Principal, Scope

TicketUse = Literal["websocket", "eventsource"]
USES: Final[tuple[TicketUse, ...]] = get_args(TicketUse)
VERSION = 1
# A page opens its socket right after it got the ticket.
WEBSOCKET_SECONDS = 30
DEFAULT_SECONDS = 900
MAX_SECONDS = 3_600
MAX_TICKET_CHARACTERS = 2_048
MAC_BYTES = 24
PURPOSE = b"millrace tickets v1"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one ticket allows: one stream, in one way, for a while.

    Shape:  ``origin`` is that of the page which asked, empty if none did; ``key_id`` and the limits
            are those of the key that it was asked for with; ``number`` is random and tells a ticket
            that opens one socket from all others.
    Units:  milliseconds since 1970; ``lasts_until`` is the end of what it opens, None for none.
    """

    use: TicketUse
    tenant: str
    stream_id: str
    scopes: frozenset[Scope]
    expires_at: int
    lasts_until: int | None = None
    origin: str = ""
    key_id: str = ""
    per_second: int | None = None
    burst: int | None = None
    number: str = ""

    def principal(self) -> Principal:
        """Return who comes with it: whoever asked for it, for this stream alone."""
        return Principal(
            self.tenant,
            self.scopes,
            self.stream_id,
            self.key_id,
            self.lasts_until,
            self.per_second,
            self.burst,
        )


def ticket_for(
    principal: Principal, stream_id: str, use: TicketUse, ttl_seconds: int, origin: str, now_ms: int
) -> Ticket:
    """Return a ticket that can do no more, and for no longer, than who asks for it.

    Shape:  a socket stays open for as long as its maker's credential; events end with the ticket.
    """
    most = now_ms + ttl_seconds * 1000
    expires_at = most if principal.expires_at is None else min(most, principal.expires_at)
    is_socket = use == "websocket"
    wanted: frozenset[Scope] = frozenset(("read", "send") if is_socket else ("read",))
    return Ticket(
        use=use,
        tenant=principal.tenant,
        stream_id=stream_id,
        scopes=wanted & principal.scopes,
        expires_at=expires_at,
        lasts_until=principal.expires_at if is_socket else expires_at,
        origin=origin,
        key_id=principal.key_id,
        per_second=principal.per_second,
        burst=principal.burst,
        number=secrets.token_urlsafe(12),
    )


class TicketSeal:
    """Writes and reads tickets under a secret that all replicas share."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, PURPOSE, hashlib.sha256)

    def encode(self, ticket: Ticket) -> str:
        """Return the ticket as text: letters, digits, ``_``, ``-`` and one point.

        Raises:  InvalidParameter for one that would be too long: of an Origin without end.
        """
        members = (
            *(VERSION, ticket.use, ticket.tenant, ticket.stream_id, sorted(ticket.scopes)),
            *(ticket.expires_at, ticket.lasts_until, ticket.origin, ticket.key_id),
            *(ticket.per_second, ticket.burst, ticket.number),
        )
        body = _text(json.dumps(members, separators=(",", ":")).encode())
        text = f"{body}.{self._mac(body)}"
        if len(text) > MAX_TICKET_CHARACTERS:
            raise InvalidParameter("The Origin is too long to make a ticket for")
        return text

    def decode(self, text: str) -> Ticket | None:
        """Return the ticket, None if it is none of ours; its time is not looked at."""
        if len(text) > MAX_TICKET_CHARACTERS or not text.isascii():
            return None
        body, _, mac = text.partition(".")
        # As text, so that no other spelling of the same bytes passes.
        if not hmac.compare_digest(self._mac(body), mac):
            return None
        return _ticket(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))

    def _mac(self, body: str) -> str:
        return _text(hmac.digest(self._key, body.encode(), hashlib.sha256)[:MAC_BYTES])


def _ticket(members: list[Any]) -> Ticket | None:
    if members[0] != VERSION:
        return None
    _, use, tenant, stream_id, scopes, *rest = members
    known = frozenset(scope for scope in SCOPES if scope in scopes)
    return Ticket(use, tenant, stream_id, known, *rest)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
