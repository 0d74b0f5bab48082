"""What is to go wrong, when, and how often."""

from dataclasses import dataclass
from enum import StrEnum

from local.build.functions import FUNCTIONS
from local.ports import LOOPBACK

EVERY = "*"
NAMES = (EVERY, *(function.name for function in FUNCTIONS))


class Fault(StrEnum):
    """The ways in which an invocation can be made to meet Lambda's bad sides."""

    COLD = "cold"  # The sandboxes there are get lost; a new one starts.
    TIMEOUT = "timeout"  # The work is done, and the answer comes too late: killed.
    MEMORY = "memory"  # Killed somewhere in the middle of its work.
    CUT = "cut"  # While it is frozen its connections to Kafka are reset.
    HOLE = "hole"  # While it is frozen they die, and nobody tells it.


class UnknownFault(Exception):
    """There is no such fault or function; the text names those there are."""


@dataclass
class Armed:
    """A fault that waits: ``times`` it still happens, None for always."""

    function: str
    fault: Fault
    times: int | None

    def as_json(self) -> dict[str, object]:
        return {"function": self.function, "fault": self.fault.value, "times": self.times}


class FaultPlan:
    """The faults that wait. Whoever takes one has to make it happen."""

    def __init__(self) -> None:
        self.armed: list[Armed] = []
        self.impossible: frozenset[Fault] = frozenset()

    def arm(self, function: str, fault: str, times: int | None = 1) -> None:
        """Have a fault happen at the next invocations.

        Raises:  UnknownFault.
        """
        if function not in NAMES:
            raise UnknownFault(f"{function!r} is no function: {', '.join(NAMES)}")
        if fault not in set(Fault):
            raise UnknownFault(f"{fault!r} is no fault: {', '.join(Fault)}")
        if fault in self.impossible:
            raise UnknownFault(f"{fault} needs one plain broker on {LOOPBACK}, and there is none")
        if times is not None and times < 1:
            raise UnknownFault(f"a fault happens once or more, not {times} times")
        self.armed.append(Armed(function, Fault(fault), times))

    def clear(self) -> None:
        self.armed.clear()

    def take(self, function: str, fault: Fault) -> bool:
        """Say whether this fault is to happen now."""
        for armed in self.armed:
            if armed.fault is fault and armed.function in (EVERY, function):
                if armed.times is not None:
                    armed.times -= 1
                    if not armed.times:
                        self.armed.remove(armed)
                return True
        return False


def parsed(text: str) -> tuple[str, str, int | None]:
    """Read ``FUNCTION:FAULT`` or ``FUNCTION:FAULT:TIMES`` of the command line; alone it is always.

    Raises:  UnknownFault.
    """
    function, _, rest = text.partition(":")
    fault, _, times = rest.partition(":")
    if times and not times.isdecimal():
        raise UnknownFault(f"{text!r} is not FUNCTION:FAULT:TIMES")
    return function, fault, int(times) if times else None
