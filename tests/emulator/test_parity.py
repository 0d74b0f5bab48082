"""The emulator gives the answers that the application gives, with the events of each front."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local.emulator.events import FORMS
from tests.emulator.emulated import emulated
from tests.functions.api import Api, running_api
from tests.functions.parity.case import Case
from tests.functions.parity.cases import CASES
from tests.functions.parity.comparing import essence
from tests.functions.parity.transports import OverHttp, direct_client, server_client
from tests.functions.parity.world import made_world
from tests.functions.test_parity import environ_of

# Of what comes twice, a load balancer passes on the last.
WITHOUT_LISTS = ("alb",)
pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture
async def api(broker: str) -> AsyncIterator[Api]:
    async with running_api(broker) as running:
        yield running


@pytest.mark.parametrize(
    "forms", [FORMS[:1], pytest.param(FORMS[1:], marks=pytest.mark.soak)], ids="/".join
)
async def test_every_request_of_the_table_has_its_answer_through_the_emulator(
    forms: tuple[str, ...], broker: str, api: Api, tmp_path: Path
) -> None:
    world = await made_world(api)
    flags = ("--results", "function", "--no-processing")
    differing: dict[tuple[str, str], object] = {}
    app = api.application(is_streaming=False)
    async with (
        emulated(broker, tmp_path / "data", *flags, **environ_of(broker, api)) as running,
        direct_client(app) as direct,
        server_client(running.url) as client,
    ):
        for case in CASES:
            expected = await answered(OverHttp("direct", direct), case, world, api)
            for form in forms:
                if case.is_repeated and form in WITHOUT_LISTS:
                    continue
                await running.choose(form)
                found = await answered(OverHttp(form, client), case, world, api)
                if found != expected:
                    differing[case.name, form] = (expected, found)
        invocations = [await running.state(name) for name in ("start", "send", "results")]

    assert differing == {}
    assert all(state["invocations"] >= 5 * len(forms) for state in invocations)


async def answered(
    transport: OverHttp, case: Case, world: dict[str, str], api: Api
) -> dict[str, object]:
    own = {"fresh": await api.start()} if case.needs_fresh else {}
    answer = await transport.answer(case.asked(world | own))
    return essence(answer, is_write=case.method == "POST")
