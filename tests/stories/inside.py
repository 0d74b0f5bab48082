"""What an API process holds: its tasks, its objects, its descriptors and its memory."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.ports import free_port
from tests.eventually import until
from tests.product import Process, Product
from tests.stories.observed import FILE

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Held:
    """What a process held at one moment; equal to another if not one thing is more or less."""

    tasks: Mapping[str, int]
    objects: Mapping[str, int]
    descriptors: Mapping[str, int]

    def beyond(self, other: Held) -> dict[str, tuple[int, int]]:
        """Return what differs from another, as there and here."""
        return {
            f"{kind} {name}": (there.get(name, 0), here.get(name, 0))
            for kind, there, here in (
                ("task", other.tasks, self.tasks),
                ("object", other.objects, self.objects),
                ("descriptor", other.descriptors, self.descriptors),
            )
            for name in sorted(there.keys() | here.keys())
            if there.get(name, 0) != here.get(name, 0)
        }


class Observed:
    """An API process that can be asked what it holds."""

    def __init__(self, made: Product, directory: Path) -> None:
        self._file = directory / f"observed{len(made.processes)}.json"
        port, metrics = free_port(), free_port()
        own = {"HOST": "127.0.0.1", "PORT": str(port), "PROMETHEUS_PORT": str(metrics)}
        self.process = Process(
            "tests.stories.observed",
            {**made.environ, **own, FILE: str(self._file)},
            self._file.with_suffix(".log"),
            (port, "/health/ready"),
            metrics,
        )
        made.processes.append(self.process)

    async def held(self) -> Held:
        """Ask; the process has freed by then what only waited to be."""
        self._file.unlink(missing_ok=True)
        self.process.signal(signal.SIGUSR1)
        await until(self._is_told, bool, ANSWER_SECONDS)
        told = json.loads(self._file.read_text(encoding="utf-8"))
        return Held(told["tasks"], told["objects"], descriptors_of(self.process))

    async def _is_told(self) -> bool:
        return self._file.exists()


def descriptors_of(process: Process) -> dict[str, int]:
    """Count open descriptors by kind: ``socket``, ``anon_inode``, or the name of a file."""
    kinds: Counter[str] = Counter()
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            kinds[str(descriptor.readlink()).partition(":")[0]] += 1
        except FileNotFoundError:
            continue
    return kinds


def resident_bytes_of(process: Process) -> int:
    """Return what of the process's memory is in the machine's."""
    pages = Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * PAGE_BYTES
