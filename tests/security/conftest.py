"""One talkative product with every kind of credential, for all who only use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.product import product
from tests.security.credentials import (
    OURS,
    THEIRS,
    Issuer,
    World,
    configured_keys,
    issue,
    ticket,
)

ALLOWED_ORIGIN = "https://app.example"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("security")
    keys, issuer, file = configured_keys(), Issuer(folder), folder / "keys.json"
    issued = {tenant: await issue(file, tenant) for tenant in (OURS, THEIRS)}
    environ = {
        "API_KEY": "",
        "API_KEYS": ",".join(f"{tenant}:{key}" for tenant, key in keys.items()),
        "API_KEYS_FILE": str(file),
        "LOG_LEVEL": "DEBUG",
        "CORS_ORIGINS": ALLOWED_ORIGIN,
        **issuer.environ(),
    }
    async with product(broker, folder, environ) as made:
        api, processing = made.api(), made.processing()
        await api.start()
        await processing.start()
        found = World(broker, made.prefix, api, processing, issuer, keys, issued, {}, {})
        streams, tickets = {}, {}
        for tenant in (OURS, THEIRS):
            async with found.client(tenant) as client:
                streams[tenant] = await client.start(label=f"of {tenant}")
                await client.send(streams[tenant], {"of": tenant})
                tickets[tenant] = await ticket(client, streams[tenant])
        yield replace(found, streams=streams, tickets=tickets)
