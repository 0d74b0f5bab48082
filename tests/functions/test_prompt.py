"""Look-ups of a function see what others wrote, and are given up in time."""

from __future__ import annotations

import asyncio

import pytest

from functions import prompt
from functions.prompt import PromptLog, PromptRegistry
from functions.unreachable import UnreachableKafka
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.ports import Bounds
from tests.functions.api import Api


class Silent(UnreachableKafka):
    """A log that never answers."""

    async def bounds(self, partition: int) -> Bounds:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    sources = bounds


async def test_a_question_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "LOOK_UP_SECONDS", 0.05)
    log = PromptLog(Silent())

    for ask in (log.bounds, log.sources):
        with pytest.raises(BrokerUnavailable):
            await ask(0)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_end_that_another_wrote_is_seen_at_once(api: Api) -> None:
    registry = PromptRegistry(api.kafka.registry)
    stream_id = await api.start()
    stream = await registry.get(stream_id)
    assert stream is not None

    await registry.put(stream.ended(now_ms(), None))
    seen = await registry.get(stream_id)
    listed = await registry.page("acme", None, 1_000)

    assert seen is not None
    assert seen.ended_at is not None
    assert stream_id in {one.stream_id for one in listed}
