"""Every sentence of the contract, held against a server."""

import pytest

from .case import Case
from .chapters import all_cases
from .run import Run

# A case has a deadline of its own; the first ones also wait for the product to start.
pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in all_cases()])
def test_the_server_keeps_the_contract(case: Case, run: Run) -> None:
    outcome = run.outcome(case)

    if outcome.missing:
        pytest.skip(outcome.missing)
    if outcome.failure:
        pytest.fail(outcome.failure, pytrace=False)
