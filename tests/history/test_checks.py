"""Each check finds its anomaly in a history that has nothing else wrong with it."""

from __future__ import annotations

import time

import msgspec
import pytest

from tests.history import events
from tests.history.checks import CHECKS, violations
from tests.history.planted import (
    COUNT,
    Attempt,
    History,
    Spoil,
    also,
    changed,
    legal,
    names_of,
    opened,
    plan,
    recv,
    swapped,
    told,
    without,
)
from tests.history.record import recorded
from tests.history.world import data_of, sum_of

LAST = names_of("s1")[-1]


def found(history: History) -> set[str]:
    return {name for name, texts in violations(recorded(history)).items() if texts}


def fault(number: int, at: float, kind: str = "api.kill") -> events.Fault:
    return events.Fault(t=at, number=number, kind=kind, target="api0")


def healed(begun: events.Fault) -> History:
    return [begun, events.Heal(t=begun.t + 0.1, number=begun.number)]


def answered(outcome: str, said: str) -> History:
    return Attempt(90, "z.0", "s0", 41.0, outcome, said).lines()


def probe(what: str, status: int) -> events.Probe:
    return events.Probe(t=3.0, what=what, stream="s0", via=0, status=status, code="", expected=400)


def trimmed(history: History, told_to: str | None) -> History:
    """Have the first three of s1 deleted at 10, before a reader that begins only then."""
    late = [recv("late", "s1", n, name, 11.0) for n, name in enumerate(names_of("s1")) if n >= 3]
    gaps = [told("late", "s1", 10.5)] if told_to is not None else []
    end = events.Final(t=40.0, reader="late", stream="s1")
    return also(history, events.Trim(t=10.0, partition=1, before=3, kept="1-3"), *gaps, *late, end)


SPOILINGS: list[tuple[str, Spoil]] = [
    ("lost-write", lambda h: without(h, "p0.2")),
    ("unseen", lambda h: without(h, LAST)),
    ("duplicate", lambda h: changed(h, "q.2", name="p0.2", sum=sum_of(data_of("p0.2", 10)))),
    ("duplicate", lambda h: also(h, recv("s0-x", "s0", 99, "p0.2", 30.0))),
    ("duplicate", lambda h: changed(h, "p0.2", "s0-y", source="0-77")),
    ("reorder", lambda h: swapped(h, "p0.2", "p0.5")),
    ("order-divergence", lambda h: swapped(h, "p0.2", "p0.5", "s0-y")),
    ("inconsistent-offsets", lambda h: changed(h, "p0.2", "s0-y", id="s0-id3")),
    ("inconsistent-offsets", lambda h: changed(h, "p0.2", source="0-55")),
    ("inconsistent-offsets", lambda h: changed(h, "p0.2", "s0-y", source="0-3")),
    ("aborted-read", lambda h: also(h, recv("s0-x", "s0", 50, "q.0", 30.0))),
    ("phantom", lambda h: also(h, recv("s0-x", "s0", 50, "never", 30.0))),
    ("phantom", lambda h: changed(h, LAST, kind="failed")),
    ("corrupt", lambda h: changed(h, "p0.2", sum=1)),
    ("cross-stream", lambda h: also(h, recv("s0-x", "s0", 50, "p2.1", 30.0))),
    ("cross-stream", lambda h: changed(h, "p0.2", "s0-x", owner="s2")),
    ("cross-stream", lambda h: also(h, probe("a cursor of another stream", 200))),
    ("cross-tenant", lambda h: also(h, recv("s0-x", "s0", 50, "p1.1", 30.0))),
    ("cross-tenant", lambda h: changed(h, "p0.2", "s0-x", owner="s1")),
    ("cross-tenant", lambda h: also(h, probe("a stream of another tenant", 202))),
    ("non-monotonic-id", lambda h: changed(h, "p0.4", "s0-y", id="s0-id2")),
    ("non-monotonic-id", lambda h: also(h, recv("s0-x", "s0", 3, "p0.3", 30.0))),
    ("unflagged-gap", lambda h: without(h, "p0.2", readers=["s0-y"])),
    ("unflagged-gap", lambda h: without(h, "p0.0", readers=["s0-y"])),
    ("unflagged-gap", lambda h: without(h, LAST, readers=["s1-y"])),
    ("unflagged-gap", lambda h: trimmed(h, None)),
    (
        "unflagged-gap",
        lambda h: also(without(h, LAST, readers=["s1-y"]), opened("s1-y", "s1", 9.4)),
    ),
    ("unflagged-gap", lambda h: without(trimmed(h, "told"), "p1.3", "p1.4", readers=["late"])),
    ("false-gap", lambda h: also(h, told("s0-x", "s0", 12.0))),
    ("false-gap", lambda h: also(trimmed(h, "told"), told("late", "s1", 10.6))),
    ("unexpected-refusal", lambda h: h + answered("fail", "invalid-body")),
    ("unexpected-refusal", lambda h: h + answered("info", "untyped 500")),
    ("liveness", lambda h: [e for e in h if not isinstance(e, events.Final)]),
    ("liveness", lambda h: also(h, fault(1, 30.0), events.Heal(t=31.0, number=1))),
    ("liveness", lambda h: also(h, fault(1, 8.5), events.Heal(t=8.6, number=1))),
    ("fewer-faults", lambda h: [plan(faults=1), *h[1:]]),
    ("fewer-faults", lambda h: also([plan(faults=1), *h[1:]], fault(1, 1.5))),
    ("fewer-faults", lambda h: also([plan(faults=1), *h[1:]], *healed(fault(1, 1.5, "trim")))),
]  # fmt: skip


