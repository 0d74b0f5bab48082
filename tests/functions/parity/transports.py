"""The ways into the product that need nothing but this machine."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx

from streaming_runtime.http.edge import Edge
from tests.functions.lambda_process import LambdaProcess
from tests.functions.parity.asked import Answered, Asked
from tests.functions.parity.events import function_of

SECONDS = 40.0


class OverHttp:
    """Implements Transport with a client of HTTP, to a server or to an application of this loop."""

    def __init__(self, name: str, client: httpx.AsyncClient) -> None:
        self.name = name
        self._client = client

    async def answer(self, asked: Asked) -> Answered:
        request = self._client.build_request(
            asked.method, asked.target, headers=list(asked.headers), content=asked.body
        )
        answer = await self._client.send(request)
        return Answered(answer.status_code, dict(answer.headers), answer.content)


class AsEvents:
    """Implements Transport with the handlers, which get each request as an event of AWS."""

    def __init__(
        self, name: str, process: LambdaProcess, event_of: Callable[[Asked], dict[str, Any]]
    ) -> None:
        self.name = name
        self._process = process
        self._event_of = event_of

    async def answer(self, asked: Asked) -> Answered:
        called = await asyncio.to_thread(
            self._process.call, function_of(asked), self._event_of(asked)
        )
        return answered(called)


def answered(called: dict[str, Any]) -> Answered:
    """Return what API Gateway or a load balancer makes of a function's answer."""
    many: dict[str, list[str]] = called.get("multiValueHeaders") or {}
    fields = {**called.get("headers", {}), **{name: ", ".join(v) for name, v in many.items()}}
    body = called.get("body") or ""
    raw = base64.b64decode(body) if called["isBase64Encoded"] else body.encode()
    return Answered(called["statusCode"], {n.lower(): v for n, v in fields.items()}, raw)


def direct_client(app: Edge) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://test", timeout=SECONDS)


def server_client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=SECONDS)
