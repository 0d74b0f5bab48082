"""One measurement: the open connections, and a run for each rate."""

import asyncio
import contextlib
import gc
import resource
from collections.abc import AsyncGenerator, Iterator
from time import perf_counter

from local.progress import Ticking
from tests.bench.latency import Latency
from tests.bench.ledger import Ledger
from tests.bench.load import OpenLoop
from tests.bench.options import Options
from tests.bench.outcome import Outcome, judge
from tests.bench.processes import Usage, usage
from tests.bench.product import Product
from tests.bench.schedule import Schedule
from tests.bench.traffic import Traffic, opened

LEAD_SECONDS = 0.1
POLL_SECONDS = 0.1
# What was acknowledged is given up as lost when nothing has come for so long: the partitions of a
# processing process that died go on elsewhere within 15 s.
SILENCE_SECONDS = 20.0
# After the last result, for a second copy of any.
AFTERMATH_SECONDS = 0.5
SPARE_FILES = 100


class TooFewFiles(Exception):
    """The operating system lets this process open too few connections."""


async def outcomes(options: Options, product: Product) -> AsyncGenerator[Outcome, None]:
    """Give the outcome of each run, warm-ups among them; one that was given up is the last.

    Raises:  ProductFailed, StartRefused, ReaderRefused, TooFewFiles, OSError.
    """
    _allow_files(options.readers + options.connections + SPARE_FILES)
    async with opened(product, options) as traffic:
        session = Session(options, product, traffic)
        for rate in options.rates:
            for is_warmup in (True, False):
                outcome = await session.run(rate, is_warmup)
                yield outcome
                if outcome.gave_up_after_seconds is not None:
                    return


class Session:
    """The runs over one set of connections; records are numbered through all of them."""

    def __init__(self, options: Options, product: Product, traffic: Traffic) -> None:
        self._options = options
        self._product = product
        self._traffic = traffic
        self._next_record = 0

    async def run(self, rate: int, is_warmup: bool) -> Outcome:
        """Send at a rate, and wait for the fate of every record.

        Raises:  ProductFailed.
        """
        options, traffic = self._options, self._traffic
        seconds = options.warmup_seconds if is_warmup else options.seconds
        schedule = Schedule(rate, seconds, options.readers, options.batch)
        returns = traffic.audience.returns
        with _uncollected():
            before = usage(self._product.pid)
            ledger = Ledger(schedule, self._next_record, perf_counter() + LEAD_SECONDS)
            self._next_record += schedule.records
            loop = OpenLoop(ledger, traffic.requests, traffic.senders)
            traffic.audience.arrived = ledger.arrived
            loop.start()
            label = f"{rate:,}/s{', warming up' if is_warmup else ''}"
            with Ticking(label, lambda: _progress(ledger, loop)):
                gave_up_after_seconds = await self._settle(ledger)
            if not is_warmup:  # Behind a warm-up they would come into the run.
                await asyncio.sleep(AFTERMATH_SECONDS)
            after = usage(self._product.pid)
        return judge(
            ledger,
            Latency.of(loop.late_seconds),
            gave_up_after_seconds=gave_up_after_seconds,
            returns=traffic.audience.returns - returns,
            used=_used(before, after),
            ended_processes=len(before.pids - after.pids),
            is_warmup=is_warmup,
        )

    async def _settle(self, ledger: Ledger) -> float | None:
        """Wait until nothing more can come; return the seconds after which that was given up."""
        while not ledger.is_settled:
            await asyncio.sleep(POLL_SECONDS)
            self._product.ensure_running()
            now = perf_counter()
            if now - ledger.started > self._options.timeout_seconds:
                return now - ledger.started
            newest = max(ledger.last_answer_at, ledger.last_arrival_at)
            if ledger.answers == ledger.schedule.requests and now - newest > SILENCE_SECONDS:
                return None
        return None


def _progress(ledger: Ledger, loop: OpenLoop) -> str:
    waiting = f", {loop.backlog:,} requests wait" if loop.backlog else ""
    return (
        f"{ledger.acknowledged:,} of {ledger.schedule.records:,} acknowledged,"
        f" {ledger.delivered:,} delivered{waiting}"
    )


def _used(before: Usage, after: Usage) -> Usage:
    """Return what was used in between; memory and processes as they are in the end."""
    cpu = {
        part: seconds - before.cpu_seconds.get(part, 0.0)
        for part, seconds in after.cpu_seconds.items()
    }
    return Usage(cpu, after.memory_mib, after.busy_seconds - before.busy_seconds, after.pids)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from stopping the generator: a run makes no cycles."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _allow_files(wanted: int) -> None:
    """Raise the limit on open files, which many systems set to 1,024.

    Raises:  TooFewFiles.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise TooFewFiles(f"{wanted:,} open files are needed and ulimit -Hn is {hard:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
