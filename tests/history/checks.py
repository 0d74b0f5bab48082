"""The checks: what a history must not show. Each yields what it found, and nothing is fine.

The names follow Jepsen's workload for Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.history import reading_checks
from tests.history.events import Fault
from tests.history.record import Record, uncollected
from tests.history.recovery import Recovery, recoveries
from tests.history.views import View

# What may refuse a send, or leave it in doubt, while parts are down; anything else is a defect.
REFUSALS = {"unreachable", "broker-unavailable", "overloaded", "rate-limited", "request-timeout"}
DOUBTS = {"outcome-unknown", "idempotency-in-progress", "no answer", "cut", "unread"}


Check = Callable[[Record], Iterator[str]]


def lost_write(record: Record) -> Iterator[str]:
    """Acknowledged, never seen, although somebody has read past it."""
    for name, is_passed in _unseen(record):
        if is_passed:
            yield record.sends.describe(name)


def unseen(record: Record) -> Iterator[str]:
    """Acknowledged, not seen after everything was healed and drained; nothing behind it either."""
    for name, is_passed in _unseen(record):
        if not is_passed:
            yield record.sends.describe(name)


def _unseen(record: Record) -> Iterator[tuple[str, bool]]:
    newest = _newest_seen(record)
    for name, sent in record.sends.by_name.items():
        if sent.is_acknowledged and name not in record.first_seen:
            views = record.views.of_stream(sent.stream)
            if views and all(_was_told(view, sent.acknowledged) for view in views):
                continue  # A gap covers it for everyone, and none of them can say more.
            yield name, newest.get(sent.stream, -1.0) > sent.acknowledged


def _was_told(view: View, since: float) -> bool:
    return any(told.t > since for told in view.gaps)


def _newest_seen(record: Record) -> dict[str, float]:
    """By stream: when the youngest record that anybody saw was first sent."""
    newest: dict[str, float] = {}
    for name in record.first_seen:
        sent = record.sends.by_name.get(name)
        if sent is not None:
            newest[sent.stream] = max(newest.get(sent.stream, -1.0), sent.invoked)
    return newest


def aborted_read(record: Record) -> Iterator[str]:
    """Refused as certainly not stored, each time it was sent, and yet seen."""
    for name in record.first_seen:
        sent = record.sends.by_name.get(name)
        if sent is not None and sent.is_certainly_not_stored:
            yield record.sends.describe(name)


def phantom(record: Record) -> Iterator[str]:
    """Seen and never sent, or of a kind that cannot come of it: only poison fails, and it must."""
    for view in record.views.by_reader.values():
        for place, item in enumerate(view.items):
            sent = record.sends.by_name.get(item.name)
            if sent is None or item.kind != ("failed" if sent.is_poison else "result"):
                yield f"{item.kind} {item.name or '?'}: {view.where(place)}"


def corrupt(record: Record) -> Iterator[str]:
    """Its data is not what was sent."""
    for view in record.views.by_reader.values():
        for place, item in enumerate(view.items):
            sent = record.sends.by_name.get(item.name)
            if sent is not None and sent.sum != item.sum:
                yield f"{record.sends.describe(item.name)}: {view.where(place)}"


def cross_stream(record: Record) -> Iterator[str]:
    """Seen on another stream of its tenant, or a cursor was taken there."""
    yield from _misplaced(record, is_other_tenant=False)


def cross_tenant(record: Record) -> Iterator[str]:
    """Seen by another tenant, or something of theirs was shown."""
    yield from _misplaced(record, is_other_tenant=True)


def _misplaced(record: Record, *, is_other_tenant: bool) -> Iterator[str]:
    tenants = record.plan.streams if record.plan is not None else {}
    for view in record.views.by_reader.values():
        for place, item in enumerate(view.items):
            sent = record.sends.by_name.get(item.name)
            stream = item.owner or (sent.stream if sent is not None else view.stream)
            is_other = tenants.get(stream) != tenants.get(view.stream)
            if stream != view.stream and is_other is is_other_tenant:
                yield f"{record.sends.describe(item.name)}: {view.where(place)}"
    for probe in record.probes:
        # What could not be reached says nothing; what was refused otherwise is a defect too.
        is_wrong = probe.status not in (probe.expected, 0, 503, 429)
        if is_wrong and probe.what.endswith("tenant") is is_other_tenant:
            yield (
                f"{probe.what} on {probe.stream} at {probe.t:.3f} via {probe.via}:"
                f" {probe.status} {probe.code}, not {probe.expected}"
            )


def unexpected_refusal(record: Record) -> Iterator[str]:
    """A send was refused, or left in doubt, with words that cannot be true, or with none."""
    for known, answers in ((REFUSALS, record.sends.refusals), (DOUBTS, record.sends.doubts)):
        for code, count in answers.items():
            if code not in known:
                yield f"{count} records: {code}"


def liveness(record: Record) -> Iterator[str]:
    """After a heal it took too long until something worked again, or a reader never finished."""
    plan = record.plan
    for one in recoveries(record):
        if plan is not None and not one.is_interrupted:
            yield from _late(one, plan.first_ok_limit, plan.first_recv_limit)
    for view in record.views.by_reader.values():
        if not view.is_final:
            yield f"{view.reader} of {view.stream} could not read to the end"


def _late(one: Recovery, first_ok_limit: float, first_recv_limit: float) -> Iterator[str]:
    for what, seconds, limit in (
        ("acknowledged", one.first_ok, first_ok_limit),
        ("received", one.first_recv, first_recv_limit),
    ):
        if seconds is None or seconds > limit:
            after = "any more" if seconds is None else f"for {seconds:.1f} s"
            yield (
                f"fault {one.number} ({one.kind} {one.target}): nothing was {what} {after},"
                f" {limit:.0f} s are allowed"
            )


def fewer_faults(record: Record) -> Iterator[str]:
    """Not everything that was planned was done, or it was never made whole again."""
    planned = record.plan.faults if record.plan is not None else 0
    healed = sum(_was_done(record, fault) for fault in record.faults)
    if healed < planned:
        yield f"{healed} of {planned} faults were done and healed"


def _was_done(record: Record, fault: Fault) -> bool:
    """Say whether a fault did what it is called, and is over."""
    heal = record.heals.get(fault.number)
    if heal is None:
        return False
    return "trim" not in fault.kind or any(fault.t <= t.t <= heal for t in record.trims)


CHECKS: dict[str, Check] = {
    "lost-write": lost_write,
    "unseen": unseen,
    "duplicate": reading_checks.duplicate,
    "reorder": reading_checks.reorder,
    "order-divergence": reading_checks.order_divergence,
    "inconsistent-offsets": reading_checks.inconsistent_offsets,
    "aborted-read": aborted_read,
    "phantom": phantom,
    "corrupt": corrupt,
    "cross-stream": cross_stream,
    "cross-tenant": cross_tenant,
    "non-monotonic-id": reading_checks.non_monotonic_id,
    "unflagged-gap": reading_checks.unflagged_gap,
    "false-gap": reading_checks.false_gap,
    "unexpected-refusal": unexpected_refusal,
    "liveness": liveness,
    "fewer-faults": fewer_faults,
}


def violations(record: Record) -> dict[str, list[str]]:
    """Run every check, and return what each has found."""
    with uncollected():
        return {name: list(check(record)) for name, check in CHECKS.items()}
