from __future__ import annotations

import re
from itertools import pairwise

import pytest

from streaming_runtime.console.pages import assets, problem_page, problems_index
from tests.console.markup import Element, elements

PAGES = {
    "console": assets()["/"].body,
    "docs": assets()["/docs"].body,
    "problems": problems_index({}),
    "problem": problem_page("rate-limited", 429) or b"",
}
CONSOLE = elements(PAGES["console"])
FIELDS = [e for e in CONSOLE if e.tag in {"input", "select", "textarea"}]
BASE_CSS = assets()["/console/base.css"].body.decode()

# Which text stands on which ground, and which edge or sign on which; WCAG 1.4.3 and 1.4.11.
TEXT = 4.5
SIGN = 3.0
PAIRS = [
    *[(ink, "card", TEXT) for ink in ("ink", "soft", "accent", "good", "bad", "warn")],
    *[(ink, "paper", TEXT) for ink in ("ink", "soft", "accent", "good", "bad", "warn")],
    *[(ink, "code", TEXT) for ink in ("ink", "soft", "accent", "bad", "good")],
    ("accent-strong", "accent-soft", TEXT),
    ("accent-strong", "card", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    *[(ink, "bad-soft", TEXT) for ink in ("ink", "bad", "soft", "accent")],
    *[(ink, "warn-soft", TEXT) for ink in ("ink", "warn")],
    *[("edge", ground, SIGN) for ground in ("card", "paper", "code")],
    *[("focus", ground, SIGN) for ground in ("card", "paper", "code", "bad-soft", "warn-soft")],
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_language_a_title_and_one_main_heading(name: str) -> None:
    found = elements(PAGES[name])

    assert next(e for e in found if e.tag == "html")["lang"] == "en"
    assert next(e for e in found if e.tag == "title").text
    assert sum(e.tag == "h1" for e in found) == 1
    assert sum(e.tag == "main" for e in found) == 1
    assert any(e["name"] == "viewport" and "user-scalable" not in e["content"] for e in found)


@pytest.mark.parametrize("name", PAGES)
def test_headings_skip_no_level_and_ids_are_unique(name: str) -> None:
    found = elements(PAGES[name])
    levels = [int(e.tag[1]) for e in found if re.fullmatch("h[1-6]", e.tag)]
    ids = [e["id"] for e in found if e["id"]]

    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field["id"])
def test_every_field_has_a_label(field: Element) -> None:
    labels = [e for e in CONSOLE if e.tag == "label" and e["for"] == field["id"]]

    assert "label" in field.ancestors or any(label.text.strip() for label in labels)


def test_whatever_describes_names_or_controls_something_exists() -> None:
    ids = {e["id"] for e in CONSOLE}
    names = ("aria-describedby", "aria-labelledby", "aria-controls", "for")

    referred = [ref for e in CONSOLE for name in names for ref in e[name].split()]

    assert len(referred) > 20
    assert set(referred) <= ids


def test_every_button_and_link_has_words() -> None:
    for page in PAGES.values():
        for element in elements(page):
            if element.tag in {"button", "a", "summary"}:
                assert element.text.strip() or element["aria-label"], element.attributes


def test_the_keyboard_goes_through_the_page_in_its_own_order() -> None:
    # A positive tabindex would pull an element out of the order in which the page is read.
    for page in PAGES.values():
        assert all(e["tabindex"] in {"", "0", "-1"} for e in elements(page))


def test_drawings_are_hidden_from_a_screen_reader() -> None:
    for page in PAGES.values():
        drawings = [e for e in elements(page) if e.tag == "svg"]
        assert all(e["aria-hidden"] == "true" for e in drawings)


def test_results_are_told_by_one_polite_region_and_not_by_the_list() -> None:
    live = [e["id"] for e in CONSOLE if e["aria-live"] or e["role"] in {"status", "log"}]

    assert live == ["announcer"]


def test_motion_is_left_out_for_those_who_want_none() -> None:
    css = assets()["/console/console.css"].body.decode()

    outside = re.sub(
        r"@media \(prefers-reduced-motion: no-preference\) \{.*?\n\}", "", css, flags=re.S
    )
    assert "prefers-reduced-motion: no-preference" in css
    assert not re.findall(r"animation:|transition:", outside)


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast_is_sufficient(scheme: str, front: str, ground: str, least: float) -> None:
    light, _, rest = BASE_CSS.partition("@media (prefers-color-scheme: dark)")
    palette = colours(light if scheme == "light" else rest)

    assert contrast(palette[front], palette[ground]) >= least
