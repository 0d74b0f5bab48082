"""EventSource and WebSocket of a headless Chromium, over the pipes of its DevTools protocol."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..client.transcript import Transcript
from ..target import NotThere
from .following import Following
from .npm import FOLDER

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root, where the sandbox cannot start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
# The protocol is spoken on the descriptors 3 and 4; it ends when they are closed, so that it ends
# with us however we end.
PIPES = 'exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'
CALL_SECONDS = 40.0
STOP_SECONDS = 10.0
MOST_MESSAGE_BYTES = 16 << 20
SCRIPT = FOLDER / "following.js"
TELL = "(told) => tellTheSuite(JSON.stringify(told))"
EVENTS = "globalThis.leave = followEvents(new EventSource({address}), {tell})"
FRAMES = "globalThis.leave = followFrames({address}, {tell})"


class Chromium:
    """One browser; every following has a tab that shares nothing with the others."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._followings: dict[str, Following] = {}
        self._numbers = count(1)

    @asynccontextmanager
    async def events(self, transcript: Transcript, address: str) -> AsyncIterator[Following]:
        """Give what an EventSource hears in a page of the same origin."""
        script = EVENTS.format(address=json.dumps(address), tell=TELL)
        async with self._followed(transcript, address, script) as following:
            yield following

    @asynccontextmanager
    async def frames(self, transcript: Transcript, address: str) -> AsyncIterator[Following]:
        """Give what WebSockets hear in such a page."""
        script = FRAMES.format(address=json.dumps(address), tell=TELL)
        async with self._followed(transcript, address, script) as following:
            yield following

    @asynccontextmanager
    async def _followed(
        self, transcript: Transcript, address: str, script: str
    ) -> AsyncIterator[Following]:
        place = urlsplit(address)
        made = await self._call("Target.createBrowserContext")
        context = made["browserContextId"]
        session = await self._page(context, f"{place.scheme}://{place.netloc}/health/live")
        following = self._followings[session] = Following(transcript)
        try:
            await self._evaluate(session, f"{SCRIPT.read_text()}\n{script}; 0")
            yield following
        finally:
            del self._followings[session]
            await self._call("Target.disposeBrowserContext", browserContextId=context)

    async def _page(self, context: str, url: str) -> str:
        """Open a tab at an address and return its session."""
        made = await self._call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self._call(
            "Target.attachToTarget", targetId=made["targetId"], flatten=True
        )
        session = str(attached["sessionId"])
        await self._call("Runtime.enable", session)
        await self._call("Runtime.addBinding", session, name="tellTheSuite")
        await self._call("Page.navigate", session, url=url)
        wanted = f"document.readyState === 'complete' && location.href === {json.dumps(url)}"
        async with asyncio.timeout(CALL_SECONDS):
            while not await self._evaluate(session, wanted):
                await asyncio.sleep(0.02)
        return session

    async def _evaluate(self, session: str, script: str) -> Any:
        answer = await self._call(
            "Runtime.evaluate", session, expression=script, returnByValue=True
        )
        assert "exceptionDetails" not in answer, f"a script failed: {answer}"
        return answer["result"].get("value")

    async def _call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        assert not self._output.at_eof(), "the browser has ended"
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        whole = message if session is None else {**message, "sessionId": session}
        self._input.write(json.dumps(whole).encode() + b"\0")
        async with asyncio.timeout(CALL_SECONDS):
            result: dict[str, Any] = await answer
        return result

    async def hear(self) -> None:
        """Give out what comes, until the browser ends."""
        while True:
            try:
                message = json.loads((await self._output.readuntil(b"\0"))[:-1])
            except asyncio.IncompleteReadError:
                break
            if answer := self._answers.pop(message.get("id"), None):
                _settle(answer, message)
            elif message.get("method") == "Runtime.bindingCalled":
                following = self._followings.get(message["sessionId"])
                if following is not None:
                    following.hear(json.loads(message["params"]["payload"]))
        for answer in self._answers.values():
            _settle(answer, {"error": "the browser has ended"})
        for following in self._followings.values():
            following.fail()

    async def end(self) -> None:
        self._input.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _settle(answer: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    if answer.done():
        return
    if "result" in message:
        answer.set_result(message["result"])
    else:
        answer.set_exception(AssertionError(f"the browser says: {message['error']}"))


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """Run one with a new profile.

    Raises:  NotThere if this machine has none.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise NotThere("there is no Chromium on PATH to follow streams with")
    # Its processes may still write there for a moment when it has gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", PIPES, path, *FLAGS, f"--user-data-dir={Path(profile)}"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=MOST_MESSAGE_BYTES,
        )
        made = Chromium(process)
        hearing = asyncio.ensure_future(made.hear())
        try:
            yield made
        finally:
            await made.end()
            await hearing
