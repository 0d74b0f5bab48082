"""One attempt to send records, in each of the forms, and what its answer says of each record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, WebSocketException

from tests.history.links import HOST
from tests.history.world import Target
from tests.stories.wire import Heard, Wire, request, wire

Form = Literal["single", "array", "lines", "socket"]
# The product answers within 3 s; who is stopped or cut off never does.
ANSWER_SECONDS = 6.0
DOUBTS = {"outcome-unknown", "idempotency-in-progress"}


class Outcome(NamedTuple):
    """One record's: ``said`` is its record id, the code of its refusal, or why nobody knows."""

    kind: Literal["ok", "fail", "info"]
    said: str
    is_replayed: bool = False


@dataclass(frozen=True)
class Batch:
    """Records that go together, each time with the same bytes and under the same key."""

    form: Form
    names: list[str]
    data: Sequence[str | list[str]]
    key: str | None

    def body(self) -> bytes:
        records = [json.dumps({"data": text}, separators=(",", ":")) for text in self.data]
        if self.form == "array":
            return f"[{','.join(records)}]".encode()
        return "\n".join(records).encode()

    def all(self, kind: Literal["fail", "info"], why: str) -> list[Outcome]:
        return [Outcome(kind, why)] * len(self.names)


class Sender:
    """A client of one stream; it keeps its connection to a door as long as that serves."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._door = 0
        self._wire: Wire | None = None
        self._open = AsyncExitStack()

    async def send(self, batch: Batch, door: int) -> list[Outcome]:
        """Send, and return what became of each record."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if batch.form == "socket":
                    return await self._over_socket(batch, door)
                peer = await self._connected(door)
                heard = await peer.ask(self._request(batch))
        except TimeoutError:
            await self.close()
            return batch.all("info", "no answer")
        except (OSError, EOFError, ValueError, WebSocketException):
            await self.close()
            return batch.all("info", "cut")
        if heard.headers.get("connection") == "close":
            await self.close()
        return _read(batch, heard)

    async def send_unheard(self, batch: Batch, door: int, seconds: float) -> list[Outcome]:
        """Send, and be gone before the answer: the client that lost its network."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                peer = await self._connected(door)
                await peer.say(self._request(batch))
                await asyncio.sleep(seconds)
        except (OSError, EOFError):
            pass
        await self.close()
        return batch.all("info", "unread")

    async def close(self) -> None:
        self._wire = None
        await self._open.aclose()

    async def _connected(self, door: int) -> Wire:
        if self._wire is None or self._door != door:
            await self.close()
            url = f"http://{HOST}:{door}"
            self._wire = await self._open.enter_async_context(wire(url))
            self._door = door
        return self._wire

    def _request(self, batch: Batch) -> bytes:
        fields = {"x-api-key": self._target.key}
        if batch.form == "lines":
            fields["Content-Type"] = "application/x-ndjson"
        if batch.key is not None:
            fields["Idempotency-Key"] = batch.key
        path = f"/stream/{self._target.stream_id}/send"
        return request("POST", path, fields, batch.body())

    async def _over_socket(self, batch: Batch, door: int) -> list[Outcome]:
        """Send frames, and read until each has its receipt; whose comes not is in doubt."""
        address = f"ws://{HOST}:{door}/stream/{self._target.stream_id}/results?from=now"
        outcomes: dict[int, Outcome] = {}
        headers = {"x-api-key": self._target.key}
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS - 1),
                connect(
                    address,
                    additional_headers=headers,
                    compression=None,
                    proxy=None,
                    max_queue=1024,
                ) as socket,
            ):
                try:
                    for ref, text in enumerate(batch.data):
                        frame = {"type": "send", "ref": ref, "data": text}
                        await socket.send(json.dumps(frame))
                    while len(outcomes) < len(batch.names):
                        _take_frame(json.loads(await socket.recv()), outcomes)
                finally:
                    socket.transport.abort()
        except TimeoutError:
            why = "no answer"
        except (OSError, EOFError, InvalidHandshake, InvalidMessage, WebSocketException):
            why = "cut"
        else:
            why = ""
        return [outcomes.get(ref, Outcome("info", why)) for ref in range(len(batch.names))]


def _take_frame(frame: dict[str, Any], outcomes: dict[int, Outcome]) -> None:
    if frame["type"] == "receipt":
        outcomes[frame["ref"]] = Outcome("ok", frame["record_id"])
    elif frame["type"] == "error" and "ref" in frame:
        outcomes[frame["ref"]] = _of_problem(frame["problem"])


def _read(batch: Batch, heard: Heard) -> list[Outcome]:
    is_replayed = heard.headers.get("idempotent-replayed") == "true"
    if heard.status == 202:
        return [Outcome("ok", heard.json()["record_id"], is_replayed)]
    if heard.status == 207:
        return list(_of_each(heard.json()["records"], is_replayed))
    if heard.status == 200 and batch.form == "lines":
        outcomes = list(_of_each([json.loads(line) for line in heard.body.splitlines()], False))
        return outcomes + [Outcome("info", "cut")] * (len(batch.names) - len(outcomes))
    try:
        outcome = _of_problem(heard.json())
    except (ValueError, KeyError, TypeError):
        outcome = Outcome("info", f"untyped {heard.status}")
    return [outcome] * len(batch.names)


def _of_each(answers: Sequence[dict[str, Any]], is_replayed: bool) -> Iterator[Outcome]:
    for answer in answers:
        if "record_id" in answer:
            yield Outcome("ok", answer["record_id"], is_replayed)
        else:
            yield _of_problem(answer)


def _of_problem(problem: dict[str, Any]) -> Outcome:
    code = str(problem["code"])
    return Outcome("info" if code in DOUBTS else "fail", code)
