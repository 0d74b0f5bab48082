"""Bounds on the log: neither poison nor a broker that is gone fills the disk."""

from __future__ import annotations

import logging

LINES = 20
PERIOD_SECONDS = 10.0
# librdkafka warns that the setting may be renamed one day. Our versions are pinned.
KNOWN = "enable.gapless.guarantee is experimental"
WHERE_KNOWN = ("quixstreams.kafka.producer", "quixstreams.models.topics.admin")
# One line for each try to reach a broker that is gone, in words that name the connection each time:
# core.log_bounds, which bounds our own troubles by their kind, would hold each for a new one.
TALKATIVE = ("quixstreams.kafka.consumer", "quixstreams.kafka.producer")


class LogLimit(logging.Filter):
    """Lets so many lines pass in each period, and tells in the next how many it held back."""

    def __init__(self, lines: int = LINES, period_seconds: float = PERIOD_SECONDS) -> None:
        super().__init__()
        self._lines = lines
        self._period_seconds = period_seconds
        self._began = 0.0
        self._passed = 0
        self._held_back = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created - self._began >= self._period_seconds:
            self._began, self._passed = record.created, 0
        self._passed += 1
        if self._passed > self._lines:
            self._held_back += 1
            return False
        if self._held_back:
            record.held_back, self._held_back = self._held_back, 0
        return True


def is_news(record: logging.LogRecord) -> bool:
    return KNOWN not in record.getMessage()


def limit_logs() -> None:
    """Put both bounds in place."""
    for name in WHERE_KNOWN:
        logging.getLogger(name).addFilter(is_news)
    for name in TALKATIVE:
        logging.getLogger(name).addFilter(LogLimit())
