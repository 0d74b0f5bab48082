"""Two systems side by side: the medians of all rounds, and what one is of the other."""

from collections.abc import Callable, Sequence
from statistics import median

from tests.bench.outcome import Outcome
from tests.bench.processes import GENERATOR
from tests.bench.report import table

Figure = Callable[[Outcome], float | None]


def _cpu(outcome: Outcome) -> float:
    return sum(used for part, used in outcome.cpu_seconds.items() if part != GENERATOR)


FIGURES: dict[str, Figure] = {
    "ack p50": lambda outcome: outcome.ack.p50,
    "ack p99": lambda outcome: outcome.ack.p99,
    "end to end p50": lambda outcome: outcome.delivery.p50,
    "end to end p99": lambda outcome: outcome.delivery.p99,
    "CPU, Kafka's too": _cpu,
}


def ratios(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> str:
    """Return a line for each rate: ours, theirs, and the ratio of each figure.

    Units:   milliseconds; CPU seconds for 10,000 records.
    """
    rates = sorted({each.rate for each in ours} & {each.rate for each in theirs})
    rows = []
    for rate in rates:
        row = [f"{rate:,}"]
        for figure in FIGURES.values():
            row.append(_cell(_median(ours, rate, figure), _median(theirs, rate, figure)))
        rows.append(row)
    if not rows:
        return "Nothing was measured on both"
    return f"Ours / theirs = ratio, medians:\n{table(['sends/s', *FIGURES], rows)}"


def _median(outcomes: Sequence[Outcome], rate: int, figure: Figure) -> float | None:
    found = [value for each in outcomes if each.rate == rate if (value := figure(each)) is not None]
    return median(found) if found else None


def _cell(ours: float | None, theirs: float | None) -> str:
    if ours is None or not theirs:
        return "-"
    return f"{ours:.1f} / {theirs:.1f} = {ours / theirs:.2f}"
