"""The functions that are built, and what AWS calls them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """One folder of ``functions/`` that has a handler."""

    name: str

    @property
    def logical_id(self) -> str:
        """Return its name in template.yaml."""
        return f"{self.name.capitalize()}Function"

    @property
    def module(self) -> str:
        return f"functions.{self.name}.handler"

    @property
    def handler(self) -> str:
        """Return what Lambda is told to call."""
        return f"{self.module}.handler"


FUNCTIONS = tuple(Function(name) for name in ("start", "send", "results", "streams"))


def function_named(name: str) -> Function:
    """Return a function by its own name or by its logical id.

    Raises:  LookupError, which names those there are.
    """
    for function in FUNCTIONS:
        if name in (function.name, function.logical_id):
            return function
    known = ", ".join(function.name for function in FUNCTIONS)
    raise LookupError(f"there is no function {name!r}, only {known}")
