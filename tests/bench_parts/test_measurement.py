"""The whole measurement against servers that each break one promise, and one that keeps all."""

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import measure
from tests.bench.options import Options, read
from tests.bench.outcome import Outcome
from tests.bench.product import Product
from tests.bench.session import outcomes
from tests.bench_parts.liar import Lie, lying

# Enough for the lie; and a stream's records are so far apart (0.1 s) that each is acknowledged
# before the next is sent, also on a busy machine: only then have they an order.
ASKED = ["--rates", "200", "--seconds", "0.4", "--warmup", "0.05", "--readers", "20"]
ASKED += ["--connections", "3"]


def options(port: int, *more: str) -> Options:
    return read([*ASKED, "--url", f"http://127.0.0.1:{port}", *more])


async def measured(lie: Lie, *more: str) -> Outcome:
    async with lying(lie) as port:
        asked = options(port, *more)
        product = Product(asked.host, asked.port, asked.key, None)
        return [outcome async for outcome in outcomes(asked, product)][-1]


async def test_a_server_that_keeps_its_promises_has_no_faults() -> None:
    outcome = await measured("none")

    assert outcome.faults == []
    assert (outcome.acknowledged, outcome.delivered, outcome.returns) == (80, 80, 0)
    assert 0 < outcome.achieved <= 200


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ("loses", "1 acknowledged and not delivered"),
        ("repeats", "1 delivered more than once"),
        ("reorders", "1 delivered out of order"),
        ("refuses", "1 answered with other than 2xx: 1 with 503; the first: "),
        *(
            pytest.param(lie, fault, marks=pytest.mark.soak)
            for lie, fault in (
                ("breaks", "1 answered with other than 2xx: 1 with a broken connection; the first"),
                ("hangs", "1 not answered"),
                ("misdelivers", "1 delivered to the wrong reader or never sent"),
            )
        ),
    ],
)
async def test_one_broken_promise_in_eighty_records_is_seen(lie: Lie, fault: str) -> None:
    outcome = await measured(lie, "--timeout", "1.5")

    assert any(each.startswith(fault) for each in outcome.faults), outcome.faults


async def test_a_reader_that_is_cut_off_comes_back_at_its_cursor_without_loss() -> None:
    outcome = await measured("cuts", "--timeout", "5")

    assert outcome.faults == []
    assert outcome.returns == 1


async def test_batches_are_acknowledged_as_a_whole_and_each_record_is_followed() -> None:
    outcome = await measured("none", "--batch", "4")

    assert outcome.faults == []
    assert (outcome.acknowledged, outcome.delivered) == (80, 80)


async def test_a_batch_that_is_refused_is_a_fault() -> None:
    outcome = await measured("refuses", "--batch", "2", "--seconds", "0.6")

    assert outcome.refused == {503: 1}
    assert outcome.acknowledged == 118


async def test_a_good_measurement_writes_a_row_for_each_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    async with lying("none") as port:
        asked = options(port, "--rates", "100,200", "--out", str(rows), "--plot", f"{rows}.svg")

        code = await measure(asked)

    written = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert code == 0
    assert [row["rate"] for row in written] == [100, 200]
    assert written[0]["faults"] == []
    assert written[0]["machine"]["cores"] >= 1
    assert written[0]["settings"]["readers"] == 20
    assert "end to end p50" in capsys.readouterr().out


async def test_a_broken_promise_is_exit_code_1_and_in_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    async with lying("refuses") as port:
        code = await measure(options(port, "--out", str(rows), "--plot", f"{rows}.svg"))

    assert code == 1
    assert "1 with 503" in json.loads(rows.read_text(encoding="utf-8"))["faults"][0]
    assert "200/s: FAILED: 1 answered with other than 2xx" in capsys.readouterr().err


async def test_a_server_that_is_not_there_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with lying("none") as port:
        pass

    code = await measure(options(port, "--out", str(tmp_path / "rows"), "--timeout", "1"))

    assert code == 1
    assert str(port) in capsys.readouterr().err
    assert not (tmp_path / "rows").exists()
