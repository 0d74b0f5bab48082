"""What ``make lambda`` was asked for, besides what ``make run`` takes."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from local import options
from local.emulator.events import FORMS, Form
from local.emulator.faults import FaultPlan, UnknownFault, parsed
from local.emulator.gateway import RESULTS_FROM, ResultsFrom
from local.emulator.setting import Limits
from streaming_runtime.core.errors import ConfigurationInvalid

CONTROL_PORT = 9001


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
    parser.add_argument("--control-port", type=int, default=CONTROL_PORT, metavar="N")
    parser.add_argument("--timeout", type=float, default=Limits.timeout_seconds, metavar="SECONDS")
    parser.add_argument("--concurrency", type=int, default=Limits.most_sandboxes, metavar="N")
    return parser
