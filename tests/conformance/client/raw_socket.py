"""A WebSocket by hand, frame by frame, for what no WebSocket library would send.

Source:  RFC 6455.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from .answer import Answer
from .stream import Stream
from .strict_json import Json, parse_object
from .wire import Wire, request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, MASK = 0x80, 0x80
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NONCE = base64.b64encode(b"sixteen bytes in").decode()
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": NONCE,
}


class Heard(NamedTuple):
    """One frame of the server."""

    opcode: int
    payload: bytes


def accept_of(nonce: str) -> str:
    """Return what the server must answer to a nonce."""
    return base64.b64encode(hashlib.sha1(nonce.encode() + MAGIC).digest()).decode()


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    is_masked: bool = True,
    announced: int | None = None,
) -> bytes:
    """Return the bytes of one frame, also of one that must not be.

    Shape:  ``reserved`` is the three bits RSV1 to RSV3 as a number, ``announced`` the length that
            the head tells where it is not the payload's.
    """
    length = len(payload) if announced is None else announced
    bit = MASK if is_masked else 0
    head = bytes([(FIN if fin else 0) | reserved << 4 | opcode])
    if length < 126:
        head += bytes([bit | length])
    elif length < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    if not is_masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack(">H", code) + reason)


class RawSocket:
    """One WebSocket whose frames the case makes itself; what the server sends must be well made."""

    def __init__(self, wire: Wire, answer: Answer) -> None:
        self.answer = answer
        self._wire = wire

    async def say(self, sent: bytes) -> None:
        await self._wire.say(sent)

    async def hear(self) -> Heard | None:
        """Return the server's next frame, None when it has closed the connection."""
        try:
            first, second = await self._wire.hear_exactly(2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        opcode, length = first & 0x0F, second & 0x7F
        assert first & 0xF0 == FIN, f"a fragment, or reserved bits: {first:08b}"
        assert opcode in (TEXT, CLOSE, PING, PONG), f"opcode {opcode}"
        assert not second & MASK, "a server masks nothing"
        if length == 126:
            [length] = struct.unpack(">H", await self._wire.hear_exactly(2))
            assert length > 125, "the shortest form of a length is the only one"
        elif length == 127:
            [length] = struct.unpack(">Q", await self._wire.hear_exactly(8))
            assert length >= 1 << 16, "the shortest form of a length is the only one"
        assert opcode == TEXT or length < 126, "a long control frame"
        return Heard(opcode, await self._wire.hear_exactly(length))

    async def of(self, opcode: int) -> bytes:
        """Return the next frame of a kind; others are passed over."""
        while (heard := await self.hear()) is not None:
            if heard.opcode == opcode:
                return heard.payload
        raise AssertionError(f"closed where a frame with the opcode {opcode} was expected")

    async def told(self, *types: str) -> Json:
        """Return the next message of these types."""
        while (message := parse_object((await self.of(TEXT)).decode()))["type"] not in types:
            pass
        return message

    async def close_code(self) -> int | None:
        """Return the code the server closes with, None without one; then it hangs up."""
        payload = await self.of(CLOSE)
        assert len(payload) != 1, "half a code"
        payload[2:].decode()
        # Who is told has to answer; the server waits for it a while.
        await self.say(frame(CLOSE, payload))
        assert await self.hear() is None, "a frame behind the close"
        return struct.unpack(">H", payload[:2])[0] if payload else None


def upgrade(stream: Stream, fields: Mapping[str, str], query: str = "from=start") -> bytes:
    """Return the bytes that ask for a WebSocket on a stream's results."""
    target = f"{stream.results_path}?{query}"
    return request("GET", target, {**stream.api.credential, **fields})


@asynccontextmanager
async def raw_socket(
    stream: Stream, fields: Mapping[str, str] | None = None, query: str = "from=start"
) -> AsyncIterator[RawSocket]:
    """Open one.

    Raises:  NotThere if the operator says that there are none.
    """
    stream.api.target.has("websocket")
    async with stream.api.wire() as wire:
        await wire.say(upgrade(stream, {**UPGRADE, **(fields or {})}, query))
        answer = await wire.hear_head()
        assert answer.status == 101, f"no upgrade: {answer}"
        yield RawSocket(wire, answer)
