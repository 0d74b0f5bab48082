"""HTTP/1.1 by hand, for what no well-behaved client library would send or notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx

from .answer import Answer
from .transcript import Transcript

SECONDS = 40.0
LIMIT_BYTES = 1 << 22
SHOWN_BYTES = 500


def request(
    method: str, target: str, fields: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """Return the bytes of a request; a body brings its length with it."""
    all_fields = {"Host": "localhost", **(fields or {})}
    if body is not None:
        all_fields["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in all_fields.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


class Wire:
    """One connection to the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transcript: Transcript
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._transcript = transcript

    async def say(self, sent: bytes) -> None:
        """Write what fits; a server may close before it has taken all."""
        self._transcript.sent("bytes", sent[:SHOWN_BYTES])
        self._writer.write(sent)
        with suppress(ConnectionError):
            async with asyncio.timeout(SECONDS):
                await self._writer.drain()

    async def say_no_more(self) -> None:
        """Close the sending side, and go on listening."""
        self._writer.write_eof()

    async def ask(self, sent: bytes) -> Answer:
        await self.say(sent)
        return await self.hear(has_body=not sent.startswith(b"HEAD "))

    async def hear(self, has_body: bool = True) -> Answer:
        """Return the next answer; interim ones are passed over."""
        async with asyncio.timeout(SECONDS):
            head = await self.hear_head()
            while head.status < 200:
                head = await self.hear_head()
            body = await self._body(head) if has_body and head.status != 204 else b""
        self._transcript.came("", body[:SHOWN_BYTES])
        return Answer(head.status, head.headers, body)

    async def hear_head(self) -> Answer:
        """Return status and fields alone."""
        try:
            async with asyncio.timeout(SECONDS):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as exc:
            raise AssertionError(f"closed instead of an answer: {exc.partial[:200]!r}") from None
        self._transcript.came("head", head.strip())
        lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines[1:-2]]
        headers = httpx.Headers([(name.strip(), value.strip()) for name, _, value in fields])
        return Answer(int(lines[0].split()[1]), headers, b"")

    async def hear_some(self) -> bytes:
        """Return what has come, at least one byte; b"" when the other side is done."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.read(LIMIT_BYTES)

    async def hear_exactly(self, count: int) -> bytes:
        """Return so many bytes.

        Raises:  asyncio.IncompleteReadError if the other side is done before.
        """
        async with asyncio.timeout(SECONDS):
            return await self._reader.readexactly(count)

    async def hear_all(self) -> bytes:
        """Return all that comes until the other side closes."""
        pieces: list[bytes] = []
        with suppress(ConnectionError):
            while piece := await self.hear_some():
                pieces.append(piece)
        return b"".join(pieces)

    async def hear_chunk(self) -> bytes:
        """Return one chunk of a chunked body; b"" for the last."""
        async with asyncio.timeout(SECONDS):
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            return (await self._reader.readexactly(size + 2))[:-2]

    async def is_closed(self) -> bool:
        """Wait for the other side to close; False if anything comes before."""
        try:
            return await self.hear_some() == b""
        except ConnectionError:
            return True

    async def _body(self, head: Answer) -> bytes:
        if "content-length" in head.headers:
            return await self._reader.readexactly(int(head.headers["content-length"]))
        assert head.headers.get("transfer-encoding") == "chunked", f"a body without end: {head}"
        chunks: list[bytes] = []
        while chunk := await self.hear_chunk():
            chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def wire(url: str, transcript: Transcript) -> AsyncIterator[Wire]:
    """Connect, and vanish at the end."""
    address = urlsplit(url)
    if address.scheme == "https":
        reader, writer = await asyncio.open_connection(
            address.hostname, address.port or 443, limit=LIMIT_BYTES, ssl=True
        )
    else:
        reader, writer = await asyncio.open_connection(
            address.hostname, address.port or 80, limit=LIMIT_BYTES
        )
    try:
        yield Wire(reader, writer, transcript)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
