"""A bound on troubles that repeat: while Kafka is down, the log still says what is wrong."""

from __future__ import annotations

import logging

SECONDS = 1.0
# aiokafka tells each try of each connection, and nothing of what it means: what matters of it we
# say ourselves. Its words stay as the reason, for who looks for one.
FOREIGN = "aiokafka"
FOREIGN_SECONDS = 10.0
MOST_KINDS = 1_000

Kind = tuple[str, str, object, object]


class OncePerKind(logging.Filter):
    """Lets a kind of trouble pass once a second, and tells in ``repeated`` what was held back.

    Shape:   a kind is the logger, the words before anything is put into them, the code of a
             refusal and the type of an error. What is no warning or error always passes, and what
             ends a process too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[Kind, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not logging.WARNING <= record.levelno < logging.CRITICAL:
            return True
        kind = _kind(record)
        passed_at, held_back = self._kinds.get(kind, (float("-inf"), 0))
        # A clock that was set back holds nothing back for long.
        if 0 <= record.created - passed_at < _seconds(record):
            self._kinds[kind] = passed_at, held_back + 1
            return False
        if len(self._kinds) >= MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = record.created, 0
        if held_back:
            record.repeated = held_back
        return True


def _kind(record: logging.LogRecord) -> Kind:
    raised = record.exc_info[0] if record.exc_info else None
    return record.name, str(record.msg), getattr(record, "code", None), raised


def _seconds(record: logging.LogRecord) -> float:
    is_foreign = record.name.partition(".")[0] == FOREIGN
    return FOREIGN_SECONDS if is_foreign else SECONDS
