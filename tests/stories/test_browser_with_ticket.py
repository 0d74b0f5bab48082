"""A page without a key, by the script of docs/clients.md, over restarts and ends of tickets."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.client import Client
from tests.console.chromium import Page, browser, executable
from tests.product import KEY, ROOT, Process, product
from tests.stories.numbers import Sender, background

RESTARTS = 2
# A minute before its end a page is told: this ticket is replaced after a second.
SHORT_SECONDS = 61
BACK_SECONDS = 30.0
SCRIPT = re.compile(r"```js\n(async function watch.*?)```", re.DOTALL)

# What the page's own server would do, which has the key.
PREPARE = """(() => {
  const real = EventSource;
  window.opened = 0;
  window.EventSource = class extends real {
    constructor(url) { super(url); this.addEventListener("open", () => { opened += 1; }); }
  };
  window.numbers = { long: [], short: [] };
  window.made = { long: 0, short: 0 };
  window.ticketOf = (name, seconds) => async (use) => {
    made[name] += 1;
    const body = JSON.stringify(use === "websocket" ? { use } : { use, ttl_seconds: seconds });
    const headers = { "x-api-key": %s };
    const answer = await fetch("/stream/%s/ticket", { method: "POST", headers, body });
    if (!answer.ok) throw new Error(answer.status);
    return (await answer.json()).ticket;
  };
  window.noted = (name) => (result) => numbers[name].push(result.data);
})()"""


@pytest.mark.timeout(180)
async def test_the_script_of_the_documentation_reads_each_result_once(
    broker: str, tmp_path: Path
) -> None:
    if executable() is None:
        pytest.skip("there is no Chromium on PATH to open an EventSource in")
    script = SCRIPT.search((ROOT / "docs" / "clients.md").read_text())
    assert script is not None
    async with product(broker, tmp_path, {"DRAIN_SECONDS": "1"}) as made:
        server = made.api()
        await asyncio.gather(server.start(), made.processing().start())
        async with Client(server.url) as client:
            stream = await client.start()
        sender = Sender([stream], [server.port], 0.05)
        async with browser(tmp_path / "profile") as open_tab:
            page = await open_tab()
            await page.open(f"{server.url}/health/live")
            await page.evaluate(PREPARE % (json.dumps(KEY), stream) + f"; {script[1]}; 0")
            await watch(page, stream, "long", 900)
            await page.wait_for("opened === 1")
            async with background(asyncio.ensure_future(sender.run())):
                await restarted(page, server)
                await watch(page, stream, "short", SHORT_SECONDS)
                await page.wait_for("made.short >= 3", BACK_SECONDS)
            for name in ("long", "short"):
                count = sender.sent[stream]
                await page.wait_for(f"numbers.{name}.length >= {count}", BACK_SECONDS)
            numbers = json.loads(await page.evaluate("JSON.stringify(numbers)"))
            tickets = await page.evaluate("made.long")
            await talked(page, stream, sender.sent[stream])
            await page.close()

    for name in ("long", "short"):
        assert numbers[name] == list(range(len(numbers[name]))), name
    # It came back with the one ticket that it had.
    assert tickets == 1


async def watch(page: Page, stream: str, name: str, seconds: int) -> None:
    await page.evaluate(f"watch('{stream}', ticketOf('{name}', {seconds}), noted('{name}')), 0")


async def restarted(page: Page, server: Process) -> None:
    for number in range(RESTARTS):
        await server.stop()
        await server.start()
        await page.wait_for(f"opened > {number + 1}", BACK_SECONDS)
        seen = await page.evaluate("numbers.long.length")
        await page.wait_for(f"numbers.long.length > {seen} + 5", BACK_SECONDS)


async def talked(page: Page, stream: str, number: int) -> None:
    """Open a socket by a ticket, and send into it what comes back as a result."""
    await page.evaluate(
        f"""window.framed = [];
        talk('{stream}', ticketOf('long'), (frame) => framed.push(frame))
          .then((socket) => {{
            const text = JSON.stringify({{ type: "send", data: {number}, ref: 1 }});
            socket.onopen = () => socket.send(text);
          }}), 0"""
    )
    await page.wait_for("framed.some((frame) => frame.type === 'receipt' && frame.ref === 1)")
    await page.wait_for(f"framed.some((frame) => frame.data === {number})")
