"""What a processor is: a name, its parameters, and a function from data to results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Rejected:
    """A ``failed`` result that is a result like any other; ``detail`` is what the client reads."""

    detail: str


class Unprocessable(Exception):
    """This record cannot be processed; the text is ours, and its client reads it."""


Output = bytes | Rejected

# From the JSON of one record's data, valid and not parsed, to the JSON of its result, or of its
# results in order. It holds no state: the same record always gives the same results, since a
# replay must not change what a reader has seen.
Process = Callable[[bytes], Output | list[Output]]


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For a processor that takes none."""


@dataclass(frozen=True, slots=True)
class Processor:
    """One kind of processor.

    Shape:   ``parameters`` is a msgspec Struct that forbids unknown fields; ``make`` gets one.
    Raises:  ``make`` InvalidBody, if a value of the right type is still of no use.
    """

    name: str
    parameters: type[msgspec.Struct]
    make: Callable[[Any], Process]
