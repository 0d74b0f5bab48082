"""Tickets as a credential: which request one opens, and that a socket's ticket opens just one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping

from streaming_runtime.core.errors import Overloaded, Unauthorized
from streaming_runtime.core.ports import Ends, KeyClaims
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.tickets import Ticket, TicketSeal
from streaming_runtime.http.credentials import CHALLENGE

# A redemption is a claim like that of an Idempotency-Key, and no record belongs to it.
NO_ENDS = Ends(0, 0)
DIGEST_BYTES = 16
REDEEM_SECONDS = 3.0

Counts = Callable[[str], Awaitable[bool]]


async def always(_: str) -> bool:
    """Stand for issued keys where there are none: nothing is ever withdrawn."""
    return True


class SignedTickets:
    """Implements http.credential_kinds.Tickets.

    The ticket of a socket is redeemed by a claim: of all replicas and for good, the first in the
    log has it. Nothing is written for the other kind, which opens any number of readings.
    A ticket ends with the issued key that it was asked for with: ``counts`` says whether that is
    still good.
    """

    def __init__(
        self,
        seal: TicketSeal,
        claims: KeyClaims,
        now_ms: Callable[[], int],
        counts: Counts = always,
    ) -> None:
        self._seal = seal
        self._claims = claims
        self._now_ms = now_ms
        self._counts = counts

    async def principal_of(
        self, text: str, stream_id: str, headers: Mapping[str, str], *, is_socket: bool
    ) -> Principal:
        ticket = self._seal.decode(text)
        if (
            ticket is None
            or ticket.stream_id != stream_id
            or ticket.expires_at <= self._now_ms()
            or (ticket.use == "websocket") is not is_socket
            or not _is_from(ticket, headers)
        ):
            raise not_valid()
        if ticket.key_id and not await self._counts(ticket.key_id):
            raise not_valid()
        if is_socket and not await self._is_first(ticket):
            raise not_valid()
        return ticket.principal()

    async def _is_first(self, ticket: Ticket) -> bool:
        """Redeem a ticket; False if somebody has.

        Raises:  BrokerUnavailable or Overloaded where nobody can tell.
        """
        name = b"ticket\0" + ticket.number.encode()
        use = hashlib.blake2b(name, digest_size=DIGEST_BYTES).digest()
        try:
            async with asyncio.timeout(REDEEM_SECONDS):
                # Who tries it again and again does not fill the log.
                if await self._claims.find(use) is not None:
                    return False
                return (await self._claims.claim(use, use, NO_ENDS, None)).is_mine
        except TimeoutError:
            raise Overloaded("The ticket could not be redeemed in time") from None


def _is_from(ticket: Ticket, headers: Mapping[str, str]) -> bool:
    """Say whether a request may come from the page that asked for the ticket.

    A browser names its origin in each handshake of a socket, and when it reads from another one,
    but not when a page reads events of its own. Then Sec-Fetch-Site says that it is its own, if the
    browser sends that; without either it is no browser.

    Source:  Fetch, append a request Origin header; Fetch Metadata Request Headers, section 2.4.
    """
    if not ticket.origin:
        return True
    if "origin" in headers or ticket.use == "websocket":
        return headers.get("origin") == ticket.origin
    return headers.get("sec-fetch-site", "same-origin") == "same-origin"


def not_valid() -> Unauthorized:
    """Return the 401 that says nothing of why: the one who may know can ask for a new one."""
    error = Unauthorized("The ticket is not valid here, or no longer: ask for a new one")
    error.headers["WWW-Authenticate"] = CHALLENGE
    return error
