"""Kill and restart each part while records are sent: what was acknowledged is read, once."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from local.broker import Broker
from local.ports import free_port
from tests.client import Client, Json, frame
from tests.eventually import eventually, until
from tests.product import KEY, Process, Product, product
from tests.stories.event_bytes import Event, EventBytes
from tests.stories.figures import figures_of
from tests.stories.readers import Reader
from tests.stories.stalling import stall
from tests.stories.traffic import traffic
from tests.stories.wire import request, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAIN_SECONDS = 2
# Above the session time-out of processing, and what a busy machine needs for two Python starts.
BACK_SECONDS = 40.0


@dataclass
class Parts:
    """Every process of a product that a story may kill."""

    product: Product
    broker: Broker
    api: Process
    processing: Process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    """Give a product with a broker of its own; each story leaves it whole again."""
    directory = tmp_path_factory.mktemp("restarts")
    broker = Broker(directory / "kafka")
    await broker.start()
    environ = {"DRAIN_SECONDS": str(DRAIN_SECONDS)}
    try:
        async with product(broker.bootstrap, directory, environ) as made:
            api, processing = made.api(), made.processing()
            await asyncio.gather(api.start(), processing.start())
            yield Parts(made, broker, api, processing)
    finally:
        await broker.stop()


async def readiness(http: httpx.AsyncClient) -> tuple[int, Json]:
    answer = await http.get("/health/ready")
    return answer.status_code, answer.json()


async def test_a_killed_api_loses_nothing_that_it_acknowledged(parts: Parts) -> None:
    async with Client(parts.api.url) as client, traffic(client, client) as flow:
        await flow.flows(20)
        await parts.api.kill()
        await parts.api.start()
        await flow.flows(20)

    assert flow.returns >= len(flow.senders)


@pytest.mark.soak
async def test_an_end_cut_short_by_a_kill_is_made_whole(parts: Parts) -> None:
    async with Client(parts.api.url) as client:
        stream = await client.start()
        await client.send(stream, "before")
        ending = asyncio.ensure_future(client.http.post(f"/stream/{stream}/end"))
        # Registered, and not yet in the log: between the two lies the grace for sends under way.
        await until(lambda: described(client, stream), lambda told: bool(told["ended_at"]))
        await parts.api.kill()
        await parts.api.start()
        with suppress(httpx.TransportError):
            await ending

        refused = await client.http.post(f"/stream/{stream}/send", json={"data": "after"})
        reader = Reader(client, stream)
        async with asyncio.timeout(30):
            is_over = await reader.sse()

    assert (refused.status_code, refused.json()["code"]) == (409, "stream-ended")
    assert is_over
    assert [result["kind"] for result in reader.results] == ["result", "end"]


async def described(client: Client, stream: str) -> Json:
    found: Json = (await client.http.get(f"/stream/{stream}")).json()
    return found


@pytest.mark.soak
async def test_killed_processing_loses_and_repeats_nothing(parts: Parts) -> None:
    async with Client(parts.api.url) as client, traffic(client, client) as flow:
        # In the midst of its work, between two commits: the next one does some of it again.
        await flow.is_read(60)
        await parts.processing.kill()
        # Sending does not need it: results are only later.
        await flow.flows(20)
        await parts.processing.start()
        await flow.flows(20)

    assert not any(sender.answers for sender in flow.senders), "a send was refused"


@pytest.mark.soak
async def test_a_killed_broker_loses_nothing_that_was_acknowledged(parts: Parts) -> None:
    async with Client(parts.api.url) as client, traffic(client, client) as flow:
        await flow.flows(20)
        parts.broker.kill()
        await parts.broker.wait()

        status, told = await until(lambda: readiness(client.http), lambda r: r[0] == 503, 30)

        assert told["status"] == "not ready"
        assert any("Kafka" in why for why in told["parts"].values()), told
        await parts.broker.stop()
        await parts.broker.start()
        await until(lambda: readiness(client.http), lambda r: r[0] == 200, 30)
        await flow.flows(20, BACK_SECONDS)

    assert status == 503
    # Not one send was answered by silence: each had its problem within the client's patience.
    assert all("ReadTimeout" not in sender.answers for sender in flow.senders)


@pytest.mark.soak
async def test_processing_told_to_stop_ends_well_and_the_next_one_goes_on(parts: Parts) -> None:
    async with Client(parts.api.url) as client, traffic(client, client) as flow:
        await flow.flows(20)

        code = await parts.processing.stop()

        await parts.processing.start()
        await flow.flows(20)
    assert code == 0


@pytest.mark.soak
async def test_a_broker_told_to_stop_loses_nothing_that_was_acknowledged(parts: Parts) -> None:
    async with Client(parts.api.url) as client, traffic(client, client) as flow:
        await flow.flows(20)
        await parts.broker.stop()
        await parts.broker.start()
        await flow.flows(20, BACK_SECONDS)


async def test_a_deploy_sends_its_readers_to_the_next_server_and_loses_nothing(
    parts: Parts,
) -> None:
    leaving = parts.product.api()
    await leaving.start()
    async with (
        asyncio.timeout(50),
        Client(parts.api.url) as staying,
        Client(leaving.url) as client,
        traffic(staying, staying) as flow,
    ):
        stream = flow.senders[0].stream
        farewells = [asyncio.ensure_future(sse_farewell(client, stream)) for _ in range(20)]
        sockets = [asyncio.ensure_future(socket_farewell(client, stream)) for _ in range(5)]
        await until(lambda: readers_of(leaving), lambda readers: readers == 25)

        begun = time.monotonic()
        leaving.signal(signal.SIGTERM)
        unready = await unready_after(client.http, begun)
        code = await leaving.ended(DRAIN_SECONDS + 5)
        took = time.monotonic() - begun

        seen = [*await asyncio.gather(*farewells), *await asyncio.gather(*sockets)]
        await flow.flows(5)
        for results, cursor in seen:
            reader = Reader(staying, stream, cursor)
            reader.results = results
            await reader.sse(most=3)
            numbers = [result["data"] for result in reader.results]
            assert numbers == list(range(len(numbers)))
    assert code == 0
    assert took < DRAIN_SECONDS + 5
    assert unready < 1.0


async def readers_of(process: Process) -> float:
    return (await figures_of(process)).value("millrace_readers")


async def unready_after(http: httpx.AsyncClient, begun: float) -> float:
    """Return how long after ``begun`` no new client would have been sent here."""
    while True:
        try:
            status, told = await readiness(http)
        except httpx.TransportError:
            break
        if status == 503:
            assert told["parts"]["server"] == "stopping"
            break
    return time.monotonic() - begun


async def sse_farewell(client: Client, stream: str) -> tuple[list[Json], str]:
    """Read until told to come back; return the results, and the id to come back with."""
    results: list[Json] = []
    last: Event | None = None
    parser = EventBytes()
    async with client.http.stream(
        "GET", f"/stream/{stream}/results", headers={"accept": "text/event-stream"}
    ) as answer:
        async for piece in answer.aiter_raw():
            for event in parser.feed(piece):
                if event.data and event.name == "message":
                    results.append(event.json())
                last = event if event.data else last
    assert last is not None
    assert last.name == "reconnect"
    assert last.retry == last.json()["retry_ms"]
    return results, parser.last_id


async def socket_farewell(client: Client, stream: str) -> tuple[list[Json], str]:
    results: list[Json] = []
    async with client.socket(stream) as socket:
        while True:
            told = await frame(socket)
            kind = told.pop("type")
            if kind == "result":
                results.append(told)
            elif kind == "reconnect":
                break
        assert told["retry_ms"] > 0
        await socket.wait_closed()
        assert socket.close_code == 1012
    return results, str(told["cursor"])


@pytest.mark.soak
async def test_a_reader_that_never_reads_does_not_hold_up_a_deploy(parts: Parts) -> None:
    leaving = parts.product.api(DRAIN_SECONDS="0")
    await leaving.start()
    async with Client(leaving.url) as client, AsyncExitStack() as opened:
        stream = await client.start()
        for form in ("text/event-stream", "socket"):
            await stall(opened, leaving, stream, form)
        for _ in range(60):
            await client.send(stream, "x" * 20_000)
        page = await client.page(stream, limit=60, wait=20)
        assert page["results"]

        begun = time.monotonic()
        leaving.signal(signal.SIGTERM)
        code = await leaving.ended()
        took = time.monotonic() - begun
    assert code == 0
    assert took < 5


async def test_a_deploy_answers_who_still_waits(parts: Parts) -> None:
    # Topics of its own, where nobody processes: these would wait for long.
    leaving = parts.product.api(KAFKA_TOPIC_PREFIX="unprocessed.", DRAIN_SECONDS="1")
    await leaving.start()
    async with Client(leaving.url) as client:
        stream = await client.start()
        waiting = asyncio.ensure_future(client.page(stream, wait=20))
        sending = asyncio.ensure_future(
            client.http.post(
                f"/stream/{stream}/send", json={"data": 1}, headers={"prefer": "wait=20"}
            )
        )
        await asyncio.wait({waiting, sending}, timeout=1.0)
        leaving.signal(signal.SIGTERM)
        code = await leaving.ended()
        await asyncio.wait({waiting, sending})

    assert code == 0
    assert waiting.result()["results"] == []
    # It is stored: a client that is not told so would send it twice.
    assert (sending.result().status_code, "record_id" in sending.result().json()) == (202, True)


@pytest.mark.parametrize(
    "second", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)]
)
async def test_a_second_signal_ends_it_at_once(parts: Parts, second: signal.Signals) -> None:
    server = parts.product.api(DRAIN_SECONDS="60")
    await server.start()
    async with Client(server.url) as client:
        stream = await client.start()
        async with client.events(stream) as events:
            assert (await anext(events)).id
            server.signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                while (await readiness(client.http))[0] == 200:
                    await asyncio.sleep(0.05)

            begun = time.monotonic()
            server.signal(second)
            code = await server.ended(5)

            took = time.monotonic() - begun
    assert code == 128 + second
    assert took < 1.0


@pytest.mark.parametrize(
    "stop", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)]
)
async def test_a_signal_while_it_starts_ends_it_at_once(parts: Parts, stop: signal.Signals) -> None:
    # Nobody listens there: it tries again and again, and would for longer than this test.
    starting = parts.product.api(KAFKA_BROKER=f"127.0.0.1:{free_port()}")
    await starting.launch()
    await eventually(lambda: "KafkaConnectionError" in log_of(starting), 30)

    begun = time.monotonic()
    starting.signal(stop)
    code = await starting.ended(5)

    assert code == 128 + stop
    assert time.monotonic() - begun < 1.0


def log_of(process: Process) -> str:
    return process.log.read_text(encoding="utf-8")


async def test_what_is_under_way_is_answered_and_no_new_connection_is_taken(parts: Parts) -> None:
    leaving = parts.product.api()
    await leaving.start()
    record = b'{"data":"in two halves"}'
    async with (
        Client(parts.api.url) as staying,
        wire(leaving.url) as half,
        wire(leaving.url) as idle,
    ):
        stream = await staying.start()
        sent = request("POST", f"/stream/{stream}/send", {"x-api-key": KEY}, record)
        listed = request("GET", f"/stream/{stream}", {"x-api-key": KEY})
        await half.say(sent[:-5])
        before = await idle.ask(listed)
        async with httpx.AsyncClient(base_url=leaving.url) as http:
            await readiness(http)
            leaving.signal(signal.SIGTERM)
            # From here on it is half a second until a connection without a request is closed.
            await unready_after(http, time.monotonic())
            await half.say(sent[-5:])
            after, stored = await idle.ask(listed), await half.hear()
        await until_refused(leaving.port)

        assert await half.is_closed()
        assert await idle.is_closed()
        code = await leaving.ended()
        page = await staying.page(stream, wait=10)
    assert (before.status, stored.status, after.status, code) == (200, 202, 200, 0)
    assert "connection" not in before.headers
    # The body was on its way: this answer is the last one all the same.
    assert after.headers["connection"] == "close"
    assert [result["data"] for result in page["results"]] == ["in two halves"]


async def until_refused(port: int) -> None:
    """Wait until nobody listens any more, which is within a second or so."""

    async def is_refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await until(is_refused, bool)
