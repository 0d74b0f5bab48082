"""Quix's keyed state: how RocksDB is told to keep it, and what its changelog topic is called."""

from __future__ import annotations

import rocksdict

from streaming_runtime.processing.quix import RocksDBOptions, TopicAdmin, TopicManager

# For each partition of the process. An entry has 40 bytes, so this is a hundred thousand of them.
WRITE_BUFFER_BYTES = 4 << 20
BLOCK_CACHE_BYTES = 32 << 20
# A sweep is part of a commit: 50 ms for so many, and the records behind it wait.
SWEPT_AT_ONCE = 10_000
KEPT_LOGS = 2


class StateOptions(RocksDBOptions):
    """Small stores, one for each partition.

    What has expired is removed from the store by a sweep in each commit, and from the changelog
    by the topic's retention: a tombstone for each key would double what is written, and one of a
    process that was frozen could delete what others have written since.
    """

    def __init__(self) -> None:
        super().__init__(
            write_buffer_size=WRITE_BUFFER_BYTES,
            max_write_buffer_number=2,
            block_cache_size=BLOCK_CACHE_BYTES,
            max_evictions_per_flush=SWEPT_AT_ONCE,
            ttl_changelog_tombstones=False,
        )

    def to_options(self) -> rocksdict.Options:
        options = super().to_options()
        # A new log begins with each opening, and RocksDB would keep a thousand.
        options.set_keep_log_file_num(KEPT_LOGS)
        return options


class StateTopics(TopicManager):
    """Names the changelog as our other topics are named, not ``changelog__GROUP--TOPIC--STORE``."""

    def __init__(self, admin: TopicAdmin, group: str, state_topic: str) -> None:
        super().__init__(admin, group, auto_create_topics=False)
        self._state_topic = state_topic

    def _internal_name(self, topic_type: str, topic_name: str | None, suffix: str) -> str:
        return self._state_topic
