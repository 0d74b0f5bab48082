"""Who catches everything, and why it may."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import PRODUCT, modules, parsed

# Where a fault of ours meets the outside: it is logged, answered or counted, and never swallowed.
MAY_CATCH_ALL = {
    "streaming_runtime.http.edge",
    "streaming_runtime.live.cycle",
    "streaming_runtime.live.quick_sends",
    "streaming_runtime.processing.handling",
}
ALL = {"Exception", "BaseException"}


def _handlers(path: Path) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler) and _names(node.type) & {*ALL, ""}:
            yield node


def _names(caught: ast.expr | None) -> set[str]:
    if caught is None:
        return {""}
    members = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return {member.id for member in members if isinstance(member, ast.Name)}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_only_the_named_edges_catch_everything() -> None:
    catching = {
        module
        for module, path in modules(*PRODUCT).items()
        if any(not _raises_again(handler) for handler in _handlers(path))
    }

    assert catching - MAY_CATCH_ALL == set()


def test_the_list_of_edges_names_none_that_is_gone() -> None:
    known = modules(*PRODUCT)

    assert {name for name in MAY_CATCH_ALL if not any(_handlers(known[name]))} == set()


def test_what_is_released_and_raised_again_is_all_a_base_exception_is_caught_for() -> None:
    wrong = {
        module
        for module, path in modules(*PRODUCT).items()
        for handler in _handlers(path)
        if _names(handler.type) & {"BaseException", ""} and not _raises_again(handler)
    }

    assert wrong == set()


def test_nothing_is_suppressed_as_a_whole() -> None:
    wrong = {
        module
        for module, path in modules(*PRODUCT).items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")
        for argument in node.args
        if ast.unparse(argument) in ALL
    }

    assert wrong == set()
