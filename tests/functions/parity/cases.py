"""The table: a plain list, for whatever can carry a request to the product."""

from __future__ import annotations

from tests.functions.parity.case import Case
from tests.functions.parity.cases_of_results import RESULTS
from tests.functions.parity.cases_of_send import SEND
from tests.functions.parity.cases_of_streams import START, STREAMS, TICKETS

CASES: list[Case] = [*START, *SEND, *RESULTS, *STREAMS, *TICKETS]
