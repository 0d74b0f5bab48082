"""``make audit``: what we install, written down, and held against what we allow."""

from __future__ import annotations

import json
import socket
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.tree import ROOT
from tests.infra.__main__ import Tally
from tests.infra.tools import Tool, ToolMissing
from tests.supply_chain import bill
from tests.supply_chain.licences import EXCEPTIONS, installed
from tests.supply_chain.locks import jars, pins_of, sets

BILLS = ROOT / "build" / "sbom"
# The broker is started by `make run` and by the tests, and by nothing that is deployed.
WITH_JARS = {"run", "test", "bench"}
# What can be held without a network, and what it holds.
TESTS = (
    "tests/supply_chain",
    "tests/architecture/test_committed.py",
    "tests/local/test_container_files.py",
)
# Of what is deployed; the service is asked about each package by its name and version.
ASKED_ABOUT = ("container", "functions")
ADVISORIES = ("api.osv.dev", 443)
CONNECT_SECONDS = 5.0


class Outcome(NamedTuple):
    """Whether a check failed, and what it has to say."""

    has_failed: bool
    words: str


def bills() -> Outcome:
    """Write a bill of materials for each set."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    count = 0
    for name in sets():
        document = bill.bill(name, version, pins_of(name), jars() if name in WITH_JARS else ())
        bill.write(document, BILLS / f"{name}.cdx.json")
        count += len(document["components"])
    place = BILLS.relative_to(ROOT)
    return Outcome(False, f"{len(sets())} bills of {count} components in {place}/ (CycloneDX 1.6)")


def licences() -> Outcome:
    found = installed()
    refused = [f"{one.package} ({one.words})" for one in found if not one.is_allowed]
    if refused:
        return Outcome(True, f"licences that nobody allowed: {', '.join(refused)}")
    kept = ", ".join(f"{name}: {why}" for name, why in EXCEPTIONS.items())
    return Outcome(False, f"{len(found)} packages under licences we take; by exception {kept}")


def tests() -> Outcome:
    """Run what proves pins, sums, hosts and the contents of the image."""
    tally = Tally()
    code = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *TESTS], [tally])
    passed, failed = sum(tally.passed.values()), sum(tally.failed.values())
    words = f"{passed} tests of pins and sums, of hosts of registries, of what the image holds"
    return Outcome(code != pytest.ExitCode.OK, words + (f"; {failed} failed" if failed else ""))


def advisories() -> Outcome:
    """Ask for known faults of what is deployed; without a network say that nobody was asked."""
    host = ADVISORIES[0]
    try:
        socket.create_connection(ADVISORIES, CONNECT_SECONDS).close()
    except OSError as exc:
        return Outcome(False, f"NOT CHECKED: {host} did not answer ({exc})")
    told = [_asked(name) for name in ASKED_ABOUT]
    return Outcome(any(one.has_failed for one in told), "; ".join(one.words for one in told))


def _asked(name: str) -> Outcome:
    lock = str(Path("requirements") / f"{name}.txt")
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    try:
        done = Tool("pip-audit").run(*options, "--vulnerability-service", "osv", "-r", lock)
    except ToolMissing as problem:
        return Outcome(False, f"{name} NOT CHECKED: {problem}")
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return Outcome(False, f"{name} NOT CHECKED: {done.stderr.strip()[-300:]}")
    faults = [
        f"{one['name']} {one['version']}: {', '.join(fault['id'] for fault in one['vulns'])}"
        for one in found
        if one.get("vulns")
    ]
    known = f"known faults: {'; '.join(faults)}" if faults else "no known fault"
    return Outcome(bool(faults), f"{name}, {len(found)} packages: {known}")


def main() -> int:
    """Run every check and say what came of it; 1 if one failed."""
    checks = (("contents", tests), ("bills", bills), ("licences", licences), ("faults", advisories))
    outcomes = [(name, check()) for name, check in checks]
    sys.stdout.write("\n")
    for name, outcome in outcomes:
        mark = "FAILED" if outcome.has_failed else "ok"
        sys.stdout.write(f"{mark:6}  {name}: {outcome.words}\n")
    return 1 if any(outcome.has_failed for _, outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
