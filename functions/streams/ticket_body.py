"""The body of a ticket's request: what the ticket is for, and for how long."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.core.tickets import (
    DEFAULT_SECONDS,
    MAX_SECONDS,
    WEBSOCKET_SECONDS,
    TicketUse,
)
from streaming_runtime.http.json_data import check, decode

MAX_DEPTH = 2


class TicketBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a ticket is asked for with; a socket's has its own time, which nobody chooses."""

    use: TicketUse = "eventsource"
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_SECONDS)] | UnsetType = UNSET

    @property
    def seconds(self) -> int:
        if self.use == "websocket":
            return WEBSOCKET_SECONDS
        return DEFAULT_SECONDS if self.ttl_seconds is UNSET else self.ttl_seconds


TICKET = msgspec.json.Decoder(TicketBody)


def parse_ticket(body: bytes) -> TicketBody:
    """Read the body of a request for a ticket; an empty one means all defaults.

    Raises:  InvalidBody.
    """
    if not body.strip():
        return TicketBody()
    check(body, depth=MAX_DEPTH)
    asked = decode(TICKET, body)
    if asked.use == "websocket" and asked.ttl_seconds is not UNSET:
        raise InvalidBody(f"A ticket for a socket lasts {WEBSOCKET_SECONDS} s: no ttl_seconds")
    return asked
