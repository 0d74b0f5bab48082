"""Which web pages may open a WebSocket here: CORS does not cover them, so we look ourselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def is_allowed(headers: Mapping[str, str], allowed: Sequence[str]) -> bool:
    """Say whether a handshake comes from a page that may open a socket.

    Shape:   without Origin it is no browser, and needs only its credential; the page's own origin
             is the Host of the request; others must be in the list.
    Source:  RFC 6455, section 10.2.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return True
    scheme, _, authority = origin.partition("://")
    return scheme in ("http", "https") and authority == headers.get("host")
