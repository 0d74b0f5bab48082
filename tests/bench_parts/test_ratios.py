from dataclasses import replace

from tests.bench.latency import Latency
from tests.bench.ratios import ratios
from tests.bench_parts.test_report import OUTCOME


def test_each_figure_is_a_median_of_all_rounds_and_a_ratio() -> None:
    def at(p50: float) -> Latency:
        return Latency(p50, 2 * p50, 0.0, 0.0)

    ours = [replace(OUTCOME, ack=at(p50), delivery=at(2 * p50)) for p50 in (3.0, 1.0, 2.0)]
    theirs = [replace(OUTCOME, ack=at(4.0), delivery=at(2.0), cpu_seconds={"rest": 2.4})]

    _, heads, line = ratios(ours, theirs).splitlines()

    assert heads.split()[:3] == ["sends/s", "ack", "p50"]
    # CPU without the generator's own.
    assert " ".join(line.split()) == (
        "5,000 2.0 / 4.0 = 0.50 4.0 / 8.0 = 0.50 4.0 / 2.0 = 2.00 8.0 / 4.0 = 2.00 1.2 / 2.4 = 0.50"
    )


def test_a_rate_that_only_one_was_measured_at_has_no_ratio() -> None:
    assert ratios([OUTCOME], [replace(OUTCOME, rate=1)]) == "Nothing was measured on both"


def test_what_was_not_measured_is_a_dash() -> None:
    nothing = replace(OUTCOME, ack=Latency(None, None, None, None))

    assert ratios([nothing], [OUTCOME]).splitlines()[-1].split()[:3] == ["5,000", "-", "-"]
