"""WebSocket frames of a server out of the bytes of a connection. Pure.

Source:  RFC 6455, section 5.2; a server does not mask.
"""

from typing import NamedTuple

from tests.bench.answers import NotHttp

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_LENGTH_BYTES = {126: 2, 127: 8}


class Frame(NamedTuple):
    opcode: int
    body: bytes


class Frames:
    """Keeps what is there of a frame until the rest of it comes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete.

        Raises:  NotHttp for what a server of ours never sends: fragments, masked frames.
        """
        if self._rest:
            data = self._rest + data
        at, frames = 0, []
        while len(data) >= at + 2:
            first, second = data[at], data[at + 1]
            if not first & 0x80 or second & 0x80:
                raise NotHttp(f"a frame that begins with {data[at : at + 2].hex()}")
            wide = _LENGTH_BYTES.get(second, 0)
            start = at + 2 + wide
            size = int.from_bytes(data[at + 2 : start]) if wide else second
            end = start + size
            if len(data) < max(start, end):
                break
            frames.append(Frame(first & 0x0F, data[start:end]))
            at = end
        self._rest = data[at:]
        return frames
