"""Fetches of a session name what has changed, and miss nothing, whatever the broker forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import FetchSessionIdNotFound, KafkaConnectionError, NotLeaderForPartitionError
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v4, FetchResponse_v11
from aiokafka.protocol.metadata import MetadataRequest

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.fetch_sessions import LAST_EPOCH, FetchSessions
from streaming_runtime.kafka.internals import send_through, start, stop_consumer
from tests.kafka.parts import running_producer

TOPIC = "results"
VERSIONS = {FetchRequest.API_KEY: (4, 11)}


def fetch(*places: tuple[int, int], topic: str = TOPIC) -> FetchRequest:
    """Return a fetch of partitions, each at its offset."""
    partitions = [(partition, offset, 100) for partition, offset in places]
    return FetchRequest(40, 1, 1 << 20, 1, [(topic, partitions)])


def answer(session_id: int = 9, code: int = 0) -> Any:
    return FetchResponse_v11(0, code, session_id, [])


class Broker:
    """Takes down what it is told, and gives the answers it was given."""

    def __init__(self, *answers: Any) -> None:
        self.told: list[Any] = []
        self._answers = list(answers)
        self.sessions = FetchSessions(self._send)

    async def _send(self, node_id: Any, request: Any, **options: Any) -> Any:
        self.told.append(request.prepare(VERSIONS))
        given = self._answers.pop(0) if self._answers else answer()
        if isinstance(given, BaseException):
            raise given
        return given

    @property
    def sessions_told(self) -> list[tuple[int, int]]:
        return [(told.session_id, told.session_epoch) for told in self.told]

    def named(self, number: int = -1) -> dict[int, int]:
        """Return the partitions of a fetch, and where each is to be read."""
        return {p[0]: p[2] for _, partitions in self.told[number].topics for p in partitions}


async def test_the_first_fetch_names_all_and_the_next_what_has_changed() -> None:
    broker = Broker()

    await broker.sessions.send(1, fetch((0, 5), (1, 7), (2, 0)))
    await broker.sessions.send(1, fetch((0, 5), (1, 8), (2, 0)))
    await broker.sessions.send(1, fetch((0, 5), (1, 8), (2, 0)))

    assert broker.sessions_told == [(0, 0), (9, 1), (9, 2)]
    assert [broker.named(number) for number in range(3)] == [{0: 5, 1: 7, 2: 0}, {1: 8}, {}]
    assert all(told.forgotten_topics_data == [] for told in broker.told)


async def test_what_is_not_read_any_more_is_forgotten_and_named_again_when_it_is() -> None:
    broker = Broker()
    await broker.sessions.send(1, fetch((0, 5), (1, 7), (2, 0)))

    await broker.sessions.send(1, fetch((1, 7)))
    await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    assert broker.told[1].forgotten_topics_data == [(TOPIC, [0, 2])]
    assert broker.named(1) == {}
    assert broker.named(2) == {0: 5}
    assert broker.told[2].forgotten_topics_data == []


async def test_a_broker_that_has_forgotten_the_session_is_told_all_at_once_again() -> None:
    broker = Broker(answer(), answer(0, FetchSessionIdNotFound.errno), answer(11))
    await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    await broker.sessions.send(1, fetch((0, 6), (1, 7)))
    await broker.sessions.send(1, fetch((0, 6), (1, 8)))

    assert broker.sessions_told == [(0, 0), (9, 1), (9, 0), (11, 1)]
    assert broker.named(2) == {0: 6, 1: 7}
    assert broker.named(3) == {1: 8}


@pytest.mark.parametrize("fault", [KafkaConnectionError(), asyncio.CancelledError()])
async def test_after_a_fetch_without_an_answer_the_session_is_ended_by_a_new_one(
    fault: BaseException,
) -> None:
    broker = Broker(answer(), fault)
    await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    with pytest.raises(type(fault)):
        await broker.sessions.send(1, fetch((0, 6), (1, 7)))
    await broker.sessions.send(1, fetch((0, 6), (1, 7)))

    assert broker.sessions_told == [(0, 0), (9, 1), (9, 0)]
    assert broker.named() == {0: 6, 1: 7}


async def test_a_refused_fetch_is_an_error_and_not_an_answer_without_anything() -> None:
    broker = Broker(answer(0, NotLeaderForPartitionError.errno))

    with pytest.raises(NotLeaderForPartitionError):
        await broker.sessions.send(1, fetch((0, 5), (1, 7)))
    await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    assert broker.sessions_told == [(0, 0), (0, 0)]


async def test_without_room_at_the_broker_each_fetch_names_all() -> None:
    broker = Broker(answer(0), answer(0))

    for _ in range(2):
        await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    assert broker.sessions_told == [(0, 0), (0, 0)]
    assert broker.named() == {0: 5, 1: 7}


async def test_a_broker_of_before_sessions_is_asked_as_ever() -> None:
    broker = Broker(FetchResponse_v4(0, []), FetchResponse_v4(0, []))

    for _ in range(2):
        await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    assert broker.named(0) == broker.named(1) == {0: 5, 1: 7}


async def test_one_partition_alone_needs_no_session_and_one_that_has_one_keeps_it() -> None:
    broker = Broker()

    await broker.sessions.send(1, fetch((0, 5)))
    await broker.sessions.send(1, fetch((0, 5), (1, 7)))
    await broker.sessions.send(1, fetch((0, 6)))

    assert broker.sessions_told == [(0, -1), (0, 0), (9, 1)]


async def test_each_broker_has_a_session_of_its_own() -> None:
    broker = Broker(answer(9), answer(10))

    for node in (1, 2, 1, 2):
        await broker.sessions.send(node, fetch((0, 5), (1, 7)))

    assert broker.sessions_told == [(0, 0), (0, 0), (9, 1), (10, 1)]


async def test_epochs_begin_again_behind_the_last_one() -> None:
    broker = Broker()
    await broker.sessions.send(1, fetch((0, 5), (1, 7)))
    broker.sessions._sessions[1].epoch = LAST_EPOCH

    for _ in range(2):
        await broker.sessions.send(1, fetch((0, 5), (1, 7)))

    assert broker.sessions_told[1:] == [(9, LAST_EPOCH), (9, 1)]


async def test_other_requests_are_passed_on() -> None:
    sent: list[Any] = []

    async def send(node_id: Any, request: Any, **options: Any) -> str:
        sent.append((node_id, request, options))
        return "an answer"

    question = MetadataRequest([])

    assert await FetchSessions(send).send(3, question, group=1) == "an answer"
    assert sent == [(3, question, {"group": 1})]


@asynccontextmanager
async def reading(settings: KafkaSettings) -> AsyncIterator[tuple[AIOKafkaConsumer, list[Any]]]:
    """Give a consumer of all partitions from their beginning, and the answers that it gets."""
    consumer = clients.consumer(settings, wait_ms=20, partition_bytes=1 << 20)
    answers: list[Any] = []

    def noted(send: Any) -> Any:
        async def noting(node_id: Any, request: Any, **options: Any) -> Any:
            response = await send(node_id, request, **options)
            if hasattr(response, "session_id"):
                answers.append(response)
            return response

        consumer.sessions = FetchSessions(noting)
        return consumer.sessions.send

    send_through(consumer, noted)
    await start(consumer)
    try:
        places = [TopicPartition(settings.input_topic, n) for n in range(settings.partitions)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        yield consumer, answers
    finally:
        await stop_consumer(consumer)


async def test_a_real_broker_answers_with_the_partitions_that_have_something(
    settings: KafkaSettings,
) -> None:
    read: list[bytes | None] = []
    async with running_producer(settings) as producer, reading(settings) as (consumer, answers):
        await consumer.getmany(timeout_ms=100)
        for number in range(50):
            if number in (20, 35):
                # As after a restart of it, and as after an answer that was lost on the way.
                (session,) = consumer.sessions._sessions.values()
                session.id, session.epoch = (77, 3) if number == 20 else (session.id, 900)
            await producer.send(settings.input_topic, b"%d" % number, b"%d" % number, [])
            async with asyncio.timeout(20):
                while len(read) <= number:
                    found = await consumer.getmany(timeout_ms=200)
                    read += [record.value for records in found.values() for record in records]

    assert read == [b"%d" % number for number in range(50)]
    codes = [each.error_code for each in answers if each.error_code]
    assert codes == [70, 71]
    with_records = [each for each in answers if each.topics and not each.error_code]
    named = [sum(len(partitions) for _, partitions in each.topics) for each in with_records]
    assert sorted(named)[len(named) // 2] == 1
