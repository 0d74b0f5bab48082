"""The human pages as bytes: whoever serves them needs no framework of ours to do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from streaming_runtime.console.problem_pages import problem_page, problems_index

__all__ = ["SECURITY_HEADERS", "Asset", "assets", "problem_page", "problems_index"]

FOLDER = Path(__file__).parent / "assets"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# These have an address of their own; all else is served by its name under /console/.
PAGES = {"index.html": "/", "docs.html": "/docs"}

# Scripts and styles come from files of ours alone, and no script may make markup out of text:
# a record that looks like a page stays a record.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file to serve, at exactly this path."""

    path: str
    media_type: str
    body: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file of the pages by its path; read at the first call and then kept."""
    files = sorted(file for file in FOLDER.iterdir() if file.suffix in MEDIA_TYPES)
    return {asset.path: asset for asset in map(_asset, files)}


def _asset(file: Path) -> Asset:
    path = PAGES.get(file.name, f"/console/{file.name}")
    return Asset(path, MEDIA_TYPES[file.suffix], file.read_bytes())
