"""What a client that knows only our address needs to get a token: RFC 9728."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from streaming_runtime.core.jwt_settings import JwtSettings, is_here, is_trusted
from streaming_runtime.core.principals import SCOPES

PATH = "/.well-known/oauth-protected-resource"
HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
NAMELESS = "localhost"


class ProtectedResource:
    """This API as a resource of the issuer that the settings name."""

    def __init__(self, settings: JwtSettings) -> None:
        self._issuer = settings.issuer
        self._audience = settings.audience

    def document(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the metadata, for the host that the client has asked.

        Shape:   ``resource`` is JWT_AUDIENCE where that is an address, since a client sends it to
                 the issuer to have it in ``aud``.
        Source:  RFC 9728, section 2.
        """
        is_address = is_trusted(self._audience)
        return {
            "resource": self._audience if is_address else origin_of(headers),
            "authorization_servers": [self._issuer],
            "scopes_supported": [f"stream:{scope}" for scope in SCOPES],
            "bearer_methods_supported": ["header"],
            "resource_name": "Millrace",
        }


def pointer(headers: Mapping[str, str]) -> str:
    """Return the parameter of a challenge that tells where the metadata is.

    Source:  RFC 9728, section 5.1.
    """
    return f'resource_metadata="{origin_of(headers)}{PATH}"'


def origin_of(headers: Mapping[str, str]) -> str:
    """Return the address that a client has used; beyond this machine tokens need https."""
    host = headers.get("host", "")
    if HOST.fullmatch(host) is None:
        host = NAMELESS
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return f"{'http' if is_here(name) else 'https'}://{host}"
