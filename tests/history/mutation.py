"""The proof of the checker: runs of a broken product, of which nearly all must be found wrong."""

from __future__ import annotations

import argparse
import asyncio
import shutil
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
from tests.history.run import run_on
from tests.product import ROOT

COPIED = ("functions", "local", "streaming_runtime")
# Of the checks these say that a run was not what it should have been, and prove nothing.
NOT_PROOF = {"fewer-faults"}
WANTED_SHARE = 0.95


@dataclass
class Score:
    """How many runs of one mutant were found wrong, and by which checks."""

    runs: int = 0
    caught: int = 0
    by: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        by = ", ".join(f"{check} {count}" for check, count in self.by.most_common())
        return f"caught {self.caught} of {self.runs}{f': {by}' if by else ''}"


class Proof:
    """Runs mutants on brokers that are started once."""

    def __init__(self, folder: Path, runs: int, at_once: int, seed: int) -> None:
        self.scores: dict[str, Score] = {}
        self._folder = folder
        self._runs = runs
        self._gate = asyncio.Semaphore(at_once)
        self._seed = seed
        self._brokers: dict[int, Brokers] = {}
        self._alone = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def prove(self, mutants: Sequence[Mutant]) -> bool:
        """Run each mutant so often; say whether enough runs of each were found wrong."""
        shutil.rmtree(self._folder, ignore_errors=True)
        async with self._stack:
            for mutant in mutants:
                self.scores[mutant.name] = Score()
                await asyncio.gather(*(self._run(mutant, n) for n in range(self._runs)))
                say(f"{mutant.name:<26} {self.scores[mutant.name]}")
        return all(score.caught >= WANTED_SHARE * score.runs for score in self.scores.values())

    async def _run(self, mutant: Mutant, number: int) -> None:
        async with self._gate:
            folder = self._folder / mutant.name / str(number)
            options = directed(mutant, folder, self._seed + number)
            _copy(mutant, options.root)
            brokers = await self._running(options.brokers)
            await run_on(brokers, options)
            found = await asyncio.to_thread(_judged, folder)
            score = self.scores[mutant.name]
            score.runs += 1
            score.caught += bool(found)
            score.by.update(found)
            if found:
                shutil.rmtree(folder)

    async def _running(self, count: int) -> Brokers:
        async with self._alone:
            if count not in self._brokers:
                opening = running_brokers(count, self._folder / f"kafka{count}")
                self._brokers[count] = await self._stack.enter_async_context(opening)
            return self._brokers[count]


def directed(mutant: Mutant, folder: Path, seed: int) -> Options:
    """Return the run that provokes a mutant."""
    chosen: dict[str, Any] = {**DIRECTED, **mutant.options}
    return replace(
        Options(), **chosen, plan=mutant.plan, seed=seed, folder=folder, root=folder / "product"
    )


def _copy(mutant: Mutant, root: Path) -> None:
    for part in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    apply(mutant, root)


def _judged(folder: Path) -> list[str]:
    found = violations(recorded(load(folder)))
    return [check for check, texts in found.items() if texts and check not in NOT_PROOF]


def main(arguments: Sequence[str]) -> int:
    """Prove it for all mutants or one; 1 if too few runs were found wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.history mutants", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each mutant")
    parser.add_argument("--only", action="append", help="a mutant's name; may be given again")
    parser.add_argument("--at-once", type=int, default=2, help="runs at the same time")
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each")
    parser.add_argument("--keep", type=Path, default=FOLDER / "mutants", help="folder of the runs")
    given = parser.parse_args(arguments)
    chosen = [m for m in MUTANTS if given.only is None or m.name in given.only]
    if not chosen:
        parser.error(f"mutants are: {', '.join(m.name for m in MUTANTS)}")
    proof = Proof(given.keep.absolute(), given.runs, given.at_once, given.seed)
    return 0 if asyncio.run(proof.prove(chosen)) else 1
