"""How an invocation ended."""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """What Lambda calls the ways in which an invocation fails."""

    ERROR = "Function.Error"
    INIT = "Function.InitError"
    EXIT = "Runtime.ExitError"
    TIMEOUT = "Sandbox.Timedout"
    THROTTLED = "TooManyRequestsException"


@dataclass(frozen=True)
class Answered:
    """The handler returned; ``body`` is its answer as JSON."""

    body: bytes


@dataclass(frozen=True)
class Failed:
    """It did not; ``body`` is what Lambda tells who invoked it, as JSON."""

    kind: FailureKind
    body: bytes


Outcome = Answered | Failed
