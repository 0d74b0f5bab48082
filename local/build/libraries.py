"""Native libraries without what only a debugger reads: half of some, and loaded by nobody."""

from __future__ import annotations

import struct
from pathlib import Path

# 64 bits, little-endian, as every target of ours is.
KIND = b"\x7fELF\x02\x01"
# Where the header says where the programs and the sections are listed. Source: elf(5).
PROGRAMS_AT, SECTIONS_AT, SIZES_AT = 32, 40, 54
PROGRAM_SIZE = 56


def trim(directory: Path) -> None:
    """Cut every library in ``directory`` behind the last byte that is ever mapped."""
    for path in sorted(directory.glob("**/*.so*")):
        body = path.read_bytes()
        if (trimmed := mapped(body)) != body:
            path.write_bytes(trimmed)


def mapped(body: bytes) -> bytes:
    """Return what a loader reads of a library, which then lists no sections.

    Shape:   segments are what is loaded; sections are for linkers and debuggers, and stand behind.
    """
    if not body.startswith(KIND):
        return body
    (programs,) = struct.unpack_from("<Q", body, PROGRAMS_AT)
    size, count = struct.unpack_from("<HH", body, SIZES_AT)
    if size != PROGRAM_SIZE:
        return body
    end = programs + size * count
    for index in range(count):
        offset, _, _, length = struct.unpack_from("<QQQQ", body, programs + size * index + 8)
        end = max(end, offset + length)
    head = bytearray(body[:64])
    struct.pack_into("<Q", head, SECTIONS_AT, 0)
    struct.pack_into("<HHH", head, 58, 0, 0, 0)
    return bytes(head) + body[64:end]
