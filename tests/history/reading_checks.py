"""The checks of sequences: within a reader, between readers, and against the order of sending."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.history.record import Record
from tests.history.sends import Sent
from tests.history.views import Source, View, parse_source


def duplicate(record: Record) -> Iterator[str]:
    """One record at two positions, or twice in one reader."""
    placed: dict[str, Source] = {}
    for view in record.views.by_reader.values():
        seen: set[str] = set()
        for place, item in enumerate(view.items):
            first = placed.setdefault(item.name, item.source)
            if item.name in seen:
                yield f"twice in a reader: {record.sends.describe(item.name)}: {view.where(place)}"
            elif first != item.source:
                yield (
                    f"at two positions, {first} and {item.source}:"
                    f" {record.sends.describe(item.name)}: {view.where(place)}"
                )
            seen.add(item.name)


def reorder(record: Record) -> Iterator[str]:
    """Sent only after another was acknowledged, and yet read before it."""
    by_name = record.sends.by_name
    for view in record.views.by_reader.values():
        # The record before this place that was sent last.
        latest: Sent | None = None
        previous: Sent | None = None
        for place, item in enumerate(view.items):
            sent = by_name.get(item.name)
            if sent is None:
                continue
            if latest is not None and sent.acknowledged < latest.invoked:
                yield (
                    f"{record.sends.describe(sent.name)} came behind"
                    f" {record.sends.describe(latest.name)}: {view.where(place)}"
                )
            elif previous is not None and _is_within_batch_reversed(previous, sent):
                yield f"{sent.name} came behind {previous.name} of its batch: {view.where(place)}"
            if latest is None or sent.invoked > latest.invoked:
                latest = sent
            previous = sent


def _is_within_batch_reversed(before: Sent, after: Sent) -> bool:
    """Say whether two of one request stand the wrong way round; a retry may have parted them."""
    if before.place >> 16 != after.place >> 16 or before.attempts > 1 or after.attempts > 1:
        return False
    return after.place < before.place and before.is_acknowledged and after.is_acknowledged


def order_divergence(record: Record) -> Iterator[str]:
    """Two readers saw the same records in different orders."""
    for stream in {view.stream for view in record.views.by_reader.values()}:
        views = sorted(record.views.of_stream(stream), key=lambda view: -len(view.items))
        ranks = {item.name: rank for rank, item in reversed(list(enumerate(views[0].items)))}
        for view in views[1:]:
            yield from _diverging(view, ranks, views[0].reader)


def _diverging(view: View, ranks: dict[str, int], reader: str) -> Iterator[str]:
    before = -1
    for place, item in enumerate(view.items):
        rank = ranks.get(item.name)
        if rank is not None:
            if rank < before:
                yield f"{item.name} stands elsewhere for {reader}: {view.where(place)}"
            before = rank


def inconsistent_offsets(record: Record) -> Iterator[str]:
    """One event id or one source with two records, or a receipt that names another place."""
    of_id: dict[str, str] = {}
    for view in record.views.by_reader.values():
        sources = record.sources[view.stream]
        for place, item in enumerate(view.items):
            if of_id.setdefault(item.id, item.name) != item.name:
                yield f"one id for {of_id[item.id]} and {item.name}: {view.where(place)}"
            elif sources[item.source] != item.name:
                yield (
                    f"one source, {item.source}, for {sources[item.source]} and {item.name}:"
                    f" {view.where(place)}"
                )
    yield from _false_receipts(record)


def _false_receipts(record: Record) -> Iterator[str]:
    """A receipt names the record; after a retry it may name the second, while the first counts."""
    for stream in record.sources.values():
        for source, name in stream.items():
            sent = record.sends.by_name.get(name)
            if sent is None or sent.attempts != 1 or not sent.records:
                continue
            if "-".join(map(str, source[:2])) != sent.records[0]:
                yield f"the receipt is not the source {source}: {record.sends.describe(name)}"


def non_monotonic_id(record: Record) -> Iterator[str]:
    """Ids go back, within a connection or across a resume."""
    for view in record.views.by_reader.values():
        places: dict[str, int] = {}
        for place, item in enumerate(view.items):
            if item.id in places:
                yield f"the id of result {places[item.id]} again: {view.where(place)}"
            places[item.id] = place
        for place, (before, after) in enumerate(pairwise(view.items), 1):
            if after.source <= before.source:
                yield f"source {after.source} behind {before.source}: {view.where(place)}"


def unflagged_gap(record: Record) -> Iterator[str]:
    """A hole in a reading without a gap event, or a gap event over what was not deleted."""
    orders = {stream: sorted(sources) for stream, sources in record.sources.items()}
    for view in record.views.by_reader.values():
        yield from _holes(record, view, orders[view.stream])


def _holes(record: Record, view: View, order: list[Source]) -> Iterator[str]:
    ranks = {source: rank for rank, source in enumerate(order)}
    told = {gap.place for gap in view.gaps}
    expected = 0
    for place, item in enumerate(view.items):
        rank = ranks[item.source]
        if rank > expected:
            missing = order[expected:rank]
            yield from _unexplained(record, view, missing, place, is_told=place in told)
        expected = max(expected, rank + 1)
    if view.is_final:
        # It read to the end as of when it asked: what somebody saw before that was there.
        missing = [s for s in order[expected:] if _was_seen_before(record, view, s)]
        if missing:
            place = len(view.items)
            yield from _unexplained(record, view, missing, place, is_told=place in told)


def _was_seen_before(record: Record, view: View, source: Source) -> bool:
    return record.first_seen[record.sources[view.stream][source]] < view.asked_at


def _unexplained(
    record: Record, view: View, missing: list[Source], place: int, *, is_told: bool
) -> Iterator[str]:
    names = [record.sources[view.stream][source] for source in missing]
    span = f"{len(names)} results, {names[0]} to {names[-1]}, before result {place}"
    if not is_told:
        yield f"{span}, nothing said: {view.reader} of {view.stream}"
        return
    kept = [record.sources[view.stream][s] for s in missing if not _is_deleted(record, view, s)]
    if kept:
        yield (
            f"{span}, a gap was told, but {len(kept)} of them, from {kept[0]} on, were not deleted:"
            f" {view.reader} of {view.stream}"
        )


def _is_deleted(record: Record, view: View, source: Source) -> bool:
    name = record.sources[view.stream][source]
    for trim in record.trims_of(view.stream):
        # Where nothing is known to be kept: only what somebody had seen by then can be deleted.
        if trim.kept is None and record.first_seen[name] <= trim.t:
            return True
        if trim.kept is not None and source < parse_source(trim.kept):
            return True
    return False


def false_gap(record: Record) -> Iterator[str]:
    """A gap was told although nothing was deleted, or more than once for one deletion."""
    for view in record.views.by_reader.values():
        trims = record.trims_of(view.stream)
        for count, told in enumerate(view.gaps, 1):
            if sum(trim.t <= told.t for trim in trims) < count:
                yield (
                    f"gap {count} ({told.reason}) at {told.t:.3f}, after"
                    f" {sum(trim.t <= told.t for trim in trims)} deletions:"
                    f" {view.reader} of {view.stream}"
                )
