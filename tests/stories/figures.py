"""The page of metrics as numbers, and what the kernel knows of a process."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.product import Process

LISTENING = "0A"
Labels = frozenset[tuple[str, str]]


class Figures:
    """What a process showed at one moment."""

    def __init__(self, page: str) -> None:
        self.samples: dict[tuple[str, Labels], float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Return one sample, 0 for one that has not been counted yet."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str) -> float:
        """Return the sum over all labels."""
        return sum(value for (found, _), value in self.samples.items() if found == name)

    def label_sets(self, name: str) -> set[Labels]:
        return {labels for found, labels in self.samples if found == name}


async def figures_of(process: Process) -> Figures:
    async with httpx.AsyncClient() as http:
        answer = await http.get(process.metrics_url)
    assert answer.status_code == 200
    return Figures(answer.text)


def sockets_of(process: Process) -> int:
    """Return how many connections a server's process holds on its port."""
    rows = _rows(process)
    held = {f"socket:[{row[9]}]" for row in rows if row[3] != LISTENING}
    links = []
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return sum(link in held for link in links)


def leftovers_of(process: Process) -> list[str]:
    """Return the states of the kernel's rows for a server's port that no process holds."""
    orphans = {"04", "05", "09", "0B"}  # FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING
    return [row[3] for row in _rows(process) if row[3] in orphans]


def _rows(process: Process) -> list[list[str]]:
    port = int(process.url.rpartition(":")[2])
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return [row for row in map(str.split, lines) if int(row[1].rpartition(":")[2], 16) == port]
