"""Health: alive is whoever answers; ready is whoever can serve a client now, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from litestar import Router, get

from streaming_runtime.http.answers import Answer, of_json
from streaming_runtime.live import operations

OK = "ok"
UNCACHED = {"Cache-Control": "no-store"}
Check = Callable[[], str]


# The parts of a process, each with a question that answers ``ok`` or why not.
Readiness = Mapping[str, Check]


def router(readiness: Readiness) -> Router:
    """Return the two health routes; they need no credential and are never cached."""

    @get("/health/live", opt={"operation": operations.LIVE})
    async def live() -> Answer:
        return of_json({"status": "alive"}, headers=UNCACHED)

    @get("/health/ready", opt={"operation": operations.READINESS})
    async def ready() -> Answer:
        parts = {name: check() for name, check in readiness.items()}
        is_ready = all(state == OK for state in parts.values())
        return of_json(
            {"status": "ready" if is_ready else "not ready", "parts": parts},
            200 if is_ready else 503,
            UNCACHED if is_ready else {**UNCACHED, "Retry-After": "1"},
        )

    return Router(path="/", route_handlers=[live, ready])
