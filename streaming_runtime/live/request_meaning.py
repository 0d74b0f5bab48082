"""What makes a head ambiguous: the next parser on the way could read it differently; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

Fields = Sequence[tuple[bytes, bytes]]

VERSIONS = ("1.0", "1.1")
# RFC 3986: a registered name, an address in brackets, a port.
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+;=:\[\]-]*")
ABSOLUTE = re.compile(rb"https?://([^/?#]*)(?:[/?].*)?", re.IGNORECASE | re.DOTALL)


def fault_of(method: bytes, target: bytes, version: str, fields: Fields) -> str | None:
    """Return what is wrong with a head that was parsed, None if it has one meaning only.

    Shape:   names of fields are in lower case. What is wrong with lengths, ends of lines and
             characters the parser has refused before.
    Source:  RFC 9112, sections 2.3, 3.2 and 6.1.
    """
    if version not in VERSIONS:
        return "This server speaks HTTP/1.1"
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) != 1 and (hosts or version == "1.1"):
        return "A request has one Host field"
    if hosts and HOST.fullmatch(hosts[0]) is None:
        return "Host is no host"
    return _fault_of_target(method, target, hosts) or _fault_of_fields(version, fields)


def _fault_of_target(method: bytes, target: bytes, hosts: Sequence[bytes]) -> str | None:
    if b"#" in target:
        return "A request has no fragment"
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return None
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None:
        return "The target of a request is a path"
    # What a proxy is sent must be understood here too, as long as both name one host.
    if not hosts or absolute[1].lower() != hosts[0].lower():
        return "The target and the Host field name two hosts"
    return None


def _fault_of_fields(version: str, fields: Fields) -> str | None:
    for name, value in fields:
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            return "Transfer-Encoding can only be chunked"
        if version == "1.0" and name in (b"transfer-encoding", b"upgrade"):
            return "HTTP/1.0 has neither Transfer-Encoding nor Upgrade"
    return None
