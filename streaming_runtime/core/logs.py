"""JSON logs: one object a line on standard output, escaped, with what the call site adds."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from streaming_runtime.core.log_bounds import OncePerKind
from streaming_runtime.core.model import timestamp

# Everything a LogRecord has by itself; what else stands on one came in through ``extra``.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SECRET_FIELD = re.compile(
    r"(?:^|[_-])(?:authorization|cookie|credentials?|keys?|passwords?|secrets?|tickets?|tokens?)"
    r"(?:$|[_-])"
)
# In a text, a foreign traceback among them: what follows such a name, up to the end of the value.
SECRET_IN_TEXT = re.compile(
    r"""(?ix)
    (\b(?:x-api-key|api[_-]?key|authorization|cookie|password|secret|ticket|token)
    ['"]?\s*[:=,]\s*(?:b?['"]\s*)?(?:(?:bearer|basic|apikey)\s+)?)
    (?!\[redacted)[^\s'"\\&,;)\]}]+
    """
)
# A JWT stands out by itself: two parts in base64 that begin a JSON object.
JWT = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]*(?:\.[\w-]*)?")
# A key of ours as well, also one that is mistyped or cut short behind the first part of its secret.
ISSUED_KEY = re.compile(r"millrace_[0-9A-Za-z]{12}_[0-9A-Za-z]{12,}(?:_[0-9A-Za-z]{0,8})?")
# Shorter values stand in other words too, and replacing them would make a log unreadable.
SHORTEST_SECRET = 8
# Names a key without being one: who reads of a denial must know which key to withdraw.
NO_SECRET = "key_id"
REDACTED = "[redacted]"


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Shape:  ``time``, ``level``, ``process``, ``logger``, ``message``, then the extras by name.
            Control characters are escaped by JSON, so nothing a client sends can end a line.
            What is in ``secrets``, or looks like a credential, is replaced wherever it stands.
    """

    def __init__(self, process: str, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._process = process
        # The longest first: one may be a part of another.
        known = sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": timestamp(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": self._clean(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in STANDARD and value is not None:
                line.setdefault(name, self._field(name, value))
        if record.exc_info:
            line["traceback"] = self._clean(self.formatException(record.exc_info))
        return json.dumps(line)

    def _field(self, name: str, value: object) -> object:
        is_secret = name != NO_SECRET and SECRET_FIELD.search(name.lower())
        return REDACTED if is_secret else self._plain(value)

    def _plain(self, value: object) -> object:
        """Return a value as what JSON can hold, with no secret in it."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, Mapping):
            return {self._clean(str(k)): self._field(str(k), v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(member) for member in value]
        return self._clean(str(value))

    def _clean(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return SECRET_IN_TEXT.sub(rf"\1{REDACTED}", without_credentials(text))


def without_credentials(text: str) -> str:
    """Return a text, JSON among others, without what has the form of a key of ours or of a JWT."""
    return JWT.sub(REDACTED, ISSUED_KEY.sub(REDACTED, text))


def configure_logs(level: str, process: str, secrets: Iterable[str] = ()) -> None:
    """Send everything this process logs to standard output as JSON lines.

    Shape:  ``secrets`` are the configured keys and passwords: none of them is ever written.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(process, secrets))
    handler.addFilter(OncePerKind())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These narrate each reconnect, each request and its query string, or each header at INFO or
    # DEBUG; what matters of it we log ourselves.
    for chatty in ("aiokafka", "botocore", "httpx", "httpcore", "urllib3", "uvicorn", "websockets"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
