"""A coroutine that may not have to wait, run without a task."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class NotAtOnce(Exception):
    """It would have had to wait: nothing of it goes on."""


def at_once(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Return what a coroutine returns if it gets there without waiting for anything.

    Raises:  NotAtOnce, after ending it where it would have waited; what the coroutine raises.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: Value = done.value
        return value
    coroutine.close()
    raise NotAtOnce
