"""One run from start to end: the product, its clients, the faults, the drain, the last reading."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka.partitioner import murmur2

from tests.client import Client
from tests.eventually import eventually
from tests.history import events
from tests.history.brokers import Brokers, running_brokers
from tests.history.fleet import Fleet, fleet
from tests.history.links import HOST
from tests.history.nemesis import Nemesis
from tests.history.options import Options
from tests.history.producers import Habits, Producer
from tests.history.progress import Progress
from tests.history.readers import FORMS, READERS, Manner, Reader
from tests.history.schedule import Planned, schedule
from tests.history.thief import Thief
from tests.history.world import KEYS, Target, World

PARTITIONS = 4
# Gives back any string, and can do nothing with a list.
PARTICULAR = {"name": "jmespath", "expression": "join('', [@])"}
FIRST_SECONDS = 60.0
CALM_SECONDS = 60.0
# A retry under way is answered, or given up.
SETTLE_SECONDS = 30.0


async def run(options: Options) -> None:
    """Run, and leave history and logs in the folder.

    Raises:  AssertionError or TimeoutError if the product does not even start.
    """
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    async with (
        running_brokers(options.brokers, options.folder / "kafka") as brokers,
        deployed(brokers, options) as deployment,
    ):
        await deployment.run(options)


class Witness:
    """Writes down which process ended by itself, in the history of the run that goes on."""

    def __init__(self) -> None:
        self.world: World | None = None

    def exited(self, name: str, code: int) -> None:
        if self.world is not None:
            self.world.note(events.Exit(t=self.world.now, target=name, code=code))


class Deployment:
    """The product, started once, on brokers that others may use too, with topics of its own."""

    def __init__(self, fleet: Fleet, brokers: Brokers, witness: Witness) -> None:
        self._fleet = fleet
        self._brokers = brokers
        self._witness = witness

    async def run(self, options: Options) -> None:
        """Run with streams of its own, and leave the history in the folder."""
        options.folder.mkdir(parents=True, exist_ok=True)
        log = events.Log(options.folder)
        world = self._witness.world = World(log, options.seed)
        world.doors = self._fleet.doors
        try:
            await _start_streams(world, self._fleet, options)
            await _lived(world, self._fleet, self._brokers, options)
        finally:
            self._witness.world = None
            log.close()


@asynccontextmanager
async def deployed(brokers: Brokers, options: Options) -> AsyncIterator[Deployment]:
    """Give the product, started; its logs are in the options' folder."""
    environ = {
        "API_KEYS": ",".join(f"{tenant}:{key}" for tenant, key in KEYS.items()),
        "KAFKA_PARTITIONS": str(PARTITIONS),
        # Never in the way: what is tested are faults, not quotas.
        "RATE_LIMIT_PER_SECOND": "0",
    }

    witness = Witness()
    async with fleet(brokers.ports, options.folder, environ, witness.exited, options.root) as made:
        apis = [await made.add_api() for _ in range(options.replicas)]
        processing = [await made.add_processing() for _ in range(options.processing)]
        await asyncio.gather(*(slot.start() for slot in (*apis, *processing)))
        yield Deployment(made, brokers, witness)


