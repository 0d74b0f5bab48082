"""The claims on a real topic: what one process leaves, another finds."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import pytest

from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.entries import BadEntry
from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.ports import Ends
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.follower import TopicReplaced
from streaming_runtime.kafka.idempotency import KafkaClaims, KafkaClock
from streaming_runtime.kafka.idempotency_entries import Claimed, Released, decode, encode
from streaming_runtime.kafka.producer import SupervisedProducer
from tests.eventually import eventually
from tests.kafka.keys import running_claims
from tests.kafka.parts import asking_offsets, other_tasks, plain_producer, reader
from tests.kafka.proxy import Proxy

BODY = b"1" * 16
ENDS = Ends(3, 4)


def a_use() -> bytes:
    return secrets.token_bytes(16)


async def test_a_process_that_starts_knows_what_was_claimed_before(
    settings: KafkaSettings,
) -> None:
    use = a_use()
    async with running_claims(settings) as before:
        mine = await before.claim(use, BODY, ENDS, None)
        await before.keep(use, mine, (7,))

    async with running_claims(settings) as after:
        found = await after.find(use)

    assert found is not None
    assert (found.place, found.digest, found.ends) == (mine.place, BODY, ENDS)
    assert (found.is_open, found.offsets) == (False, None)


async def test_nothing_runs_until_a_key_is_asked_for(settings: KafkaSettings) -> None:
    async with asking_offsets(settings) as offsets:
        topic = settings.idempotency_topic
        producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))
        claims = KafkaClaims(topic, producer, offsets, lambda: reader(settings), now_ms)
        before = other_tasks()
        running = asyncio.ensure_future(claims.run())
        for _ in range(10):
            await asyncio.sleep(0)
        idle = other_tasks() - before

        assert idle == {running}
        assert await claims.find(a_use()) is None
        assert len(other_tasks() - before) > 1
        running.cancel()
        await asyncio.wait({running})
        with pytest.raises(BrokerUnavailable):
            await claims.find(a_use())


async def test_a_claim_that_nobody_waits_for_any_more_is_released(
    settings: KafkaSettings, proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    use = a_use()
    async with (
        running_claims(settings, reading=proxied_settings) as one,
        running_claims(settings) as other,
    ):
        await one.find(use)
        proxy.switch("hold")  # It can write, and reads nothing back.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await one.claim(use, BODY, ENDS, None)
        standing = await other.find_latest(use)
        proxy.switch("pass")
        async with asyncio.timeout(15):
            while await other.find_latest(use) is not None:
                await asyncio.sleep(0.02)

        assert standing is not None and not standing.is_open
        assert (await one.claim(use, b"2" * 16, ENDS, await one.find(use))).is_mine


async def test_while_kafka_does_not_answer_a_claim_is_refused_in_time(
    proxied_settings: KafkaSettings, proxy: Proxy
) -> None:
    use = a_use()
    async with running_claims(proxied_settings) as claims:
        assert await claims.find(use) is None
        proxy.switch("hole")
        with pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(4):
                await claims.claim(use, BODY, ENDS, None)
        proxy.switch("pass")

        async with asyncio.timeout(20):
            while True:
                try:
                    made = await claims.claim(use, BODY, ENDS, await claims.find(use))
                    break
                except BrokerUnavailable:
                    await asyncio.sleep(0.1)
        assert made.is_mine or made.is_unused


async def test_without_the_topic_a_keyed_send_is_refused_with_what_to_do(
    unmade: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(unmade, topic_prefix="nothing.")
    async with running_claims(missing) as claims:
        claims.begin()
        await eventually(lambda: claims._is_unreadable, 20)

        with pytest.raises(BrokerUnavailable, match="without a key"):
            await claims.find(a_use())


async def test_what_is_no_entry_is_passed_over(
    settings: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    use = a_use()
    good = encode(Claimed("elsewhere", 1, BODY.hex(), 3, 4))
    written = [
        (None, good),
        (b"zz", good),
        (b"aa", good),
        (use.hex().encode(), None),
        (use.hex().encode(), b"{}"),
        (use.hex().encode(), b'{"kind":"claim","by":"x","number":1,"digest":"q"}'),
        (use.hex().encode(), good),
    ]
    async with plain_producer(settings) as producer:
        for key, value in written:
            await producer.send_and_wait(settings.idempotency_topic, value, key)

    async with running_claims(settings) as claims:
        found = await claims.find(use)

    assert found is not None and found.place == len(written) - 1
    assert sum("passed over" in record.message for record in caplog.records) == 6


async def test_a_process_ends_when_the_topic_of_keys_is_another_one(
    settings: KafkaSettings,
) -> None:
    async with asking_offsets(settings) as offsets:
        topic = settings.idempotency_topic
        producer = SupervisedProducer(lambda: clients.producer(settings), (topic,))
        claims = KafkaClaims(topic, producer, offsets, lambda: reader(settings), now_ms)
        claims._follower.read_to.move(5)  # As if it had read that far of the topic before.
        claims.begin()

        with pytest.raises(ExceptionGroup) as ended:
            async with asyncio.timeout(15):
                await claims.run()
    assert ended.group_contains(TopicReplaced)


def test_an_entry_is_read_as_it_was_written() -> None:
    use = a_use()
    for entry in (Claimed("a", 1, BODY.hex(), 3, 4, 9), Released("a", 9, True)):
        assert decode(use.hex().encode(), encode(entry)) == (use, entry)
    with pytest.raises(BadEntry):
        decode(b"\xff", encode(Released("a", 9, False)))


def test_kafkas_clock_is_never_told_ahead() -> None:
    passed = [100.0]
    clock = KafkaClock(lambda: passed[0])

    assert clock.now_ms() == 0
    clock.note(5_000_000)
    passed[0] += 1.5
    clock.note(5_000_100)  # Read late: it was stamped more than a second ago.
    assert clock.now_ms() == 5_001_500
    clock.note(5_009_000)
    assert clock.now_ms() == 5_009_000
