"""Reading a partition's state from its changelog when the partition comes to this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import Message, TopicPartition

from streaming_runtime.processing.quix import (
    BaseConsumer,
    RecoveryManager,
    RecoveryPartition,
    TopicManager,
    raise_for_msg_error,
)
from streaming_runtime.processing.replay import Replay

# Quix waits for a whole second of silence before it looks whether the end is reached, and the
# records of the partition wait as long.
SILENCE_SECONDS = 0.05
AT_ONCE = 1_000


class Recovery(RecoveryManager):
    """Quix's recovery, but that it writes many entries at once and ends as soon as it can.

    A partition's records wait for it, so that its time is part of every takeover: message by
    message Quix needs 30 s for a million keys, and this 6 s.
    ``turn`` is called again and again, for the watchdog.
    """

    def __init__(
        self,
        consumer: BaseConsumer,
        topics: TopicManager,
        brokers_gone_seconds: float,
        turn: Callable[[], None],
    ) -> None:
        super().__init__(consumer, topics, brokers_gone_seconds)
        self._gone_seconds = brokers_gone_seconds
        self._turn = turn

    def _recovery_loop(self) -> None:
        while self.recovering:
            self._turn()
            messages = self._consumer.consume(AT_ONCE, SILENCE_SECONDS)
            if messages:
                self._take(messages)
                self._consumer._broker_available()  # type: ignore[no-untyped-call]
            else:
                self._update_recovery_status()  # type: ignore[no-untyped-call]
                self._consumer.raise_if_broker_unavailable(self._gone_seconds)

    def _take(self, messages: list[Message]) -> None:
        replays: dict[tuple[str, int], Replay] = {}
        for message in messages:
            good: Any = raise_for_msg_error(message)
            place = good.topic(), good.partition()
            partition = self._recovery_partitions.get(place[1], {}).get(place[0])
            if partition is not None:
                if (replay := replays.get(place)) is None:
                    replay = replays[place] = Replay(partition)
                replay.add(good)
            elif place[0] in self._topic_manager.non_changelog_topics:
                # It escaped its pause in a rebalance, and is read again when this is over.
                self._rewind_data_partition(good)
        for replay in replays.values():
            replay.write()

    def _get_position_with_cache(self, rp: RecoveryPartition) -> TopicPartition:
        # No network is asked, so nothing needs to be remembered for the second that Quix does.
        return self._consumer.position([TopicPartition(rp.changelog_name, rp.partition_num)])[0]
