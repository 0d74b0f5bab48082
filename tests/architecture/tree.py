"""The files of the checkout, as these tests see them: what is committed or will be."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("functions", "local", "streaming_runtime")
CODE = (*PRODUCT, "tests")


@cache
def committed() -> tuple[Path, ...]:
    """Return every file that .gitignore does not name, relative to the root."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.strip("/") for line in lines if line and not line.startswith("#")]
    return tuple(sorted(_walk(ROOT, [*ignored, ".git"])))


def _walk(folder: Path, ignored: list[str]) -> Iterator[Path]:
    for path in folder.iterdir():
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _walk(path, ignored)
        else:
            yield path.relative_to(ROOT)


def modules(*tops: str) -> dict[str, Path]:
    """Return the Python modules below ``tops`` by their dotted names."""
    found = {}
    for path in committed():
        if path.suffix == ".py" and path.parts[0] in tops:
            parts = path.with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(text_of(path), str(path))


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function below a node, methods and inner ones among them."""
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