def test_a_legal_history_passes_every_check() -> None:
    assert found(legal()) == set()


def test_every_check_has_an_anomaly_here() -> None:
    assert {name for name, _ in SPOILINGS} == CHECKS.keys()


@pytest.mark.parametrize(
    ("check", "spoil"), SPOILINGS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(SPOILINGS)]
)
def test_an_anomaly_is_found(check: str, spoil: Spoil) -> None:
    assert check in found(spoil(legal()))


@pytest.mark.parametrize(
    "allowed",
    [
        lambda h: without(h, "q.2"),
        lambda h: trimmed(h, "told"),
        lambda h: also(without(h, LAST, readers=["s1-y"]), opened("s1-y", "s1", 8.4)),
        lambda h: also(h, probe("a cursor of another stream", 400)),
        lambda h: also(h, probe("a cursor of another stream", 503)),
        lambda h: also(h, fault(1, 1.5), events.Heal(t=1.6, number=1)),
        lambda h: also(h, fault(1, 30.0), events.Heal(t=30.0, number=1), fault(2, 31.0)),
    ],
    ids=[
        "doubtful and unseen",
        "gap",
        "not there when asked",
        "refused",
        "unreachable",
        "healed at once",
        "interrupted",
    ],
)
def test_what_is_legal_passes(allowed: Spoil) -> None:
    assert found(allowed(legal())) <= set()


def test_a_reader_that_resumes_sees_each_result_once() -> None:
    history = also(legal(), opened("s0-x", "s0", 4.9, "s0-id3"), opened("s0-y", "s0", 6.9))

    assert found(history) == set()


def test_of_two_sent_at_once_either_may_be_first() -> None:
    history = [
        *legal(),
        *Attempt(80, "u.0", "s2", 30.0, "ok", f"2-{COUNT + 1}").lines(),
        *Attempt(81, "v.0", "s2", 30.1, "ok", f"2-{COUNT}").lines(),
        *(recv(r, "s2", COUNT, "v.0", 31.0) for r in ("s2-x", "s2-y")),
        *(recv(r, "s2", COUNT + 1, "u.0", 31.0) for r in ("s2-x", "s2-y")),
    ]

    assert found(history) == set()


def test_what_a_retry_stored_behind_others_is_not_out_of_order() -> None:
    history = [
        *legal(),
        *Attempt(80, "u.0", "s2", 30.0, "fail", "overloaded").lines(),
        *Attempt(81, "v.0", "s2", 31.0, "ok", f"2-{COUNT}").lines(),
        *Attempt(82, "u.0", "s2", 32.0, "ok", f"2-{COUNT + 1}").lines(),
        *(recv(r, "s2", COUNT, "v.0", 33.0) for r in ("s2-x", "s2-y")),
        *(recv(r, "s2", COUNT + 1, "u.0", 33.0) for r in ("s2-x", "s2-y")),
    ]

    assert found(history) == set()


def test_a_batch_keeps_its_order() -> None:
    names, after = ["b.0", "b.1"], {"op": 80, "t": 30.5}
    sums = [sum_of(data_of(name, 10)) for name in names]
    batch: History = [
        events.Invoke(
            t=30.0, op=80, producer="b", stream="s2", names=names, sums=sums, key=None,
            form="array", via=0,
        ),
        events.Ok(names=names, records=[f"2-{COUNT + 1}", f"2-{COUNT}"], **after),  # type: ignore[arg-type]
        *(recv(r, "s2", COUNT, "b.1", 31.0) for r in ("s2-x", "s2-y")),
        *(recv(r, "s2", COUNT + 1, "b.0", 31.0) for r in ("s2-x", "s2-y")),
    ]  # fmt: skip

    assert found(legal() + batch) == {"reorder"}


def test_hundreds_of_thousands_of_operations_are_checked_in_seconds() -> None:
    count = 50_000
    history: History = [plan()]
    for number in range(count):
        name, at = f"p.{number}", number * 0.001
        history += Attempt(number, name, "s0", at, "ok", f"0-{number}").lines()
        history += [recv(reader, "s0", number, name, at + 0.3) for reader in ("x", "y")]
    history += [events.Final(t=1e6, reader=reader, stream="s0") for reader in ("x", "y")]
    encoded = [msgspec.json.encode(event) for event in history]

    began = time.process_time()
    decoder = msgspec.json.Decoder(events.Any)
    verdict = found([decoder.decode(line) for line in encoded])
    seconds = time.process_time() - began

    assert verdict == set()
    assert len(encoded) > 4 * count
    # 3 s on an idle machine; what must not be is a check that takes the square of it.
    assert seconds < 30
