"""JMESPath within bounds: a small expression may ask for endless work, and neighbours wait."""

from __future__ import annotations

import re
from typing import Any

from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

from streaming_runtime.processing.json_text import encode, integer, number
from streaming_runtime.processing.processor import Unprocessable

# A step is about a microsecond: three tries end well within the second a neighbour may wait.
MAX_STEPS = 200_000
# Elements of a list or characters of a string, on the way to the result.
MAX_LENGTH = 1 << 20
# Comparing or copying an element is C, and a small part of a step.
ELEMENTS_A_STEP = 8
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Interpreter(TreeInterpreter):
    """Evaluates one expression once; it counts what that costs.

    Raises:  Unprocessable, from ``visit``, when it costs too much or a value grows too long.
    """

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=BoundedFunctions(self)))
        self._steps = 0

    def visit(self, node: Any, value: Any) -> Any:
        # The base looks the method up behind two generic calls, and this is the hot path.
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise _too_costly()
        return getattr(self, "visit_" + node["type"])(node, value)

    def spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise _too_costly()

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        if node["value"] in {"eq", "ne"}:
            return self.equal(left, right) is (node["value"] == "eq")
        if _are_ordered(left, right):
            return self.COMPARATOR_FUNC[node["value"]](left, right)
        return None

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self.spend(len(base))
        self.check_length(sum(len(e) if isinstance(e, list) else 1 for e in base))
        flat: list[Any] = []
        for element in base:
            flat.extend(element if isinstance(element, list) else (element,))
        return flat

    def check_length(self, length: int) -> None:
        """Refuse a list or a string before it is made, and pay for making it."""
        if length > MAX_LENGTH:
            raise Unprocessable("The expression makes a list or text that is too long")
        self.spend(length // ELEMENTS_A_STEP)

    def equal(self, left: Any, right: Any) -> bool:
        """Compare as JMESPath does: true is not 1.

        Python's own comparison visits what is named twice twice, and cannot be stopped.
        """
        self.spend(1)
        if isinstance(left, list) and isinstance(right, list):
            return len(left) == len(right) and all(map(self.equal, left, right))
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(
                self.equal(value, right[name]) for name, value in left.items()
            )
        if isinstance(left, bool) or isinstance(right, bool):
            return left is right
        return bool(left == right)


class BoundedFunctions(Functions):
    """JMESPath's functions, each paying for what it is given."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        for argument in resolved_args:
            if isinstance(argument, (list, str)):
                self._interpreter.check_length(len(argument))
        return super().call_function(function_name, resolved_args)

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: list[Any] | str, search: Any) -> bool:
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(self._interpreter.equal(element, search) for element in subject)

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        self._interpreter.check_length(len(separator) * len(array) + sum(map(len, array)))
        return separator.join(array)

    @signature({"types": []})
    def _func_to_string(self, argument: Any) -> str:
        if isinstance(argument, str):
            return argument
        written = encode(argument).decode()
        self._interpreter.check_length(len(written))
        return written

    @signature({"types": []})
    def _func_to_number(self, argument: Any) -> float | None:
        if isinstance(argument, str):
            return _number(argument)
        return argument if _is_number(argument) else None


def _are_ordered(left: Any, right: Any) -> bool:
    """Say whether one can be less than the other: two texts, or two numbers."""
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and isinstance(right, str)
    return _is_number(left) and _is_number(right)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _too_costly() -> Unprocessable:
    return Unprocessable("The expression needs too many steps for this record")


def _number(text: str) -> float | None:
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    is_whole = match[0].lstrip("-").isdecimal()
    return integer(text) if is_whole else number(text)
