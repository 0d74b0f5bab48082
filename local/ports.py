"""Free ports on the loopback interface."""

import errno
import random
import socket
from collections import deque
from itertools import chain

LOOPBACK = "127.0.0.1"
# Below what Linux and macOS hand out to outgoing connections (from 32768), so that a port found
# free now is not taken by somebody's client a moment later.
FIRST, LAST = 20_000, 32_000
TRIES = 200
HIGHEST = 65_535
# Who was given a port may not listen there yet, or may be about to start again.
_given: deque[int] = deque(maxlen=400)


def obstacle(port: int, host: str = LOOPBACK) -> OSError | None:
    """Return why no server could listen here now, None if one could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as problem:
        return problem
    return None


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen here now."""
    return obstacle(port, host) is None


def is_taken(problem: OSError) -> bool:
    """Return whether somebody else listens there, or the address or a right is missing."""
    return problem.errno == errno.EADDRINUSE


def free_port(*preferred: int) -> int:
    """Return the first free port of ``preferred``, else any free one not given away lately.

    Raises:  OSError if hundreds of tries find none.
    """
    others = (random.randrange(FIRST, LAST) for _ in range(TRIES))
    wanted = (port for port in preferred if 0 < port <= HIGHEST)
    for port in chain(wanted, (port for port in others if port not in _given)):
        if is_free(port):
            _given.append(port)
            return port
    raise OSError(f"no free port found on {LOOPBACK} between {FIRST} and {LAST}")
