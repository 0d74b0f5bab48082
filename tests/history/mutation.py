"""The proof of the checker: runs of a broken product, of which nearly all must be found wrong."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.history.brokers import Brokers, running_brokers
from tests.history.checks import violations
from tests.history.events import load
from tests.history.mutants import DIRECTED, MUTANTS, Mutant, apply
from tests.history.options import FOLDER, Options
from tests.history.progress import say
from tests.history.record import recorded
from tests.history.run import deployed
from tests.product import ROOT

COPIED = ("functions", "local", "streaming_runtime")
# Of the checks these say that a run was not what it should have been, and prove nothing.
NOT_PROOF = {"fewer-faults"}
WANTED_SHARE = 0.95
FAILURES = (AssertionError, TimeoutError, OSError, ExceptionGroup)


@dataclass
class Score:
    """How many runs of one mutant were found wrong, by which checks, and how many never ended."""

    runs: int = 0
    caught: int = 0
    failed: int = 0
    by: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        by = ", ".join(f"{check} {count}" for check, count in self.by.most_common())
        failed = f", {self.failed} could not be run" if self.failed else ""
        return f"caught {self.caught} of {self.runs}{failed}{f': {by}' if by else ''}"


@dataclass(frozen=True)
class Plan:
    """How the proof is run.

    Shape:   ``together`` runs, one after the other, share one start of the product; each has
             streams, clients, faults and a history of its own. ``results`` gets a line for each.
    """

    folder: Path
    runs: int
    together: int
    at_once: int
    seed: int
    results: Path | None = None


class Proof:
    """Runs mutants on brokers that are started once."""

    def __init__(self, plan: Plan) -> None:
        self.scores: dict[str, Score] = {}
        self._plan = plan
        self._gate = asyncio.Semaphore(plan.at_once)
        # What is done to brokers is done to all that use them.
        self._alone = asyncio.Semaphore(1)
        self._brokers: dict[int, Brokers] = {}
        self._starting = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def prove(self, mutants: Sequence[Mutant]) -> None:
        """Run each mutant so often, and keep the scores."""
        shutil.rmtree(self._plan.folder, ignore_errors=True)
        numbers, together = range(self._plan.runs), self._plan.together
        parts = [numbers[n : n + together] for n in range(0, len(numbers), together)]
        async with self._stack:
            for mutant in mutants:
                self.scores[mutant.name] = Score()
                await asyncio.gather(*(self._run(mutant, part) for part in parts))
                say(f"{mutant.name:<26} {self.scores[mutant.name]}")

    async def _run(self, mutant: Mutant, numbers: Sequence[int]) -> None:
        """Run one start of a mutant so often; what of it cannot be run is counted, and kept."""
        score, folder = self.scores[mutant.name], self._plan.folder / mutant.name / str(numbers[0])
        left = list(numbers)
        async with self._alone if mutant.hurts_brokers else self._gate:
            try:
                await self._start_and_run(mutant, folder, left)
            except FAILURES as failure:
                score.failed += len(left)
                text = f"{mutant.name}, run {numbers[-len(left) or -1]}: {failure!r}"
                say(f"could not be run: {text[:500]}")
            if not left and not any(folder.glob("run*")):
                shutil.rmtree(folder)

    async def _start_and_run(self, mutant: Mutant, folder: Path, left: list[int]) -> None:
        """Run each number, and take it away when it is done."""
        before = time.monotonic()
        options = directed(mutant, folder, self._plan.seed, left[0])
        copy_of_product(mutant, options.root)
        brokers = await self._running(options.brokers)
        async with deployed(brokers, options) as deployment:
            while left:
                kept = folder / f"run{left[0]}"
                await deployment.run(directed(mutant, kept, self._plan.seed, left[0]))
                found = await asyncio.to_thread(judged, kept)
                self._count(mutant, left.pop(0), found, time.monotonic() - before)
                before = time.monotonic()
                if bool(found) is bool(mutant.edits):
                    shutil.rmtree(kept)

    def _count(self, mutant: Mutant, number: int, found: list[str], seconds: float) -> None:
        score = self.scores[mutant.name]
        score.runs += 1
        proof = set(found) - NOT_PROOF if mutant.edits else found
        score.caught += bool(proof)
        score.by.update(found)
        if self._plan.results is not None:
            line = {"mutant": mutant.name, "run": number, "found": found, "s": round(seconds, 1)}
            with self._plan.results.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(line)}\n")

    async def _running(self, count: int) -> Brokers:
        async with self._starting:
            if count not in self._brokers:
                opening = running_brokers(count, self._plan.folder / f"kafka{count}")
                self._brokers[count] = await self._stack.enter_async_context(opening)
            return self._brokers[count]


def directed(mutant: Mutant, folder: Path, seed: int, number: int) -> Options:
    """Return the run that provokes a mutant.

    Shape:   each hurts another broker than the one before, which may lead nothing any more.
    """
    chosen: dict[str, Any] = {**DIRECTED, **mutant.options}
    options = replace(Options(), **chosen, seed=seed + number, folder=folder)
    plan = tuple(
        fault._replace(target=(fault.target + number) % options.brokers)
        if fault.kind.startswith("broker.")
        else fault
        for fault in mutant.plan
    )
    # Of all runs together that share a start.
    root = folder / "product"
    return replace(options, plan=plan, root=root)


def controls(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Return the product as it is, under each different thing that provokes one of these."""
    found: dict[str, Mutant] = {}
    for mutant in mutants:
        told = repr((mutant.plan, sorted(mutant.options.items())))
        found.setdefault(told, replace(mutant, name=f"as-it-is:{mutant.name}", edits=()))
    return list(found.values())


def copy_of_product(mutant: Mutant, root: Path) -> None:
    """Copy what is run of the checkout, and break it."""
    for part in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    apply(mutant, root)


def judged(folder: Path) -> list[str]:
    """Return the checks that found something."""
    return [check for check, texts in violations(recorded(load(folder))).items() if texts]


def main(arguments: Sequence[str]) -> int:
    """Prove it for all mutants or some; 1 if too few runs of one were found wrong.

    Shape:   of a control 1 if any was.
    """
    given = _parser().parse_args(arguments)
    chosen = [m for m in MUTANTS if given.only is None or m.name in given.only]
    if not chosen:
        raise SystemExit(f"mutants are: {', '.join(m.name for m in MUTANTS)}")
    folder = given.keep.absolute()
    plan = Plan(folder, given.runs, given.together, given.at_once, given.seed, given.results)
    proof = Proof(plan)
    asyncio.run(proof.prove(controls(chosen) if given.control else chosen))
    scores = proof.scores.values()
    if given.control:
        return int(any(score.caught or score.failed for score in scores))
    return int(any(score.caught < WANTED_SHARE * given.runs for score in scores))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.history mutants", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each mutant")
    parser.add_argument("--only", action="append", help="a mutant's name; may be given again")
    parser.add_argument(
        "--control", action="store_true", help="the product as it is, under the same faults"
    )
    parser.add_argument("--together", type=int, default=5, help="runs for each start of a product")
    parser.add_argument("--at-once", type=int, default=2, help="products at the same time")
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each")
    parser.add_argument("--results", type=Path, help="a file that gets a line for each run")
    parser.add_argument("--keep", type=Path, default=FOLDER / "mutants", help="folder of the runs")
    return parser
