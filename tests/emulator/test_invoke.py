"""``make invoke``: one event in, one answer out; and what ``make lambda`` refuses to start with."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

import pytest

from local.emulator.options import read
from streaming_runtime.core.errors import ConfigurationInvalid
from tests.emulator.emulated import Json
from tests.functions.api import KEY
from tests.functions.lambda_process import EVENTS
from tests.local.processes import started

pytestmark = pytest.mark.timeout(240)


async def invoked(data: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Return the exit code and all that was printed."""
    program = (sys.executable, "-m", "local.emulator.invoke", *arguments)
    async with started(*program, cwd=data, DATA_DIR=str(data), **variables) as run:
        return await run.ended(180), run.printed


async def test_one_call_prints_the_functions_log_and_its_answer(
    broker: str, tmp_path: Path
) -> None:
    prefix = f"e{secrets.token_hex(4)}."
    kafka = {"KAFKA_BROKER": broker, "KAFKA_TOPIC_PREFIX": prefix, "KAFKA_PARTITIONS": "1"}

    code, printed = await invoked(
        tmp_path, "start", str(EVENTS / "start_rest_v1.json"), API_KEY=KEY, **kafka
    )

    answer: Json = json.loads(printed[printed.index("\n{\n") :])
    assert code == 0
    assert answer["statusCode"] == 201
    assert json.loads(answer["body"])["processor"] == "uppercase"
    assert '"type": "platform.report"' in printed
    assert KEY not in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sned", "event.json"), "there is no function 'sned'"),
        (("send", "nowhere.json"), "nowhere.json"),
        (("send", "garbage.json"), "usage: make invoke"),
        (("send",), "usage: make invoke"),
    ],
)
async def test_what_cannot_be_called_is_refused_with_the_usage(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "event.json").write_text("{}")
    (tmp_path / "garbage.json").write_text("no JSON")

    code, printed = await invoked(tmp_path, *arguments)

    assert code in (1, 2)
    assert said in printed
    assert "Traceback" not in printed


def test_flags_of_its_own_and_those_of_make_run_are_told_apart() -> None:
    flags = ["--fault", "send:cut:2", "--events", "alb", "--port", "9000", "--timeout", "5"]

    options = read(flags, {}, {})

    assert (options.form, options.results_from) == ("alb", "container")
    assert options.product.http.port == 9000
    assert options.limits.timeout_seconds == 5
    assert [armed.as_json() for armed in options.faults.armed] == [
        {"function": "send", "fault": "cut", "times": 2}
    ]


def test_a_fault_that_is_none_keeps_it_from_starting() -> None:
    with pytest.raises(ConfigurationInvalid, match="--fault: 'flood' is no fault"):
        read(["--fault", "send:flood"], {}, {})
