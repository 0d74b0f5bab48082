from __future__ import annotations

from email.message import Message
from importlib.metadata import Distribution
from typing import Any, cast

import pytest

from tests.supply_chain.licences import EXCEPTIONS, installed, is_allowed, judged


class Made:
    """A package that says of itself what a test likes."""

    def __init__(self, *fields: tuple[str, str]) -> None:
        self.metadata = Message()
        for name, value in (("Name", "made"), *fields):
            self.metadata[name] = value


def taken(*fields: tuple[str, str]) -> bool:
    return judged(cast(Distribution, cast(Any, Made(*fields)))).is_allowed


def test_everything_that_is_installed_is_under_a_licence_that_we_take() -> None:
    found = installed()

    assert len(found) > 60
    assert [one for one in found if not one.is_allowed] == []


def test_an_exception_is_still_needed() -> None:
    assert {one.package for one in installed()} >= EXCEPTIONS.keys()


@pytest.mark.parametrize(
    ("expression", "is_ours"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-2.0-only)", True),
        ("MPL-2.0 AND (AGPL-3.0-only OR GPL-2.0-only)", False),
        ("(MIT OR X) AND (BSD-3-Clause OR Y)", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("LicenseRef-Proprietary OR (GPL-2.0-only AND MIT)", False),
    ],
)
def test_an_expression_is_taken_if_it_leaves_a_choice_that_we_take(
    expression: str, is_ours: bool
) -> None:
    assert is_allowed(expression) is is_ours


def test_the_expression_counts_before_all_else() -> None:
    mit = ("Classifier", "License :: OSI Approved :: MIT License")

    assert taken(mit)
    assert not taken(("License-Expression", "GPL-3.0-only"), mit)
    assert taken(("License", "MIT"))
    assert not taken(("License", "Our own terms\nMIT"))
    assert not taken()
    assert not taken(mit, ("Classifier", "License :: OSI Approved :: GNU Affero GPL v3"))
