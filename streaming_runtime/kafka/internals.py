"""The private parts of aiokafka that we rely on, all of them in this file.

They are what its public ones cannot do: put batches in order without waiting, know whether a batch
has left, and close whatever the brokers do. The version is pinned, and a test pins each name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from copy import copy
from traceback import walk_tb
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from streaming_runtime.kafka.clients import STOP_SECONDS

# aiokafka's own expiry gives out sequence numbers for what it never sends. Ours comes first.
NEVER_SECONDS = 3600.0
FRESH_SECONDS = 3.0


class ProducerInternals:
    """A producer, not started, with the handles that its supervisor needs."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self._requests: set[asyncio.Task[None]] = set()
        producer._message_accumulator._batch_ttl = NEVER_SECONDS
        self._take_over(producer._sender)

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, 0 while that is not known."""
        # Its public way copies them all for each record.
        return len(self.producer.client.cluster._partitions.get(topic, ()))

    def enter(self, topic: str, partition: int, linger_seconds: float = 0.0) -> tuple[Any, Any]:
        """Put a new, empty batch behind all others of its partition, to be filled until it leaves.

        Shape:   its builder, and its entry: ``retry_count`` is 0 as long as it has not left, and
                 ``future`` gets the metadata of its first record.
        Units:   it leaves ``linger_seconds`` from now at the earliest, or when it is full.
        """
        builder = self.producer.create_batch()
        entered = self.producer._message_accumulator._append_batch
        entry = entered(builder, TopicPartition(topic, partition))
        entry._linger_time = linger_seconds
        return builder, entry

    def ask_before_retry(self, entry: Any, may_retry: Callable[[BaseException], bool]) -> None:
        """Have each failure of an attempt told, and the batch sent again only if that says so."""
        entry.may_retry = may_retry

    def let_go(self, entry: Any) -> None:
        """Ask nobody about a batch any more: it and who was asked no longer hold each other.

        Left to the collector they were all that it ever found, with pauses of 100 ms.
        """
        entry.may_retry = _never

    def abandon(self, entry: Any) -> None:
        """Have a batch not sent again, whatever becomes of the attempt under way."""
        entry.is_abandoned = True

    def withdraw(self, entry: Any) -> None:
        """Take back a batch that has not left: it never will, and used no sequence numbers."""
        waiting = self.producer._message_accumulator._batches
        if entry in waiting.get(entry.tp, ()):
            waiting[entry.tp].remove(entry)
            if not waiting[entry.tp]:
                del waiting[entry.tp]

    def take_back(self, topic: str, partition: int, records: int) -> None:
        """Give the sequence numbers of the last batch of a partition to the next one.

        Only for a batch that was refused and will never be sent again; none behind it has left.
        """
        numbers = self.producer._txn_manager
        numbers.increment_sequence_number(TopicPartition(topic, partition), -records)

    def has_no_leader(self, topic: str, partition: int) -> bool:
        """Return whether the cluster has just said that nobody leads a partition."""
        cluster = self.producer.client.cluster
        age_seconds = time.time() - cluster._last_successful_refresh_ms / 1000
        leader = cluster.leader_for_partition(TopicPartition(topic, partition))
        return bool(leader == -1 and age_seconds < FRESH_SECONDS)

    def stop_sending(self) -> None:
        """Let nothing more leave: what is under way is, what waits never goes."""
        if (sender := self.producer._sender.sender_task) is not None:
            sender.cancel()

    async def until_dead(self) -> str:
        """Wait until a task ends without which a started producer only looks alive."""
        parts = {self.producer._sender.sender_task, self.producer.client._sync_task}
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        return "; ".join(f"a part ended: {_reason(task)}" for task in done)

    async def hard_close(self) -> None:
        """Close within 6 s, whatever the brokers do, without sending what it still holds.

        ``stop()`` waits for ever on an idempotent batch that cannot be delivered, and its second
        call returns at once and leaks the sender.

        Source:  aiokafka 0.14, AIOKafkaProducer.stop and Sender.close.
        """
        self.producer._closed = True
        self.stop_sending()
        await asyncio.sleep(0)  # A request made in this very turn shows itself in the next.
        for request in self._requests:
            request.cancel()
        sender = self.producer._sender.sender_task
        if tasks := {*self._requests} | ({sender} if sender is not None else set()):
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        await _close_client(self.producer.client)

    def _take_over(self, sender: Any) -> None:
        """Send requests as aiokafka does, but ask before a retry, and note the tasks under way.

        Nobody else can cancel one that hangs.

        Source:  aiokafka 0.14, Sender._send_produce_req.
        """

        async def send(node_id: Any, batches: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._requests.add(task)
            try:
                await _Request(sender, _wanted(batches)).do(node_id)
            finally:
                self._requests.discard(task)
            sender._in_flight.remove(node_id)
            for partition in batches:
                sender._muted_partitions.remove(partition)

        sender._send_produce_req = send


class _Request(SendProduceReqHandler):  # type: ignore[misc]  # aiokafka has no types
    """A produce request whose batches are sent again only if their owner says so."""

    async def do(self, node_id: Any) -> None:
        if self._batches:
            await super().do(node_id)

    def _can_retry(self, error: BaseException, batch: Any) -> bool:
        can_retry = bool(super()._can_retry(error, batch))
        may_retry: Callable[[BaseException], bool] = getattr(batch, "may_retry", lambda _: True)
        return may_retry(error) and can_retry


def _never(failure: BaseException) -> bool:
    return False


def _wanted(batches: Any) -> Any:
    """Return the batches of a request that somebody still waits for; fail the others."""
    wanted = {}
    for partition, batch in batches.items():
        if getattr(batch, "is_abandoned", False):
            batch.failure(exception=KafkaError("nobody waits for it any longer"))
        else:
            wanted[partition] = batch
    return wanted


async def start(client: Any) -> None:
    """Start a producer, a consumer or an admin client; cancelled, it leaves no connection behind.

    aiokafka forgets the connection it asks for the cluster when it is cancelled just then.

    Source:  aiokafka 0.14, AIOKafkaClient.bootstrap.
    """
    try:
        await client.start()
    except BaseException as exc:
        for frame, _ in walk_tb(exc.__traceback__):
            if (forgotten := frame.f_locals.get("bootstrap_conn")) is not None:
                forgotten.close()
        raise


async def describe(admin: AIOKafkaAdminClient, topics: list[str] | None) -> dict[str, Any]:
    """Return the brokers, and these topics as far as they exist; None: all topics.

    aiokafka's own calls ask for all topics of the cluster, or ask the broker to make what is not
    there, by its own guess.
    """
    question = MetadataRequest(topics, allow_auto_topic_creation=False)
    answer: dict[str, Any] = (await admin._send_request(question)).to_object()
    return answer


def ensure_alive(consumer: AIOKafkaConsumer) -> None:
    """Check the tasks without which a consumer hands out nothing for ever, and says nothing.

    Raises:  KafkaError.
    """
    for task in (consumer._fetcher._fetch_task, consumer._client._sync_task):
        if task.done():
            raise KafkaError(f"a part of the consumer ended: {_reason(task)}")


def set_fetch_wait(consumer: AIOKafkaConsumer, wait_ms: int) -> None:
    """Have the broker hold each fetch from now on for so long, where nothing is new."""
    consumer._fetcher._fetch_max_wait_ms = wait_ms


def send_through(
    consumer: AIOKafkaConsumer,
    wrapped: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]],
) -> None:
    """Have all requests of a consumer sent by what ``wrapped`` makes of its own way."""
    consumer._client.send = wrapped(consumer._client.send)


def fetch_of(request: FetchRequest, topics: list[tuple[str, list[Any]]]) -> FetchRequest:
    """Return the same fetch of other partitions."""
    other = copy(request)
    other._topics = topics
    return other


def drop_fetched(consumer: AIOKafkaConsumer) -> None:
    """Let go of what was fetched and not handed out, which another position makes useless.

    Each fetch is held by a generator that it holds itself: forgotten, it is left to the collector,
    with 4 MiB of records. Reading history a page at a time came to 1.6 GB.

    Source:  aiokafka 0.14, PartitionRecords.
    """
    if consumer._fetcher is None:
        return
    for fetched in consumer._fetcher._records.values():
        records = getattr(fetched, "_partition_records", None)
        if records is not None and records._records_iterator is not None:
            records._records_iterator.close()
    consumer._fetcher._records.clear()


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer within 8 s, whatever the brokers do.

    ``stop()`` gives up half way, and leaks its connections, when a fetch is just waiting to be
    tried again, as all are while the brokers are down.

    Source:  aiokafka 0.14, Fetcher.close.
    """
    drop_fetched(consumer)
    await _bounded(consumer.stop())
    drop_fetched(consumer)  # What came in meanwhile.
    if consumer._fetcher is not None:
        for task in consumer._fetcher._pending_tasks:
            task.cancel()
    await _close_client(consumer._client)


async def close_admin(admin: AIOKafkaAdminClient) -> None:
    """Close an admin client within 4 s, whatever the brokers do."""
    await _close_client(admin._client)


async def _close_client(client: Any) -> None:
    for connection in client._conns.values():
        # A close would first send what is buffered, to a peer that may never read it.
        if connection._writer is not None:
            connection._writer.transport.abort()
    await _bounded(client.close())


async def _bounded(work: Awaitable[Any]) -> None:
    """Wait for the end of a close, whatever it is; cancel it after STOP_SECONDS."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=STOP_SECONDS)
    finally:
        task.cancel()
    await asyncio.wait({task}, timeout=STOP_SECONDS)
    if task.done() and not task.cancelled():
        task.exception()


def _reason(task: asyncio.Task[Any]) -> str:
    return "cancelled" if task.cancelled() else repr(task.exception())
