"""What a run showed, in a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.history.record import Record
from tests.history.recovery import recoveries

SHOWN = 5


def report(record: Record, found: Mapping[str, Sequence[str]]) -> str:
    """Return the table: what was sent and read, the faults, each check, the clocks."""
    return "\n".join([*_traffic(record), *_faults(record), *_checks(found), *_clocks(record)])


def _traffic(record: Record) -> list[str]:
    sends = record.sends
    counts = ", ".join(f"{sends.count(fate):,} {fate}" for fate in ("ok", "fail", "info"))
    lines = [
        f"Sends     {len(sends.by_name):,} records: {counts};"
        f" {len(sends.retried):,} sent more than once, {sends.operations:,} requests",
        f"Readers   {len(record.views.by_reader)}: {record.views.received:,} results,"
        f" {sum(len(v.gaps) for v in record.views.by_reader.values())} gaps told;"
        f" {len(record.probes):,} thefts tried",
    ]
    for name, answers in (("Refusals", sends.refusals), ("Doubts", sends.doubts)):
        if answers:
            told = ", ".join(f"{code} {count:,}" for code, count in answers.most_common())
            lines.append(f"{name:<9} {told}")
    return lines


def _faults(record: Record) -> list[str]:
    lines = [f"Faults    {len(record.faults)}, {len(record.heals)} healed"]
    for fault in record.faults:
        heal = record.heals.get(fault.number)
        until = "never healed" if heal is None else f"{heal:7.1f}"
        lines.append(f"  {fault.number:>3}  {fault.t:7.1f} to {until}  {fault.kind} {fault.target}")
    lines += [f"  exit {one.code} of {one.target} at {one.t:.1f}" for one in record.exits]
    return lines


def _checks(found: Mapping[str, Sequence[str]]) -> list[str]:
    lines = ["Checks"]
    for name, texts in found.items():
        lines.append(f"  {name:<22} {len(texts)}")
        lines += [f"      {text}" for text in texts[:SHOWN]]
    return lines


def _clocks(record: Record) -> list[str]:
    clocks = [one for one in recoveries(record) if not one.is_interrupted]
    first_oks = [one.first_ok for one in clocks if one.first_ok is not None]
    first_recvs = [one.first_recv for one in clocks if one.first_recv is not None]
    return [
        f"Recovery  after {len(clocks)} faults that no other came upon, s:     p50   p99   max",
        f"  heal to first ok                                {_percentiles(first_oks)}",
        f"  heal to first result on every stream            {_percentiles(first_recvs)}",
    ]


def _percentiles(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    shown = (ordered[int(share * (len(ordered) - 1) + 0.5)] for share in (0.5, 0.99, 1.0))
    return "".join(f"{second:6.1f}" for second in shown)
