"""Changelog records of one partition, written to its store together."""

from __future__ import annotations

from typing import Any

import msgspec
from rocksdict import WriteBatch

from streaming_runtime.processing.quix import (
    CHANGELOG_CF_MESSAGE_HEADER,
    CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER,
    CHANGELOG_TTL_STAMPED_HEADER,
    TTL_INDEX_CF_NAME,
    TTL_STAMP_BYTES,
    RecoveryPartition,
)

DEFAULT = "default"
_offsets = msgspec.json.Decoder(dict[str, int])


class Replay:
    """Does for many records with an expiry what Quix does for one; all others are left to Quix.

    Source:  quixstreams 3.28, RocksDBStorePartition.recover_from_changelog_message: a store that
             never held anything without an expiry has no migration to watch for, and what has
             expired is hidden from readers and removed by the next sweep as in a running store.
    """

    def __init__(self, partition: RecoveryPartition) -> None:
        self._partition = partition
        self._store: Any = partition._store_partition
        self._batch: WriteBatch | None = None
        self._last_offset = 0
        # All records of one commit carry the same header.
        self._judged: tuple[bytes | None, bool] = None, False

    def add(self, message: Any) -> None:
        headers: dict[str, bytes] = dict(message.headers() or ())
        value: bytes | None = message.value()
        if value is None or not self._is_plain(headers):
            self.write()
            self._partition.recover_from_changelog_message(message)
            return
        batch = self._batch = self._batch or WriteBatch(raw_mode=True)
        self._last_offset = message.offset()
        if self._is_committed(headers[CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER]):
            key: bytes = message.key()
            handle = self._store.get_column_family_handle
            batch.put(key, value, handle(DEFAULT))
            batch.put(value[:TTL_STAMP_BYTES] + key, b"", handle(TTL_INDEX_CF_NAME))

    def write(self) -> None:
        """Write what was added, with the place up to which the changelog has been read."""
        if self._batch is not None:
            self._store._update_changelog_offset(self._batch, self._last_offset)
            self._store._write(self._batch)
            self._batch = None

    def _is_plain(self, headers: dict[str, bytes]) -> bool:
        # The first record with an expiry makes the store one of that kind, which Quix does.
        return bool(
            self._store.uses_ttl_stamps
            and headers.get(CHANGELOG_TTL_STAMPED_HEADER)
            and headers.get(CHANGELOG_CF_MESSAGE_HEADER) == DEFAULT.encode()
        )

    def _is_committed(self, offsets: bytes) -> bool:
        known, is_committed = self._judged
        if known != offsets:
            is_committed = self._partition._should_apply_changelog(_offsets.decode(offsets))
            self._judged = offsets, is_committed
        return is_committed
