"""A GET over loopback, for health and metrics of the children. Standard library only."""

import asyncio

MAX_ANSWER_BYTES = 16 * 1024 * 1024


async def get(host: str, port: int, path: str, seconds: float) -> tuple[int, bytes]:
    """Return status and body.

    Raises:  OSError if there is no whole answer within ``seconds``.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                # 1.0: the end of the connection is the end of the body, never in chunks.
                request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                answer = await _all(reader)
            finally:
                writer.close()
    except (TimeoutError, EOFError) as exc:
        raise ConnectionError(f"no answer from port {port}") from exc
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"port {port} does not speak HTTP")
    return int(words[1]), body


async def _all(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while piece := await reader.read(65536):
        answer += piece
        if len(answer) > MAX_ANSWER_BYTES:
            raise ConnectionError("the answer is too long")
    return bytes(answer)
