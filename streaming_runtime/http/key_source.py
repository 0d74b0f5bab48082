"""Where an issuer's public keys are read: a file, an address, or what its discovery names."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streaming_runtime.core.jwt_settings import JwtSettings, is_here, is_trusted, is_url

# What the whole of one document may take, and each step of it that waits for the issuer.
FETCH_SECONDS = 4.0
STEP_SECONDS = 2.0
MAX_DOCUMENT_BYTES = 256 * 1024
PIECE_BYTES = 16 * 1024
DISCOVERY = "/.well-known/openid-configuration"

ReadKeys = Callable[[], Any]


class KeysUnreadable(Exception):
    """The key set cannot be had; the text is for our log, never for a client."""


def key_source(settings: JwtSettings) -> ReadKeys:
    """Return what reads the key set anew, in a thread: it waits."""

    def read() -> Any:
        if not settings.key_set:
            return _fetched(_discovered(settings.issuer))
        if is_url(settings.key_set):
            return _fetched(settings.key_set)
        return _of_file(Path(settings.key_set))

    return read


def _discovered(issuer: str) -> str:
    """Return the address of the key set.

    Source:  OpenID Connect Discovery 1.0, section 4.3: the document must name its own issuer.
    """
    document = _fetched(issuer.rstrip("/") + DISCOVERY)
    address = document.get("jwks_uri") if isinstance(document, dict) else None
    if not isinstance(address, str) or document.get("issuer") != issuer:
        raise KeysUnreadable("the discovery document is not one of JWT_ISSUER")
    return address


def _of_file(path: Path) -> Any:
    try:
        return _parsed(path.read_bytes())
    except OSError as failed:
        raise KeysUnreadable(f"JWT_JWKS cannot be read: {failed.strerror}") from failed


def _fetched(address: str) -> Any:
    """Return the JSON document of an address, within a time and a size, and from nowhere else.

    Raises:  KeysUnreadable.
    """
    # Brings what a process without tokens never needs.
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.request import (  # noqa: PLC0415
        HTTPRedirectHandler,
        ProxyHandler,
        Request,
        build_opener,
    )

    class Stay(HTTPRedirectHandler):
        """Follows nothing: a redirect would let another host choose our keys."""

        def redirect_request(self, *_: Any) -> None:
            return None

    if not is_trusted(address):
        raise KeysUnreadable("the address of the key set is not https")
    direct = [ProxyHandler({})] if is_here(urlsplit(address).hostname or "") else []
    opener = build_opener(Stay, *direct)
    deadline = time.monotonic() + FETCH_SECONDS
    request = Request(address, headers={"Accept": "application/json"})
    try:
        with opener.open(request, timeout=STEP_SECONDS) as answer:
            return _parsed(_body(answer, deadline))
    except (OSError, HTTPException, ValueError) as failed:
        raise KeysUnreadable(f"{type(failed).__name__} at the issuer") from failed


def _body(answer: Any, deadline: float) -> bytes:
    body = b""
    while piece := answer.read1(PIECE_BYTES):
        body += piece
        if len(body) > MAX_DOCUMENT_BYTES:
            raise KeysUnreadable(f"the issuer's document is larger than {MAX_DOCUMENT_BYTES} bytes")
        if time.monotonic() > deadline:
            raise KeysUnreadable(f"the issuer's document took more than {FETCH_SECONDS} s")
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as failed:
        raise KeysUnreadable("the issuer's document is not JSON") from failed
