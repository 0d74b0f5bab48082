"""Sends that a client sends ahead: stored at once, answered in their turn."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.live import exchanges
from tests.live.test_quick_sends import KEY, PATH, HeldSink, Served, connected, without_limits
from tests.live.test_server import serving

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


class Pipe:
    """One connection whose client sends ahead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answers = b""

    def send(self, *numbers: int, more: bytes = b"") -> None:
        """Write sends of these numbers, in one piece."""
        self.writer.write(b"".join(map(request, numbers)) + more)

    async def statuses(self, count: int) -> list[bytes]:
        async with asyncio.timeout(5):
            while len(found := STATUS.findall(self.answers)) < count or not self._is_whole:
                self.answers += await self.reader.read(1 << 16)
        return found

    @property
    def _is_whole(self) -> bool:
        return self.answers.endswith(b"}")

    async def quiet(self) -> bool:
        """Say whether nothing comes for a while."""
        try:
            async with asyncio.timeout(0.1):
                self.answers += await self.reader.read(1 << 16)
        except TimeoutError:
            return True
        return False

    @property
    def offsets(self) -> list[int]:
        return [int(part.split(b"}")[0]) for part in self.answers.split(b'"offset":')[1:]]


def request(number: int, path: str = PATH) -> bytes:
    body = json.dumps({"data": number}).encode()
    return b"POST %b HTTP/1.1\r\nHost: a\r\nx-api-key: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        KEY.encode(),
        len(body),
        body,
    )


async def waiting(sink: HeldSink, count: int) -> None:
    async with asyncio.timeout(5):
        while len(sink.waiting) < count:
            await asyncio.sleep(0.01)


@pytest.fixture
def sink() -> HeldSink:
    return HeldSink()


@pytest.fixture
async def pipe(sink: HeldSink) -> AsyncIterator[Pipe]:
    async for client in connected(Served(without_limits(), sink)):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        yield Pipe(reader, writer)
        writer.transport.abort()


@pytest.mark.parametrize("is_in_one_piece", [True, False])
async def test_sends_ahead_are_stored_at_once_and_answered_in_their_order(
    pipe: Pipe, sink: HeldSink, is_in_one_piece: bool
) -> None:
    for numbers in [range(5)] if is_in_one_piece else [[n] for n in range(5)]:
        pipe.send(*numbers)
        await asyncio.sleep(0.02)
    await waiting(sink, 5)
    assert [record.value for record in sink.records] == [b"%d" % number for number in range(5)]

    for number in (4, 3, 1, 2):
        sink.waiting[number].set_result((3, number))
    assert await pipe.quiet()
    sink.waiting[0].set_result((3, 0))

    assert await pipe.statuses(5) == [b"202"] * 5
    assert pipe.offsets == [0, 1, 2, 3, 4]


async def test_one_that_fails_among_them_is_answered_in_its_turn(
    pipe: Pipe, sink: HeldSink
) -> None:
    pipe.send(0, 1, 2)
    await waiting(sink, 3)

    sink.waiting[1].set_exception(BrokerUnavailable())
    sink.waiting[2].set_result((3, 2))
    assert await pipe.quiet()
    sink.waiting[0].set_result((3, 0))

    assert await pipe.statuses(3) == [b"202", b"503", b"202"]
    assert pipe.offsets == [0, 2]


async def test_what_is_no_send_waits_until_all_before_it_are_answered(
    pipe: Pipe, sink: HeldSink
) -> None:
    pipe.send(0, 1, more=b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + request(2))
    await waiting(sink, 2)
    sink.waiting[1].set_result((3, 1))
    assert await pipe.quiet()
    assert len(sink.waiting) == 2
    sink.waiting[0].set_result((3, 0))
    assert await pipe.statuses(3) == [b"202", b"202", b"404"]

    await waiting(sink, 3)
    sink.waiting[2].set_result((3, 2))

    assert await pipe.statuses(4) == [b"202", b"202", b"404", b"202"]


async def test_nonsense_behind_them_is_refused_behind_their_answers(
    pipe: Pipe, sink: HeldSink
) -> None:
    pipe.send(0, 1, more=b"nonsense\r\n\r\n")
    await waiting(sink, 2)

    for number in (1, 0):
        sink.waiting[number].set_result((3, number))

    assert await pipe.statuses(3) == [b"202", b"202", b"400"]


async def test_a_client_that_says_no_more_gets_every_answer(pipe: Pipe, sink: HeldSink) -> None:
    pipe.send(0, 1, 2)
    await waiting(sink, 3)
    pipe.writer.write_eof()
    await asyncio.sleep(0.05)

    for number in (2, 1, 0):
        sink.waiting[number].set_result((3, number))

    assert await pipe.statuses(3) == [b"202"] * 3
    assert await pipe.reader.read() == b""
    assert pipe.answers.count(b"connection: close") == 1


async def test_only_so_many_are_under_way_on_one_connection(
    pipe: Pipe, sink: HeldSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "MOST_AHEAD", 2)
    pipe.send(*range(10))
    await waiting(sink, 3)
    await asyncio.sleep(0.1)
    assert len(sink.waiting) == 3  # One whose turn it is, and two ahead.

    for number in range(10):
        await waiting(sink, number + 1)
        sink.waiting[number].set_result((3, number))

    assert await pipe.statuses(10) == [b"202"] * 10
    assert pipe.offsets == list(range(10))


async def test_a_client_that_goes_leaves_nothing_behind(pipe: Pipe, sink: HeldSink) -> None:
    pipe.send(0, 1, 2)
    await waiting(sink, 3)
    pipe.writer.transport.abort()
    await asyncio.sleep(0.05)

    for number in (2, 1, 0):
        sink.waiting[number].set_result((3, number))

    assert all(waiter.done() for waiter in sink.waiting)


async def test_a_server_that_leaves_answers_all_that_it_has_begun(sink: HeldSink) -> None:
    served = Served(without_limits(), sink)
    async with serving(served.app, observer=served.seen) as (server, _, port):
        server.answer_first(served.quick())
        pipe = Pipe(*await asyncio.open_connection("127.0.0.1", port))
        pipe.send(0, 1, 2)
        await waiting(sink, 3)
        server.leave()
        await asyncio.sleep(0.05)

        for number in (2, 1, 0):
            sink.waiting[number].set_result((3, number))

        assert await pipe.statuses(3) == [b"202"] * 3
        pipe.writer.transport.abort()
