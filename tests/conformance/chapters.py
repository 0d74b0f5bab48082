"""The chapters of the contract, in its order."""

from __future__ import annotations

from importlib import import_module

from .case import Case, cases_of

CHAPTERS = (
    "start",
    "send",
    "arrays",
    "lines",
    "events",
    "result_lines",
    "pages",
    "positions",
    "sockets",
    "frames",
    "cursors",
    "gaps",
    "ending",
    "streams",
    "refusals",
    "limits",
    "idempotency",
    "tickets",
    "health",
    "browsers",
    "requests",
    "around",
    "resuming",
    "clients",
    "parsers",
)


def all_cases() -> list[Case]:
    package = f"{__package__}.cases"
    return [case for name in CHAPTERS for case in cases_of(import_module(f"{package}.{name}"))]
