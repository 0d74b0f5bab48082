"""What ``make lambda`` was asked for, besides what ``make run`` takes."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from local import options
from local.emulator.events import FORMS, Form
from local.emulator.faults import FaultPlan, UnknownFault, parsed
from local.emulator.gateway import RESULTS_FROM, ResultsFrom
from local.emulator.setting import Limits
from streaming_runtime.core.errors import ConfigurationInvalid

CONTROL_PORT = 9001
MOST_PORT = 65_535


@dataclass(frozen=True)
class EmulatorOptions:
    """One run; ``product`` is what make run would have been asked for."""

    product: options.Options
    form: Form
    results_from: ResultsFrom
    control_port: int
    limits: Limits
    faults: FaultPlan


def read(
    arguments: Sequence[str], environ: Mapping[str, str], dotenv: Mapping[str, str]
) -> EmulatorOptions:
    """Read the command line and check all of it.

    Raises:  ConfigurationInvalid; SystemExit for unknown flags.
    """
    own, others = _parser().parse_known_args(arguments)
    if own.help:
        sys.stdout.write(f"{_parser().format_help()}\n")
        others = [*others, "--help"]  # Theirs comes behind, and ends it.
    _check(own)
    faults = FaultPlan()
    try:
        for text in own.fault:
            faults.arm(*parsed(text))
    except UnknownFault as wrong:
        raise ConfigurationInvalid(f"--fault: {wrong}") from wrong
    limits = replace(Limits(), timeout_seconds=own.timeout, most_sandboxes=own.concurrency)
    return EmulatorOptions(
        product=options.read(others, environ, dotenv),
        form=own.events,
        results_from=own.results,
        control_port=own.control_port,
        limits=limits,
        faults=faults,
    )


def _check(own: argparse.Namespace) -> None:
    if not 0 <= own.control_port <= MOST_PORT:
        raise ConfigurationInvalid(f"--control-port must be 0 to {MOST_PORT}")
    if own.timeout <= 0:
        raise ConfigurationInvalid("--timeout must be more than 0 seconds")
    if own.concurrency < 1:
        raise ConfigurationInvalid("--concurrency must be at least 1")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.emulator",
        description="The functions as built, under a Lambda runtime of ours; all other flags are"
        " those of python -m local.",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--events", choices=FORMS, default="rest", help="a REST API's, an HTTP API's or an ALB's"
    )
    parser.add_argument(
        "--results", choices=RESULTS_FROM, default="container", help="who answers reads that stream"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FUNCTION:FAULT[:TIMES]",
        help="cold, timeout, memory, cut or hole; without TIMES at every invocation",
    )
    parser.add_argument(
        "--control-port",
        type=int,
        default=CONTROL_PORT,
        metavar="N",
        help=f"where faults are switched and state is told ({CONTROL_PORT})",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=Limits.timeout_seconds,
        metavar="SECONDS",
        help=f"of each invocation ({Limits.timeout_seconds:g})",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=Limits.most_sandboxes,
        metavar="N",
        help=f"sandboxes of each function ({Limits.most_sandboxes})",
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this")
    return parser
