"""Readers that hang: they open, take the head of the answer, and never read again."""

from __future__ import annotations

import base64
import secrets
from contextlib import AsyncExitStack

from tests.product import KEY, Process
from tests.stories.wire import Wire, request, wire

SMALLEST_BUFFER = 4_096


async def stall(opened: AsyncExitStack, server: Process, stream: str, form: str) -> Wire:
    """Open a reader that hangs; ``form`` is what it accepts, or ``socket``."""
    peer = await opened.enter_async_context(wire(server.url, SMALLEST_BUFFER))
    headers = {"x-api-key": KEY, "Accept": form}
    if form == "socket":
        nonce = base64.b64encode(secrets.token_bytes(16)).decode()
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket"}
        headers |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": nonce}
    await peer.say(request("GET", f"/stream/{stream}/results", headers))
    assert (await peer.hear_head()).status == (101 if form == "socket" else 200)
    peer.stop_reading()
    return peer
