"""The table of threats names tests that there are, and says where there is none."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.architecture.tree import ROOT

DOCUMENT = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def rows() -> list[tuple[str, str]]:
    """Return threat and proof of each row."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("## Threats")[2]
    cells = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [(row[0], row[-1]) for row in cells if row[0] != "| threat"]


@cache
def defined_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def test_every_test_that_proves_something_is_there() -> None:
    named = NAMED.findall(DOCUMENT.read_text(encoding="utf-8"))

    assert len(named) > 60
    assert [f"{path}::{name}" for path, name in named if not (ROOT / path).is_file()] == []
    assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []


def test_every_threat_has_a_proof_or_says_that_it_has_none() -> None:
    unproved = [threat for threat, proof in rows() if not NAMED.search(proof)]

    assert len(rows()) > 30
    assert unproved == []


def test_nothing_in_the_column_of_proofs_is_a_name_in_another_form() -> None:
    quoted = [word for _, proof in rows() for word in re.findall(r"`([^`]+)`", proof)]

    assert [word for word in quoted if not NAMED.fullmatch(f"`{word}`")] == ["make audit"]


def test_links_lead_somewhere() -> None:
    for path in (DOCUMENT, ROOT / "SECURITY.md"):
        targets = LINK.findall(path.read_text(encoding="utf-8"))
        assert targets
        assert [one for one in targets if not (path.parent / one).exists()] == []
