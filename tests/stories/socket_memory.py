"""What the kernel holds for each connection of a port, as ``ss -m`` shows it."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
DONE, ERROR = 3, 2
MEMORY = 7  # INET_DIAG_SKMEMINFO
HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
MESSAGE_BYTES = 72  # struct inet_diag_msg
ANSWER_BYTES = 1 << 18
LISTENING = 10
# Of the numbers behind MEMORY: received and not read, set aside, queued to be sent, and options.
RECEIVED, SET_ASIDE, QUEUED, OPTIONS = 0, 4, 5, 6


class Kernel(NamedTuple):
    """One row of the kernel's table."""

    state: int
    inode: int
    memory_bytes: int


def connections_of(port: int) -> list[Kernel]:
    """Return the connections whose local end is a port, those that no process holds among them.

    Raises:  OSError where the kernel has no such interface.
    Source:  sock_diag(7); the fields are those of ``struct inet_diag_msg`` and SK_MEMINFO.
    """
    wanted = struct.pack(
        "=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (MEMORY - 1), 0xFFFFFFFF
    )
    wanted += bytes(48)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        kernel.settimeout(5)
        kernel.sendall(HEADER.pack(HEADER.size + len(wanted), BY_FAMILY, DUMP, 1, 0) + wanted)
        found = [_parsed(message) for message in _messages(kernel)]
    return [row for local_port, row in found if local_port == port and row.state != LISTENING]


def _messages(kernel: socket.socket) -> Iterator[bytes]:
    while True:
        answer = kernel.recv(ANSWER_BYTES)
        while answer:
            length, kind, *_ = HEADER.unpack_from(answer)
            if kind == DONE:
                return
            if kind == ERROR:
                raise OSError("the kernel does not tell about its sockets")
            yield answer[HEADER.size : length]
            answer = answer[(length + 3) & ~3 :]


def _parsed(message: bytes) -> tuple[int, Kernel]:
    """Return the local port of a row, and the row."""
    (port,) = struct.unpack_from("!H", message, 4)
    (inode,) = struct.unpack_from("=I", message, MESSAGE_BYTES - 4)
    memory = _attributes(message[MESSAGE_BYTES:]).get(MEMORY, b"")
    numbers = struct.unpack(f"={len(memory) // 4}I", memory)
    held = sum(numbers[at] for at in (RECEIVED, SET_ASIDE, QUEUED, OPTIONS)) if numbers else 0
    return port, Kernel(message[1], inode, held)


def _attributes(rest: bytes) -> dict[int, bytes]:
    found = {}
    while len(rest) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(rest)
        found[kind] = rest[ATTRIBUTE.size : length]
        rest = rest[(length + 3) & ~3 :]
    return found


IS_TOLD = sys.platform == "linux"
