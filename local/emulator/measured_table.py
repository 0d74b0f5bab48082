"""The table of sizes and times in docs/serverless.md.

Sizes are of what is deployed. Times are of this machine, under the real runtime client, frozen
after each call.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.build.__main__ import ROOT, store_of
from local.build.build import Builder, Built, zipped
from local.build.failure import BuildFailed
from local.build.functions import FUNCTIONS, Function
from local.build.ready_made import ReadyMade
from local.build.target import RUNTIME, for_lambda, interpreter_of
from local.command import ASKED_WRONGLY, FAILED
from local.emulator.events import event_of, reply_of
from local.emulator.http_server import Request
from local.emulator.measuring import BASELINE, import_seconds
from local.emulator.one_call import stop_on_signals
from local.emulator.options import read
from local.emulator.outcome import Answered
from local.emulator.product import LambdaProduct
from local.emulator.reports import Figures, figures_of
from local.emulator.routes import matching
from local.options import TEST_KEY
from local.progress import Ticking, say, warn

ARCHITECTURE = "arm64"  # template.yaml's default.
COLD_STARTS = 5
WARM_CALLS = 300
RECORDS = 20  # What a page of results holds here.
HEAD = (
    "| function | unzipped | zip | import | ratio | init | first call | p50 | p99 | memory |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One function's figures."""

    function: Function
    unzipped_bytes: int
    zipped_bytes: int
    import_seconds: float
    baseline_seconds: float
    figures: Figures

    def __str__(self) -> str:
        ratio = self.import_seconds / self.baseline_seconds
        init, first = (statistics.median(some) for some in (self.figures.init, self.figures.first))
        return (
            f"| {self.function.name} | {self.unzipped_bytes / 1e6:.1f} MB"
            f" | {self.zipped_bytes / 1e6:.1f} MB | {self.import_seconds * 1000:.0f} ms"
            f" | {ratio:.2f} | {init:.0f} ms | {first:.0f} ms"
            f" | {self.figures.quantile(50):.1f} ms | {self.figures.quantile(99):.1f} ms"
            f" | {self.figures.peak_megabytes} MB |"
        )


def request(method: str, path: str, body: object = None) -> Request:
    """Return a request as the gateway would have read it."""
    headers = [("Host", "local"), ("x-api-key", TEST_KEY), ("Accept", "application/json")]
    raw = b"" if body is None else json.dumps(body).encode()
    return Request(method, path, [*headers, ("Content-Type", "application/json")], raw, "127.0.0.1")


class Calls:
    """Calls the functions of a product without a network before them."""

    def __init__(self, product: LambdaProduct) -> None:
        self._product = product

    async def answer(self, asked: Request) -> bytes:
        """Return the body of a function's answer.

        Raises:  BuildFailed if it gives none, or refuses.
        """
        found = matching(asked.method, asked.raw_path)
        assert found is not None
        route, parameters = found
        event = event_of("rest", asked, route, parameters)
        outcome = await self._product.functions[route.function].invoke(event)
        reply = reply_of(outcome.body) if isinstance(outcome, Answered) else None
        if reply is None or reply.status >= 400:
            raise BuildFailed(f"{asked.method} {asked.target} was not answered: {outcome.body!r}")
        return reply.body

    async def requests(self) -> dict[str, Request]:
        """Return one request for each function, with a stream that has results behind them."""
        started = json.loads(await self.answer(request("POST", "/stream/start", {})))
        stream = f"/stream/{started['stream_id']}"
        send = request("POST", f"{stream}/send", {"data": "sample data"})
        for _ in range(RECORDS):
            await self.answer(send)
        return {
            "start": request("POST", "/stream/start", {}),
            "send": send,
            "results": request("GET", f"{stream}/results?limit={RECORDS}"),
            "streams": request("GET", stream),
        }


async def measured(data: Path, calls: int) -> dict[str, Figures]:
    """Run the product in a folder of its own, call each function, and read its log."""
    stop_on_signals()
    environ = {"PORT": "0", "PROMETHEUS_PORT": "0", "DATA_DIR": str(data), "PATH": os.defpath}
    options = read(["--control-port", "0"], environ, {})
    product = LambdaProduct(options)
    running = asyncio.create_task(product.run())
    ready = asyncio.create_task(product.is_ready.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        made = Calls(product)
        found = {}
        for name, asked in (await made.requests()).items():
            log = data / "logs" / f"lambda-{name}.log"
            await asyncio.to_thread(log.write_bytes, b"")
            with Ticking(f"calling {name}"):
                for _ in range(COLD_STARTS):
                    options.faults.arm(name, "cold")
                    await made.answer(asked)
                for _ in range(calls):
                    await made.answer(asked)
            found[name] = figures_of(log)
        return found
    finally:
        ready.cancel()
        running.cancel()
        await asyncio.wait({running})
        await product.stop()


def sized(out: Path) -> dict[str, tuple[Built, int]]:
    """Build what would be deployed, and return it with the size of each zip."""
    target = for_lambda(ARCHITECTURE, RUNTIME, interpreter_of(RUNTIME, "", Path.home()))
    builder = Builder(ROOT, store_of(ROOT), target)
    found = {}
    for function in FUNCTIONS:
        with Ticking(f"building {function.name} for {target.label}"):
            built = builder.build(function, out / function.name)
            found[function.name] = built, zipped(built, out / f"{function.name}.zip").zipped_bytes
    return found


def table(calls: int) -> str:
    """Measure everything and return the table."""
    with tempfile.TemporaryDirectory(prefix="millrace-budget-") as scratch:
        sizes = sized(Path(scratch) / "build")
        figures = asyncio.run(measured(Path(scratch) / "data", calls))
    rows = []
    for function in FUNCTIONS:
        directory = ReadyMade(ROOT).directory(function)
        with Ticking(f"importing {function.name}"):
            own, baseline = import_seconds(directory, function.module, BASELINE)
        built, zipped_bytes = sizes[function.name]
        row = Row(
            function, built.unzipped_bytes, zipped_bytes, own, baseline, figures[function.name]
        )
        rows.append(str(row))
    return "\n".join((HEAD, *rows))


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 if it could not be made."""
    parser = argparse.ArgumentParser(prog="python -m local.emulator.budget")
    parser.add_argument("--calls", type=int, default=WARM_CALLS, metavar="N", help="warm calls")
    calls = parser.parse_args(arguments).calls
    try:
        said = table(calls)
    except (*ASKED_WRONGLY, *FAILED, BuildFailed, BaseExceptionGroup) as failure:
        warn(str(failure))
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    say(f"\n{said}")
    return 0
