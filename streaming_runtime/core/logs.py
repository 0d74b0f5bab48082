"""JSON logs: one object a line on standard output, escaped, with what the call site adds."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from streaming_runtime.core.model import timestamp

# Everything a LogRecord has by itself; what else stands on one came in through ``extra``.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SECRET_FIELDS = ("authorization", "cookie", "key", "secret", "ticket", "token", "password")
REDACTED = "[redacted]"


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Shape:  ``time``, ``level``, ``process``, ``logger``, ``message``, then the extras by name.
            Control characters are escaped by JSON, so nothing a client sends can end a line.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": timestamp(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in STANDARD and value is not None:
                line[name] = REDACTED if _is_secret(name) else value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logs(level: str, process: str) -> None:
    """Send everything this process logs to standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These narrate each reconnect and each request at INFO; what matters of it we log ourselves.
    for chatty in ("aiokafka", "httpx", "httpcore", "websockets", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _is_secret(name: str) -> bool:
    return any(word in name.lower().split("_") for word in SECRET_FIELDS)
