"""What an operator sees: health with reasons, figures that add up, logs without a secret."""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from httpx_sse import ServerSentEvent
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from local.broker import Broker
from tests.client import Client, Json
from tests.eventually import until
from tests.product import Process, product
from tests.stories.figures import Figures, figures_of
from tests.stories.wire import request, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = f"right-key-{secrets.token_hex(12)}"
OTHER_KEY = f"other-key-{secrets.token_hex(12)}"
PARTS = {"kafka", "producer", "results", "background", "server"}
REQUEST_ID = re.compile(r"[0-9a-f]{16}")
ROUTES = {
    "/stream/start",
    "/stream/{stream_id}",
    "/stream/{stream_id}/send",
    "/stream/{stream_id}/results",
    "/stream/{stream_id}/end",
    "/streams",
    "/health/live",
    "/health/ready",
    "/schema",
    "/asyncapi",
    "/docs",
    "/",
    "/problems",
    "/problems/{code}",
    "/console/{file}",
    "other",
}
METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "WEBSOCKET", "other"}


@dataclass
class Watched:
    """The processes that an operator looks at."""

    kafka: Broker
    api: Process
    processing: Process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """Give a talkative product on a broker of its own."""
    directory = tmp_path_factory.mktemp("watched")
    kafka = Broker(directory / "kafka")
    await kafka.start()
    environ = {"API_KEY": KEY, "API_KEYS": f"other:{OTHER_KEY}", "LOG_LEVEL": "DEBUG"}
    try:
        async with product(kafka.bootstrap, directory, environ) as made:
            api, processing = made.api(), made.processing()
            await asyncio.gather(api.start(), processing.start())
            yield Watched(kafka, api, processing)
    finally:
        await kafka.stop()


@pytest.fixture
def api(watched: Watched) -> Process:
    return watched.api


@pytest.fixture
def processing(watched: Watched) -> Process:
    return watched.processing


@pytest.fixture
async def client(api: Process) -> AsyncIterator[Client]:
    async with Client(api.url, KEY) as made:
        yield made


async def readiness(http: httpx.AsyncClient) -> tuple[int, Json]:
    answer = await http.get("/health/ready")
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


async def test_health_names_each_part_and_needs_no_key(api: Process) -> None:
    async with httpx.AsyncClient(base_url=api.url) as nobody:
        live = await nobody.get("/health/live")
        status, told = await readiness(nobody)

    assert (live.status_code, live.json()) == (200, {"status": "alive"})
    assert (status, told["status"]) == (200, "ready")
    assert told["parts"] == dict.fromkeys(PARTS, "ok")


async def test_ready_says_why_not_while_kafka_is_down(watched: Watched, client: Client) -> None:
    # Nobody sends and nobody reads: it must be seen all the same.
    await watched.kafka.stop()
    try:
        status, told = await until(lambda: readiness(client.http), lambda r: r[0] == 503, 30)
        live = await client.http.get("/health/live")
    finally:
        await watched.kafka.start()
    back, _ = await until(lambda: readiness(client.http), lambda r: r[0] == 200, 30)

    reasons = {part: why for part, why in told["parts"].items() if why != "ok"}
    assert (status, back, told["status"]) == (503, 200, "not ready")
    assert reasons and all("Kafka" in why for why in reasons.values()), told
    assert live.status_code == 200
    await client.send(await client.start(), "and it works again")


class Change:
    """What was counted between two looks at a page."""

    def __init__(self, before: Figures, after: Figures) -> None:
        self._before, self._after = before, after

    def of(self, name: str, **labels: str) -> float:
        return self._after.value(name, **labels) - self._before.value(name, **labels)

    def total(self, name: str) -> float:
        return self._after.total(name) - self._before.total(name)

    def answered(self, method: str, route: str, status: int) -> float:
        labels = {"route": route, "method": method, "status": str(status)}
        return self.of("millrace_requests_total", **labels)

    def refused(self, code: str) -> float:
        return self.of("millrace_errors_total", code=code)


