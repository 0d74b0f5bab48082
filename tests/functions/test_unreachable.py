"""While Kafka cannot be reached, what needs no Kafka goes on, and the rest says so."""

from __future__ import annotations

import time

import httpx
import pytest

from functions.unreachable import UnreachableKafka
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.idempotency import KeyedSending
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.reading import Readings
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.streams import Streams
from streaming_runtime.core.tickets import TicketSeal
from streaming_runtime.http.application import create_app
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.finite_streams import FiniteStreams
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.services import Services
from streaming_runtime.processing.catalog import Catalog
from tests.functions.api import KEYS, ROUTERS, SEAL, Figures, client_of

STREAM = "/stream/" + "A" * 22
ROUTES = [
    ("POST", "/stream/start"),
    ("POST", f"{STREAM}/send"),
    ("GET", f"{STREAM}/results"),
    ("POST", f"{STREAM}/end"),
    ("GET", STREAM),
    ("GET", "/streams"),
]


@pytest.fixture
def client() -> httpx.AsyncClient:
    kafka = UnreachableKafka()
    readings = Readings(kafka, SEAL)
    sending = Sending(kafka, kafka, now_ms)
    services = Services(
        gate=Gate(ConfiguredKeys(KEYS), TenantLimits(0, 0, 0, time.monotonic)),
        streams=Streams(kafka, kafka, kafka, Catalog(), "identity", now_ms),
        sending=sending,
        keyed=KeyedSending(sending, kafka, kafka),
        readings=readings,
        event_streams=FiniteStreams(readings, now_ms),
        tickets=TicketSeal(b""),
        is_streaming=False,
    )
    return client_of(create_app(ROUTERS, services, Figures()))


@pytest.mark.parametrize("method, path", ROUTES)
async def test_each_route_says_that_nothing_was_stored(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    async with client:
        answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (503, "broker-unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_wrong_key_is_refused_and_an_event_source_survives(
    client: httpx.AsyncClient,
) -> None:
    async with client:
        stranger = await client.get("/streams", headers={"x-api-key": "wrong"})
        events = await client.get(f"{STREAM}/results", headers={"accept": "text/event-stream"})

    assert stranger.status_code == 401
    assert events.status_code == 200
    assert "event: error" in events.text


async def test_a_wrong_body_is_refused_as_ever(client: httpx.AsyncClient) -> None:
    async with client:
        answer = await client.post("/stream/start", content=b"{")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-body")
