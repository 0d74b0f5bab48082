import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from local.children import command_line
from tests.bench.options import read
from tests.bench.processes import usage
from tests.bench.product import Product, ProductFailed, running
from tests.bench.session import outcomes
from tests.bench_parts.liar import lying

ASKED = ["--rates", "50", "--seconds", "1", "--warmup", "0.5", "--readers", "10"]
SLOW_START_SECONDS = 300


@pytest.mark.soak
@pytest.mark.timeout(SLOW_START_SECONDS)
async def test_the_whole_product_is_measured_over_every_transport_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKE_PID", "1")  # As under a make, which is not the product's parent.
    started: list[Product] = []
    faults: dict[str, list[str]] = {}
    async with running(read(ASKED), started.append, tmp_path) as product:
        for more in ("--mode=http", "--mode=websocket"):
            done = [each async for each in outcomes(read([*ASKED, more]), product)]
            faults[more] = [fault for each in done for fault in each.faults]
        used = usage(product.pid)

    assert started == [product]
    assert faults == {"--mode=http": [], "--mode=websocket": []}
    if used.pids:
        assert {"api", "processing", "broker", "supervisor"} <= set(used.cpu_seconds)
    assert [pid for pid in used.pids - {os.getpid()} if command_line(pid)] == []
    assert not list(tmp_path.glob("run-*"))
    assert (tmp_path / "logs" / "api.log").exists()


async def test_a_product_that_cannot_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    asked = read([*ASKED, "--", "--partitions", "none"])

    with pytest.raises(ProductFailed, match=r"exit code 2\n.*KAFKA_PARTITIONS \(none\)"):
        async with running(asked, lambda _: None, tmp_path):
            pass

    assert not list(tmp_path.glob("run-*"))


async def test_what_a_killed_measurement_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "run-left" / "kafka").mkdir(parents=True)
    asked = read([*ASKED, "--", "--partitions", "none"])

    with pytest.raises(ProductFailed):
        async with running(asked, lambda _: None, tmp_path):
            pass

    assert not (tmp_path / "run-left").exists()


async def test_ctrl_c_ends_a_measurement_with_130_and_its_figures_so_far(tmp_path: Path) -> None:
    async with lying("none") as port:
        measuring = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench", "--url", f"http://127.0.0.1:{port}"),
            *("--rates", "50,51", "--seconds", "3", "--warmup", "0.1", "--readers", "5"),
            *("--out", str(tmp_path / "rows"), "--plot", str(tmp_path / "plot.svg")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert measuring.stdout is not None
        async with asyncio.timeout(40):
            while b"  51/s: " not in await measuring.stdout.readline():
                pass

            measuring.send_signal(signal.SIGINT)
            output, _ = await measuring.communicate()

    assert measuring.returncode == 130
    assert b"Stopping" in output
    assert len((tmp_path / "rows").read_text(encoding="utf-8").splitlines()) == 1