async def some_traffic(client: Client, during: Callable[[], Awaitable[Figures]]) -> Figures:
    """Do a little of everything; return the figures while one reader was there."""
    stream = await client.start(processor={"name": "reject", "when": "bad"})
    for number in range(7):
        await client.send(stream, {"n": number, "bad": number == 3})
    async with asyncio.timeout(20), client.events(stream) as events:
        seen = [event async for event in take_data(events, 7)]
        figures = await during()
    assert len(seen) == 7
    for _ in range(3):
        await client.http.post(f"/stream/{stream}/send", content=b"{")
    await client.http.get("/nowhere")
    await client.http.get("/streams", headers={"x-api-key": "wrong"})
    await client.http.get("/stream/0123456789012345678901")
    return figures


async def take_data(
    events: AsyncIterator[ServerSentEvent], count: int
) -> AsyncIterator[ServerSentEvent]:
    while count:
        event = await anext(events)
        if event.data:
            count -= 1
            yield event


async def test_the_figures_add_up_to_what_the_client_did(api: Process, client: Client) -> None:
    before = await figures_of(api)
    readers = before.value("millrace_readers")

    during = await some_traffic(client, partial(figures_of, api))

    after = await until(partial(figures_of, api), lambda f: f.value("millrace_readers") == readers)
    change = Change(before, after)
    assert during.value("millrace_readers") == readers + 1
    assert change.answered("POST", "/stream/start", 201) == 1
    assert change.answered("POST", "/stream/{stream_id}/send", 202) == 7
    assert change.answered("POST", "/stream/{stream_id}/send", 400) == 3
    assert change.answered("GET", "/stream/{stream_id}/results", 200) == 1
    assert change.answered("GET", "/stream/{stream_id}", 404) == 1
    assert change.answered("GET", "/streams", 401) == 1
    assert change.answered("GET", "other", 404) == 1
    assert change.refused("invalid-body") == 3
    assert [change.refused(c) for c in ("not-found", "unauthorized", "unknown-stream")] == [1] * 3
    assert change.total("millrace_results_delivered_total") == 7
    assert change.total("millrace_send_to_deliver_seconds_count") == 7
    assert change.total("millrace_requests_total") == 15
    assert change.total("millrace_request_seconds_count") == 15
    assert_buckets_add_up(after, "millrace_request_seconds")


async def test_the_figures_of_processing_add_up_too(broker: str, tmp_path: Path) -> None:
    # A product of its own: elsewhere a record of another story may still be under way.
    async with product(broker, tmp_path) as own:
        api, processing = own.api(), own.processing()
        await api.start()
        await processing.start()
        async with Client(api.url) as client:
            await some_traffic(client, partial(figures_of, api))

        figures = await until(
            partial(figures_of, processing),
            lambda f: f.value("millrace_processing_lag_records") == 0,
        )
    assert figures.value("millrace_processed_total", kind="result") == 6
    assert figures.value("millrace_processed_total", kind="failed") == 1
    assert figures.total("millrace_dead_letters_total") == 0


async def test_every_process_tells_what_it_uses(api: Process, processing: Process) -> None:
    for process in (api, processing):
        figures = await figures_of(process)

        assert figures.value("process_resident_memory_bytes") > 1 << 20
        assert figures.value("process_open_fds") > 3
        assert figures.value("process_cpu_seconds_total") > 0


def assert_buckets_add_up(figures: Figures, name: str) -> None:
    for labels in figures.label_sets(f"{name}_count"):
        own = dict(labels)
        count = figures.value(f"{name}_count", **own)
        assert figures.value(f"{name}_bucket", le="+Inf", **own) == count


def random_path() -> str:
    alphabet = string.ascii_letters + string.digits + "-_.~%2F/{}$&'()*+,;=:@"
    text = "".join(random.choices(alphabet, k=random.randint(1, 60)))
    first = random.choice(
        ["/", "/stream/", "/streams/", "/health/", "/problems/", "/console/", "//"]
    )
    last = random.choice(["", "/send", "/results", "/end", "?key=value", "/"])
    return first + text.replace("%2F", "%2f") + last


async def test_labels_come_from_closed_sets_whatever_is_asked_for(
    api: Process, client: Client
) -> None:
    methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE"]
    paths = [random_path() for _ in range(300)]
    statuses = set()
    async with wire(api.url) as peer:
        for path in paths:
            method = random.choice(methods)
            heard = await peer.ask(request(method, path, {"x-api-key": KEY, "Connection": "x"}))
            statuses.add(heard.status)

    figures = await figures_of(api)
    requests = [dict(labels) for labels in figures.label_sets("millrace_requests_total")]
    codes = [dict(labels)["code"] for labels in figures.label_sets("millrace_errors_total")]

    assert statuses <= {200, 201, 204, 400, 404, 405}
    assert {labels["route"] for labels in requests} <= ROUTES
    assert {labels["method"] for labels in requests} <= METHODS
    assert all(re.fullmatch(r"[a-z-]+", code) for code in codes)
    assert not [
        sample
        for sample in map(str, figures.samples)
        if any(p in sample for p in paths if len(p) > 9)
    ]


