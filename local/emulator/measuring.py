"""How long a built function takes to import: a process for each look, as a cold start has."""

import os
import subprocess
import sys
from pathlib import Path

RUNS = 5
# What any function of this kind has to load, whoever wrote it.
BASELINE = "litestar, mangum, aiokafka"
_CODE = """
import sys, time
sys.path[:0] = [sys.argv[1]]
begun = time.process_time()
import {modules}
print(time.process_time() - begun)
"""


def import_seconds(directory: Path, *modules: str, runs: int = RUNS) -> list[float]:
    """Return how long it takes to import each of ``modules``: the fastest of some runs.

    Units:   seconds of the processor, since an import waits for nothing: what else the machine does
             then counts little.
    """
    taken: dict[str, list[float]] = {each: [] for each in modules}
    for _ in range(runs):
        for each in modules:
            taken[each].append(_once(directory, each))
    return [min(taken[each]) for each in modules]


def _once(directory: Path, modules: str) -> float:
    done = subprocess.run(
        [sys.executable, "-S", "-s", "-B", "-c", _CODE.format(modules=modules), str(directory)],
        env={"PATH": os.defpath},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return float(done.stdout)
