"""The kinds of credential, side by side: a request is judged by the first that it carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streaming_runtime.core.api_keys import parsed
from streaming_runtime.core.audit import CLAIMED_KEY
from streaming_runtime.core.errors import Unauthorized
from streaming_runtime.core.principals import Principal
from streaming_runtime.http.credentials import MAX_KEY_BYTES, ConfiguredKeys, key_of, refusal
from streaming_runtime.http.protected_resource import pointer

BEARER = "bearer "


class IssuedKeys(Protocol):
    """Keys that were made by a command, may be limited, and are withdrawn while we run."""

    async def find(self, key: bytes) -> Principal | None:
        """Return whose key it is; None for none that counts now.

        Raises:  Overloaded where nobody can tell.
        """


class BearerTokens(Protocol):
    """Tokens of an issuer that the settings name."""

    async def principal_of(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:  Unauthorized, with the challenge of RFC 6750; Overloaded where nobody can tell.
        """


class Tickets(Protocol):
    """What a browser carries in a URL in place of a key."""

    async def principal_of(
        self, text: str, stream_id: str, headers: Mapping[str, str], *, is_socket: bool
    ) -> Principal:
        """Return who asked for the ticket.

        Raises:  Unauthorized for one that is not for this stream and use, or no longer valid;
                 BrokerUnavailable or Overloaded where nobody can tell.
        """


class CredentialKinds:
    """Implements http.credentials.Credentials over every kind that is switched on.

    Shape:  ``has_metadata`` where http.protected_resource is served, for a challenge to point at.
    """

    def __init__(
        self,
        configured: ConfiguredKeys,
        issued: IssuedKeys | None = None,
        bearer: BearerTokens | None = None,
        tickets: Tickets | None = None,
        *,
        has_metadata: bool = False,
    ) -> None:
        self._configured = configured
        self._issued = issued
        self._bearer = bearer
        self._tickets = tickets
        self._has_metadata = has_metadata

    async def principal_of(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        stream_id: str | None,
        *,
        is_socket: bool = False,
    ) -> Principal:
        try:
            return await self._principal_of(headers, query, stream_id, is_socket)
        except Unauthorized as error:
            if self._has_metadata:
                # The challenge for a token stands last, so that this belongs to it.
                error.headers["WWW-Authenticate"] += f", {pointer(headers)}"
            raise

    async def _principal_of(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        stream_id: str | None,
        is_socket: bool,
    ) -> Principal:
        if key := key_of(headers):
            return await self._of_key(key)
        authorization = headers.get("authorization", "")
        if authorization[: len(BEARER)].lower() == BEARER:
            return await self._of_token(authorization[len(BEARER) :].strip())
        if self._tickets is not None and stream_id is not None and (ticket := query.get("ticket")):
            return await self._tickets.principal_of(ticket, stream_id, headers, is_socket=is_socket)
        raise refusal(has_key=bool(authorization))

    async def _of_token(self, token: str) -> Principal:
        if self._bearer is None:
            raise refusal(has_key=False)
        return await self._bearer.principal_of(token)

    async def _of_key(self, key: bytes) -> Principal:
        principal = self._configured.find(key)
        if principal is None and self._issued is not None and len(key) <= MAX_KEY_BYTES:
            principal = await self._issued.find(key)
        if principal is None:
            if (presented := parsed(key)) is not None:
                CLAIMED_KEY.set(presented.key_id)
            raise refusal(has_key=True)
        return principal
