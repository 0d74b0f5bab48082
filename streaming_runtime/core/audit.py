"""The audit log: who was refused what and why, and what became of keys; apart from other logs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.logs import JsonLines
from streaming_runtime.core.principals import CALLER

LOGGER = "streaming_runtime.audit"
# What a denial can be for: the codes of the problems, and the page that may not open a socket.
UNAUTHORIZED, FORBIDDEN, RATE_LIMITED = "unauthorized", "forbidden", "rate-limited"
UNKNOWN_STREAM, ORIGIN = "unknown-stream", "origin"
DENIALS: Final = (UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, UNKNOWN_STREAM, ORIGIN)
# Of one tenant for one reason, and of everybody: what is more is counted, not written.
MOST_PER_SECOND = 5
MOST_IN_ALL_PER_SECOND = 100
MOST_KINDS = 1_000
MOST_ID_CHARACTERS = 64
# Which key a refused credential says it is: one that was revoked, or anybody's guess.
CLAIMED_KEY: ContextVar[str | None] = ContextVar("claimed_key", default=None)

Kind = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal for want of a right.

    Shape:  ``reason`` is one of DENIALS, ``route`` a template; ``client`` is the address that the
            server saw, which behind a proxy is the proxy's.
    """

    reason: str
    request_id: str
    route: str
    client: str | None = None
    stream_id: str | None = None


def deny(denial: Denial) -> None:
    """Write an entry, with the tenant and the key if the credential was a good one.

    Shape:  a key without a tenant is what a refused credential calls itself; a stream that is
            another tenant's and one that is none are both ``unknown-stream``: nobody looks which
            it is, so nobody can tell.
    """
    caller = CALLER.get()
    _write(
        "denied",
        reason=denial.reason,
        route=denial.route,
        tenant=caller.tenant if caller else None,
        key_id=caller.key_id or None if caller else CLAIMED_KEY.get(),
        request_id=denial.request_id,
        client=denial.client,
        # Whatever stood in the path: it may be as long as a head.
        stream_id=denial.stream_id and denial.stream_id[:MOST_ID_CHARACTERS],
    )


def key_changed(action: str, tenant: str, key_id: str, **details: Any) -> None:
    """Write an entry for a key that was added, rotated or revoked; never the key itself."""
    _write(f"key {action}", tenant=tenant, key_id=key_id, **details)


def _write(message: str, **fields: Any) -> None:
    logging.getLogger(LOGGER).info(message, extra={"log": "audit", **fields})


def configure_audit(path: str, process: str, secrets: Iterable[str] = ()) -> None:
    """Send entries to the file at ``path``, or, where it is empty, among the process's log.

    Raises:  ConfigurationInvalid if the file cannot be written to.
    """
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    bound_entries(logger)
    if not path:
        logger.handlers[:], logger.propagate = [], True
        return
    # It brings sockets and queues with it, which a function that starts has no time for.
    from logging.handlers import WatchedFileHandler  # noqa: PLC0415

    try:
        # Opened again when it was moved away, so that logs can be rotated under it.
        handler = WatchedFileHandler(path, encoding="utf-8")
    except OSError as exc:
        raise ConfigurationInvalid(
            f"AUDIT_LOG ({path}) cannot be written to: {exc.strerror}"
        ) from exc
    handler.setFormatter(JsonLines(process, secrets))
    logger.handlers[:] = [handler]
    logger.propagate = False


def bound_entries(logger: logging.Logger) -> None:
    """Let no flood of denials become a flood of lines."""
    logger.filters[:] = [BoundedDenials()]


class BoundedDenials(logging.Filter):
    """Lets some denials of a reason and tenant pass each second, and tells how many it left out.

    Shape:   ``left_out`` stands on the next entry of that reason and tenant. What is no denial
             always passes. The counter of denials counts every one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._in_all = 0
        self._passed: dict[Kind, int] = {}
        self._left_out: dict[Kind, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        entry: Mapping[str, Any] = vars(record)
        if "reason" not in entry:
            return True
        kind: Kind = entry["reason"], entry.get("tenant")
        if self._is_full(kind, int(record.created)):
            self._leave_out(kind)
            return False
        if left_out := self._left_out.pop(kind, 0):
            record.left_out = left_out
        return True

    def _is_full(self, kind: Kind, second: int) -> bool:
        """Count one; a clock that was set back begins a new second like any other."""
        if second != self._second:
            self._second, self._in_all = second, 0
            self._passed.clear()
        passed = self._passed.get(kind, 0)
        if passed >= MOST_PER_SECOND or self._in_all >= MOST_IN_ALL_PER_SECOND:
            return True
        self._passed[kind] = passed + 1
        self._in_all += 1
        return False

    def _leave_out(self, kind: Kind) -> None:
        if kind not in self._left_out and len(self._left_out) >= MOST_KINDS:
            kind = kind[0], None
        self._left_out[kind] = self._left_out.get(kind, 0) + 1
