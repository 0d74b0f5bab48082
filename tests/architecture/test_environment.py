"""The environment is read at the edge of a process, and every variable is documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from streaming_runtime.core.settings import ProcessingSettings, Settings
from tests.architecture.tree import PRODUCT, ROOT, modules, parsed

EXAMPLE = ROOT / ".env.example"
# What starts processes or is started itself; everything else is told what it needs.
EDGES = {
    "local.broker",
    "local.command",
    "local.composition",
    "local.environment",
    "local.jars",
    "local.supervised",
}
VARIABLE = re.compile("[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
# The machine's own, or set by Lambda: nobody configures the product with them.
NOT_OURS = re.compile("(AWS|LAMBDA|MAKE|PIP|POWERTOOLS|PYTHON|UV|XDG)[A-Z_]*|HOME|PATH|TMPDIR|CI")
READERS = {"number", "one_of"}


def _is_edge(module: str) -> bool:
    return module in EDGES or module.endswith((".__main__", ".handler"))


def test_the_environment_is_read_at_the_edges_only() -> None:
    reading = {
        module
        for module, path in modules(*PRODUCT).items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb")
    }

    assert {module for module in reading if not _is_edge(module)} == set()


def _variables(path: Path) -> Iterator[str]:
    """Find ``environ.get("X")``, ``environ["X"]``, ``number(environ, "X", …)`` and flags' names."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            is_get = called.endswith(("environ.get", "merged.get", "getenv"))
            place = 0 if is_get else 1 if called.split(".")[-1] in READERS else None
            if place is not None and len(node.args) > place:
                yield from _constant(node.args[place])
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            yield from _constant(node.slice)
        elif isinstance(node, ast.Tuple) and _is_flag(node):
            yield from _constant(node.elts[1])


def _is_flag(node: ast.Tuple) -> bool:
    return len(node.elts) > 1 and any(t.startswith("--") for t in _constant(node.elts[0]))


def _constant(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _read() -> set[str]:
    found = {name for path in modules(*PRODUCT).values() for name in _variables(path)}
    return {name for name in found if VARIABLE.fullmatch(name) and not NOT_OURS.fullmatch(name)}


def _named() -> set[str]:
    """Return every text in the code that may be a variable's name."""
    nodes = (node for path in modules(*PRODUCT).values() for node in ast.walk(parsed(path)))
    return {text for node in nodes if isinstance(node, ast.Constant) for text in _constant(node)}


def _documented() -> dict[str, tuple[str, str]]:
    """Return the variables of .env.example: the value shown, and the remark before or beside it."""
    found, remark = {}, ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        match = re.match(r"#? ?([A-Z][A-Z0-9_]*)=(.*)", line)
        if match is not None:
            value, _, beside = match[2].partition(" #")
            found[match[1]] = value.strip(), f"{remark} {beside}".strip()
        elif line.startswith("#"):
            remark = line.removeprefix("#").strip()
        if not line.strip():
            remark = ""
    return found


def test_the_finder_of_variables_finds_those_that_are_known() -> None:
    known = {"KAFKA_BROKER", "API_KEY", "API_KEYS", "PORT", "LOG_LEVEL", "STATE_DIR", "DATA_DIR"}

    assert known <= _read()


def test_env_example_exists() -> None:
    assert EXAMPLE.is_file(), ".env.example is missing: it has to hold each variable with a line"


def test_every_variable_that_is_read_is_documented() -> None:
    assert _read() - set(_documented()) == set()


def test_every_documented_variable_means_something() -> None:
    assert set(_documented()) - _named() == set()


def test_every_documented_variable_has_a_line_of_meaning() -> None:
    short = {name for name, (_, meaning) in _documented().items() if len(meaning.split()) < 3}

    assert short == set()


def test_the_values_shown_are_the_defaults() -> None:
    shown = {name: value for name, (value, _) in _documented().items() if value}
    needed = {"KAFKA_BROKER": "localhost:9092", "API_KEY": "a-key"}

    assert Settings.from_env(shown | needed) == Settings.from_env(needed)
    assert ProcessingSettings.from_env(shown) == ProcessingSettings.from_env({})
