"""Asks whose broker serves at a port, in the few bytes that needs. Standard library only."""

import asyncio
import io
import struct
from typing import NamedTuple

ANSWER_SECONDS = 2.0
MAX_ANSWER_BYTES = 64 * 1024
_METADATA_REQUEST = 3
_VERSION = 2
_CORRELATION = 9_092  # Comes back in an answer, so what is none is told apart.


class Serving(NamedTuple):
    """What a broker says of its cluster: its id, and the nodes in service."""

    cluster: str = ""
    nodes: frozenset[int] = frozenset()


NOBODY = Serving()


async def serving_cluster(host: str, port: int) -> str:
    """Return the id of the cluster whose broker answers there; empty if none is in service."""
    return (await serving(host, port)).cluster


async def serving(host: str, port: int) -> Serving:
    """Return what the broker there says of its cluster, NOBODY if none is in service.

    A broker that listens may still be fenced; then it is missing in its own answer. That somebody
    answers does not mean that it is ours: another one may have taken the port a moment before.

    Source:  Kafka protocol, Metadata request and response version 2.
    """
    no_client, no_topics = -1, 0
    head = struct.pack(">hhih", _METADATA_REQUEST, _VERSION, _CORRELATION, no_client)
    request = head + struct.pack(">i", no_topics)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(struct.pack(">i", len(request)) + request)
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                return _parsed(await reader.readexactly(length)) if _is_sane(length) else NOBODY
            finally:
                writer.close()
    except (OSError, EOFError, struct.error, UnicodeDecodeError):
        return NOBODY


def _is_sane(length: int) -> bool:
    return 0 < length <= MAX_ANSWER_BYTES


def _parsed(answer: bytes) -> Serving:
    body = io.BytesIO(answer)
    correlation, brokers = struct.unpack(">ii", body.read(8))
    if correlation != _CORRELATION or brokers < 1:
        return NOBODY
    nodes: set[int] = set()
    for _ in range(brokers):
        nodes.update(struct.unpack(">i", body.read(4)))
        _text(body)  # Its host.
        body.read(4)  # Its port.
        _text(body)  # Its rack.
    return Serving(_text(body), frozenset(nodes))


def _text(body: io.BytesIO) -> str:
    (length,) = struct.unpack(">h", body.read(2))
    return body.read(max(length, 0)).decode()
