"""A GET over loopback, for health and metrics of the children. Standard library only."""

import asyncio

MAX_ANSWER_BYTES = 16 * 1024 * 1024


class NoAnswer(ConnectionError):
    """Somebody listens there but gives no answer that can be used."""


async def get(host: str, port: int, path: str, seconds: float) -> tuple[int, bytes]:
    """Return status and body.

    Raises:  NoAnswer if there is no whole one within ``seconds``, OSError if nobody listens.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                # 1.0: the end of the connection is the end of the body, never in chunks.
                shown = f"[{host}]" if ":" in host else host
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {shown}:{port}\r\n\r\n".encode())
                answer = await _all(reader)
            finally:
                writer.close()
    except TimeoutError as exc:
        raise NoAnswer(f"no answer from port {port}") from exc
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise NoAnswer(f"port {port} does not speak HTTP")
    return int(words[1]), body


async def _all(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while piece := await reader.read(65536):
        answer += piece
        if len(answer) > MAX_ANSWER_BYTES:
            raise NoAnswer("the answer is too long")
    return bytes(answer)
