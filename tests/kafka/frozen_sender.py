"""A process that sends one record for each line it reads, and is frozen between two of them."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.loop_thread import LoopThread
from streaming_runtime.kafka.producer import Stored, SupervisedProducer
from tests.kafka.parts import outcome

KEY = b"a" * 22


class Sender:
    """What a function keeps between its calls."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._supervised: asyncio.Task[None] | None = None

    async def open(self) -> None:
        topics = (self._settings.input_topic,)
        self._producer = SupervisedProducer(lambda: clients.producer(self._settings), topics)
        self._supervised = asyncio.ensure_future(self._producer.supervise())

    async def send(self, value: bytes) -> str:
        """Return what became of it, and how long that took, as a line of JSON."""
        began = time.monotonic()
        sent = await outcome(self._producer.send(self._settings.input_topic, KEY, value, []))
        told = "stored" if isinstance(sent, Stored) else sent
        return json.dumps({"outcome": told, "seconds": time.monotonic() - began})


def main() -> None:
    broker, prefix = sys.argv[1:]
    thread, sender = LoopThread("kafka"), Sender(KafkaSettings(broker, "plaintext", prefix, 1))
    thread.run(sender.open())
    for line in sys.stdin:
        sys.stdout.write(thread.run(sender.send(line.strip().encode())) + "\n")
        sys.stdout.flush()
    thread.stop()


if __name__ == "__main__":
    main()
