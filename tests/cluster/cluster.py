"""Three real brokers that a test may kill, stop, restart and cut off, one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local.broker import Broker
from local.cluster import NODES, Cluster
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.internals import close_admin, describe, start
from streaming_runtime.kafka.topics import ensure_topics
from tests.cluster.requests import active_controller, move_leader
from tests.kafka.proxy import Proxy, proxied

HEALTHY_SECONDS = 45.0
POLL_SECONDS = 0.1
Answer = TypeVar("Answer")


class Place(NamedTuple):
    """Who has a partition: the leader (-1: none), all replicas, those in sync."""

    leader: int
    replicas: list[int]
    in_sync: list[int]


class RunningCluster:
    """A cluster with what its operator can do, and one proxy before each broker if asked for.

    ``bootstrap`` is what the product is told; ``direct`` goes past the proxies. Every wait has a
    deadline.
    """

    def __init__(self, cluster: Cluster, proxies: dict[int, Proxy]) -> None:
        self.proxies = proxies
        self._cluster = cluster

    @property
    def bootstrap(self) -> str:
        return self._cluster.bootstrap

    @property
    def direct(self) -> str:
        return self._cluster.direct

    @property
    def members(self) -> dict[int, Broker]:
        """Return the brokers by node id: 1, 2 and 3."""
        return self._cluster.members

    async def kill(self, number: int) -> None:
        """End a broker as a power cut would."""
        self.members[number].kill()
        await self.members[number].wait()

    async def stop(self, number: int) -> None:
        """End a broker as its operator would: it hands its leaders over first."""
        await self.members[number].stop()

    async def restart(self, number: int) -> None:
        """Start a broker that has ended, and wait until it serves clients."""
        await self._cluster.restart(number)

    def pause(self, number: int) -> None:
        """Have a broker stand still (SIGSTOP)."""
        self.members[number].pause()

    def resume(self, number: int) -> None:
        """Have a broker go on (SIGCONT)."""
        self.members[number].resume()

    async def heal(self) -> float:
        """Undo all that was done to it, wait until it is healthy, and return the seconds taken."""
        began = time.monotonic()
        for proxy in self.proxies.values():
            proxy.switch("pass")
            if not proxy.is_open:
                await proxy.open()
        for member in self.members.values():
            member.resume()
        gone = [number for number, member in self.members.items() if member.pid is None]
        await asyncio.gather(*(self.restart(number) for number in gone))
        await self.healthy()
        return time.monotonic() - began

    async def healthy(self, seconds: float = HEALTHY_SECONDS) -> None:
        """Wait until all brokers are there and every partition is in sync on all its replicas."""
        await self._until(self._is_healthy, bool, seconds)

    async def writable(self, seconds: float = HEALTHY_SECONDS) -> None:
        """Wait until a client that begins now can write: metadata may be from before a restart."""
        settings = KafkaSettings(self.direct, "plaintext", "probe.", 1)

        async def write() -> bool:
            async with asyncio.timeout(clients.CALL_SECONDS):
                await ensure_topics(settings)
                async with AIOKafkaProducer(bootstrap_servers=self.direct, acks="all") as producer:
                    await producer.send_and_wait(settings.input_topic, b"0")
            return True

        await self._until(write, bool, seconds)

    async def place(self, topic: str, partition: int) -> Place:
        """Return who has a partition now."""
        return (await self._ask(lambda admin: _places(admin, [topic])))[topic, partition]

    async def topics(self) -> dict[str, Place]:
        """Return the first partition of every topic, Kafka's own among them."""
        places = await self._ask(lambda admin: _places(admin, None))
        return {topic: place for (topic, partition), place in places.items() if partition == 0}

    async def leader(self, topic: str, partition: int) -> int:
        """Return the leader of a partition, waiting until it has one."""
        place = await self._until(
            lambda: self.place(topic, partition), lambda place: place.leader >= 0, HEALTHY_SECONDS
        )
        return place.leader

    async def controller(self) -> int:
        """Return the node that is the active controller, waiting until there is one."""
        return await self._until(
            lambda: self._ask(active_controller), lambda node: node >= 0, HEALTHY_SECONDS
        )

    async def move_leader(self, topic: str, partition: int, to: int | None = None) -> int:
        """Make another replica (or ``to``) the leader, and return it once it is."""
        place = await self.place(topic, partition)
        wanted = to or next(node for node in place.replicas if node != place.leader)
        order = [wanted, *(node for node in place.replicas if node != wanted)]
        await self._ask(lambda admin: move_leader(admin, topic, partition, order))
        await self._until(
            lambda: self.place(topic, partition), lambda p: p.leader == wanted, HEALTHY_SECONDS
        )
        return wanted

    async def _is_healthy(self) -> bool:
        places = await self._ask(lambda admin: _places(admin, None))
        alive = all(member.pid is not None for member in self.members.values())
        return alive and all(set(p.replicas) == set(p.in_sync) for p in places.values())

    async def _ask(self, ask: Callable[[AIOKafkaAdminClient], Awaitable[Answer]]) -> Answer:
        admin = clients.admin(KafkaSettings(self.direct, "plaintext", "any.", 1))
        try:
            async with asyncio.timeout(clients.CALL_SECONDS):
                await start(admin)
                return await ask(admin)
        finally:
            await close_admin(admin)

    async def _until(
        self, ask: Callable[[], Awaitable[Answer]], holds: Callable[[Answer], bool], seconds: float
    ) -> Answer:
        deadline = time.monotonic() + seconds
        last: object = None
        while time.monotonic() < deadline:
            try:
                answer = await ask()
            except (KafkaError, BrokerUnavailable, OSError, KeyError) as failure:
                last = failure
            else:
                if holds(answer):
                    return answer
                last = answer
            await asyncio.sleep(POLL_SECONDS)
        raise AssertionError(f"the cluster did not come to it within {seconds} s: {last!r}")


@asynccontextmanager
async def running_cluster(
    directory: Path, *, with_proxies: bool = False
) -> AsyncIterator[RunningCluster]:
    """Give three brokers, healthy, and end them all when the block is left."""
    async with AsyncExitStack() as opened:
        proxies: dict[int, Proxy] = {}
        for number in NODES if with_proxies else ():
            proxies[number] = await opened.enter_async_context(proxied("127.0.0.1:0"))
        cluster = Cluster(
            directory, advertised={number: proxy.port for number, proxy in proxies.items()}
        )
        try:
            await cluster.start()
            for number, proxy in proxies.items():
                proxy.lead_to(cluster.members[number].bootstrap)
            yield RunningCluster(cluster, proxies)
        finally:
            cluster.kill()
            await cluster.stop()


async def _places(
    admin: AIOKafkaAdminClient, topics: list[str] | None
) -> dict[tuple[str, int], Place]:
    # No list asks for all topics, Kafka's own among them.
    answer: dict[str, Any] = await describe(admin, topics)
    if len(answer["brokers"]) < len(NODES) and topics is None:
        raise KafkaError(f"{len(answer['brokers'])} brokers are there")
    return {
        (topic["topic"], found["partition"]): Place(
            found["leader"], list(found["replicas"]), list(found["isr"])
        )
        for topic in answer["topics"]
        for found in topic["partitions"]
    }
