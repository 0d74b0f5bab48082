"""One connection of a reader, in each of the forms: results and control events as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.history.links import HOST
from tests.history.world import Target
from tests.stories.event_bytes import EventBytes
from tests.stories.wire import Chunks, Heard, Wire, request, wire

Form = Literal["sse", "lines", "socket", "page"]
MEDIA_TYPES = {
    "sse": "text/event-stream",
    "lines": "application/x-ndjson",
    "page": "application/json",
}
RESULTS = ("message", "failed", "end")
CONNECT_SECONDS = 5.0
# Nothing is silent for longer while records are sent; a heartbeat comes only every 15 s.
SILENT_SECONDS = 8.0
ENDED = 1000
# What the kernel holds for a reader that takes its time.
NAPPING_BYTES = 16 << 10


class Result(msgspec.Struct):
    """What every form calls a result."""

    id: str
    stream_id: str
    kind: str
    source: str
    data: Any = None


class Told(NamedTuple):
    """A control event; ``cursor`` is where it moves the reader, if it does."""

    name: str
    cursor: str | None
    members: dict[str, Any]


class Over(NamedTuple):
    """The server has ended the answer; ``is_final`` when nothing more will ever come."""

    why: str
    is_final: bool


Seen = Result | Told | Over
_result = msgspec.json.Decoder(Result)


@dataclass(frozen=True)
class Visit:
    """What one connection asks for."""

    target: Target
    form: Form
    door: int
    cursor: str | None
    until_now: bool = False
    naps: float = 0.0
    limit: int = 1_000
    wait: int = 0

    def path(self) -> str:
        query: dict[str, str] = {}
        if self.cursor is None:
            query["from"] = "start"
        elif self.form != "sse":
            query["cursor"] = self.cursor
        if self.form == "page":
            query |= {"limit": str(self.limit), "wait": str(self.wait)}
        elif self.until_now:
            query["until"] = "now"
        return f"/stream/{self.target.stream_id}/results?{urlencode(query)}"

    def request(self) -> bytes:
        fields = {"x-api-key": self.target.key, "Accept": MEDIA_TYPES[self.form]}
        if self.form == "sse" and self.cursor is not None:
            fields["Last-Event-ID"] = self.cursor
        return request("GET", self.path(), fields)


async def visited(visit: Visit, seconds: float, dice: Random) -> AsyncGenerator[Seen, None]:
    """Give what one connection brings, up to so long; then vanish, often in the midst of an event.

    Raises:  OSError, EOFError, ValueError, TimeoutError, WebSocketException when it breaks.
    """
    reading = _socket(visit, seconds) if visit.form == "socket" else _http(visit, seconds, dice)
    async with aclosing(reading):
        async for seen in reading:
            yield seen


async def _http(visit: Visit, seconds: float, dice: Random) -> AsyncGenerator[Seen, None]:
    async with asyncio.timeout(CONNECT_SECONDS):
        opening = wire(f"http://{HOST}:{visit.door}", NAPPING_BYTES if visit.naps else None)
        peer = await opening.__aenter__()
    try:
        await peer.say(visit.request())
        async with asyncio.timeout(SILENT_SECONDS):
            head = await peer.hear_head()
        if head.status == 200 and visit.form != "page":
            async for seen in _events(visit, peer, seconds, dice):
                yield seen
        elif head.status == 204:
            yield Over("204", is_final=True)
        else:
            async with asyncio.timeout(SILENT_SECONDS):
                body = await peer._body(head)
            for seen in _page(Heard(head.status, head.headers, body)):
                yield seen
    finally:
        await opening.__aexit__(None, None, None)


def _page(heard: Heard) -> list[Seen]:
    if heard.status == 410:
        problem = heard.json()
        return [Told("gap", problem["earliest"], problem)]
    if heard.status != 200:
        return [Over(f"{heard.status} {heard.body[:200].decode(errors='replace')}", False)]
    page = msgspec.json.decode(heard.body, type=dict[str, msgspec.Raw])
    results = msgspec.json.decode(page["results"], type=list[Result])
    cursor = msgspec.json.decode(page["cursor"], type=str)
    told: list[Seen] = []
    if "gap" in page:
        gap = msgspec.json.decode(page["gap"])
        told = [Told("gap", gap["earliest"], gap)]
    return [*told, *results, Told("position", cursor, {}), Over("page", is_final=not results)]


async def _events(
    visit: Visit, peer: Wire, seconds: float, dice: Random
) -> AsyncGenerator[Seen, None]:
    parser = Events() if visit.form == "sse" else Lines()
    chunks = Chunks()
    loop = asyncio.get_running_loop()
    leaves = loop.time() + seconds
    last = ""
    while not chunks.is_complete:
        try:
            async with asyncio.timeout(min(SILENT_SECONDS, max(0.01, leaves - loop.time()))):
                piece = await peer.hear_some()
        except TimeoutError:
            return
        if not piece:
            yield Over("closed", is_final=False)
            return
        is_last = loop.time() > leaves
        for seen in parser.feed(
            chunks.feed(piece[: dice.randrange(len(piece))] if is_last else piece)
        ):
            last = seen.name if isinstance(seen, Told) else ""
            yield seen
        if is_last:
            return
        if visit.naps:
            await asyncio.sleep(dice.uniform(0.0, visit.naps))
    yield Over("complete", is_final=last not in ("slow", "reconnect", "error"))


class Events:
    """Server-sent events as results and control events."""

    def __init__(self) -> None:
        self._bytes = EventBytes()

    def feed(self, piece: bytes) -> list[Seen]:
        return [self._of(*event) for event in self._bytes.feed(piece)]

    def _of(self, name: str, data: str, event_id: str, retry: int | None) -> Seen:
        if not data:
            return Told("position", event_id or None, {})
        if name in RESULTS:
            result = _result.decode(data)
            if result.id != event_id:
                result.kind = "with another id than its event"
            return result
        return Told(name, event_id if name == "gap" else None, json.loads(data))


class Lines:
    """NDJSON as results and control events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Seen]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [self._of(line) for line in lines if line]

    def _of(self, line: bytes) -> Seen:
        if not line.startswith(b'{"control"'):
            return _result.decode(line)
        members = json.loads(line)
        return Told(members["control"], members.get("cursor"), members)


async def _socket(visit: Visit, seconds: float) -> AsyncGenerator[Seen, None]:
    loop = asyncio.get_running_loop()
    leaves = loop.time() + seconds
    async with asyncio.timeout(CONNECT_SECONDS):
        opening = connect(
            f"ws://{HOST}:{visit.door}{visit.path()}",
            additional_headers={"x-api-key": visit.target.key},
            compression=None,
            proxy=None,
            close_timeout=1,
        )
        socket = await opening.__aenter__()
    try:
        while (left := leaves - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(SILENT_SECONDS, left)):
                    text = await socket.recv(decode=False)
            except TimeoutError:
                return
            yield _frame(text)
    except ConnectionClosed:
        yield Over(f"close {socket.close_code}", is_final=socket.close_code == ENDED)
    finally:
        socket.transport.abort()
        await opening.__aexit__(None, None, None)


def _frame(text: bytes) -> Seen:
    if text.startswith((b'{"type":"result"', b'{"type":"failed"', b'{"type":"end"')):
        result = json.loads(text)
        kind = result["type"]
        return Result(result["id"], result["stream_id"], kind, result["source"], result.get("data"))
    members = json.loads(text)
    cursor = members.get("cursor") or (members.get("id") if members["type"] == "gap" else None)
    return Told(members["type"], cursor, members)
