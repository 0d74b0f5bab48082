import shlex
import sys
from pathlib import Path

import pytest

from local.children import command_line
from tests.bench.options import read
from tests.bench.processes import usage
from tests.bench.product import Product, ProductFailed, running
from tests.bench.session import outcomes

ASKED = ["--rates", "50", "--seconds", "0.5", "--warmup", "0.2", "--readers", "5"]
LIAR = f"{shlex.quote(sys.executable)} -m tests.bench_parts.liar"


@pytest.mark.timeout(120)
async def test_another_program_is_started_with_a_broker_measured_and_ended(tmp_path: Path) -> None:
    started: list[Product] = []
    asked = read([*ASKED, "--beside", LIAR])
    async with running(asked, started.append, tmp_path, beside=asked.beside) as product:
        done = [outcome async for outcome in outcomes(asked, product)]
        used = usage(product.pid)

    assert started == [product]
    assert [outcome.faults for outcome in done] == [[], []]
    if used.pids:
        assert {"broker", "supervisor", "rest"} <= set(used.cpu_seconds)
        assert [pid for pid in used.pids if "bench_parts.liar" in command_line(pid)] == []
    assert not list(tmp_path.glob("run-*"))


async def test_a_program_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -c 'raise SystemExit(\"no such port\")'"

    with pytest.raises(ProductFailed, match="no such port"):
        async with running(read(ASKED), lambda _: None, tmp_path, beside=command):
            pass
