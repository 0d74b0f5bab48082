"""The nemesis: carries out a schedule, heals what it hurt, and writes both down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tests.history import events
from tests.history.brokers import Brokers
from tests.history.fleet import Fleet, Slot
from tests.history.links import Mode
from tests.history.schedule import Planned
from tests.history.world import World

Deed = Callable[[Planned], Awaitable[None]]
# What others have not read after this long is deleted unread.
READ_SECONDS = 1.0
MODES: dict[str, Mode] = {"hole": "hole", "deaf": "deaf", "hold": "hold", "delay": "delay"}


class Nemesis:
    """Hurts a fleet and its brokers. A fault waits while an earlier one has the same target."""

    def __init__(self, world: World, fleet: Fleet, brokers: Brokers, topic_prefix: str) -> None:
        self._world = world
        self._fleet = fleet
        self._brokers = brokers
        self._input = f"{topic_prefix}input"
        self._results = f"{topic_prefix}results"
        self._locks: dict[str, asyncio.Lock] = {}
        self._doing: dict[str, Deed] = {
            "api.kill": lambda p: self._kill(self._fleet.apis[p.target], p),
            "api.term": lambda p: self._term(self._fleet.apis[p.target], p),
            "api.stop": lambda p: self._freeze(self._fleet.apis[p.target], p),
            "processing.kill": lambda p: self._kill(self._fleet.processing[p.target], p),
            "processing.term": lambda p: self._term(self._fleet.processing[p.target], p),
            "processing.stop": lambda p: self._freeze(self._fleet.processing[p.target], p),
            "processing.add": self._add_processing,
            "broker.kill": self._kill_broker,
            "broker.stop": self._freeze_broker,
            "broker.solo": self._kill_the_only_one,
            "trim": self._trim,
            "trim.frozen": self._trim_under_a_frozen_api,
        }

    async def run(self, planned: Sequence[Planned]) -> None:
        """Carry out a schedule, and return when everything is healed."""
        began = self._world.now
        async with asyncio.TaskGroup() as tasks:
            for number, fault in enumerate(planned, 1):
                await asyncio.sleep(max(0.0, began + fault.at - self._world.now))
                tasks.create_task(self._inflict(number, fault))

    async def _inflict(self, number: int, fault: Planned) -> None:
        target = self._name_of(fault)
        async with self._locks.setdefault(target, asyncio.Lock()):
            self._world.note(
                events.Fault(
                    t=self._world.now,
                    number=number,
                    kind=fault.kind,
                    target=target,
                    detail=f"{fault.lasts:.1f} s",
                )
            )
            self._world.hurting[number] = f"{fault.kind} {target}"
            await self._deed(fault)(fault)
            del self._world.hurting[number]
            self._world.note(events.Heal(t=self._world.now, number=number))

    def _deed(self, fault: Planned) -> Deed:
        return self._doing.get(fault.kind, self._disturb)

    def _name_of(self, fault: Planned) -> str:
        part = fault.kind.partition(".")[0]
        if fault.kind == "trim.frozen":
            return self._fleet.apis[fault.target].name
        if part in ("link", "door"):
            # One network or the process behind it at a time: clocks of recovery need one cause.
            return self._fleet.slots[fault.target].name
        if fault.kind in ("trim", "processing.add"):
            return fault.kind
        return f"{part}{fault.target}"

    async def _kill(self, slot: Slot, fault: Planned) -> None:
        await slot.kill()
        await asyncio.sleep(fault.lasts)
        await slot.start_again()

    async def _term(self, slot: Slot, fault: Planned) -> None:
        await slot.stop()
        await asyncio.sleep(fault.lasts)
        await slot.start_again()

    async def _freeze(self, slot: Slot, fault: Planned) -> None:
        slot.freeze()
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            slot.thaw()

    async def _add_processing(self, fault: Planned) -> None:
        """Let another process join the group and leave it again: two rebalances."""
        slot = await self._fleet.add_processing()
        await slot.start()
        await asyncio.sleep(fault.lasts)
        await slot.stop()
        await slot.close()
        self._fleet.processing.remove(slot)

    async def _kill_broker(self, fault: Planned) -> None:
        await self._brokers.kill(fault.target)
        await asyncio.sleep(fault.lasts)
        await self._brokers.start_again(fault.target)

    async def _freeze_broker(self, fault: Planned) -> None:
        self._brokers.freeze(fault.target)
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            self._brokers.thaw(fault.target)

    async def _kill_the_only_one(self, fault: Planned) -> None:
        """Kill a broker just when the others could not have copied what it took."""
        others = [number for number in range(self._brokers.count) if number != fault.target]
        for number in others:
            self._brokers.freeze(number)
        await asyncio.sleep(fault.lasts)
        await self._brokers.kill(fault.target)
        for number in others:
            self._brokers.thaw(number)
        await asyncio.sleep(fault.lasts)
        await self._brokers.start_again(fault.target)

    async def _disturb(self, fault: Planned) -> None:
        """Disturb the network between one process and Kafka, or between clients and one API."""
        part, what, *more = fault.kind.split(".")
        slot = self._fleet.slots[fault.target]
        network = slot.door if part == "door" else slot.trunk
        assert network is not None
        if what == "reset":
            network.reset()
            return
        written = self._input if slot in self._fleet.apis else self._results
        network.switch(MODES[what], written if more else "")
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            network.switch("pass")

    async def _trim(self, fault: Planned) -> None:
        """Delete what is older than a few seconds, as retention does; live readers are past it."""
        ends = await self._brokers.ends(self._results)
        await asyncio.sleep(fault.lasts)
        await self._delete(ends)

    async def _trim_under_a_frozen_api(self, fault: Planned) -> None:
        """Have retention pass the position of a server that is frozen, with all its readers."""
        slot = self._fleet.apis[fault.target]
        slot.freeze()
        try:
            await asyncio.sleep(fault.lasts)
            ends = await self._brokers.ends(self._results)
            await asyncio.sleep(READ_SECONDS)
            await self._delete(ends)
        finally:
            slot.thaw()

    async def _delete(self, ends: Mapping[int, int]) -> None:
        # A reader may be told of it before we know that it was done.
        began = self._world.now
        for deleted in await self._brokers.delete_before(self._results, ends):
            self._world.note(events.Trim(t=began, **deleted._asdict()))
