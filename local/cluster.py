"""Three embedded brokers: each record on all of them, and any one may go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.broker import Broker, Seat
from local.broker_config import HOST, Node
from local.broker_data import BrokerFailed
from local.broker_probe import serving
from local.ports import free_port
from local.progress import Ticking, warn

NODES = (1, 2, 3)
PORT_TRIES = 3
POLL_SECONDS = 0.05
PAUSE_SECONDS = 1.0
# A broker that cannot be kept running for so many starts has a reason that stays.
MOST_RESTARTS = 20


class Cluster:
    """Three brokers, each a controller as well: any one may be killed, and sends go on.

    ``advertised`` gives the port that clients are told for a node, where something stands before
    it; ``direct`` is the way past that.

    Shape:   a folder for each node, as ``Broker`` has it; ``template/`` the formatted, empty data
             that each began as, and a node whose data is gone begins anew from; ``cluster.json``
             the ports, which stay the same while they are free.
    """

    def __init__(
        self, directory: Path, port: int = 0, advertised: Mapping[int, int] | None = None
    ) -> None:
        self.directory = directory.absolute()
        self.members: dict[int, Broker] = {}
        self._wanted_port = port
        self._advertised = dict(advertised or {})
        self._nodes: dict[int, Node] = {}
        self._restarts = 0

    def __repr__(self) -> str:
        return f"Cluster({str(self.directory)!r}, pids={self.pids})"

    @property
    def bootstrap(self) -> str:
        """Return what clients connect to, all three."""
        return _addresses(node.advertised_port or node.port for node in self._nodes.values())

    @property
    def direct(self) -> str:
        """Return where the brokers speak to each other, past all that stands before them."""
        return _addresses(node.internal_port for node in self._nodes.values())

    @property
    def pids(self) -> dict[str, int]:
        """Return the processes that run, by the names that metrics give them."""
        return {f"broker-{number}": m.pid for number, m in self.members.items() if m.pid}

    async def start(self) -> None:
        """Start all three and wait until each knows the others.

        Raises:  BrokerFailed, JarsUnavailable or JarsRefused; then nothing of it is running.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        template = await self._template()
        for attempt in range(PORT_TRIES):
            self._nodes = self._seats()
            self.members = {
                number: Broker(self.directory / str(number), seat=Seat(node, template))
                for number, node in self._nodes.items()
            }
            try:
                with Ticking("starting the brokers"):
                    await self._start_members()
            except BrokerFailed:
                raced = any(member.lost_its_port for member in self.members.values())
                if not raced or attempt == PORT_TRIES - 1:
                    raise
            else:
                return

    async def restart(self, number: int) -> None:
        """Start one again that has ended, at its place, and wait until the others know it."""
        await self.members[number].stop()
        await self.members[number].start()

    async def wait(self) -> str:
        """Start whatever ends by itself again; return how one ended that cannot be kept running."""
        while True:
            number, how = await self._first_ended()
            if self._restarts >= MOST_RESTARTS:
                return f"broker {number}, again and again: {how}"
            self._restarts += 1
            warn(f"Broker {number} ended by itself: {how}; it starts again")
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await self.restart(number)
            except BrokerFailed as failure:
                return f"broker {number}: {failure}"

    async def stop(self) -> None:
        """End all, each politely and then by force. Harmless when nothing runs."""
        await asyncio.gather(*(member.stop() for member in self.members.values()))

    def kill(self) -> None:
        """End all as a power cut would."""
        for member in self.members.values():
            member.kill()

    async def prepare_next_start(self) -> None:
        """Archive the classes that they have loaded, so that every later broker starts faster."""
        await self.members[NODES[0]].prepare_next_start()

    def report(self) -> str:
        """Return where the logs are and how those of ended brokers end."""
        ended = [member for member in self.members.values() if member.pid is None]
        return "; ".join(member.report() for member in ended) or f"logs are in {self.directory}"

    async def _start_members(self) -> None:
        starts = [asyncio.ensure_future(member.start()) for member in self.members.values()]
        try:
            await asyncio.gather(*starts)
            await self._until_each_knows_all()
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)
            self.kill()
            await self.stop()
            raise

    async def _until_each_knows_all(self) -> None:
        for node in self._nodes.values():
            while (await serving(HOST, node.port)).nodes != frozenset(self._nodes):
                if None in (member.pid for member in self.members.values()):
                    raise BrokerFailed(f"a broker ended while starting; {self.report()}")
                await asyncio.sleep(POLL_SECONDS)

    async def _first_ended(self) -> tuple[int, str]:
        waiting = {
            asyncio.ensure_future(member.wait()): number for number, member in self.members.items()
        }
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ended = done.pop()
            return waiting[ended], ended.result()
        finally:
            for task in waiting:
                task.cancel()

    async def _template(self) -> Path:
        """Return formatted data that no broker has used; they are made once, by one Java."""
        made = self.directory / "template" / "data"
        if not made.is_dir():
            if any((self.directory / str(number) / "data").is_dir() for number in NODES):
                raise BrokerFailed(
                    f"{made} is gone, and with it what the brokers beside it began from; put it"
                    " back, or move the whole folder away to begin anew"
                )
            made.parent.mkdir(parents=True, exist_ok=True)
            await Broker(made.parent).format(_node(NODES[0], dict.fromkeys(NODES, (1, 2, 3)), 0))
            made.with_name("data.new").rename(made)
        return made

    def _seats(self) -> dict[int, Node]:
        """Choose the ports of all: those of the last time as far as they are free."""
        known = self._remembered()
        chosen: set[int] = set()
        ports: dict[int, tuple[int, ...]] = {}
        for place, number in enumerate(NODES):
            usual = [self._wanted_port + place if self._wanted_port else 0, 0, 0]
            earlier = known.get(str(number), usual)
            ports[number] = tuple(
                _unchosen(chosen, *pair) for pair in zip(earlier, usual, strict=True)
            )
        (self.directory / "cluster.json").write_text(json.dumps(ports), encoding="utf-8")
        return {n: _node(n, ports, self._advertised.get(n, 0)) for n in NODES}

    def _remembered(self) -> dict[str, list[int]]:
        try:
            read = json.loads((self.directory / "cluster.json").read_text(encoding="utf-8"))
            return {number: [int(port) for port in read[number]][:3] for number in map(str, NODES)}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _node(number: int, ports: Mapping[int, tuple[int, ...]], advertised: int) -> Node:
    port, controller, internal = ports[number]
    voters = tuple((each, ports[each][1]) for each in NODES)
    return Node(port, controller, number, voters, internal, advertised)


def _unchosen(chosen: set[int], *preferred: int) -> int:
    """Return a free port, of the preferred ones if possible, that is not another node's."""
    port = free_port(*(each for each in preferred if each not in chosen))
    chosen.add(port)
    return port


def _addresses(ports: Iterable[int]) -> str:
    return ",".join(f"{HOST}:{port}" for port in ports)
