"""The EventSource of a real browser behind a balancer, while its servers are restarted in turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.client import Client
from tests.console.chromium import browser, executable
from tests.eventually import until
from tests.product import KEY, Process, product
from tests.stories.figures import figures_of
from tests.stories.numbers import Sender, background

RESTARTS = 6
APART_SECONDS = 0.05
# Above the longest wait that a reader is asked for, and what a busy browser adds to it.
BACK_SECONDS = 20.0

WATCH = """(() => {
  window.opened = 0; window.got = [];
  window.source = new EventSource(%s);
  source.onopen = () => { opened += 1; };
  source.onmessage = (event) => got.push([JSON.parse(event.data).data, event.lastEventId]);
})()"""


class Balancer:
    """One address for all servers, as a browser needs it, that adds the key it cannot send.

    Shape:   a new request goes to the next server that takes a connection.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._links: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.ensure_future(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def close(self) -> None:
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                # Closed behind each answer: the next request has no key yet, and may go elsewhere.
                own = f"\r\nx-api-key: {KEY}\r\nConnection: close\r\n\r\n".encode()
                head = head.replace(b"\r\nConnection: keep-alive", b"").removesuffix(b"\r\n\r\n")
                behind, server = await self._connect()
                try:
                    server.write(head + own)
                    while data := await behind.read(1 << 16):
                        writer.write(data)
                        await writer.drain()
                finally:
                    server.transport.abort()
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._ports:
            self._ports.append(self._ports.pop(0))
            with suppress(ConnectionError):
                return await asyncio.open_connection("127.0.0.1", self._ports[0])
        raise ConnectionError("no server takes a connection")


@asynccontextmanager
async def balanced(servers: Sequence[Process]) -> AsyncIterator[str]:
    """Give the address before several servers."""
    balancer = Balancer([server.port for server in servers])
    listening = await asyncio.start_server(balancer.accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await balancer.close()


@pytest.mark.soak
@pytest.mark.timeout(180)
async def test_an_event_source_gets_every_result_once_over_rolling_restarts(
    broker: str, tmp_path: Path
) -> None:
    if executable() is None:
        pytest.skip("there is no Chromium on PATH to open an EventSource in")
    async with product(broker, tmp_path, {"DRAIN_SECONDS": "1"}) as made:
        servers = [made.api(), made.api()]
        await asyncio.gather(*(server.start() for server in servers), made.processing().start())
        async with Client(servers[0].url) as client:
            stream = await client.start()
        sender = Sender([stream], [server.port for server in servers], APART_SECONDS)
        async with balanced(servers) as url, browser(tmp_path / "profile") as open_tab:
            page = await open_tab()
            await page.open(url)
            await page.evaluate(WATCH % json.dumps(f"/stream/{stream}/results"))
            await page.wait_for("opened === 1")
            async with background(asyncio.ensure_future(sender.run())):
                for number in range(RESTARTS):
                    server = await server_of_the_only_reader(servers)
                    await server.stop()
                    await server.start()
                    await page.wait_for(f"opened > {number + 1} && source.readyState === 1")
                    seen = await page.evaluate("got.length")
                    await page.wait_for(f"got.length > {seen} + 5", BACK_SECONDS)
            await page.wait_for(f"got.length >= {sender.sent[stream]}", BACK_SECONDS)
            got = json.loads(await page.evaluate("JSON.stringify(got)"))
            await page.close()

    numbers = [number for number, _ in got]
    assert numbers == list(range(len(numbers)))
    assert len({event_id for _, event_id in got}) == len(got)
    assert len(numbers) >= sender.sent[stream] > 0


async def server_of_the_only_reader(servers: Sequence[Process]) -> Process:
    async def readers() -> list[float]:
        return [(await figures_of(server)).value("millrace_readers") for server in servers]

    return servers[(await until(readers, lambda found: sum(found) == 1, 20)).index(1)]
