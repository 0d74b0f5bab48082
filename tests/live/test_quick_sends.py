"""A quick send and the application's answer differ in nothing but their price."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.send.routes import direct, router
from streaming_runtime.core.audit import CLAIMED_KEY
from streaming_runtime.core.errors import BrokerUnavailable, OutcomeUnknown, StreamingError
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.model import Record
from streaming_runtime.core.ports import Waiter
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.streams import Streams
from streaming_runtime.http.application import create_app
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.services import Services
from streaming_runtime.live.quick_sends import QuickSends
from tests.core.memory import STREAM_ID, Catalog, MemoryLog, MemoryRegistry, MemorySink, a_stream
from tests.live.test_server import Seen, serving

KEY = "the-key-of-acme"
OTHER_KEY = "the-key-of-another"
PATH = f"/stream/{STREAM_ID}/send"
OWN = {"date", "x-request-id"}
PROBLEM_OWN = {"request_id", "retry_after_seconds"}


class HeldSink(MemorySink):
    """A sink that tells what became of a record when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Waiter] = []

    def enter(self, record: Record, waiter: Waiter) -> None:
        self.records.append(record)
        self.waiting.append(waiter)


class Served:
    """A server over ports in memory."""

    def __init__(
        self, limits: TenantLimits, sink: MemorySink, keys: ConfiguredKeys | None = None
    ) -> None:
        self.seen = Seen()
        self.sink = sink
        self.registry = MemoryRegistry()
        self.registry.streams[STREAM_ID] = a_stream()
        log, nothing = MemoryLog(), Any
        unused: Any = nothing
        self.taken = 0
        sending = Sending(sink, self.registry, lambda: 5_000)
        keys = keys or ConfiguredKeys([("acme", KEY), ("other", OTHER_KEY)])
        self.services = Services(
            Gate(keys, limits),
            Streams(self.registry, sink, log, Catalog(), "identity", lambda: 5_000),
            *(sending, unused, unused, unused, unused),
            is_streaming=True,
        )
        self.app = create_app([router], self.services, self.seen, (), [direct])

    def quick(self) -> QuickSends:
        """Return what answers first, and counts what it took."""
        served = self

        class Counting(QuickSends):
            def take_plain(self, *asked: Any) -> bool:
                taken = super().take_plain(*asked)
                served.taken += taken
                return taken

        return Counting(self.services, self.seen)


def without_limits() -> TenantLimits:
    return TenantLimits(0, 0, 0, lambda: 0.0)


async def connected(served: Served, *, is_quick: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(served.app, observer=served.seen) as (server, _, port):
        if is_quick:
            server.answer_first(served.quick())
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}) as client:
            yield client


async def asked(
    *sends: dict[str, Any],
    is_quick: bool,
    limits: TenantLimits | None = None,
    sink: MemorySink | None = None,
) -> tuple[Served, list[httpx.Response]]:
    """Send one after the other over one connection."""
    served = Served(limits or without_limits(), sink or MemorySink())
    answers: list[httpx.Response] = []
    async for client in connected(served, is_quick=is_quick):
        for send in sends:
            answers.append(await client.post(**{"url": PATH, **send}))
    return served, answers


