"""Outages of all brokers at once, of each kind: nothing of Kafka can be reached until they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from local.broker import Broker
from tests.cluster.cluster import RunningCluster
from tests.kafka.proxy import Proxy, proxied

# killed: power cut · frozen: SIGSTOP · hole: no byte arrives and nothing closes · deaf: requests
# arrive, and their answers are lost.
Kind = Literal["killed", "frozen", "hole", "deaf"]
KINDS: Sequence[Kind] = ("killed", "frozen", "hole", "deaf")


class Outages:
    """What can be done to all brokers; ``bootstrap`` leads through the proxies before them."""

    def __init__(
        self,
        bootstrap: str,
        brokers: Sequence[Broker],
        proxies: Sequence[Proxy],
        writable: Callable[[], Awaitable[None]],
    ) -> None:
        self.bootstrap = bootstrap
        self._brokers = brokers
        self._proxies = proxies
        self._writable = writable

    async def begin(self, kind: Kind) -> None:
        """Return when it has begun."""
        for broker in self._brokers:
            if kind == "killed":
                broker.kill()
            elif kind == "frozen":
                broker.pause()
        for proxy in self._proxies:
            if kind in {"hole", "deaf"}:
                proxy.switch("hole" if kind == "hole" else "deaf")
        if kind == "killed":
            await asyncio.gather(*(broker.wait() for broker in self._brokers))

    async def end(self, kind: Kind) -> None:
        """Return as soon as all brokers serve again, and every partition could be written to."""
        if kind == "killed":
            await asyncio.gather(*(self._start(broker) for broker in self._brokers))
        for broker in self._brokers:
            broker.resume()
        if kind in {"killed", "frozen"}:
            await self._writable()
        for proxy in self._proxies:
            proxy.switch("pass")

    async def _start(self, broker: Broker) -> None:
        await broker.stop()
        await broker.start()


@asynccontextmanager
async def one_broker(directory: Path) -> AsyncIterator[Outages]:
    """Give a broker of its own behind a proxy."""
    broker = Broker(directory)
    await broker.start()
    try:
        async with proxied(broker.bootstrap) as proxy:
            yield Outages(proxy.bootstrap, [broker], [proxy], _at_once)
    finally:
        await broker.stop()


def all_of(cluster: RunningCluster) -> Outages:
    """Return what can be done to a cluster with proxies."""
    members, proxies = [*cluster.members.values()], [*cluster.proxies.values()]
    return Outages(cluster.bootstrap, members, proxies, cluster.writable)


async def _at_once() -> None:
    """One broker that serves is the leader of everything."""
