"""CPU time and memory of the product's processes, by the part they are, out of ``/proc``."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
GENERATOR = "generator"
_PARTS = (
    ("streaming_runtime.live", "api"),
    ("streaming_runtime.processing", "processing"),
    ("kafka.Kafka", "broker"),
    ("-m local ", "supervisor"),
    ("-m tests.bench.beside ", "supervisor"),
)
_REST = "rest"
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What the parts have used by one moment.

    Units:  ``cpu_seconds`` since each process began; ``busy_seconds`` of the whole machine.
    """

    cpu_seconds: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    busy_seconds: float = 0.0
    pids: frozenset[int] = frozenset()


def is_measurable() -> bool:
    return (PROC / "self" / "stat").exists()


def usage(supervisor: int | None) -> Usage:
    """Return what ``supervisor``, its descendants and this process have used so far.

    Shape:   empty where there is no ``/proc``.
    """
    if not is_measurable():
        return Usage()
    pids = [os.getpid(), *(_tree(supervisor, os.getpid()) if supervisor else ())]
    cpu: dict[str, float] = {}
    memory: dict[str, float] = {}
    for pid in pids:
        try:
            part = GENERATOR if pid == os.getpid() else _part(pid)
            seconds, resident = _cpu_seconds(pid), _memory_mib(pid)
        except OSError:
            continue  # It has just ended.
        cpu[part] = cpu.get(part, 0.0) + seconds
        memory[part] = memory.get(part, 0.0) + resident
    return Usage(cpu, memory, _busy_seconds(), frozenset(pids))


def _tree(root: int, without: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        try:
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
        except OSError:
            continue
    found = [root]
    for pid in found:
        found.extend(child for child in children.get(pid, ()) if child != without)
    return found


def _all_pids() -> Iterable[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name, which may itself hold spaces and brackets.

    Source:  proc_pid_stat(5); the first of them is the state, field 3.
    """
    text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    pages = (PROC / str(pid) / "statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / _MIB


def _part(pid: int) -> str:
    raw = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return next((part for sign, part in _PARTS if sign in raw), _REST)


def _busy_seconds() -> float:
    """Return what all processes of the machine have used, without idling and waiting."""
    first = (PROC / "stat").read_text(encoding="utf-8").partition("\n")[0]
    ticks = [int(each) for each in first.split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
