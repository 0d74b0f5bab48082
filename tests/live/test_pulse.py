from __future__ import annotations

import asyncio

import pytest

from streaming_runtime.kafka.connection import Connected
from streaming_runtime.live import pulse as pulse_module
from streaming_runtime.live.pulse import Pulse


async def test_it_is_felt_while_kafka_answers(
    kafka: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse_module, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(pulse_module, "SILENCE_SECONDS", 1.0)
    pulse = Pulse(kafka.offsets, kafka.settings.results_topic)
    asking = asyncio.ensure_future(pulse.run())

    await asyncio.sleep(1.5)

    assert pulse.is_felt
    asking.cancel()


async def test_it_is_not_felt_when_nobody_was_asked_for_long(
    kafka: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse_module, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(pulse_module, "SILENCE_SECONDS", 0.05)
    pulse = Pulse(kafka.offsets, kafka.settings.results_topic)

    await asyncio.sleep(0.1)

    assert not pulse.is_felt
