from __future__ import annotations

import math

import pytest

from local.ports import free_port
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.processing import clients, lag
from streaming_runtime.processing.lag import Lag
from tests.eventually import eventually
from tests.processing.traffic import Sent, Traffic


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(lag, "ASK_SECONDS", 10.0)


def lag_of(settings: KafkaSettings) -> Lag:
    return Lag(clients.admin(settings), settings.input_topic)


NOTHING = {0: -1001, 1: -1001, 2: -1001}


@pytest.fixture
async def behind(traffic: Traffic) -> Lag:
    """Give one that Kafka answers: partitions just made have no leader for a moment."""
    made = lag_of(traffic.settings)
    made.assigned(NOTHING)
    await eventually(lambda: not math.isnan(made.records()))
    made.clear()
    return made


async def test_untouched_partitions_count_from_the_earliest_record(
    traffic: Traffic, behind: Lag
) -> None:
    await traffic.send(*(Sent(b"1") for _ in range(30)))

    before = behind.records()
    behind.assigned(NOTHING)

    assert before == 0
    assert behind.records() == 30


async def test_a_commit_and_work_done_count_and_what_is_revoked_does_not(
    traffic: Traffic, behind: Lag
) -> None:
    key = b"k" * 22
    sources = await traffic.send(*(Sent(b"1", key=key) for _ in range(10)))
    partition = int(sources[0].split("-")[0])

    behind.assigned({**NOTHING, partition: 4})
    after_commit = behind.records()
    behind.done(partition, 8)
    after_work = behind.records()
    behind.revoked([partition])

    assert (after_commit, after_work, behind.records()) == (6, 1, 0)
    assert behind.partitions == 2


async def test_what_comes_while_idle_shows_at_the_next_look(traffic: Traffic, behind: Lag) -> None:
    behind.assigned(NOTHING)

    before = behind.records()
    await traffic.send(Sent(b"1"), Sent(b"2"))

    assert (before, behind.records()) == (0, 2)


async def test_while_kafka_does_not_answer_it_is_what_was_known_last(
    traffic: Traffic, behind: Lag, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traffic.send(Sent(b"1"))
    behind.assigned(NOTHING)
    known = behind.records()
    nobody = KafkaSettings(f"127.0.0.1:{free_port()}", "plaintext", "t.", 1)
    monkeypatch.setattr(lag, "ASK_SECONDS", 0.1)
    behind._admin = clients.admin(nobody)

    assert (known, behind.records()) == (1, 1)


def test_what_was_never_known_is_not_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = lag_of(KafkaSettings(f"127.0.0.1:{free_port()}", "plaintext", "t.", 1))
    behind.assigned({0: 0})
    monkeypatch.setattr(lag, "ASK_SECONDS", 0.1)

    assert math.isnan(behind.records())


def test_one_look_serves_those_that_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "FRESH_SECONDS", 60.0)
    behind = lag_of(KafkaSettings(f"127.0.0.1:{free_port()}", "plaintext", "t.", 1))

    behind.records()
    behind.assigned({0: 0})

    assert behind.records() == 0
