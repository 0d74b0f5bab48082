"""The Lambda Runtime API for one copy of a function: it asks for work, we hand it out.

Source:  AWS Lambda runtime API, version 2018-06-01.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from local.emulator.outcome import Answered, Failed, FailureKind, Outcome
from local.ports import LOOPBACK

VERSION = "/2018-06-01/runtime"
NEXT = f"{VERSION}/invocation/next"
MAX_HEAD_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 6 * 1024 * 1024  # Lambda's own limit on an answer, and on an event.
TOO_LARGE = (
    b'{"errorMessage": "Response payload size exceeded maximum allowed payload size",'
    b' "errorType": "Function.ResponseSizeTooLarge"}'
)


@dataclass(frozen=True)
class Invocation:
    """One call: ``deadline`` is when it must have ended, as seconds of ``time.time``."""

    request_id: str
    arn: str
    deadline: float
    event: bytes

    @property
    def _hex_id(self) -> str:
        return self.request_id.replace("-", "")[:24]

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(self.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{self._hex_id}",
        }


class Asked(NamedTuple):
    """A request of the runtime client."""

    method: str
    path: str
    body: bytes


class RuntimeApi:
    """Serves one runtime client, which handles one invocation at a time."""

    def __init__(self) -> None:
        self.port = 0
        self.init_failure: bytes | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_idle = asyncio.Event()
        self._work: asyncio.Queue[Invocation] = asyncio.Queue(1)
        self._current: Invocation | None = None
        self._outcome: asyncio.Future[Outcome] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def open(self) -> None:
        # asyncio turns Nagle off; with it each call would wait 40 ms.
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, limit=MAX_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def idle(self) -> None:
        """Wait until the runtime asks for work: only then does Lambda freeze it."""
        await self._is_idle.wait()

    def hand_out(self, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Give the runtime its next invocation, and return what will be its outcome."""
        self._is_idle.clear()
        self._outcome = asyncio.get_running_loop().create_future()
        self._work.put_nowait(invocation)
        return self._outcome

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer(await _asked(reader), writer)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # The runtime was killed; who waits for it sees that by itself.
        finally:
            writer.transport.abort()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "GET" and asked.path == NEXT:
            self._is_idle.set()
            self._current = await self._work.get()
            await _write(writer, "200 OK", self._current.event, self._current.headers())
            return
        known = asked.method == "POST" and self._take(asked)
        status, body = ("202 Accepted", b'{"status":"OK"}') if known else ("404 Not Found", b"{}")
        await _write(writer, status, body, {"Content-Type": "application/json"})

    def _take(self, asked: Asked) -> bool:
        """Take what the runtime posts; False if that is nothing we know."""
        if asked.path == f"{VERSION}/init/error":
            self.init_failure = asked.body
            return True
        request_id = self._current.request_id if self._current is not None else ""
        if asked.path == f"{VERSION}/invocation/{request_id}/response":
            is_small = len(asked.body) <= MAX_ANSWER_BYTES
            self._end(Answered(asked.body) if is_small else Failed(FailureKind.ERROR, TOO_LARGE))
            return True
        if asked.path == f"{VERSION}/invocation/{request_id}/error":
            self._end(Failed(FailureKind.ERROR, asked.body))
            return True
        return False

    def _end(self, outcome: Outcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)


async def _asked(reader: asyncio.StreamReader) -> Asked:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)
    }
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    return Asked(method, path, body)


async def _write(
    writer: asyncio.StreamWriter, status: str, body: bytes, headers: Mapping[str, str]
) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
    await writer.drain()
