"""Who is calling: the key of a request, compared without telling how much of it is right."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Protocol

from streaming_runtime.core.errors import Unauthorized
from streaming_runtime.core.principals import Principal

CHALLENGE = 'ApiKey realm="millrace", Bearer realm="millrace"'
MAX_KEY_BYTES = 1_024


class Credentials(Protocol):
    """What tells a request's credential from a wrong one."""

    async def principal_of(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        stream_id: str | None,
        *,
        is_socket: bool = False,
    ) -> Principal:
        """Return who is calling; a ticket is bound to the stream, and to what it opens.

        Raises:  Unauthorized, with its challenge; Overloaded where nobody can tell now.
        """


class ConfiguredKeys:
    """Implements Credentials with the keys of the settings, as digests under a secret of a process.

    Looking up a keyed digest tells a caller nothing of the key: a guess that is right in its first
    characters has a digest like any other's.
    """

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self._pepper = secrets.token_bytes(32)
        self._tenants = {self._digest(key.encode()): tenant for tenant, key in keys}

    async def principal_of(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        stream_id: str | None,
        *,
        is_socket: bool = False,
    ) -> Principal:
        """Implements Credentials: return whose key a request carries."""
        key = key_of(headers)
        principal = self.find(key)
        if principal is None:
            raise refusal(bool(key))
        return principal

    def find(self, key: bytes) -> Principal | None:
        """Return whose key it is, None for nobody's."""
        digest = self._digest(key[:MAX_KEY_BYTES])
        for known, tenant in self._tenants.items():
            if hmac.compare_digest(known, digest) and len(key) <= MAX_KEY_BYTES:
                return Principal(tenant)
        return None

    def _digest(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=self._pepper).digest()


def key_of(headers: Mapping[str, str]) -> bytes:
    """Return the bytes of the key: headers are read as Latin-1, a configured key as UTF-8."""
    return headers.get("x-api-key", "").encode("latin-1", "replace")


def refusal(has_key: bool) -> Unauthorized:
    """Return the 401 with its challenge.

    Source:  RFC 9110, section 11.6.1.
    """
    error = Unauthorized(
        "The x-api-key is not valid" if has_key else "Send your key in the x-api-key header"
    )
    error.headers["WWW-Authenticate"] = CHALLENGE
    return error
