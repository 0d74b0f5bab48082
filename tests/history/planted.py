"""Histories made up for the checks: a small legal one with everything in it, and its spoilings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from tests.history import events
from tests.history.world import data_of, sum_of

STREAMS = {"s0": "a", "s1": "b", "s2": "a"}
PARTITIONS = {"s0": 0, "s1": 1, "s2": 2}
COUNT = 8
History = list[events.Any]
Spoil = Callable[[History], History]


def plan(faults: int = 0) -> events.Plan:
    return events.Plan(
        t=0.0,
        seed=1,
        command="",
        faults=faults,
        streams=STREAMS,
        partitions=PARTITIONS,
        first_ok_limit=10.0,
        first_recv_limit=30.0,
    )


class Attempt(NamedTuple):
    """One request for one record and how it ended: a record id, a refusal's code, or a doubt."""

    op: int
    name: str
    stream: str
    at: float
    outcome: str
    said: str

    def lines(self) -> History:
        invoke = events.Invoke(
            t=self.at,
            op=self.op,
            producer=self.name.partition(".")[0],
            stream=self.stream,
            names=[self.name],
            sums=[sum_of(data_of(self.name, 10))],
            key=self.name,
            form="single",
            via=0,
        )
        after, names = self.at + 0.2, [self.name]
        if self.outcome == "ok":
            return [invoke, events.Ok(t=after, op=self.op, names=names, records=[self.said])]
        if self.outcome == "fail":
            return [invoke, events.Fail(t=after, op=self.op, names=names, code=self.said)]
        return [invoke, events.Info(t=after, op=self.op, names=names, why=self.said)]


def recv(
    reader: str, stream: str, offset: int, name: str, at: float, *, conn: int = 1
) -> events.Recv:
    return events.Recv(
        t=at,
        reader=reader,
        conn=conn,
        stream=stream,
        id=f"{stream}-id{offset}",
        source=f"{PARTITIONS[stream]}-{offset}",
        name=name,
        sum=sum_of(data_of(name, 10)),
    )


def opened(reader: str, stream: str, at: float, cursor: str | None = None) -> events.Open:
    return events.Open(t=at, reader=reader, conn=1, stream=stream, form="sse", via=0, cursor=cursor)


def told(reader: str, stream: str, at: float) -> events.Gap:
    return events.Gap(
        t=at, reader=reader, conn=1, stream=stream, requested="x", earliest="y", reason="retention"
    )


def names_of(stream: str) -> list[str]:
    return [f"p{stream[1:]}.{number}" for number in range(COUNT)]


def legal() -> History:
    """Return a history without a flaw: a second apart each stream's records, and two readers.

    Shape:   of stream ``s0`` besides: one refused, one in doubt and never seen, one in doubt and
             seen, one retried whose second receipt names the second record.
    """
    history: History = [plan()]
    op = 0
    for stream, partition in PARTITIONS.items():
        for number, name in enumerate(names_of(stream)):
            op += 1
            at = float(number + 1)
            history += Attempt(op, name, stream, at, "ok", f"{partition}-{number}").lines()
            history += [recv(f"{stream}-{r}", stream, number, name, at + 0.5) for r in ("x", "y")]
    history += _uncertain(op)
    for stream in STREAMS:
        history += [_final(f"{stream}-x", stream), _final(f"{stream}-y", stream)]
    return sorted(history, key=lambda event: event.t)


def _uncertain(op: int) -> History:
    lines = Attempt(op + 1, "q.0", "s0", 20.0, "fail", "broker-unavailable").lines()
    lines += Attempt(op + 2, "q.1", "s0", 21.0, "info", "no answer").lines()
    lines += Attempt(op + 3, "q.2", "s0", 22.0, "info", "outcome-unknown").lines()
    lines += Attempt(op + 4, "q.3", "s0", 23.0, "info", "cut").lines()
    lines += Attempt(op + 5, "q.3", "s0", 24.0, "ok", f"0-{COUNT + 2}").lines()
    for reader in ("s0-x", "s0-y"):
        lines += [
            recv(reader, "s0", COUNT, "q.2", 22.5),
            recv(reader, "s0", COUNT + 1, "q.3", 23.5),
        ]
    return lines


def _final(reader: str, stream: str) -> events.Final:
    return events.Final(t=40.0, reader=reader, stream=stream)


def without(history: History, *names: str, readers: Iterable[str] = ()) -> History:
    """Take away that anybody, or that these readers, received these."""
    chosen = set(readers)
    return [
        event
        for event in history
        if not (
            isinstance(event, events.Recv)
            and event.name in names
            and (not chosen or event.reader in chosen)
        )
    ]


def changed(history: History, chosen: str, reader: str = "", **members: object) -> History:
    """Change what a reader, or everybody, received as this record."""
    return [
        msgspec.structs.replace(event, **members)
        if isinstance(event, events.Recv) and event.name == chosen and reader in ("", event.reader)
        else event
        for event in history
    ]


def swapped(history: History, one: str, other: str, reader: str = "") -> History:
    """Exchange two records where a reader, or everybody, received them."""
    names = {one: other, other: one}

    def swap(event: events.Any) -> events.Any:
        if not isinstance(event, events.Recv) or event.name not in names:
            return event
        if reader not in ("", event.reader):
            return event
        name = names[event.name]
        return msgspec.structs.replace(event, name=name, sum=sum_of(data_of(name, 10)))

    return [swap(event) for event in history]


def also(history: History, *more: events.Any) -> History:
    return sorted([*history, *more], key=lambda event: event.t)
