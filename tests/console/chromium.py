"""A headless Chromium driven over the DevTools protocol: just what these tests need."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from local.children import die_with_parent

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root, where the sandbox cannot start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START_SECONDS = 30.0
STOP_SECONDS = 10.0
CALL_SECONDS = 20.0
POLL_SECONDS = 0.05
KEY_CODES = {"Tab": 9, "Enter": 13, "ArrowDown": 40}
CTRL = 2


class BrowserFailed(Exception):
    """The browser, or a script in a page, did not do what it was asked to."""


def executable() -> str | None:
    """Return the path of a Chromium, None if this machine has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab. What the page reports as errors is collected in ``complaints``."""

    def __init__(self, socket: ClientConnection, session: str, context: str) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._session = session
        self._context = context
        self._last_id = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        await self._socket.send(json.dumps(message | {"sessionId": self._session}))
        async with asyncio.timeout(CALL_SECONDS):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("sessionId") != self._session:
                    continue
                if answer.get("id") != self._last_id:
                    self._hear(answer)
                    continue
                if "error" in answer:
                    raise BrowserFailed(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    async def close(self) -> None:
        """Close the tab, with all that it has stored."""
        await _plain(self._socket, "Target.disposeBrowserContext", browserContextId=self._context)

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.wait_for("document.readyState === 'complete'")

    async def evaluate(self, script: str) -> Any:
        """Return the value of a script's expression; a promise is awaited."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise BrowserFailed(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def wait_for(self, condition: str, seconds: float = 20.0) -> None:
        """Return when a script's expression is true; one that cannot be evaluated is not yet.

        Raises:  BrowserFailed, with the condition and what the page shows, when it does not become.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(BrowserFailed):
                if await self.evaluate(f"Boolean({condition})"):
                    return
            await asyncio.sleep(POLL_SECONDS)
        shown = await self.evaluate("document.body.innerText")
        raise BrowserFailed(f"never true: {condition}\n{shown}\n{self.complaints}")

    async def text(self, selector: str) -> str:
        """Return an element's text, also where it is scrolled out of sight."""
        found = await self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")
        return str(found).strip()

    async def fill(self, selector: str, value: str) -> None:
        """Put a value into a field, and tell the page of it as a person's hand would."""
        await self.evaluate(
            f"""(() => {{
              const field = document.querySelector({json.dumps(selector)});
              field.value = {json.dumps(value)};
              for (const name of ["input", "change"]) {{
                field.dispatchEvent(new Event(name, {{bubbles: true}}));
              }}
            }})()"""
        )

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def type(self, text: str) -> None:
        """Type text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key where the focus is."""
        event = {
            "key": key,
            "windowsVirtualKeyCode": KEY_CODES[key],
            "modifiers": modifiers,
        }
        text = {"text": "\r"} if key == "Enter" and not modifiers else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    def _hear(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(event["params"]["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded":
            entry = event["params"]["entry"]
            # A server that is being restarted refuses connections: that is no fault of the page.
            if entry["level"] == "error" and entry["source"] != "network":
                self.complaints.append(f"{entry['source']}: {entry['text']}")


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Callable[[], Awaitable[Page]]]:
    """Run a browser with a new profile; give what opens a new tab in it."""
    path = executable()
    if path is None:
        raise BrowserFailed(f"none of these is installed: {', '.join(NAMES)}")
    with profile.with_suffix(".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(path, *FLAGS, f"--user-data-dir={profile}", "about:blank"),
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
    try:
        address = await _address(process, profile)
        async with connect(address, max_size=None, proxy=None) as socket:
            yield lambda: _tab(socket)
    finally:
        await _end(process)


async def _address(process: Process, profile: Path) -> str:
    port_file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        lines = port_file.read_text().split("\n") if port_file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        if process.returncode is not None:
            raise BrowserFailed(f"Chromium ended with {process.returncode} at its start")
        await asyncio.sleep(POLL_SECONDS)
    raise BrowserFailed(f"Chromium did not start within {START_SECONDS:.0f} s")


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _tab(socket: ClientConnection) -> Page:
    # Whoever reads the socket gets all tabs' messages: one tab at a time is in use.
    context = (await _plain(socket, "Target.createBrowserContext"))["browserContextId"]
    made = await _plain(socket, "Target.createTarget", url="about:blank", browserContextId=context)
    attached = await _plain(
        socket, "Target.attachToTarget", targetId=made["targetId"], flatten=True
    )
    page = Page(socket, attached["sessionId"], context)
    for domain in ("Page", "Runtime", "Log"):
        await page.call(f"{domain}.enable")
    return page


async def _plain(socket: ClientConnection, method: str, **params: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"id": 0, "method": method, "params": params}))
    async with asyncio.timeout(CALL_SECONDS):
        while True:
            answer = json.loads(await socket.recv())
            if answer.get("id") == 0 and "sessionId" not in answer:
                result: dict[str, Any] = answer["result"]
                return result
