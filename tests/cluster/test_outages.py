"""Longer outages of brokers, one after the other and two at once."""

from __future__ import annotations

import asyncio

import pytest

from streaming_runtime.core.settings import KafkaSettings
from tests.cluster.cluster import RunningCluster
from tests.cluster.sends import AT_ONCE_SECONDS, SLACK_SECONDS, Sends, sending

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.soak, pytest.mark.timeout(240)]

RETURN_SECONDS = 5.0


async def test_a_killed_leader_and_a_killed_controller_cost_no_acknowledged_record(
    cluster: RunningCluster, settings: KafkaSettings, sends: Sends, keys: list[bytes]
) -> None:
    async with sending(sends, keys):
        await sends.more(30)
        await cluster.kill(await cluster.leader(settings.input_topic, 0))
        took = await sends.returns(keys[0])
        await sends.more(30)
        await cluster.heal()
        await sends.more(30)

        await cluster.kill(await cluster.controller())
        await asyncio.gather(*(sends.returns(key) for key in keys))
        await sends.more(30)

    assert took < RETURN_SECONDS + SLACK_SECONDS
    await cluster.heal()
    await sends.check(cluster.direct)


async def test_two_of_three_brokers_gone_is_told_at_once_and_over_when_they_return(
    cluster: RunningCluster, settings: KafkaSettings, sends: Sends, keys: list[bytes]
) -> None:
    staying = await cluster.leader(settings.input_topic, 0)
    gone = [node for node in (1, 2, 3) if node != staying]
    async with sending(sends, keys):
        await sends.more(30)
        await asyncio.gather(*(cluster.kill(node) for node in gone))
        await sends.is_refused_at_once(keys[0])
        refused = [await sends.timed(keys[0]) for _ in range(20)]

        await asyncio.gather(*(cluster.restart(node) for node in gone))
        returned = await asyncio.gather(*(sends.returns(key) for key in keys))
        await sends.more(30)

    # One at a time tries it for as long as a send may take; all others are told at once.
    assert sum(took > AT_ONCE_SECONDS for _, took in refused) <= 2
    assert {told for told, _ in refused} <= {"broker-unavailable", "outcome-unknown"}
    assert max(returned) < RETURN_SECONDS + SLACK_SECONDS
    await cluster.heal()
    await sends.check(cluster.direct)


async def test_a_rolling_restart_of_all_brokers_refuses_nobody(
    cluster: RunningCluster, sends: Sends, keys: list[bytes]
) -> None:
    async with sending(sends, keys):
        for node in (1, 2, 3):
            await sends.more(30)
            await cluster.stop(node)
            await sends.more(30)
            await cluster.restart(node)
            await cluster.healthy()
        await sends.more(30)

    await sends.check(cluster.direct)
    assert set(sends.answers) == {"stored"}, sends.answers
