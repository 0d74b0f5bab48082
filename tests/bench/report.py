"""What is told: tables on the terminal, a row for each rate in a file."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.latency import Latency
from tests.bench.options import Options
from tests.bench.outcome import Outcome
from tests.bench.processes import GENERATOR

PARTS = ("api", "processing", "broker", "supervisor", "rest", GENERATOR)
Row = dict[str, object]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns that are as wide as they need to be, their cells at the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    ]
    return "\n".join(lines)


def latencies(outcomes: Sequence[Outcome]) -> str:
    """Return what a client sees."""
    heads = ["sends/s", "achieved", "ack p50", "p99", "p99.9", "end to end p50", "p99", "p99.9"]
    heads += ["max", "lost", "twice", "disorder", "not 2xx", "late p99"]
    rows = []
    for outcome in outcomes:
        row = [f"{outcome.rate:,}", f"{outcome.achieved:,.0f}"]
        row += _cells(outcome.ack)[:3] + _cells(outcome.delivery)
        refused = sum(outcome.refused.values()) + outcome.unanswered
        counts = (outcome.lost, outcome.duplicated, outcome.reordered, refused)
        rows.append([*row, *(f"{count:,}" for count in counts), _cell(outcome.late.p99)])
    return f"Milliseconds from the moment each record was due:\n{table(heads, rows)}"


def costs(outcomes: Sequence[Outcome]) -> str:
    """Return what it takes, empty where it could not be read."""
    parts = [part for part in PARTS if any(part in each.cpu_seconds for each in outcomes)]
    if not parts:
        return ""
    cpu = [
        [
            f"{outcome.rate:,}",
            *(f"{outcome.cpu_seconds.get(part, 0.0):.2f}" for part in parts),
            f"{outcome.others_cpu_seconds:.2f}",
        ]
        for outcome in outcomes
    ]
    memory = [
        [f"{outcome.rate:,}", *(f"{outcome.memory_mib.get(part, 0.0):,.0f}" for part in parts)]
        for outcome in outcomes
    ]
    return (
        "CPU seconds for 10,000 records (others: whatever else this machine did):\n"
        f"{table(['sends/s', *parts, 'others'], cpu)}\n\n"
        f"Memory, MiB resident:\n{table(['sends/s', *parts], memory)}"
    )


def row(outcome: Outcome, options: Options, about: Row) -> Row:
    """Return one line of the file: where and when, the settings, every figure."""
    settings: Row = {
        "mode": options.mode,
        "readers": options.readers,
        "connections": options.connections,
        "batch": options.batch,
        "record_bytes": options.record_bytes,
        "seconds": options.seconds,
        "warmup_seconds": options.warmup_seconds,
        "is_given": options.is_given,
        "product": list(options.product),
    }
    return {**about, "settings": settings, **asdict(outcome), "faults": outcome.faults}


def append(rows: Sequence[Row], path: Path) -> None:
    """Add lines to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in rows)


def _cells(latency: Latency) -> list[str]:
    return [_cell(each) for each in (latency.p50, latency.p99, latency.p999, latency.max)]


def _cell(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.1f}"
