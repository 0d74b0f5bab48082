"""A client that tries what must be refused: others' streams, and cursors of other streams."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.history import events
from tests.history.links import HOST
from tests.history.world import KEYS, Target, World
from tests.stories.wire import request, wire

APART_SECONDS = 0.25
TRY_SECONDS = 5.0


class Attempt(NamedTuple):
    """What is tried, and how it must be refused."""

    what: str
    stream: Target
    request: bytes
    expected: int


class Thief:
    """Tries one thing after the other, now here, now there."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random("thief")

    async def run(self) -> None:
        while True:
            attempt = self._next()
            if attempt is not None:
                await self._try(attempt)
            await asyncio.sleep(APART_SECONDS)

    def _next(self) -> Attempt | None:
        mine, other = self._random.sample(self._world.targets, 2)
        if self._random.random() < 0.3:
            return self._of_another_tenant(other)
        cursor = self._world.cursors.get(other.label)
        if cursor is None:
            return None
        whose = "stream" if mine.tenant == other.tenant else "tenant"
        asked = f"/stream/{mine.stream_id}/results?cursor={cursor}"
        fields = {"x-api-key": mine.key, "Accept": "application/json"}
        return Attempt(f"a cursor of another {whose}", mine, request("GET", asked, fields), 400)

    def _of_another_tenant(self, theirs: Target) -> Attempt:
        key = next(key for tenant, key in KEYS.items() if tenant != theirs.tenant)
        fields = {"x-api-key": key, "Accept": "application/json"}
        method, part, body = self._random.choice(
            [("GET", "/results", None), ("GET", "", None), ("POST", "/send", b'{"data":"stolen"}')]
        )
        asked = request(method, f"/stream/{theirs.stream_id}{part}", fields, body)
        return Attempt("a stream of another tenant", theirs, asked, 404)

    async def _try(self, attempt: Attempt) -> None:
        door = self._random.randrange(len(self._world.doors))
        try:
            async with asyncio.timeout(TRY_SECONDS):
                async with wire(f"http://{HOST}:{self._world.doors[door]}") as peer:
                    heard = await peer.ask(attempt.request)
                    status, code = heard.status, str(heard.json().get("code", ""))
        except (OSError, EOFError, ValueError, TimeoutError):
            status, code = 0, "no answer"
        self._world.note(
            events.Probe(
                t=self._world.now,
                what=attempt.what,
                stream=attempt.stream.label,
                via=door,
                status=status,
                code=code,
                expected=attempt.expected,
            )
        )
