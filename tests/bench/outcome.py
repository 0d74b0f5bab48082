"""The verdict on one run: figures, and in words whatever a client would call a broken promise."""

from dataclasses import dataclass

from tests.bench.latency import Latency
from tests.bench.ledger import NO_ANSWER, Ledger
from tests.bench.processes import Usage


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run at one rate.

    Units:  ``achieved`` is acknowledged records a second, up to the last acknowledgement;
            ``cpu_seconds`` and ``others_cpu_seconds``, what the machine did besides, are for
            10,000 records.
    """

    rate: int
    is_warmup: bool
    records: int
    achieved: float
    acknowledged: int
    delivered: int
    ack: Latency
    delivery: Latency
    late: Latency
    lost: int
    duplicated: int
    reordered: int
    misplaced: int
    refused: dict[int, int]
    refusal: str
    unanswered: int
    gave_up_after_seconds: float | None
    returns: int
    ended_processes: int
    cpu_seconds: dict[str, float]
    others_cpu_seconds: float
    memory_mib: dict[str, float]

    @property
    def faults(self) -> list[str]:
        """Return each thing that must not be, in words; empty when the run is good."""
        refused = sum(self.refused.values())
        counts = (
            (self.lost, "acknowledged and not delivered"),
            (self.duplicated, "delivered more than once"),
            (self.reordered, "delivered out of order"),
            (self.misplaced, "delivered to the wrong reader or never sent"),
            (refused, f"answered with other than 2xx: {self._statuses()}"),
            (self.unanswered, "not answered"),
        )
        found = [f"{count:,} {what}" for count, what in counts if count]
        return [self._gave_up(), *found] if self.gave_up_after_seconds is not None else found

    def _gave_up(self) -> str:
        return (
            f"not finished {self.gave_up_after_seconds:.0f} s after the first was due:"
            f" {self.acknowledged:,} of {self.records:,} records acknowledged"
            f" ({self.achieved:,.0f} a second), {self.delivered:,} delivered; the rate is more than"
            " this product does on this machine, or it hangs"
        )

    def _statuses(self) -> str:
        named = {**self.refused}
        broken = named.pop(NO_ANSWER, 0)
        parts = [f"{count:,} with {status}" for status, count in sorted(named.items())]
        parts += [f"{broken:,} with a broken connection"] if broken else []
        return f"{', '.join(parts)}; the first: {self.refusal}"


def judge(
    ledger: Ledger,
    late: Latency,
    *,
    gave_up_after_seconds: float | None,
    returns: int,
    used: Usage,
    ended_processes: int = 0,
    is_warmup: bool = False,
) -> Outcome:
    """Close the books of a run.

    Units:  ``used`` is for the whole run.
    """

    def for_10k(seconds: float) -> float:
        return round(max(0.0, seconds) * 10_000 / schedule.records, 3)

    schedule = ledger.schedule
    lasted = max(
        schedule.records / schedule.rate,
        ledger.last_answer_at - ledger.started,
        gave_up_after_seconds or 0.0,
    )
    return Outcome(
        rate=schedule.rate,
        is_warmup=is_warmup,
        records=schedule.records,
        achieved=round(ledger.acknowledged / lasted, 1),
        acknowledged=ledger.acknowledged,
        delivered=ledger.delivered,
        ack=Latency.of(ledger.ack_seconds),
        delivery=Latency.of(ledger.delivery_seconds),
        late=late,
        lost=ledger.awaited,
        duplicated=ledger.duplicated,
        reordered=ledger.reordered,
        misplaced=ledger.misplaced,
        refused=dict(ledger.refused),
        refusal=ledger.refusal,
        unanswered=schedule.requests - ledger.answers,
        gave_up_after_seconds=gave_up_after_seconds,
        returns=returns,
        ended_processes=ended_processes,
        cpu_seconds={part: for_10k(seconds) for part, seconds in used.cpu_seconds.items()},
        others_cpu_seconds=for_10k(used.busy_seconds - sum(used.cpu_seconds.values())),
        memory_mib={part: round(mib, 1) for part, mib in used.memory_mib.items()},
    )