async def test_logs_are_lines_of_json_and_a_refusal_is_found_by_its_request_id(
    api: Process, processing: Process, client: Client
) -> None:
    stream = await client.start()
    answer = await client.http.post(f"/stream/{stream}/send", content=b"no json")
    request_id = answer.headers["x-request-id"]

    lines = api.logged()

    assert answer.json()["request_id"] == request_id
    [line] = [line for line in lines if line.get("request_id") == request_id]
    assert line["reason"] == "invalid-body"
    assert line["stream_id"] == stream
    assert line["route"] == "/stream/{stream_id}/send"
    assert line["status"] == 400
    for line in (*lines, *processing.logged()):
        assert {"time", "level", "process", "logger", "message"} <= line.keys()
        assert line["process"] in ("api", "processing")


async def test_every_answer_has_a_request_id_of_its_own(client: Client) -> None:
    stream = await client.start()
    paths = ("/", "/health/live", f"/stream/{stream}", "/nowhere", "/schema", "/stream/x/results")

    ids = [(await client.http.get(path)).headers["x-request-id"] for path in paths]

    assert len(set(ids)) == len(paths)
    assert all(REQUEST_ID.fullmatch(request_id) for request_id in ids)


async def test_no_key_right_or_wrong_is_ever_logged_or_counted(
    api: Process, processing: Process, client: Client
) -> None:
    wrong = [f"wrong-{kind}-{secrets.token_hex(12)}" for kind in range(9)]
    stream = await client.start()
    path = f"/stream/{stream}/results"
    await client.page(stream, limit=1, ticket=wrong[0])
    await client.http.get(f"{path}?api_key={wrong[1]}&cursor={wrong[2]}")
    await client.http.get("/streams", headers={"x-api-key": wrong[3]})
    await client.http.get("/streams", headers={"authorization": f"Bearer {wrong[4]}"})
    await client.http.get(f"/nowhere/{wrong[5]}", headers={"cookie": f"session={wrong[6]}"})
    await client.send(stream, {"password": wrong[7]})
    async with wire(api.url) as peer:
        await peer.ask(f"GET / HTTP/1.1\r\nx-api-key: {wrong[8]}\r\nbad header\r\n\r\n".encode())
    for headers in (client.headers, {"x-api-key": wrong[3]}):
        address = f"{api.url.replace('http', 'ws')}{path}?ticket={wrong[0]}&tail=1"
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            await socket.recv()
            with suppress(ConnectionClosed):
                await socket.send(json.dumps({"type": "send", "data": 1, "token": wrong[8]}))
                await socket.recv()

    written = api.log.read_text() + processing.log.read_text()
    shown = [
        str(sample)
        for process in (api, processing)
        for sample in (await figures_of(process)).samples
    ]

    for secret in (KEY, OTHER_KEY, *wrong):
        assert secret not in written
        assert not [sample for sample in shown if secret in sample]


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json;q=0", "image/png", ""])
async def test_the_two_schemas_are_json_whatever_is_accepted(client: Client, accept: str) -> None:
    schema = await client.http.get("/schema", headers={"accept": accept})
    asyncapi = await client.http.get("/asyncapi", headers={"accept": accept})

    for answer in (schema, asyncapi):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
    assert schema.json()["openapi"].startswith("3.1")
    assert asyncapi.json()["asyncapi"].startswith("3.")


async def test_pages_carry_the_headers_that_keep_a_browser_safe(api: Process) -> None:
    async with httpx.AsyncClient(base_url=api.url) as nobody:
        for path in ("/", "/docs", "/problems", "/problems/stream-ended"):
            page = await nobody.get(path)

            assert page.status_code == 200, path
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["x-frame-options"] == "DENY"
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["x-content-type-options"] == "nosniff"
            assert "server" not in page.headers
        assert (await nobody.get("/problems/no-such-code")).status_code == 404
