"""A client far above its limit, as a process of its own: python -m tests.stories.flooding.

It sends at a steady pace whatever it is answered, over a few connections, and prints how many
answers of which status it got: 404 where it was let in, 429 where it was not.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

CONNECTIONS = 8


async def flood(host: str, port: int, key: str, per_second: int, seconds: float) -> Counter[str]:
    statuses: Counter[str] = Counter()
    head = f"POST /stream/nobodys/send HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\n"
    request = f'{head}content-length: 10\r\n\r\n{{"data":1}}'.encode()
    opened = [await asyncio.open_connection(host, port) for _ in range(CONNECTIONS)]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    begun = time.monotonic()

    async def one(number: int) -> None:
        reader, writer = opened[number]
        turn = number / per_second
        while turn < seconds:
            await asyncio.sleep(begun + turn - time.monotonic())
            writer.write(request)
            told = await reader.readuntil(b"\r\n\r\n")
            size = int(told.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(size)
            statuses[told.split(b" ", 2)[1].decode()] += 1
            turn += CONNECTIONS / per_second
        writer.close()

    await asyncio.gather(*[one(number) for number in range(CONNECTIONS)])
    return statuses


if __name__ == "__main__":
    _, host, port, key, per_second, seconds = sys.argv
    told = asyncio.run(flood(host, int(port), key, int(per_second), float(seconds)))
    sys.stdout.write(f"{dict(told)}\n")