def told(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    body: Any = answer.json() if answer.content else {}
    if answer.is_error:
        # How long to wait is a matter of chance, for each by itself.
        body = {name: value for name, value in body.items() if name not in PROBLEM_OWN}
        headers = {n: v for n, v in headers.items() if n not in ("content-length", "retry-after")}
    return answer.status_code, headers, body


SENDS: dict[str, dict[str, Any]] = {
    "a record": {"json": {"data": 1}},
    "an object": {"json": {"data": {"a": [1, None, "é"]}}},
    "bytes as they came": {"content": b'{ "data" : 1.50 }'},
    "an array": {"json": [{"data": 1}, {"data": 2}]},
    "lines": {"content": b'{"data":1}\n', "headers": {"content-type": "application/x-ndjson"}},
    "no data": {"json": {"date": 1}},
    "data twice": {"content": b'{"data":1,"data":2}'},
    "no JSON": {"content": b"{"},
    "nothing": {"content": b""},
    "too deep": {"content": b'{"data":' + b"[" * 200 + b"]" * 200 + b"}"},
    "a large record": {"json": {"data": "x" * 15_000}},
    "a larger record": {"json": {"data": "x" * 200_000}},
    "too large a record": {"json": {"data": "x" * 300_000}},
    "another type": {"json": {"data": 1}, "headers": {"content-type": "text/plain"}},
    "a trace": {
        "json": {"data": 1},
        "headers": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    },
    "a trace that is none": {"json": {"data": 1}, "headers": {"traceparent": "yes"}},
    "a wrong key": {"json": {"data": 1}, "headers": {"x-api-key": "wrong"}},
    "no key": {"json": {"data": 1}, "headers": {"x-api-key": ""}},
    "another tenant's key": {"json": {"data": 1}, "headers": {"x-api-key": OTHER_KEY}},
    "no such stream": {"json": {"data": 1}, "url": "/stream/CCCCCCCCCCCCCCCCCCCCCC/send"},
    "no stream id": {"json": {"data": 1}, "url": "/stream/x/send"},
    "a query": {"json": {"data": 1}, "url": PATH + "?x=1"},
    "the last one": {"json": {"data": 1}, "headers": {"connection": "close"}},
}
QUICK = {
    "a record",
    "an object",
    "bytes as they came",
    "a large record",
    "a trace",
    "a trace that is none",
    "the last one",
}


@pytest.mark.parametrize("name", SENDS)
async def test_a_send_has_one_answer_whoever_gives_it(name: str) -> None:
    send = SENDS[name]
    if "content" in send:
        send = {**send, "headers": {"content-type": "application/json", **send.get("headers", {})}}

    quick, [one] = await asked(send, is_quick=True)
    slow, [other] = await asked(send, is_quick=False)

    assert told(one) == told(other)
    assert quick.taken == (name in QUICK)
    assert slow.taken == 0
    assert quick.sink.records == slow.sink.records
    assert quick.seen.answers == slow.seen.answers
    assert quick.seen.codes == slow.seen.codes


async def test_many_sends_over_one_connection_have_ids_of_their_own() -> None:
    served, answers = await asked(*[SENDS["a record"]] * 50, is_quick=True)

    assert [answer.json()["offset"] for answer in answers] == list(range(50))
    assert len({answer.headers["x-request-id"] for answer in answers}) == 50
    assert served.taken == 50


async def test_a_key_is_looked_at_in_each_request_of_a_connection() -> None:
    wrong = {"json": {"data": 1}, "headers": {"x-api-key": "wrong"}}

    _, answers = await asked(SENDS["a record"], wrong, SENDS["a record"], is_quick=True)

    assert [answer.status_code for answer in answers] == [202, 401, 202]


async def test_what_is_noted_of_a_key_stays_with_its_request() -> None:
    claimed: list[str | None] = []

    class Noting(ConfiguredKeys):
        async def principal_of(self, *asked: Any, **more: Any) -> Principal:
            claimed.append(CLAIMED_KEY.get())
            CLAIMED_KEY.set("of another request")
            return await super().principal_of(*asked, **more)

    served = Served(without_limits(), MemorySink(), Noting([("acme", KEY)]))
    async for client in connected(served):
        for key in ("wrong", "wrong", KEY):
            await client.post(PATH, json={"data": 1}, headers={"x-api-key": key})

    # Twice for each wrong one: the application looks as well.
    assert claimed == [None] * 5


@pytest.mark.parametrize("is_quick", [True, False])
async def test_each_send_counts_once_whoever_answers(is_quick: bool) -> None:
    limits = TenantLimits(1, 3, 0, lambda: 0.0)
    bad = {"json": {"date": 1}}

    _, answers = await asked(
        SENDS["a record"], bad, *[SENDS["a record"]] * 2, is_quick=is_quick, limits=limits
    )

    assert [answer.status_code for answer in answers] == [202, 400, 202, 429]
    assert answers[0].headers["ratelimit"] == '"requests";r=2;t=2'
    assert answers[3].headers["retry-after"] == "2"


@pytest.mark.parametrize("failure", [BrokerUnavailable(), OutcomeUnknown()])
async def test_what_is_not_stored_is_the_same_problem(failure: StreamingError) -> None:
    answers = []
    for is_quick in (True, False):
        sink = MemorySink()
        sink.failures.append(failure)
        served, [answer] = await asked(SENDS["a record"], is_quick=is_quick, sink=sink)
        answers.append((told(answer), served.seen.answers, served.seen.codes))

    assert answers[0] == answers[1]
    assert answers[0][2] == [failure.code]


async def ended_meanwhile(end_source: int | None) -> httpx.Response:
    """Return the answer to a send whose stream is ended while its record is on the way."""
    sink = HeldSink()
    served = Served(without_limits(), sink)
    async for client in connected(served):
        sending = asyncio.ensure_future(client.post(PATH, json={"data": 1}))
        async with asyncio.timeout(5):
            while not sink.waiting:
                await asyncio.sleep(0.01)
        ended = replace(a_stream(), ended_at=4_000)
        served.registry.streams[STREAM_ID] = ended
        sink.waiting[0].set_result((3, 7))
        await asyncio.sleep(0.1)
        assert not sending.done()
        served.registry.streams[STREAM_ID] = replace(ended, end_source=end_source)
        return await sending
    raise AssertionError


async def test_a_record_behind_the_end_of_its_stream_is_refused() -> None:
    answer = await ended_meanwhile(end_source=6)

    assert (answer.status_code, answer.json()["code"]) == (409, "stream-ended")


async def test_a_record_before_the_end_of_its_stream_is_acknowledged() -> None:
    answer = await ended_meanwhile(end_source=8)

    assert (answer.status_code, answer.json()["offset"]) == (202, 7)


async def test_a_client_that_is_gone_takes_its_answer_from_nobody_else() -> None:
    sink = HeldSink()
    served = Served(without_limits(), sink)
    async for client in connected(served):
        async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers) as gone:
            leaving = asyncio.ensure_future(gone.post(PATH, json={"data": 1}))
            async with asyncio.timeout(5):
                while not sink.waiting:
                    await asyncio.sleep(0.01)
            leaving.cancel()
        staying = asyncio.ensure_future(client.post(PATH, json={"data": 2}))
        async with asyncio.timeout(5):
            while len(sink.waiting) < 2:
                await asyncio.sleep(0.01)
        for offset, waiter in enumerate(sink.waiting):
            waiter.set_result((3, offset))
        assert (await staying).json()["offset"] == 1
