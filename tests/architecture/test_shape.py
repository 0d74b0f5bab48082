"""Names, sizes and docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import CODE, PRODUCT, ROOT, functions, modules, parsed, text_of

BANNED = {"utils", "helpers", "common", "base", "manager", "service", "misc", "types_"}
MOST_LINES = 400
MOST_FUNCTION_LINES = 60
# A function this long is worth a sentence, whoever calls it.
SHORT_FUNCTION_LINES = 8
DESCRIBED = tuple(f"streaming_runtime.{name}" for name in ("core", "kafka", "http", "live"))


@pytest.mark.parametrize("banned", sorted(BANNED))
def test_no_module_has_a_name_that_says_nothing(banned: str) -> None:
    assert [module for module in modules(*CODE) if banned in module.split(".")] == []


def test_every_file_is_short_enough_to_read() -> None:
    lengths = {str(path): text_of(path).count("\n") for path in modules(*CODE).values()}

    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_function_is_short_enough_to_read() -> None:
    long = [
        f"{module}.{function.name}: {_lines(function)}"
        for module, path in modules(*PRODUCT).items()
        for function in functions(parsed(path))
        if _lines(function) > MOST_FUNCTION_LINES
    ]

    assert long == []


def test_init_files_are_empty() -> None:
    inits = [path for path in modules(*CODE).values() if path.name == "__init__.py"]

    assert [str(path) for path in inits if text_of(path)] == []
    assert len(inits) > 10


def test_every_module_says_what_it_is() -> None:
    silent = [
        module
        for module, path in modules(*PRODUCT).items()
        if text_of(path) and ast.get_docstring(parsed(path)) is None
    ]

    assert silent == []


def test_every_public_class_and_every_longer_public_function_says_what_it_does() -> None:
    silent = [
        f"{module}.{node.name}"
        for module, path in modules("streaming_runtime").items()
        if module.startswith(DESCRIBED)
        for node in _public(parsed(path))
        if ast.get_docstring(node) is None and _needs_words(node)
    ]

    assert silent == []


def test_docstrings_are_sentences() -> None:
    wrong = [
        f"{module}.{node.name}"
        for module, path in modules(*PRODUCT).items()
        for node in _public(parsed(path))
        if (text := ast.get_docstring(node)) and text.partition("\n\n")[0][-1] not in ".:;?"
    ]

    assert wrong == []


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(module: ast.Module) -> Iterator[Definition]:
    for node in module.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def _needs_words(node: Definition) -> bool:
    if isinstance(node, ast.ClassDef):
        # An error's code and title are its words.
        return any(not isinstance(part, ast.Assign) for part in node.body)
    return _lines(node) > SHORT_FUNCTION_LINES


def _lines(node: Definition) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _folders() -> set[Path]:
    """Return the folders with a purpose of their own: those at the top, and those in them."""
    found = {path.parent for path in modules(*CODE).values()}
    return {folder for folder in found if len(folder.parts) <= 2} | {Path("requirements")}


def test_every_folder_says_what_it_is_in_about_three_lines() -> None:
    readmes = {folder: ROOT / folder / "README.md" for folder in _folders()}
    missing = {str(folder) for folder, readme in readmes.items() if not readme.is_file()}
    lengths = {
        str(folder): sum(1 for line in readme.read_text(encoding="utf-8").splitlines() if line)
        for folder, readme in readmes.items()
        if readme.is_file()
    }

    assert missing == set(), "README.md: what it is, what it may import, where to start reading"
    assert {folder: lines for folder, lines in lengths.items() if not 2 <= lines <= 6} == {}
