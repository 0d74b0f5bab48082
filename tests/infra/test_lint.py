"""The templates are what CloudFormation takes."""

from pathlib import Path
from typing import Any

import pytest
from cfnlint import ConfigMixIn  # type: ignore[import-untyped]
from cfnlint.runner import Runner  # type: ignore[import-untyped]

from tests.infra.templates import ALL, REGION, name_of, template


def test_the_linter_has_nothing_to_say() -> None:
    config = ConfigMixIn([], templates=[str(path) for path in ALL], regions=[REGION])

    assert [str(match) for match in Runner(config).run()] == []


def is_bounded(parameter: dict[str, Any]) -> bool:
    """Say whether AWS refuses a wrong value before it does anything."""
    return (
        "AWS::" in parameter["Type"]
        or not parameter.keys().isdisjoint({"AllowedPattern", "AllowedValues"})
        or {"MinValue", "MaxValue"} <= parameter.keys()
    )


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_parameter_says_what_it_is_and_what_it_may_be(path: Path) -> None:
    silent = [
        name
        for name, about in template(path).get("Parameters", {}).items()
        if len(about.get("Description", "").split()) < 3 or not is_bounded(about)
    ]

    assert silent == []


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_output_says_what_it_is_for(path: Path) -> None:
    outputs = template(path).get("Outputs", {})

    assert [name for name, about in outputs.items() if not about.get("Description")] == []
