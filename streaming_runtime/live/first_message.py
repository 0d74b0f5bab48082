"""A credential as a socket's first message: a browser sets no header, and a URL is seen by many."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from litestar.types import Receive

from streaming_runtime.core.errors import InvalidParameter, Overloaded, Unauthorized
from streaming_runtime.http.credentials import CHALLENGE

# The query that announces it. Without it a socket that brings nothing is refused at once, so that
# a client that forgot its key does not wait to be told.
PARAMETER, FIRST = "authenticate", "first"
WAIT_SECONDS = 5.0
# Nobody knows yet whose these are, so no tenant's limit counts them.
MOST_WAITING = 1_000
# Larger than any credential that is taken.
MAX_CHARACTERS = 8 << 10


class Authenticate(msgspec.Struct, forbid_unknown_fields=True):
    """The message: one of the three."""

    type: Literal["authenticate"]
    key: str = ""
    token: str = ""
    ticket: str = ""


MESSAGE = msgspec.json.Decoder(Authenticate)


class Carried(NamedTuple):
    """Head and query as they would be if the credential had come with the upgrade."""

    headers: Mapping[str, str]
    query: Mapping[str, str]


class ClientLeft(Exception):
    """The client closed its socket instead."""


class FirstMessages:
    """Waits for the credentials of sockets that came without, of so many at a time."""

    def __init__(self, most: int = MOST_WAITING, seconds: float = WAIT_SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._waiting = 0

    async def carried(
        self, headers: Mapping[str, str], query: Mapping[str, str], receive: Receive
    ) -> Carried:
        """Return head and query with the credential, waited for if it is announced and not there.

        Shape:   a credential that came with the upgrade counts at once; a message is then a send.
        Raises:  Unauthorized for a message that is none, or late; Overloaded if too many wait;
                 InvalidParameter; ClientLeft.
        """
        if not _is_announced(query) or _has_credential(headers, query):
            return Carried(headers, query)
        if self._waiting >= self._most:
            raise Overloaded
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                event: Any = await receive()
        except TimeoutError:
            raise _refusal(f"No credential came within {self._seconds:g} s") from None
        finally:
            self._waiting -= 1
        if event["type"] == "websocket.disconnect":
            raise ClientLeft
        return _with(headers, query, event.get("text"))


def _is_announced(query: Mapping[str, str]) -> bool:
    asked = query.get(PARAMETER)
    if asked not in (None, FIRST):
        raise InvalidParameter(f"{PARAMETER} must be one of: {FIRST}")
    return asked == FIRST


def _has_credential(headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    return any(map(headers.get, ("x-api-key", "authorization"))) or bool(query.get("ticket"))


def _with(headers: Mapping[str, str], query: Mapping[str, str], text: str | None) -> Carried:
    try:
        told = MESSAGE.decode((text or "")[:MAX_CHARACTERS])
    except (msgspec.DecodeError, UnicodeEncodeError):
        told = Authenticate("authenticate")
    if sum(map(bool, (told.key, told.token, told.ticket))) != 1:
        # Not a word of what came: it may hold most of a key.
        raise _refusal('Send {"type":"authenticate"} with one of key, token and ticket first')
    if told.ticket:
        return Carried(headers, {**query, "ticket": told.ticket})
    if told.token:
        return Carried({**headers, "authorization": f"Bearer {told.token}"}, query)
    # As a header would be read: its bytes as Latin-1.
    return Carried({**headers, "x-api-key": told.key.encode().decode("latin-1")}, query)


def _refusal(detail: str) -> Unauthorized:
    error = Unauthorized(detail)
    error.headers["WWW-Authenticate"] = CHALLENGE
    return error
