"""Without an address the suite starts this repository's product, and prepares it for every case."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.eventually import until
from tests.product import Product, product

from .target import Lost, Target

KEY = "conformance-key-first-tenant"
OTHER_KEY = "conformance-key-other-tenant"
LIMITED_KEYS = tuple(f"conformance-key-limited-{number:02}" for number in range(14))
ORIGIN = "https://page.example"
# So few that a busy machine's pauses refill next to nothing.
LIMITS = {
    "RATE_LIMIT_PER_SECOND": "2",
    "RATE_LIMIT_BURST": "12",
    "RATE_LIMIT_READERS": "2",
}
SENT, GONE = 6, 3


@asynccontextmanager
async def started(broker: str, directory: Path) -> AsyncIterator[Target]:
    """Start two servers and processing; the second server is the one with small limits."""
    tenants = {"first": KEY, "other": OTHER_KEY}
    tenants |= {f"limited{number:02}": key for number, key in enumerate(LIMITED_KEYS)}
    environ = {
        "API_KEYS": ",".join(f"{tenant}:{key}" for tenant, key in tenants.items()),
        "CORS_ORIGINS": ORIGIN,
        "API_KEY": "",
    }
    async with product(broker, directory, environ) as made:
        api, processing, limited = made.api(), made.processing(), made.api(**LIMITS)
        await api.start()
        await processing.launch()
        await limited.launch()
        await processing.ready()
        await limited.ready()
        yield Target(
            url=api.url,
            key=KEY,
            other_key=OTHER_KEY,
            origin=ORIGIN,
            limited_url=limited.url,
            limited_keys=LIMITED_KEYS,
            lost=await _lost(broker, made, api.url),
        )


async def _lost(broker: str, made: Product, url: str) -> Lost:
    """Start a stream and remove its oldest results, before any other stream has some."""
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}) as http:
        path = (await http.post("/stream/start")).json()["results_url"]
        first = (await http.get(path, headers={"accept": "application/json"})).json()["cursor"]
        for number in range(SENT):
            body = json.dumps({"data": number}).encode()
            receipt = (await http.post(path.replace("results", "send"), content=body)).json()

        async def read() -> int:
            page = await http.get(path, headers={"accept": "application/json"})
            return len(page.json()["results"])

        await until(read, lambda count: count == SENT, 30)
    place = TopicPartition(f"{made.prefix}results", receipt["partition"])
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=GONE)})
    finally:
        await admin.close()
    return Lost(receipt["stream_id"], first)
