"""HTML as a flat list of elements: enough to check what a page is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr", "path", "circle", "rect"})


@dataclass
class Element:
    """One element, the text inside it, and the tags of what it stands in."""

    tag: str
    attributes: dict[str, str]
    ancestors: tuple[str, ...]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = tuple(element.tag for element in self.open)
        element = Element(tag, {name: value or "" for name, value in attrs}, names)
        self.elements.append(element)
        if self.open:
            self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def elements(page: bytes) -> list[Element]:
    """Return all elements of a page, in their order; an assertion fails if they do not nest."""
    reader = _Reader()
    reader.feed(page.decode())
    reader.close()
    assert not reader.open, f"never closed: {[element.tag for element in reader.open]}"
    return reader.elements
