"""The seeded schedule: which fault when, against whom, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

# By kind: how often it is drawn, and its length in seconds: least and most.
KINDS: dict[str, tuple[int, float, float]] = {
    "api.kill": (3, 0, 0),
    "api.term": (2, 0, 0),
    "api.stop": (2, 2, 8),
    "processing.kill": (3, 0, 3),
    # Longer than its session: when it goes on, others do its work.
    "processing.stop": (2, 9, 20),
    "processing.term": (1, 0, 2),
    "processing.add": (1, 4, 10),
    "broker.kill": (2, 0, 1),
    "broker.stop": (2, 1, 6),
    "broker.solo": (2, 1, 2),
    "link.reset": (2, 0, 0),
    "link.hole": (2, 1, 5),
    "link.deaf": (3, 1, 5),
    "link.hold": (2, 1, 5),
    "link.delay": (1, 1, 4),
    # One flow alone, and longer than a claim of a key counts without an answer.
    "link.hold.writes": (1, 6, 8),
    "link.hole.writes": (1, 2, 5),
    "door.reset": (2, 0, 0),
    "door.hole": (1, 1, 5),
    "door.deaf": (2, 1, 4),
    "trim": (1, 3, 4),
    "trim.frozen": (1, 2, 4),
}
SHORTEST_SECONDS = 1.5
# A later round has more time: a pause may be as long as a frozen machine's.
LONG_RUN_SECONDS = 300.0
LONG_FACTOR = 3.0


class Planned(NamedTuple):
    """One fault.

    Units:   ``at`` is seconds after the run's first result, ``lasts`` seconds until it is healed.
    """

    at: float
    kind: str
    target: int
    lasts: float


def schedule(
    seed: int, seconds: float, count: int, kinds: Sequence[str], sizes: dict[str, int]
) -> list[Planned]:
    """Return faults spread over a run, every kind in turn before any comes again.

    Shape:   the same for the same arguments; ``sizes`` is how many APIs, processing processes and
             brokers there are.
    """
    dice = Random(f"{seed} schedule")
    apart = seconds / (count + 1)
    factor = LONG_FACTOR if seconds >= LONG_RUN_SECONDS else 1.0
    # One broker cannot be the only one that has a record.
    possible = [kind for kind in kinds if kind != "broker.solo" or sizes["broker"] > 1]
    drawn = _drawn(dice, count, possible)
    planned = []
    for number, kind in enumerate(drawn, 1):
        _, least, most = KINDS[kind]
        lasts = dice.uniform(least, most * (factor if kind.endswith(".stop") else 1.0))
        at = (number - 0.5 + dice.uniform(-0.3, 0.3)) * apart
        target = dice.randrange(_population(kind, sizes))
        planned.append(Planned(round(at, 2), kind, target, round(lasts, 2)))
    return planned


def _drawn(dice: Random, count: int, kinds: Sequence[str]) -> list[str]:
    """Draw by weight, but first each kind once, so that a short run sees most of them."""
    weights = [KINDS[kind][0] for kind in kinds]
    once = list(kinds)
    dice.shuffle(once)
    more = dice.choices(kinds, weights, k=max(0, count - len(once)))
    drawn = once[:count] + more
    dice.shuffle(drawn)
    return drawn


def _population(kind: str, sizes: dict[str, int]) -> int:
    part = kind.partition(".")[0]
    if part in ("api", "door", "trim"):
        return sizes["api"]
    if part == "link":
        return sizes["api"] + sizes["processing"]
    return sizes.get(part, 1)
