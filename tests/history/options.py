"""What a run can be told on its command line."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.history.producers import FORMS, KEYED_SHARE
from tests.history.readers import READERS
from tests.history.schedule import KINDS, Planned
from tests.history.sending import Form
from tests.product import ROOT

FOLDER = ROOT / ".local" / "history"
SECONDS_FOR_EACH_FAULT = 4.0
# A long run has longer faults.
SECONDS_FOR_EACH_FAULT_OF_MANY = 10.0


@dataclass(frozen=True)
class Options:
    """One run.

    Units:   ``rate`` is records a second, of all producers together; ``poison`` the share of the
             last stream's that cannot be processed; ``size`` what is added to each, in characters;
             ``keyed`` the share of requests that have an Idempotency-Key, where the form has any.
    Shape:   ``forms`` are those of sending, ``readers`` those that each stream has; ``plan`` are
             the faults themselves, in place of drawn ones.
    """

    seconds: float = 60.0
    seed: int = 7
    brokers: int = 1
    replicas: int = 2
    processing: int = 2
    streams: int = 4
    producers: int = 8
    rate: float = 100.0
    faults: int = 15
    kinds: tuple[str, ...] = tuple(KINDS)
    retries: bool = True
    folder: Path = FOLDER / "last"
    root: Path = ROOT
    first_ok_limit: float = 10.0
    first_recv_limit: float = 30.0
    quiet: bool = False
    poison: float = 0.02
    size: int = 0
    drain_seconds: float = 15.0
    forms: tuple[Form, ...] = FORMS
    keyed: float = KEYED_SHARE
    readers: tuple[str, ...] = tuple(READERS)
    plan: tuple[Planned, ...] | None = None

    @property
    def command(self) -> str:
        """Return the command that repeats this run."""
        given = {
            "seconds": f"{self.seconds:g}",
            "seed": str(self.seed),
            "brokers": str(self.brokers),
            "replicas": str(self.replicas),
            "processing": str(self.processing),
            "streams": str(self.streams),
            "producers": str(self.producers),
            "rate": f"{self.rate:g}",
            "faults": str(self.faults),
        }
        parts = ["python", "-m", "tests.history"]
        parts += [part for name, value in given.items() for part in (f"--{name}", value)]
        if self.kinds != tuple(KINDS):
            parts += ["--kinds", ",".join(self.kinds)]
        return shlex.join(parts if self.retries else [*parts, "--no-retries"])


def parser() -> argparse.ArgumentParser:
    """Return the command line of a run."""
    made = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    made.add_argument("--seconds", type=float, default=60.0, help="how long faults go on")
    made.add_argument("--seed", type=int, default=7)
    made.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    made.add_argument("--replicas", type=int, default=2, help="API servers")
    made.add_argument("--processing", type=int, default=2, help="processing processes")
    made.add_argument("--streams", type=int, default=4)
    made.add_argument("--producers", type=int, default=8)
    made.add_argument("--rate", type=float, default=100.0, help="records a second, all together")
    made.add_argument(
        "--faults", type=int, help="how many; one every 4 s, of a long run every 10 s"
    )
    made.add_argument("--kinds", help=f"of faults, by commas: {', '.join(KINDS)}")
    made.add_argument("--no-retries", action="store_true", help="send nothing a second time")
    made.add_argument("--root", type=Path, default=ROOT, help="the checkout whose product it is")
    made.add_argument("--keep", type=Path, default=FOLDER / "last", help="folder of the history")
    return made


def options_of(arguments: argparse.Namespace) -> Options:
    seconds: float = arguments.seconds
    apart = SECONDS_FOR_EACH_FAULT if seconds < 300 else SECONDS_FOR_EACH_FAULT_OF_MANY
    faults = int(seconds / apart) if arguments.faults is None else arguments.faults
    kinds = tuple(arguments.kinds.split(",")) if arguments.kinds else tuple(KINDS)
    if unknown := set(kinds) - set(KINDS):
        raise SystemExit(f"unknown faults: {', '.join(sorted(unknown))}")
    return Options(
        seconds=seconds,
        seed=arguments.seed,
        brokers=arguments.brokers,
        replicas=arguments.replicas,
        processing=arguments.processing,
        streams=arguments.streams,
        producers=arguments.producers,
        rate=arguments.rate,
        faults=faults,
        kinds=kinds,
        retries=not arguments.no_retries,
        folder=arguments.keep.absolute(),
        root=arguments.root.absolute(),
    )
