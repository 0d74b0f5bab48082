"""Whose result a failed one is: it carries no data, so that its source must tell."""

from __future__ import annotations

from collections.abc import Iterator

from tests.history.sends import Sends
from tests.history.views import Item, Source, Views, parse_source


def name_failed(sends: Sends, views: Views) -> None:
    """Give the failed results in all views the names and sums of what was sent.

    Shape:   by the receipt that names their source; else the next poison record of that stream of
             whose fate nobody knows. What is left has no name, and is a phantom.
    """
    by_source = {
        (sent.stream, parse_source(record)): sent.name
        for sent in sends.by_name.values()
        if sent.is_poison
        for record in sent.records
    }
    doubtful = {view.stream: _doubtful(sends, view.stream) for view in views.by_reader.values()}
    for stream, source in sorted(_unnamed(views)):
        if (stream, source) not in by_source:
            by_source[stream, source] = next(doubtful[stream], "")
    for view in views.by_reader.values():
        for place, item in enumerate(view.items):
            if not item.name:
                name = by_source[view.stream, item.source]
                view.items[place] = _named(item, name, sends)


def _doubtful(sends: Sends, stream: str) -> Iterator[str]:
    for sent in sends.by_name.values():
        if sent.is_poison and sent.stream == stream and sent.fate == "info":
            yield sent.name


def _unnamed(views: Views) -> set[tuple[str, Source]]:
    return {
        (view.stream, item.source)
        for view in views.by_reader.values()
        for item in view.items
        if not item.name
    }


def _named(item: Item, name: str, sends: Sends) -> Item:
    sent = sends.by_name.get(name)
    return item._replace(name=name, sum=item.sum if sent is None else sent.sum)
