"""The modules of ours that a function can reach, found by reading its imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

OURS = ("functions", "streaming_runtime")


def reachable(module: str, root: Path) -> list[Path]:
    """Return the files, below ``root``, of a module and of all it imports of ours, also late."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        for path in _files(waiting.pop(), root):
            if path not in found:
                found.add(path)
                waiting.extend(_imports(root / path))
    return sorted(found)


def _files(module: str, root: Path) -> Iterator[Path]:
    """Find the file of a module and the ``__init__.py`` of each package it is in."""
    parts = module.split(".")
    if parts[0] not in OURS:
        return
    for depth in range(1, len(parts) + 1):
        place = Path(*parts[:depth])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if (root / path).is_file():
                yield path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # The name may be a module or something in one; _files passes over what is none.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
