"""Who is calling: the key of a request, compared without telling how much of it is right."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

from streaming_runtime.core.errors import Unauthorized

CHALLENGE = 'ApiKey realm="millrace", Bearer realm="millrace"'
MAX_KEY_BYTES = 1_024


class ConfiguredKeys:
    """The keys of the settings, kept as digests under a secret of this process.

    Looking up a keyed digest tells a caller nothing of the key: a guess that is right in its first
    characters has a digest like any other's.
    """

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self._pepper = secrets.token_bytes(32)
        self._tenants = {self._digest(key.encode()): tenant for tenant, key in keys}

    def tenant_of(self, headers: Mapping[str, str]) -> str:
        """Return whose key a request carries.

        Raises:  Unauthorized, with its challenge.
        """
        # The bytes of the field: headers are read as Latin-1, a configured key as UTF-8.
        key = headers.get("x-api-key", "").encode("latin-1", "replace")
        digest = self._digest(key[:MAX_KEY_BYTES])
        for known, tenant in self._tenants.items():
            if hmac.compare_digest(known, digest) and len(key) <= MAX_KEY_BYTES:
                return tenant
        raise refusal(bool(key))

    def _digest(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=self._pepper).digest()


def refusal(has_key: bool) -> Unauthorized:
    """Return the 401 with its challenge.

    Source:  RFC 9110, section 11.6.1.
    """
    error = Unauthorized(
        "The x-api-key is not valid" if has_key else "Send your key in the x-api-key header"
    )
    error.headers["WWW-Authenticate"] = CHALLENGE
    return error
