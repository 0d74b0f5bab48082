"""How long it took after each fault until something worked again."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from tests.history.record import Record


class Recovery(NamedTuple):
    """One fault's clocks.

    Units:   seconds from the heal, or from the fault itself where others take over: to the first
             acknowledgement, and until every stream has shown a record sent after it.
             None where the run or another fault came between.
    """

    number: int
    kind: str
    target: str
    first_ok: float | None
    first_recv: float | None
    is_interrupted: bool


def recoveries(record: Record) -> list[Recovery]:
    """Return the clocks of every fault that was healed, in order."""
    flow = _Flow(record)
    starts = [fault.t for fault in record.faults]
    found = []
    for fault in record.faults:
        heal = record.heals.get(fault.number)
        if heal is None:
            continue
        # Another processing process takes the partitions over while this one is still down.
        begins = fault.t if fault.kind in ("processing.kill", "processing.stop") else heal
        first_ok, first_recv = flow.first_ok(begins), flow.first_recv(begins)
        later = [start for start in starts if start > fault.t]
        next_fault = min(later, default=record.ends_at)
        ends = begins + max(first_ok or 0.0, first_recv or 0.0)
        is_interrupted = any(begins - 1.0 < start < ends for start in later) or (
            first_recv is None and next_fault < record.ends_at
        )
        found.append(
            Recovery(fault.number, fault.kind, fault.target, first_ok, first_recv, is_interrupted)
        )
    return found


class _Flow:
    """Acknowledgements and first sights, sorted by when their records were sent."""

    def __init__(self, record: Record) -> None:
        acknowledged: list[tuple[float, float]] = []
        seen: dict[str, list[tuple[float, float]]] = {}
        for name, sent in record.sends.by_name.items():
            if sent.is_acknowledged and sent.attempts == 1:
                acknowledged.append((sent.invoked, sent.acknowledged))
            if sent.is_acknowledged and name in record.first_seen:
                pair = (sent.invoked, record.first_seen[name])
                seen.setdefault(sent.stream, []).append(pair)
        self._acknowledged = _earliest_from(acknowledged)
        self._seen = {stream: _earliest_from(pairs) for stream, pairs in seen.items()}

    def first_ok(self, since: float) -> float | None:
        """Units: seconds from ``since`` to the first acknowledgement of what was sent after it."""
        found = _first(self._acknowledged, since)
        return None if found is None else found - since

    def first_recv(self, since: float) -> float | None:
        """Units: seconds until the last stream has shown a first record sent after ``since``."""
        firsts = [_first(pairs, since) for pairs in self._seen.values()]
        shown = [first for first in firsts if first is not None]
        return max(shown) - since if len(shown) == len(firsts) and shown else None


Pairs = tuple[list[float], list[float]]


def _earliest_from(pairs: list[tuple[float, float]]) -> Pairs:
    """Sort by sending; each place then has the earliest arrival from there on."""
    pairs.sort()
    sent = [pair[0] for pair in pairs]
    earliest = [pair[1] for pair in pairs]
    for place in range(len(earliest) - 2, -1, -1):
        earliest[place] = min(earliest[place], earliest[place + 1])
    return sent, earliest


def _first(pairs: Pairs, since: float) -> float | None:
    place = bisect_left(pairs[0], since)
    return pairs[1][place] if place < len(pairs[1]) else None
