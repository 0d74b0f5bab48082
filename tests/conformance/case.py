"""A case is a coroutine function: its name is a sentence of the contract, its file a chapter."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from .client.api import Api

Function = TypeVar("Function", bound=Callable[..., Awaitable[None]])


@dataclass(frozen=True)
class Case:
    """One sentence, for one of its examples where it has several."""

    chapter: str
    function: Callable[..., Awaitable[None]]
    example: str | None
    values: tuple[object, ...]

    def __str__(self) -> str:
        example = "" if self.example is None else f"[{self.example}]"
        return f"{self.chapter}/{self.function.__name__}{example}"

    @property
    def sentence(self) -> str:
        words = self.function.__name__.replace("_", " ")
        return words if self.example is None else f"{words}: {self.example}"

    @property
    def quotation(self) -> str:
        """The contract's own words, where the name alone leaves a question."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def mostly_waits(self) -> bool:
        return hasattr(self.function, "mostly_waits")

    async def run(self, api: Api) -> None:
        await self.function(api, *self.values)


def each(examples: Mapping[str, object]) -> Callable[[Function], Function]:
    """Let a sentence be tried with each of the examples, which have names; a tuple is spread."""

    def mark(function: Function) -> Function:
        function.__dict__["examples"] = examples
        return function

    return mark


def waits(function: Function) -> Function:
    """Mark a case that mostly waits: it is begun first and takes nobody's turn."""
    function.__dict__["mostly_waits"] = True
    return function


def cases_of(chapter: ModuleType) -> Iterator[Case]:
    """Return the cases of one file, in its order."""
    name = chapter.__name__.rpartition(".")[2]
    for function in vars(chapter).values():
        is_case = inspect.iscoroutinefunction(function) and not function.__name__.startswith("_")
        if not is_case or function.__module__ != chapter.__name__:
            continue
        examples: Mapping[str, Any] | None = getattr(function, "examples", None)
        if examples is None:
            yield Case(name, function, None, ())
            continue
        for example, value in examples.items():
            yield Case(name, function, example, value if isinstance(value, tuple) else (value,))
