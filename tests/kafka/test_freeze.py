"""A real standstill of a process that keeps a producer: SIGSTOP, as Lambda does it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from local.children import die_with_parent
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.freshness import STALE_SECONDS
from tests.cluster.measured import tell
from tests.kafka.parts import everything_in
from tests.kafka.proxy import Proxy
from tests.product import ROOT

ANSWER_SECONDS = 6.0
# Beyond what aiokafka and load balancers keep an idle connection for.
LONG_SECONDS = 255.0


class Frozen:
    """The process of ``frozen_sender``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, value: str) -> tuple[str, float]:
        """Return what became of a record, and how long that took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{value}\n".encode())
        async with asyncio.timeout(30):
            line = json.loads(await self._process.stdout.readline())
        return line["outcome"], line["seconds"]

    async def stand_still(self, seconds: float) -> None:
        self._process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
async def sender(proxied_settings: KafkaSettings) -> AsyncIterator[Frozen]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kafka.frozen_sender"),
        *(proxied_settings.broker, proxied_settings.topic_prefix),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    assert process.stdin is not None
    yield Frozen(process)
    process.stdin.close()
    async with asyncio.timeout(20):
        assert await process.wait() == 0


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [STALE_SECONDS + 2, LONG_SECONDS])
@pytest.mark.parametrize("is_forgotten", [True, False])
async def test_after_a_freeze_the_next_record_is_stored_although_its_connection_is_dead(
    seconds: float,
    is_forgotten: bool,
    sender: Frozen,
    proxied_settings: KafkaSettings,
    proxy: Proxy,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = await sender.send("before")
    if is_forgotten:
        proxy.forget()
    await sender.stand_still(seconds)
    first, second = await sender.send("first"), await sender.send("second")

    tell(
        capsys,
        f"a send after a freeze of {seconds:g} s, connections {'dead' if is_forgotten else 'kept'}",
        first=first,
        second=second,
    )
    assert (before[0], first[0], second[0]) == ("stored", "stored", "stored")
    assert max(first[1], second[1]) < ANSWER_SECONDS
    records = [
        record.value
        for partition in range(proxied_settings.partitions)
        for record in await everything_in(proxied_settings, proxied_settings.input_topic, partition)
    ]
    assert records == [b"before", b"first", b"second"]
