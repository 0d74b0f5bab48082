"""Every kind of credential that there is, good and bad: a new kind is a new row of a table."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from streaming_runtime.core.api_keys import PREFIX, _check, parsed
from tests.client import Client
from tests.product import ROOT, Process

OURS, THEIRS = "ours", "theirs"
ISSUER, AUDIENCE = "https://issuer.example", "https://millrace.example"
SCOPES = "stream:start stream:send stream:read"


@dataclass(frozen=True)
class Carried:
    """How a request carries its credential."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


class Issuer:
    """Signs tokens; the product knows its keys by a file."""

    def __init__(self, folder: Path) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "k1"})
        self._stranger = RSAKey.generate_key(2048, {"kid": "k1"})
        self.key_set = folder / "jwks.json"
        public = self._key.as_dict(private=False)
        self.key_set.write_text(json.dumps({"keys": [public]}), encoding="utf-8")

    def token(
        self, tenant: str, seconds: int = 600, is_forged: bool = False, scope: str = SCOPES
    ) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": tenant,
            "scope": scope,
            "exp": int(time.time()) + seconds,
        }
        key = self._stranger if is_forged else self._key
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)

    def environ(self) -> dict[str, str]:
        return {
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "JWT_JWKS": str(self.key_set),
        }


@dataclass(frozen=True)
class World:
    """A product with two tenants, each with a stream, and each with every kind of credential."""

    broker: str
    prefix: str
    api: Process
    processing: Process
    issuer: Issuer
    keys: Mapping[str, str]
    issued: Mapping[str, str]
    streams: Mapping[str, str]
    tickets: Mapping[str, str]
    handed_out: list[str] = field(default_factory=list)

    def client(self, tenant: str) -> Client:
        return Client(self.api.url, self.keys[tenant])

    def known_secrets(self) -> list[str]:
        """Return every good credential that it has, or that was made for it."""
        held = (self.keys, self.issued, self.tickets)
        return [*self.handed_out, *(secret for one in held for secret in one.values())]


def configured_keys() -> dict[str, str]:
    return {tenant: f"{tenant}-key-{secrets.token_hex(12)}" for tenant in (OURS, THEIRS)}


async def issue(path: Path, tenant: str) -> str:
    """Make a key with the command that an operator uses, and return it."""
    command = ("-m", "streaming_runtime.keys", "add", "--tenant", tenant, "--file", str(path))
    made = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await made.communicate()
    assert made.returncode == 0
    return next(word for word in told.decode().split() if word.startswith("millrace_"))


async def ticket(client: Client, stream: str, **body: Any) -> str:
    answer = await client.http.post(f"/stream/{stream}/ticket", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


Carrying = Callable[[World, str], Awaitable[Carried]]


@dataclass(frozen=True)
class Kind:
    """A kind of credential.

    Shape:   ``carried`` is how the tenant ``ours`` would carry it; ``refused`` is the status of
             whoever comes with it to a stream that is not theirs.
    """

    name: str
    carried: Carrying
    refused: int
    is_good: bool


def _key(key: str) -> Carried:
    return Carried({"x-api-key": key})


def _bearer(token: str) -> Carried:
    return Carried({"Authorization": f"Bearer {token}"})


async def _configured(world: World, tenant: str) -> Carried:
    return _key(world.keys[tenant])


async def _issued(world: World, tenant: str) -> Carried:
    return _key(world.issued[tenant])


async def _token(world: World, tenant: str) -> Carried:
    token = world.issuer.token(tenant)
    world.handed_out.append(token)
    return _bearer(token)


async def _ticket(world: World, tenant: str) -> Carried:
    return Carried(query=f"ticket={world.tickets[tenant]}")


async def _socket_ticket(world: World, tenant: str) -> Carried:
    async with world.client(tenant) as client:
        made = await ticket(client, world.streams[tenant], use="websocket")
    world.handed_out.append(made)
    return Carried(query=f"ticket={made}")


async def _nothing(world: World, tenant: str) -> Carried:
    return Carried()


async def _wrong_key(world: World, tenant: str) -> Carried:
    return _key(world.keys[tenant][:-1] + "x")


async def _wrong_secret(world: World, tenant: str) -> Carried:
    # The id of a key there is, with a secret that is none, and the check that fits it.
    good = parsed(world.issued[tenant].encode())
    assert good is not None
    text = f"{PREFIX}_{good.key_id}_{good.secret.decode()[::-1]}"
    return _key(f"{text}_{_check(text.encode())}")


async def _forged_token(world: World, tenant: str) -> Carried:
    return _bearer(world.issuer.token(tenant, is_forged=True))


async def _expired_token(world: World, tenant: str) -> Carried:
    return _bearer(world.issuer.token(tenant, seconds=-60))


async def _forged_ticket(world: World, tenant: str) -> Carried:
    good = world.tickets[tenant]
    return Carried(query=f"ticket={good[:-2]}{'AA' if good[-2:] != 'AA' else 'BB'}")


KINDS = (
    Kind("configured key", _configured, 404, True),
    Kind("issued key", _issued, 404, True),
    Kind("bearer token", _token, 404, True),
    Kind("ticket for events", _ticket, 401, True),
    Kind("ticket for a socket", _socket_ticket, 401, False),
    Kind("no credential", _nothing, 401, False),
    Kind("wrong key", _wrong_key, 401, False),
    Kind("wrong secret of an issued key", _wrong_secret, 401, False),
    Kind("forged token", _forged_token, 401, False),
    Kind("expired token", _expired_token, 401, False),
    Kind("forged ticket", _forged_ticket, 401, False),
)
