"""JMESPath expressions: refused at the start of a stream if they can never work."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from jmespath import exceptions
from jmespath.functions import Functions
from jmespath.parser import Parser

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.processing.interpreter import Interpreter
from streaming_runtime.processing.json_text import encode
from streaming_runtime.processing.processor import Unprocessable

# It travels in the header of every record of its stream.
MAX_CHARACTERS = 2_000
# Evaluating takes a few Python frames for each level, and Python allows 1,000.
MAX_LEVELS = 100
# What jmespath's functions let through besides its own errors.
COMPUTING_FAILED = (
    exceptions.JMESPathError,
    ArithmeticError,
    TypeError,
    ValueError,
    RecursionError,
)


class Expression:
    """One expression, parsed and checked.

    Raises:  InvalidBody, naming ``parameter`` and what to change, from the constructor.
    """

    def __init__(self, parameter: str, text: str) -> None:
        try:
            self._tree = _parsed(text)
            _check(self._tree)
        except _Refused as refusal:
            raise InvalidBody(f"{parameter}: {refusal}") from refusal.__cause__

    def search(self, data: Any) -> Any:
        """Return what it finds in ``data``, or None.

        Raises:  Unprocessable if a function cannot take what it is given, or it costs too much.
        """
        try:
            return Interpreter().visit(self._tree, data)
        except exceptions.JMESPathTypeError as exc:
            raise Unprocessable(_unlike(exc)) from exc
        except COMPUTING_FAILED as exc:
            raise Unprocessable("The expression cannot be computed on this record") from exc


def is_true(found: Any) -> bool:
    """Say whether JMESPath counts a value as true: all but null, false and what is empty."""
    return not (found is None or found is False or found in ("", [], {}))


class _Refused(Exception):
    """Why an expression cannot be used."""


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise _Refused(f"is longer than {MAX_CHARACTERS:,} characters")
    try:
        with warnings.catch_warnings():
            # `text` without quotes in a literal is an old spelling that still works.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            return dict(Parser().parse(text).parsed)
    except exceptions.EmptyExpressionError as exc:
        raise _Refused("is empty, and needs a JMESPath expression") from exc
    except exceptions.IncompleteExpressionError as exc:
        raise _Refused("is not complete JMESPath: it ends too early") from exc
    except exceptions.ParseError as exc:
        raise _Refused(f"is not JMESPath: see character {exc.lex_position + 1}") from exc
    except (ValueError, RecursionError) as exc:
        raise _Refused("is not JMESPath that can be read") from exc


def _check(tree: dict[str, Any]) -> None:
    """Look for what would fail on any data at all.

    Raises:  _Refused.
    """
    for node, parent, level in _nodes(tree):
        if level > MAX_LEVELS:
            raise _Refused(f"is nested deeper than {MAX_LEVELS} levels")
        kind = node["type"]
        if kind == "function_expression":
            _check_call(node["value"], len(node["children"]))
        elif kind == "literal":
            _check_literal(node["value"])
        elif kind == "slice" and node["children"][2] == 0:
            raise _Refused("holds a slice with the step 0")
        elif kind == "expref" and parent != "function_expression":
            raise _Refused("holds & outside the arguments of a function")


def _nodes(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Yield each node with the kind of its parent and its level."""
    waiting: list[tuple[dict[str, Any], str, int]] = [(tree, "", 1)]
    while waiting:
        node, parent, level = waiting.pop()
        yield node, parent, level
        # A slice has numbers for children.
        children = [child for child in node["children"] if isinstance(child, dict)]
        waiting.extend((child, node["type"], level + 1) for child in children)


def _check_call(name: str, given: int) -> None:
    function = Functions.FUNCTION_TABLE.get(name)
    if function is None:
        raise _Refused(f"has no function {name}(); there are {', '.join(Functions.FUNCTION_TABLE)}")
    wanted = function["signature"]
    is_open = bool(wanted) and wanted[-1].get("variadic", False)
    if given < len(wanted) or (given > len(wanted) and not is_open):
        raise _Refused(f"gives {name}() {given} arguments where it takes {len(wanted)}")


def _check_literal(value: Any) -> None:
    try:
        encode(value)
    except Unprocessable as exc:
        raise _Refused("holds a literal that JSON cannot express") from exc


def _unlike(failure: exceptions.JMESPathTypeError) -> str:
    # The function is one of JMESPath's own, and so are the names of the types.
    expected = " or ".join(failure.expected_types)
    return f"{failure.function_name}() needs {expected}, and the data holds something else"
