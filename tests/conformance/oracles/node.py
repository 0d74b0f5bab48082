"""EventSource of npm's ``eventsource``: one Node follows for all cases."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

from ..client.transcript import Transcript
from . import npm
from .following import Following

MOST_LINE_BYTES = 8 << 20
STOP_SECONDS = 5.0


class Node:
    """Speaks JSON lines with ``node/follow.mjs``; each following has a tag of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._followings: dict[int, Following] = {}
        self._tags = count()

    @asynccontextmanager
    async def followed(
        self, transcript: Transcript, address: str, headers: dict[str, str]
    ) -> AsyncIterator[Following]:
        """Give what an EventSource of this address hears."""
        tag, following = next(self._tags), Following(transcript)
        self._followings[tag] = following
        if self._output.at_eof():
            following.fail()
        self._say({"tag": tag, "address": address, "headers": headers})
        try:
            yield following
        finally:
            self._say({"tag": tag})
            del self._followings[tag]

    async def hear(self) -> None:
        """Give out what comes, until the process ends."""
        while line := await self._output.readline():
            message = json.loads(line)
            # What was on its way when a case was over is nobody's.
            if following := self._followings.get(message.pop("tag")):
                following.hear(message)
        for following in self._followings.values():
            following.fail()

    async def end(self) -> None:
        """End it: it follows its standard input."""
        self._input.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _say(self, message: dict[str, object]) -> None:
        # One that has died is noticed where its events are missed.
        with suppress(ConnectionError):
            self._input.write(json.dumps(message).encode() + b"\n")


@asynccontextmanager
async def node() -> AsyncIterator[Node]:
    """Run one.

    Raises:  NotThere if this machine has no Node, or the packages cannot be had.
    """
    path = await asyncio.to_thread(npm.node)
    process = await asyncio.create_subprocess_exec(
        *(path, "follow.mjs"), cwd=npm.FOLDER, stdin=PIPE, stdout=PIPE, limit=MOST_LINE_BYTES
    )
    made = Node(process)
    hearing = asyncio.ensure_future(made.hear())
    try:
        yield made
    finally:
        await made.end()
        await hearing
