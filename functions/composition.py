"""What a function opens at its first call and keeps for all later ones of its process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from litestar import Router
from litestar.types import ASGIApp, Receive, Scope, Send

from functions.unreachable import UnreachableKafka
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.errors import BrokerUnavailable, InvalidBody
from streaming_runtime.core.idempotency import KeyedSending
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.ports import (
    InputLog,
    KeyClaims,
    ProcessorCatalog,
    RecordSink,
    ResultsLog,
    StreamRegistry,
)
from streaming_runtime.core.reading import Readings
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.settings import Settings, log_level
from streaming_runtime.core.streams import Streams
from streaming_runtime.http.application import create_app
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.finite_streams import FiniteStreams
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.lambda_entry import Handler, LambdaFigures, lambda_entry
from streaming_runtime.http.services import Services
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import Connected, connected
from streaming_runtime.kafka.direct_results import DirectResults
from streaming_runtime.kafka.idempotency_parts import idempotency_over
from streaming_runtime.kafka.loop_thread import LoopThread

# A client waits for the first call of a process: by then Kafka is there, or we say that it is not.
OPEN_SECONDS = 5.0


class NoProcessors:
    """Implements core.ports.ProcessorCatalog for the functions that start no stream."""

    def names(self) -> Sequence[str]:
        return ()

    def check(self, name: str, parameters: dict[str, Any]) -> None:
        raise InvalidBody("No stream can be started here")


class Opened(NamedTuple):
    """An application over Kafka, and what closes it."""

    app: ASGIApp
    kafka: Connected
    kept: AsyncExitStack


class FunctionApplication:
    """An ASGI application that connects to Kafka when it is first needed, and stays connected."""

    def __init__(
        self,
        router: Router,
        environ: Mapping[str, str],
        catalog: ProcessorCatalog,
        figures: LambdaFigures,
    ) -> None:
        self._router = router
        self._environ = environ
        self._catalog = catalog
        self._figures = figures
        self._open: Opened | None = None
        self._opening: asyncio.Task[Opened] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._current()
        await app(scope, receive, send)

    async def close(self) -> None:
        """Close what is kept; the next call opens it again."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        self._retire()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _current(self) -> ASGIApp:
        """Return the application over Kafka, or over nothing while Kafka cannot be reached.

        Raises:  ConfigurationInvalid.
        """
        if self._open is not None and self._open.kafka.vitals.failure is not None:
            self._retire()
        if self._open is None:
            settings = Settings.from_env(self._environ)
            self._open = await self._opened(settings)
            if self._open is None:
                return self._over(settings, *[UnreachableKafka()] * 5)
        return self._open.app

    async def _opened(self, settings: Settings) -> Opened | None:
        """Open within OPEN_SECONDS; what takes longer goes on, and the next call waits for it."""
        opening = self._opening or asyncio.ensure_future(self._connect(settings))
        self._opening = opening
        await asyncio.wait({opening}, timeout=OPEN_SECONDS)
        if not opening.done():
            return None
        if self._opening is opening:
            self._opening = None
        try:
            return opening.result()
        except BrokerUnavailable:
            return None

    async def _connect(self, settings: Settings) -> Opened:
        async with AsyncExitStack() as stack:
            kafka = await stack.enter_async_context(connected(settings.kafka))
            log = await stack.enter_async_context(_results(settings, kafka))
            claims, input_log = idempotency_over(kafka, now_ms)
            app = self._over(settings, kafka.registry, kafka.sink, log, claims, input_log)
            return Opened(app, kafka, stack.pop_all())

    def _retire(self) -> None:
        """Close what is kept beside the calls that go on: that may take seconds."""
        retired, self._open = self._open, None
        if retired is not None:
            closing = asyncio.ensure_future(retired.kept.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _over(
        self,
        settings: Settings,
        registry: StreamRegistry,
        sink: RecordSink,
        log: ResultsLog,
        claims: KeyClaims,
        input_log: InputLog,
    ) -> ASGIApp:
        limits = settings.limits
        sending = Sending(sink, registry, now_ms)
        readings = Readings(log, CursorSeal(settings.credentials.signing_secret))
        services = Services(
            gate=Gate(
                ConfiguredKeys(settings.credentials.keys),
                TenantLimits(limits.per_second, limits.burst, limits.readers, time.monotonic),
            ),
            streams=Streams(registry, sink, log, self._catalog, settings.default_processor, now_ms),
            sending=sending,
            keyed=KeyedSending(sending, claims, input_log),
            readings=readings,
            event_streams=FiniteStreams(readings),
            is_streaming=False,
        )
        return create_app([self._router], services, self._figures, settings.http.cors_origins)


def function_handler(
    name: str,
    router: Router,
    environ: Mapping[str, str],
    catalog: ProcessorCatalog | None = None,
) -> Handler:
    """Return what Lambda calls; nothing is opened and no variable is read before it does."""
    figures = LambdaFigures(name)
    app = FunctionApplication(router, environ, catalog or NoProcessors(), figures)
    return lambda_entry(app, LoopThread("kafka").run, figures, lambda: log_level(environ))


@asynccontextmanager
async def _results(settings: Settings, kafka: Connected) -> AsyncIterator[DirectResults]:
    seal = CursorSeal(settings.credentials.signing_secret)
    log = DirectResults(
        settings.kafka.results_topic,
        settings.kafka.input_topic,
        kafka.incarnation,
        ResultEncoder(seal, kafka.incarnation.id),
        kafka.offsets,
        lambda: kafka.results_consumer(clients.REPLAY_WAIT_MS, clients.REPLAY_PARTITION_BYTES),
    )
    try:
        yield log
    finally:
        await log.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
