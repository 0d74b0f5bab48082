"""What a function opens at its first call and keeps for all later ones of its process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Router
from litestar.types import ASGIApp, Receive, Scope, Send

from functions.known_settings import KnownSettings, known_settings
from functions.opened import Opened, Parts, open_parts
from functions.unreachable import ClosedGate, UnreachableKafka, UnreachableKeys
from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.errors import BrokerUnavailable, InvalidBody, Overloaded
from streaming_runtime.core.further_limits import FurtherLimits
from streaming_runtime.core.idempotency import KeyedSending
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.ports import ProcessorCatalog
from streaming_runtime.core.reading import Readings
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.settings import Settings, log_level
from streaming_runtime.core.streams import Streams
from streaming_runtime.core.tickets import TicketSeal
from streaming_runtime.http.application import create_app
from streaming_runtime.http.bearer import IssuerTokens, bearer_tokens
from streaming_runtime.http.credential_kinds import CredentialKinds
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.finite_streams import FiniteStreams
from streaming_runtime.http.gate import Gate, SharedGate
from streaming_runtime.http.issued_keys import issued_keys
from streaming_runtime.http.lambda_entry import Handler, LambdaFigures, lambda_entry
from streaming_runtime.http.services import Services
from streaming_runtime.http.tickets import SignedTickets
from streaming_runtime.http.time_left import within
from streaming_runtime.kafka.loop_thread import LoopThread

# A client waits for the first call of a process: by then Kafka is there, or we say that it is not.
OPEN_SECONDS = 5.0
NO_KAFKA = UnreachableKafka()
NOTHING = Parts(NO_KAFKA, NO_KAFKA, NO_KAFKA, NO_KAFKA, NO_KAFKA, keys=UnreachableKeys())


class NoProcessors:
    """Implements core.ports.ProcessorCatalog for the functions that start no stream."""

    def names(self) -> Sequence[str]:
        return ()

    def check(self, name: str, parameters: dict[str, Any]) -> None:
        raise InvalidBody("No stream can be started here")


class FunctionApplication:
    """An ASGI application that connects to Kafka when it is first needed, and stays connected."""

    def __init__(
        self,
        router: Router,
        known: KnownSettings,
        catalog: ProcessorCatalog,
        figures: LambdaFigures,
    ) -> None:
        self._router = router
        self._known = known
        self._catalog = catalog
        self._figures = figures
        self._open: Opened | None = None
        self._app: ASGIApp | None = None
        self._tokens: IssuerTokens | None = None
        self._opening: asyncio.Task[Opened] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._current(within(scope, OPEN_SECONDS))
        await app(scope, receive, send)

    async def close(self) -> None:
        """Close what is kept; the next call opens it again."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        self._retire()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _current(self, seconds: float) -> ASGIApp:
        """Return the application over Kafka, or over nothing while Kafka cannot be reached.

        Raises:  ConfigurationInvalid.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                settings = await self._known.current()
        except (Overloaded, TimeoutError):
            return self._without_secrets()
        opened = self._open
        if opened is not None and (opened.vitals.failure or opened.settings != settings):
            self._retire()
        if self._app is None:
            left = deadline - asyncio.get_running_loop().time()
            self._open = await self._opened(settings, left)
            if self._open is None:
                return self._over(settings, NOTHING)
            self._app = self._over(settings, self._open.parts)
        return self._app

    async def _opened(self, settings: Settings, seconds: float) -> Opened | None:
        """Open within a time; what takes longer goes on, and the next call waits for it."""
        opening = self._opening or asyncio.ensure_future(open_parts(settings))
        self._opening = opening
        await asyncio.wait({opening}, timeout=max(0.0, seconds))
        if not opening.done():
            return None
        if self._opening is opening:
            self._opening = None
        try:
            return opening.result()
        except BrokerUnavailable:
            return None

    def _retire(self) -> None:
        """Close what is kept beside the calls that go on: that may take seconds."""
        retired, self._open, self._app = self._open, None, None
        if retired is not None:
            closing = asyncio.ensure_future(retired.kept.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _over(self, settings: Settings, parts: Parts) -> ASGIApp:
        limits, credentials = settings.limits, settings.credentials
        seal = TicketSeal(credentials.signing_secret)
        issued = issued_keys(credentials, parts.keys, now_ms)
        tickets = SignedTickets(seal, parts.claims, now_ms, issued.counts)
        configured = ConfiguredKeys(credentials.keys)
        bearer = self._bearer_of(settings)
        keys = CredentialKinds(configured, issued=issued, bearer=bearer, tickets=tickets)
        own = TenantLimits(limits.per_second, limits.burst, limits.readers, time.monotonic)
        further = FurtherLimits(limits.further, time.monotonic, parts.takes)
        if parts.limits is not None:
            gate: Gate = SharedGate(keys, own, parts.limits, further)
        else:
            gate = Gate(keys, own, further)
        return self._application(
            gate,
            CursorSeal(credentials.signing_secret),
            seal,
            parts,
            settings.default_processor,
            settings.http.cors_origins,
        )

    def _bearer_of(self, settings: Settings) -> IssuerTokens | None:
        """Return what checks tokens: the keys of the issuer outlive what is opened."""
        if self._tokens is None or self._tokens.settings != settings.jwt:
            self._tokens = bearer_tokens(settings.jwt)
        return self._tokens

    def _without_secrets(self) -> ASGIApp:
        """Return what answers while nobody knows which keys there are: whoever comes, comes again.

        Web pages of other origins cannot read it; which may is among the settings.
        """
        return self._application(ClosedGate(), CursorSeal(b""), TicketSeal(b""), NOTHING, "", ())

    def _application(
        self,
        gate: Gate,
        seal: CursorSeal,
        tickets: TicketSeal,
        parts: Parts,
        default_processor: str,
        cors_origins: Sequence[str],
    ) -> ASGIApp:
        registry, sink, log, claims, input_log, *_ = parts
        sending, readings = Sending(sink, registry, now_ms), Readings(log, seal)
        services = Services(
            gate=gate,
            streams=Streams(registry, sink, log, self._catalog, default_processor, now_ms),
            sending=sending,
            keyed=KeyedSending(sending, claims, input_log),
            readings=readings,
            event_streams=FiniteStreams(readings, now_ms),
            tickets=tickets,
            is_streaming=False,
        )
        return create_app([self._router], services, self._figures, cors_origins)


def function_handler(
    name: str,
    router: Router,
    environ: Mapping[str, str],
    catalog: ProcessorCatalog | None = None,
) -> Handler:
    """Return what Lambda calls; nothing is opened and no variable is read before it does."""
    figures = LambdaFigures(name)
    known = known_settings(environ)
    app = FunctionApplication(router, known, catalog or NoProcessors(), figures)
    return lambda_entry(app, LoopThread("kafka").run, figures, lambda: log_level(environ))
