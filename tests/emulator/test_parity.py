"""The emulator gives the answers that the application gives: the same table of requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.emulator.emulated import emulated
from tests.functions.api import Api, running_api
from tests.functions.parity.cases import CASES
from tests.functions.parity.comparing import essence
from tests.functions.parity.transports import OverHttp, direct_client, server_client
from tests.functions.parity.world import made_world
from tests.functions.test_parity import environ_of

pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture
async def api(broker: str) -> AsyncIterator[Api]:
    async with running_api(broker) as running:
        yield running


@pytest.mark.parametrize("form", ["rest"])
async def test_every_request_of_the_table_has_its_answer_through_the_emulator(
    form: str, broker: str, api: Api, tmp_path: Path
) -> None:
    world = await made_world(api)
    flags = ("--results", "function", "--no-processing", "--events", form)
    differing: dict[str, object] = {}
    app = api.application(is_streaming=False)
    async with (
        emulated(broker, tmp_path / "data", *flags, **environ_of(broker, api)) as running,
        direct_client(app) as direct,
        server_client(running.url) as client,
    ):
        for case in CASES:
            is_write = case.method == "POST"
            found = []
            for transport in (OverHttp("direct", direct), OverHttp("emulator", client)):
                own = {"fresh": await api.start()} if case.needs_fresh else {}
                answer = await transport.answer(case.asked(world | own))
                found.append(essence(answer, is_write=is_write))
            if found[0] != found[1]:
                differing[case.name] = found
        invocations = [await running.state(name) for name in ("start", "send", "results")]

    assert differing == {}
    assert all(state["invocations"] >= 5 for state in invocations)
