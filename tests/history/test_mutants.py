"""Every mutant still fits the product and still is a program, so that its proof can be repeated."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.history.mutants import DIRECTED, MUTANTS, Edit, EditDoesNotFit, Mutant, mutated
from tests.history.options import Options
from tests.history.schedule import KINDS
from tests.product import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_fits_the_product_and_compiles(mutant: Mutant) -> None:
    texts: dict[str, str] = {}

    for edit in mutant.edits:
        text = texts.get(edit.path) or (ROOT / edit.path).read_text(encoding="utf-8")
        texts[edit.path] = mutated(text, edit)

    assert texts
    for path, text in texts.items():
        compile(text, path, "exec")


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_what_provokes_a_mutant_can_be_done(mutant: Mutant) -> None:
    known = {field.name for field in fields(Options)}

    assert {*DIRECTED, *mutant.options} <= known
    assert {fault.kind for fault in mutant.plan} <= KINDS.keys()


def test_no_two_mutants_have_one_name() -> None:
    names = [mutant.name for mutant in MUTANTS]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("text", ["nothing of it", "old and old"])
def test_a_replacement_that_does_not_fit_is_refused_loudly(text: str) -> None:
    with pytest.raises(EditDoesNotFit, match=r"some\.py"):
        mutated(text, Edit("some.py", "old", "new"))
