"""The functions' routes over real Kafka, in the test's own process."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import jsonschema
from litestar import Router

from functions.results.routes import router as results
from functions.send.routes import router as send
from functions.start.routes import router as start
from functions.streams.routes import router as streams
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.idempotency import KeyedSending
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.reading import Readings
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.core.streams import Streams
from streaming_runtime.core.tickets import TicketSeal
from streaming_runtime.http.application import create_app
from streaming_runtime.http.credential_kinds import CredentialKinds
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.edge import Edge
from streaming_runtime.http.finite_streams import FiniteStreams
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.openapi import document
from streaming_runtime.http.services import Services
from streaming_runtime.http.tickets import SignedTickets
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import Connected, connected
from streaming_runtime.kafka.direct_results import DirectResults
from streaming_runtime.kafka.idempotency_parts import IdempotencyParts, idempotency_over
from streaming_runtime.processing.catalog import Catalog
from tests.functions.engine import Engine

ROUTERS: list[Router] = [start, send, results, streams]
KEY = "a-key-of-these-tests"
OTHER_KEY = "the-key-of-another-tenant"
KEYS = (("acme", KEY), ("other", OTHER_KEY))
DOCUMENT = document(ROUTERS)
SEAL_SECRET = "a secret of these tests"
SEAL = CursorSeal(SEAL_SECRET.encode())
TICKETS = TicketSeal(SEAL_SECRET.encode())


class Figures:
    """Implements http.services.Observer by remembering."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self.codes: list[str] = []

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self.requests.append((route, method, status))

    def refused(self, code: str) -> None:
        self.codes.append(code)


def no_limits() -> TenantLimits:
    return TenantLimits(0, 0, 0, time.monotonic)


def used_up_after_one() -> TenantLimits:
    """Return limits that let one request in, and whose clock stands still."""
    return TenantLimits(1, 1, 0, lambda: 0.0)


def services(
    kafka: Connected,
    keys: IdempotencyParts,
    log: DirectResults,
    tenant_limits: TenantLimits,
    is_streaming: bool,
) -> Services:
    readings = Readings(log, SEAL)
    sending = Sending(kafka.sink, kafka.registry, now_ms)
    return Services(
        gate=Gate(
            CredentialKinds(
                ConfiguredKeys(KEYS), tickets=SignedTickets(TICKETS, keys.claims, now_ms)
            ),
            tenant_limits,
        ),
        streams=Streams(kafka.registry, kafka.sink, log, Catalog(), "identity", now_ms),
        sending=sending,
        keyed=KeyedSending(sending, keys.claims, keys.input_log),
        readings=readings,
        event_streams=FiniteStreams(readings, now_ms),
        tickets=TICKETS,
        is_streaming=is_streaming,
    )


class Api(NamedTuple):
    """One application with everything behind it."""

    kafka: Connected
    keys: IdempotencyParts
    log: DirectResults
    engine: Engine
    app: Edge
    client: httpx.AsyncClient
    figures: Figures

    def application(
        self, tenant_limits: TenantLimits | None = None, is_streaming: bool = True
    ) -> Edge:
        """Return another application over the same Kafka."""
        limits = tenant_limits or no_limits()
        parts = services(self.kafka, self.keys, self.log, limits, is_streaming)
        return create_app(ROUTERS, parts, self.figures)

    async def start(self, **body: Any) -> str:
        """Start a stream and return its id."""
        answer = await self.client.post("/stream/start", json=body)
        assert answer.status_code == 201, answer.text
        stream_id: str = answer.json()["stream_id"]
        return stream_id

    async def send(self, stream_id: str, *data: Any) -> list[dict[str, Any]]:
        """Send records and return their receipts."""
        batch = [{"data": one} for one in data]
        answer = await self.client.post(f"/stream/{stream_id}/send", json=batch)
        assert answer.json()["failed"] == 0, answer.text
        receipts: list[dict[str, Any]] = answer.json()["records"]
        return receipts

    async def page(self, stream_id: str, **query: Any) -> dict[str, Any]:
        """Return one page of results."""
        answer = await self.client.get(
            f"/stream/{stream_id}/results", params=query, headers={"accept": "application/json"}
        )
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def results(self, stream_id: str, count: int) -> list[dict[str, Any]]:
        """Return the first ``count`` results, waiting for them."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"wait": 10}
        while len(found) < count:
            page = await self.page(stream_id, **query)
            assert page["results"], f"{len(found)} of {count} results came"
            found += page["results"]
            query["cursor"] = page["cursor"]
        return found

    async def stored(self) -> int:
        """Return how many records the input topic has taken so far."""
        topic = self.kafka.settings.input_topic
        numbers = range(self.kafka.settings.partitions)
        return sum([(await self.kafka.offsets.bounds(topic, n)).end for n in numbers])


def described(path: str, method: str) -> dict[str, Any] | None:
    """Return what the API document says of a request, None if it knows no such route."""
    for template, methods in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in methods:
            found: dict[str, Any] = methods[method.lower()]
            return found
    return None


async def conforms(answer: httpx.Response) -> None:
    """Check an answer against the API document: its status, its type, and its JSON."""
    operation = described(answer.request.url.path, answer.request.method)
    if operation is None:
        return
    response = operation["responses"].get(str(answer.status_code))
    assert response is not None, f"{answer.request} may not answer {answer.status_code}"
    await answer.aread()
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if "content" not in response:
        assert not media_type and not answer.content
        return
    content = response["content"].get(media_type)
    assert content is not None, f"{answer.request} may not answer {media_type}"
    if "json" in media_type and "ndjson" not in media_type:
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


def client_of(app: Edge, key: str | None = KEY) -> httpx.AsyncClient:
    headers = {} if key is None else {"x-api-key": key}
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx.AsyncClient(
        transport=transport,
        base_url="http://test",
        headers=headers,
        timeout=30,
        event_hooks={"response": [conforms]},
    )


@asynccontextmanager
async def running_api(broker: str) -> AsyncIterator[Api]:
    """Give an API over topics of its own, with an engine that processes."""
    settings = KafkaSettings(broker, "plaintext", f"t{secrets.token_hex(4)}.", 2)
    async with connected(settings) as kafka:
        log = DirectResults(
            settings.results_topic,
            settings.input_topic,
            kafka.incarnation,
            ResultEncoder(SEAL, kafka.incarnation.id),
            kafka.offsets,
            lambda: kafka.results_consumer(clients.REPLAY_WAIT_MS, clients.REPLAY_PARTITION_BYTES),
        )
        engine = Engine(settings)
        await engine.start()
        figures = Figures()
        keys = idempotency_over(kafka, now_ms)
        parts = services(kafka, keys, log, no_limits(), is_streaming=True)
        app = create_app(ROUTERS, parts, figures)
        async with client_of(app) as client:
            yield Api(kafka, keys, log, engine, app, client, figures)
        await engine.stop()
        await log.close()
