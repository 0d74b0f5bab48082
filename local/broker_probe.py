"""Asks a broker whether it serves, in the few bytes that needs. Standard library only."""

import asyncio
import struct

ANSWER_SECONDS = 2.0
_METADATA_REQUEST = 3
_CORRELATION = 9_092  # Comes back in an answer, so what is none is told apart.


async def serves(host: str, port: int) -> bool:
    """Return whether a Kafka broker there answers a metadata request and counts itself in.

    A broker that listens may still be fenced; then it is missing in its own answer.

    Source:  Kafka protocol, Metadata request and response version 1.
    """
    header = struct.pack(">hhih", _METADATA_REQUEST, 1, _CORRELATION, -1)
    request = header + struct.pack(">i", 0)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(struct.pack(">i", len(request)) + request)
                _, correlation, brokers = struct.unpack(">iii", await reader.readexactly(12))
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError):
        return False
    return bool(correlation == _CORRELATION and brokers >= 1)
