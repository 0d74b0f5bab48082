"""A history as the checks see it: records, readings, faults, in one pass over the lines."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from tests.history import events
from tests.history.failed import name_failed
from tests.history.sends import Sends
from tests.history.views import Source, Views


class Record:
    """Everything of one run."""

    def __init__(self) -> None:
        self.plan: events.Plan | None = None
        self.sends = Sends()
        self.views = Views()
        self.probes: list[events.Probe] = []
        self.faults: list[events.Fault] = []
        self.heals: dict[int, float] = {}
        self.trims: list[events.Trim] = []
        self.exits: list[events.Exit] = []
        self.ends_at = 0.0
        self._kept: dict[type[events.Event], Callable[[Any], None]] = {
            events.Recv: self.views.recv,
            events.Invoke: self.sends.invoke,
            events.Ok: self.sends.ok,
            events.Fail: self.sends.fail,
            events.Info: self.sends.info,
            events.Open: self.views.open,
            events.Gap: self.views.gap,
            events.Final: self.views.final,
            events.Plan: self._plan,
            events.Probe: self.probes.append,
            events.Fault: self.faults.append,
            events.Heal: self._heal,
            events.Trim: self.trims.append,
            events.Exit: self.exits.append,
        }

    @cached_property
    def sources(self) -> dict[str, dict[Source, str]]:
        """By stream: the record that each source was first seen with."""
        found: dict[str, dict[Source, str]] = {}
        for view in self.views.by_reader.values():
            stream = found.setdefault(view.stream, {})
            for item in view.items:
                stream.setdefault(item.source, item.name)
        return found

    @cached_property
    def first_seen(self) -> dict[str, float]:
        """By name: when any reader first saw it."""
        found: dict[str, float] = {}
        for view in self.views.by_reader.values():
            for item in view.items:
                if item.t < found.get(item.name, self.ends_at + 1):
                    found[item.name] = item.t
        return found

    def add(self, event: events.Any) -> None:
        self.ends_at = max(self.ends_at, event.t)
        keep = self._kept.get(type(event))
        if keep is not None:
            keep(event)

    def trims_of(self, stream: str) -> list[events.Trim]:
        """Return what was deleted of a stream's partition."""
        if self.plan is None:
            return []
        partition = self.plan.partitions.get(stream)
        return [trim for trim in self.trims if trim.partition == partition]

    def _plan(self, event: events.Plan) -> None:
        self.plan = event

    def _heal(self, event: events.Heal) -> None:
        self.heals[event.number] = event.t


def recorded(history: Iterable[events.Any]) -> Record:
    """Read a history in its order."""
    record = Record()
    with uncollected():
        for event in history:
            record.add(event)
        name_failed(record.sends, record.views)
    return record


@contextmanager
def uncollected() -> Iterator[None]:
    """Have no garbage collected: millions of objects are there, and not one cycle among them.

    Walking through them again and again takes longer than all checks together.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
