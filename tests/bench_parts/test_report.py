import json
from dataclasses import replace
from pathlib import Path

from tests.bench import report
from tests.bench.latency import Latency
from tests.bench.options import read
from tests.bench.outcome import Outcome

OUTCOME = Outcome(
    rate=5000,
    is_warmup=False,
    records=50_000,
    achieved=4999.6,
    acknowledged=50_000,
    delivered=49_998,
    ack=Latency(1.23, 4.5, 6.7, 120.4),
    delivery=Latency(2.34, 5.6, 7.8, 1234.5),
    late=Latency(0.1, 0.9, 1.5, 3.0),
    lost=2,
    duplicated=0,
    reordered=0,
    misplaced=0,
    refused={},
    refusal="",
    unanswered=0,
    gave_up_after_seconds=None,
    returns=0,
    ended_processes=0,
    cpu_seconds={"api": 1.2, "generator": 0.35},
    others_cpu_seconds=0.4,
    memory_mib={"api": 100.0, "generator": 40.0},
)


def test_a_table_has_its_columns_at_the_right() -> None:
    assert report.table(["a", "long"], [["10,000", "1"]]) == "     a  long\n10,000     1"


def test_the_figures_of_a_client_stand_in_one_line() -> None:
    last = " ".join(report.latencies([OUTCOME]).splitlines()[-1].split())

    assert last == "5,000 5,000 1.2 4.5 6.7 2.3 5.6 7.8 1,234 2 0 0 0 0.9"


def test_nothing_measured_is_a_dash() -> None:
    nothing = Latency(None, None, None, None)
    text = report.latencies([OUTCOME, replace(OUTCOME, ack=nothing)])

    assert text.splitlines()[-1].split()[2:5] == ["-", "-", "-"]


def test_costs_name_only_the_parts_that_were_read() -> None:
    lines = report.costs([OUTCOME]).splitlines()

    assert lines[1].split() == ["sends/s", "api", "generator", "others"]
    assert lines[2].split() == ["5,000", "1.20", "0.35", "0.40"]


def test_a_row_holds_settings_and_every_figure_and_rows_are_only_ever_added(
    tmp_path: Path,
) -> None:
    path = tmp_path / "deeper" / "rows.jsonl"
    row = report.row(OUTCOME, read(["--batch", "5"]), {"commit": "abc"})

    report.append([row], path)
    report.append([row], path)

    written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(written) == 2
    assert written[0]["commit"] == "abc"
    assert written[0]["settings"]["batch"] == 5
    assert written[0]["delivery"] == {"p50": 2.34, "p99": 5.6, "p999": 7.8, "max": 1234.5}
    assert written[0]["faults"] == ["2 acknowledged and not delivered"]