async def _start_streams(world: World, made: Fleet, options: Options) -> None:
    """Start streams for both tenants, and write down what is planned with them."""
    partitions: dict[str, int] = {}
    tenants = list(KEYS)
    for number in range(options.streams):
        # The tenants change half as fast as the processes that do a partition's work.
        tenant = tenants[number // 2 % len(tenants)]
        partition = number % PARTITIONS
        async with Client(f"http://{HOST}:{made.apis[0].process.port}", KEYS[tenant]) as client:
            is_last = number == options.streams - 1
            processor = PARTICULAR if is_last else "identity"
            while partition_of(stream := await client.start(processor=processor)) != partition:
                pass
        world.targets.append(Target(f"s{number}", tenant, stream, can_fail=is_last))
        partitions[f"s{number}"] = partition
    world.note(
        events.Plan(
            t=world.now,
            seed=options.seed,
            command=options.command,
            faults=len(planned(options)),
            streams={target.label: target.tenant for target in world.targets},
            partitions=partitions,
            first_ok_limit=options.first_ok_limit,
            first_recv_limit=options.first_recv_limit,
        )
    )


def partition_of(stream_id: str) -> int:
    """Return where Kafka's default partitioner puts a stream."""
    return int(murmur2(stream_id.encode()) & 0x7FFFFFFF) % PARTITIONS


def planned(options: Options) -> Sequence[Planned]:
    if options.plan is not None:
        return options.plan
    sizes = {
        "api": options.replicas,
        "processing": options.processing,
        "broker": options.brokers,
    }
    return schedule(options.seed, options.seconds, options.faults, options.kinds, sizes)


async def _lived(world: World, made: Fleet, brokers: Brokers, options: Options) -> None:
    readers = [
        Reader(world, f"{target.label}-{name}", target, manner)
        for target in world.targets
        for name, manner in READERS.items()
        if name in options.readers
    ]
    producers = _producers(world, options)
    watching = [Thief(world).run, *(reader.run for reader in readers)]
    async with in_background(watching):
        async with Progress(world, options.quiet), in_background([p.run for p in producers]):
            await _flowing(world, FIRST_SECONDS)
            nemesis = Nemesis(world, made, brokers, made.topic_prefix)
            ends = world.now + options.seconds
            await nemesis.run(planned(options))
            await asyncio.sleep(max(0.0, ends - world.now))
            await asyncio.gather(*(slot.ready() for slot in made.slots))
            await _flowing(world, CALM_SECONDS)
            await _settled(producers)
        await _drained(world, options.drain_seconds)
    async with Progress(world, options.quiet):
        await _read_to_the_end(world, readers)


def _producers(world: World, options: Options) -> list[Producer]:
    rate = options.rate / options.producers
    habits = Habits(
        rate, options.retries, options.forms, options.keyed, options.poison, options.size
    )
    return [
        Producer(world, f"p{number}", world.targets[number % len(world.targets)], habits)
        for number in range(options.producers)
    ]


@asynccontextmanager
async def in_background(works: Sequence[Callable[[], object]]) -> AsyncIterator[None]:
    """Let these run until the block is left; what fails of them fails the block."""
    tasks = [asyncio.ensure_future(work()) for work in works]  # type: ignore[call-overload]
    try:
        yield
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _flowing(world: World, seconds: float) -> None:
    """Wait until every stream has had a record acknowledged and shown that was sent from now on."""
    before = {target.label: world.oks.get(target.label, 0) for target in world.targets}
    seen = {target.label: len(world.seen.get(target.label, ())) for target in world.targets}

    def flows() -> bool:
        return all(world.oks.get(label, 0) > count for label, count in before.items()) and all(
            len(world.seen.get(label, ())) > count for label, count in seen.items()
        )

    try:
        await eventually(flows, seconds)
    except TimeoutError:
        return  # The checks will say so, with the names of what never came.


async def _settled(producers: Sequence[Producer]) -> None:
    for producer in producers:
        producer.tell()
    try:
        await eventually(lambda: all(p.is_done for p in producers), SETTLE_SECONDS)
    except TimeoutError:
        return  # What is still in doubt stays so.


async def _drained(world: World, seconds: float) -> None:
    """Wait until all has been seen that must be, or nothing more of it has come for so long."""
    missing = -1
    while 0 < world.missing != missing:
        missing = world.missing
        with suppress(TimeoutError):
            await eventually(lambda: world.missing == 0, seconds)


async def _read_to_the_end(world: World, readers: Sequence[Reader]) -> None:
    """Let every reader finish, and some who remember nothing read everything again."""
    again = [
        Reader(world, f"{target.label}-amnesiac-{form}", target, Manner((form,)))
        for number, target in enumerate(world.targets)
        for form in (FORMS[number % 4], FORMS[(number + 1) % 4])
    ]
    await asyncio.gather(*(reader.finish() for reader in (*readers, *again)))
