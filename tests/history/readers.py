"""Readers: each goes from replica to replica with the last cursor it saw, in whatever form."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from websockets.exceptions import WebSocketException

from tests.history import events
from tests.history.reading import Form, Over, Result, Seen, Told, Visit, visited
from tests.history.world import Target, World, name_in, sum_of

BREAKS = (OSError, EOFError, ValueError, TimeoutError, WebSocketException)
PAUSE_SECONDS = (0.05, 0.3)
PAGE_LIMITS = (1, 10, 100, 1_000)
# What was already there when it is asked for; a replay of hundreds of thousands takes its time.
LAST_READ_SECONDS = 120.0


@dataclass(frozen=True)
class Manner:
    """How one reader reads.

    Units:   seconds that a connection lasts, and that it stays away between two; ``naps`` is for
             how long, at most, it reads nothing between two pieces.
    """

    forms: Sequence[Form]
    stays: tuple[float, float] = (1.0, 6.0)
    away: tuple[float, float] = PAUSE_SECONDS
    naps: float = 0.0


FORMS: tuple[Form, ...] = ("sse", "lines", "socket", "page")
# The readers of each stream; the wanderer changes its form each time, the traveller is long away.
READERS: dict[str, Manner] = {
    "sse1": Manner(("sse",)),
    "sse2": Manner(("sse",), stays=(0.1, 2.0)),
    "socket": Manner(("socket",)),
    "page": Manner(("page",), away=(0.1, 0.5)),
    # Behind again and again, and not long enough to be sent away for it.
    "sloth": Manner(("sse", "lines"), stays=(6.0, 12.0), naps=2.5),
    "wanderer": Manner(FORMS),
    "traveller": Manner(FORMS, stays=(0.5, 2.0), away=(5.0, 10.0)),
}


class Reader:
    """One client's reading of one stream, across all its connections."""

    def __init__(self, world: World, name: str, target: Target, manner: Manner) -> None:
        self.name = name
        self.cursor: str | None = None
        self._world = world
        self._target = target
        self._manner = manner
        self._random = world.random(name)
        self._connection = 0

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            seconds = self._random.uniform(*self._manner.stays)
            await self._visit(self._random.choice(self._manner.forms), seconds)
            await asyncio.sleep(self._random.uniform(*self._manner.away))

    async def finish(self, form: Form | None = None) -> bool:
        """Read what there is by now, to its end; False if that cannot be done in time."""
        chosen: Form = self._random.choice(self._manner.forms) if form is None else form
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LAST_READ_SECONDS
        while (left := deadline - loop.time()) > 0:
            if await self._visit(chosen, left, is_last=True):
                self._world.note(
                    events.Final(t=self._world.now, reader=self.name, stream=self._target.label)
                )
                return True
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))
        return False

    async def _visit(self, form: Form, seconds: float, *, is_last: bool = False) -> bool:
        """Open a connection and read from it; True if the reading is over for good."""
        door = self._random.randrange(len(self._world.doors))
        visit = Visit(
            self._target,
            form,
            self._world.doors[door],
            self.cursor,
            until_now=is_last,
            naps=0.0 if is_last else self._manner.naps,
            limit=1_000 if is_last else self._random.choice(PAGE_LIMITS),
            wait=0 if is_last else self._random.randint(0, 2),
        )
        self._note_open(form, door)
        why, is_over = "left", False
        try:
            async for seen in visited(visit, seconds, self._random):
                if isinstance(seen, Over):
                    why, is_over = seen.why, seen.is_final
                else:
                    self._take(seen)
        except BREAKS as broken:
            why = f"broke: {broken!r}"
        self._world.note(
            events.Close(t=self._world.now, reader=self.name, conn=self._connection, why=why[:200])
        )
        return is_over

    def _note_open(self, form: Form, door: int) -> None:
        self._connection += 1
        self._world.note(
            events.Open(
                t=self._world.now,
                reader=self.name,
                conn=self._connection,
                stream=self._target.label,
                form=form,
                via=door,
                cursor=self.cursor,
            )
        )

    def _take(self, seen: Seen) -> None:
        if isinstance(seen, Result):
            self._take_result(seen)
        elif isinstance(seen, Told):
            if seen.name == "gap":
                self._note_gap(seen)
            self.cursor = seen.cursor or self.cursor

    def _take_result(self, result: Result) -> None:
        self.cursor = result.id
        # A failed one carries no data: its source says whose it is.
        name = "" if result.kind == "failed" else name_in(result.data)
        self._world.note(
            events.Recv(
                t=self._world.now,
                reader=self.name,
                conn=self._connection,
                stream=self._target.label,
                id=result.id,
                source=result.source,
                name=name,
                sum=sum_of(result.data),
                kind=result.kind,
                owner=self._owner(result),
            )
        )
        self._world.has_seen(self._target.label, name or result.source)
        self._world.cursors[self._target.label] = result.id

    def _owner(self, result: Result) -> str | None:
        """Return whose the result says it is, unless it is this stream's."""
        if result.stream_id == self._target.stream_id:
            return None
        labels = {target.stream_id: target.label for target in self._world.targets}
        return labels.get(result.stream_id, result.stream_id)

    def _note_gap(self, told: Told) -> None:
        self._world.note(
            events.Gap(
                t=self._world.now,
                reader=self.name,
                conn=self._connection,
                stream=self._target.label,
                requested=told.members.get("requested"),
                earliest=str(told.cursor),
                reason=str(told.members.get("reason", "")),
            )
        )
