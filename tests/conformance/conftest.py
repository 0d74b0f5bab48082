"""The run that all cases share, against the address that was given or a product of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest

pytest.register_assert_rewrite(
    *(f"{__package__}.{folder}" for folder in ("cases", "client", "oracles"))
)

from .case import Case  # noqa: E402 - what is imported before is not rewritten
from .oracles.npm import must_install  # noqa: E402
from .run import Opened, Run  # noqa: E402
from .target import PREFIX, Target  # noqa: E402

NO_ADDRESS = f"{PREFIX}URL names no server, and the product is not here to be started"

INSTALLING = "conformance: installing the JavaScript clients, once: npm ci --ignore-scripts"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "timeout(seconds): of pytest-timeout, where it is installed")


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Give the outcomes of the selected cases; all are begun at once."""
    found = (getattr(item, "callspec", None) for item in request.session.items)
    values = (spec.params.get("case") for spec in found if spec is not None)
    cases = [case for case in values if isinstance(case, Case)]
    if must_install() and any(case.chapter in ("clients", "parsers") for case in cases):
        _say(request.config, INSTALLING)
    made = Run(cases, _opened(request))
    made.start()
    yield made
    made.stop()


def _say(config: pytest.Config, line: str) -> None:
    """Show a line at once, although what tests print is held back."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None:
        return  # A worker of several has no terminal.
    with capture.global_and_fixture_disabled():
        reporter.write_line(line)


def _opened(request: pytest.FixtureRequest) -> Opened:
    target = Target.from_env(os.environ)
    if target is not None:
        return lambda: nullcontext(target)
    try:
        from .own_product import started
    except ImportError as exc:
        pytest.fail(f"{NO_ADDRESS}: {exc}", pytrace=False)
    broker = request.getfixturevalue("broker")
    directory = request.getfixturevalue("tmp_path_factory").mktemp("conformance")

    def opened() -> AbstractAsyncContextManager[Target]:
        return started(broker, directory)

    return opened


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line how the server kept the contract, and what was not tried, and why."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if "test_contract.py" not in report.nodeid:
                continue
            counts[outcome] += 1
            if outcome == "skipped":
                reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
    if not counts:
        return
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"conformance: {count} not tried: {reason}")
    kept, broken = counts["passed"], counts["failed"] + counts["error"]
    terminalreporter.write_line(
        f"conformance: {kept} sentences kept, {broken} broken, {counts['skipped']} not tried"
    )
