"""``python -m tests.bench``: what ``make bench`` starts."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence

from local.children import follow_make
from local.progress import say, warn
from tests.bench import machine, plot, report
from tests.bench.opening import ReaderRefused
from tests.bench.options import Options, read
from tests.bench.outcome import Outcome
from tests.bench.processes import is_measurable
from tests.bench.product import ProductFailed, running
from tests.bench.ratios import ratios
from tests.bench.session import TooFewFiles, outcomes
from tests.bench.starting import StartRefused
from tests.bench.stopping import INTERRUPTED, Stopping

FAILED = 1
CANNOT_MEASURE = (ProductFailed, StartRefused, ReaderRefused, TooFewFiles, OSError)


async def measure(options: Options) -> int:
    """Measure, show, write; 0 when every promise was kept."""
    if not is_measurable():
        say("There is no /proc here: CPU and memory are not measured")
    elif options.is_given and options.pid is None:
        say("Without --pid of its supervisor the product's CPU and memory are not measured")
    about: report.Row = {
        "date": machine.now(),
        "commit": machine.commit(),
        "machine": machine.machine(),
    }
    done: list[Outcome] = []
    theirs: list[Outcome] = []
    stopping = Stopping()
    try:
        for _ in range(options.rounds):
            await _measure_one(options, stopping, done)
            if options.beside:
                say(f"Now: {options.beside}")
                await _measure_one(options, stopping, theirs, options.beside)
    except CANNOT_MEASURE as problem:
        warn(f"{problem}")
        return FAILED
    finally:
        _publish(done, options, about)
        if theirs:
            say(ratios(_measured(done), _measured(theirs)))
    return FAILED if any(each.faults for each in (*done, *theirs)) else 0


async def _measure_one(
    options: Options, stopping: Stopping, done: list[Outcome], beside: str = ""
) -> None:
    async with (
        running(options, stopping.kills, beside=beside) as product,
        contextlib.aclosing(outcomes(options, product)) as runs,
    ):
        async for outcome in runs:
            done.append(outcome)
            _tell(outcome)


def _tell(outcome: Outcome) -> None:
    """Say at once how a run went."""
    name = f"{outcome.rate:,}/s{', warming up' if outcome.is_warmup else ''}"
    for fault in outcome.faults:
        warn(f"{name}: FAILED: {fault}")
    if outcome.returns:
        say(f"{name}: {outcome.returns:,} readers' connections ended and were opened again")
    if outcome.ended_processes:
        say(f"{name}: {outcome.ended_processes} of the product's processes ended meanwhile")
    if not outcome.is_warmup and outcome.delivery.p99 is not None:
        say(
            f"{name}: {outcome.delivered:,} delivered, end to end p50 {outcome.delivery.p50} ms,"
            f" p99 {outcome.delivery.p99} ms"
        )


def _publish(done: Sequence[Outcome], options: Options, about: report.Row) -> None:
    measured = _measured(done)
    if not measured:
        return
    report.append([report.row(each, options, about) for each in measured], options.rows)
    say(f"\n{_title(options, about)}\n\n{report.latencies(measured)}\n")
    if costs := report.costs(measured):
        say(f"{costs}\n")
    say(f"Rows are in {options.rows}")
    try:
        plot.draw(measured, _title(options, about), options.plot)
    except ImportError as problem:
        warn(f"No plot: {problem}; make bench installs what it needs")
    else:
        say(f"The plot is in {options.plot}")


def _measured(done: Sequence[Outcome]) -> list[Outcome]:
    return [each for each in done if not each.is_warmup or each.gave_up_after_seconds is not None]


def _title(options: Options, about: report.Row) -> str:
    how = "sockets" if options.mode == "websocket" else f"readers, {options.connections} senders"
    batch = f", {options.batch} a request" if options.batch > 1 else ""
    return (
        f"{options.readers:,} {how}, {options.record_bytes} bytes a record{batch};"
        f" commit {about['commit']}, {about['date']}"
    )


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's, which costs a third; where it is missing, asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main(arguments: Sequence[str]) -> int:
    """Measure; 0 when all is well, 1 when a promise was broken or nothing could be measured."""
    follow_make(os.environ)
    options = read(arguments)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(measure(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
