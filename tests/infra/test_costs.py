"""docs/costs.md shows what the model says today."""

from __future__ import annotations

import math

from infra.costs import LOADS, Load, tables, through_functions, through_the_live_service, tiered
from tests.infra.templates import ROOT


def test_the_page_holds_the_tables_of_the_model() -> None:
    assert tables() in (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")


def test_each_more_costs_what_its_tier_says() -> None:
    tiers = ((10.0, 2.0), (30.0, 1.0), (math.inf, 0.5))

    assert [tiered(count, tiers) for count in (0, 5, 10, 20, 40)] == [0, 10, 20, 30, 45]


def test_every_part_costs_at_least_as_much_when_more_is_asked() -> None:
    for way in (through_functions, through_the_live_service):
        columns = [[cost for _, cost, _ in way(Load(rate, readers=rate))] for rate in LOADS]

        assert all(list(part) == sorted(part) for part in zip(*columns, strict=True))
