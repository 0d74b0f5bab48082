"""All that is used of quixstreams, imported here alone."""

from __future__ import annotations

import warnings

with warnings.catch_warnings(record=True):
    # Its schema registry, which we do not use, announces a deprecation at each import.
    warnings.simplefilter("ignore")
    from quixstreams import Application
    from quixstreams.error_callbacks import ProducerErrorCallback
    from quixstreams.exceptions import QuixException
    from quixstreams.internal_producer import InternalProducer
    from quixstreams.kafka import ConnectionConfig
    from quixstreams.kafka.consumer import BaseConsumer, raise_for_msg_error
    from quixstreams.models import MessageContext, Row, Topic, TopicAdmin, TopicManager
    from quixstreams.state.exceptions import InvalidStoreChangelogOffset
    from quixstreams.state.metadata import (
        CHANGELOG_CF_MESSAGE_HEADER,
        CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER,
        CHANGELOG_TTL_STAMPED_HEADER,
        TTL_INDEX_CF_NAME,
    )
    from quixstreams.state.recovery import RecoveryManager, RecoveryPartition
    from quixstreams.state.rocksdb import RocksDBOptions
    from quixstreams.state.rocksdb.ttl_codec import TTL_STAMP_BYTES

__all__ = [
    "CHANGELOG_CF_MESSAGE_HEADER",
    "CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER",
    "CHANGELOG_TTL_STAMPED_HEADER",
    "TTL_INDEX_CF_NAME",
    "TTL_STAMP_BYTES",
    "Application",
    "BaseConsumer",
    "ConnectionConfig",
    "InternalProducer",
    "InvalidStoreChangelogOffset",
    "MessageContext",
    "ProducerErrorCallback",
    "QuixException",
    "RecoveryManager",
    "RecoveryPartition",
    "RocksDBOptions",
    "Row",
    "Topic",
    "TopicAdmin",
    "TopicManager",
    "raise_for_msg_error",
]
