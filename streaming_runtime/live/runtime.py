"""The API process: everything it opens, in one place, closed in reverse."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any

from litestar import Router
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from streaming_runtime.core.clock import now_ms
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.idempotency import KeyedSending
from streaming_runtime.core.ports import InputLog, Kept, ProcessorCatalog
from streaming_runtime.core.reading import Readings
from streaming_runtime.core.results import ResultEncoder
from streaming_runtime.core.sending import Sending
from streaming_runtime.core.settings import Settings
from streaming_runtime.core.streams import Streams
from streaming_runtime.core.tickets import TicketSeal
from streaming_runtime.core.vitals import Vitals
from streaming_runtime.http import openapi
from streaming_runtime.http.application import create_app
from streaming_runtime.http.bearer import bearer_tokens
from streaming_runtime.http.credential_kinds import CredentialKinds
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.direct import DirectRoute
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.issued_keys import KeptKeys, issued_keys
from streaming_runtime.http.services import Services
from streaming_runtime.http.tickets import SignedTickets
from streaming_runtime.kafka import clients
from streaming_runtime.kafka.connection import Connected, connected
from streaming_runtime.kafka.idempotency_parts import idempotency_over, input_log_over
from streaming_runtime.kafka.issued_keys import KafkaKeys
from streaming_runtime.live import asyncapi, health, pages, resource_metadata
from streaming_runtime.live.arrivals import Arrivals
from streaming_runtime.live.connections import Connections
from streaming_runtime.live.endless import EndlessStreams
from streaming_runtime.live.expiry import Expiry
from streaming_runtime.live.health import Check
from streaming_runtime.live.hub import Hub
from streaming_runtime.live.limited import gate_over
from streaming_runtime.live.metrics import LiveMetrics, metrics_served
from streaming_runtime.live.pulse import Pulse
from streaming_runtime.live.quick_sends import QuickSends
from streaming_runtime.live.revocations import Revocations
from streaming_runtime.live.server import DrainingServer, listening, raise_descriptor_limit
from streaming_runtime.live.watchdog import watched
from streaming_runtime.live.websocket import WebSocketResults

log = logging.getLogger("millrace.live")

OpenKept = Callable[[], AbstractAsyncContextManager[Kept]]


async def run(
    settings: Settings,
    routers: Sequence[Router],
    direct: Sequence[DirectRoute],
    catalog: ProcessorCatalog,
    elsewhere: OpenKept | None = None,
) -> None:
    """Serve ``routers``, and what only a long-running process can, until told to stop.

    Shape:   ``direct`` are those of their routes that are answered before the framework;
             ``elsewhere`` opens what is not to be kept in Kafka.
    Raises:  ConfigurationInvalid; BrokerUnavailable if Kafka cannot be reached at the start;
             VitalEnded if a background task ended, after the readers have been sent away.
    """
    raise_descriptor_limit()
    metrics = LiveMetrics()
    connections = Connections(metrics.readers, metrics.slow_reader)
    with listening(settings.http) as listener, metrics_served(metrics, settings.http):
        async with (
            connected(settings.kafka) as kafka,
            (elsewhere or nullcontext)() as kept_elsewhere,
            AsyncExitStack() as opened,
        ):
            kept, input_log = _remembering(kafka, kept_elsewhere)
            issued = issued_keys(settings.credentials, kept.keys, now_ms)
            credentials = _credentials(settings, issued, kept)
            gate = await opened.enter_async_context(
                gate_over(settings.limits, credentials, kafka, kept)
            )
            seal = CursorSeal(settings.credentials.signing_secret)
            hub = _hub(kafka, ResultEncoder(seal, kafka.incarnation.id))
            arrivals = Arrivals(asyncio.get_running_loop())
            services = _services(
                settings,
                gate,
                kafka,
                kept,
                input_log,
                Readings(hub, seal),
                catalog,
                arrivals,
                connections,
                metrics,
            )
            pulse = Pulse(kafka.offsets, settings.kafka.results_topic)
            readiness = _readiness(kafka, hub, pulse)
            origins = settings.http.cors_origins
            site = _site(settings, routers, readiness)
            sockets = WebSocketResults(
                services, arrivals, connections, metrics, metrics.delivered, origins
            )
            app = _either(create_app(site, services, metrics, origins, direct), sockets)
            drain = settings.http.drain_seconds
            server = DrainingServer(app, listener, connections, drain, hub.end_waits, metrics)
            server.answer_first(QuickSends(services, metrics))
            server.begin_in_turn(arrivals)
            readiness["server"] = lambda: "stopping" if server.is_leaving else health.OK
            kafka.vitals.start("the watch on keys", Revocations(connections, issued.counts).run())
            _start_vitals(kafka, hub, pulse, Expiry(kept.streams, services.streams))
            await _serve(server, kafka.vitals)


def _remembering(kafka: Connected, elsewhere: Kept | None) -> tuple[Kept, InputLog]:
    """Return what keeps streams and keys, and the look for what became of a send."""
    if elsewhere is not None:
        return elsewhere, input_log_over(kafka)
    claims, input_log = idempotency_over(kafka, now_ms)
    # So that a key's first look-up after a start need not wait for a day of them.
    claims.begin()
    return Kept(kafka.registry, claims, keys=KafkaKeys(kafka.registry)), input_log


def _credentials(settings: Settings, issued: KeptKeys, kept: Kept) -> CredentialKinds:
    seal = TicketSeal(settings.credentials.signing_secret)
    return CredentialKinds(
        ConfiguredKeys(settings.credentials.keys),
        issued=issued,
        bearer=bearer_tokens(settings.jwt),
        tickets=SignedTickets(seal, kept.claims, now_ms, issued.counts),
        has_metadata=settings.jwt is not None,
    )


def _site(
    settings: Settings, routers: Sequence[Router], readiness: dict[str, Check]
) -> list[Router]:
    documents = pages.router(_documents(settings, routers))
    tokens = resource_metadata.routers(settings.jwt)
    return [*routers, health.router(readiness), documents, *tokens]


def _hub(kafka: Connected, encoder: ResultEncoder) -> Hub:
    return Hub(
        kafka.settings.results_topic,
        kafka.settings.input_topic,
        kafka.incarnation,
        encoder,
        kafka.offsets,
        lambda: kafka.results_consumer(clients.LIVE_WAIT_MS, clients.LIVE_PARTITION_BYTES),
        lambda: kafka.results_consumer(clients.REPLAY_WAIT_MS, clients.REPLAY_PARTITION_BYTES),
    )


def _services(
    settings: Settings,
    gate: Gate,
    kafka: Connected,
    kept: Kept,
    input_log: InputLog,
    readings: Readings,
    catalog: ProcessorCatalog,
    arrivals: Arrivals,
    connections: Connections,
    metrics: LiveMetrics,
) -> Services:
    sending = Sending(kafka.sink, kept.streams, now_ms)
    return Services(
        gate=gate,
        streams=Streams(
            kept.streams,
            kafka.sink,
            readings.log,
            catalog,
            settings.default_processor,
            now_ms,
        ),
        sending=sending,
        keyed=KeyedSending(sending, kept.claims, input_log),
        readings=readings,
        event_streams=EndlessStreams(
            readings, gate, arrivals, connections, metrics.delivered, now_ms
        ),
        tickets=TicketSeal(settings.credentials.signing_secret),
        is_streaming=True,
        uploads=connections,
    )


def _readiness(kafka: Connected, hub: Hub, pulse: Pulse) -> dict[str, Check]:
    return {
        "kafka": lambda: health.OK if pulse.is_felt else "Kafka does not answer",
        "producer": lambda: health.OK if kafka.producer.is_ready else "Kafka cannot be written to",
        "results": lambda: health.OK if hub.is_reading else "Kafka cannot be read from",
        "background": lambda: health.OK if kafka.vitals.failure is None else "a part has ended",
    }


def _documents(settings: Settings, routers: Sequence[Router]) -> dict[str, dict[str, Any]]:
    tokens = resource_metadata.routers(settings.jwt)
    described = [*routers, health.router({}), pages.router({}), *tokens]
    return {
        "/schema": openapi.document(described),
        "/asyncapi": asyncapi.document(settings.kafka),
    }


def _either(http: ASGIApp, sockets: ASGIApp) -> ASGIApp:
    def either(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (sockets if scope["type"] == ScopeType.WEBSOCKET else http)(scope, receive, send)

    return either


def _start_vitals(kafka: Connected, hub: Hub, pulse: Pulse, expiry: Expiry) -> None:
    kafka.vitals.start("the pulse of Kafka", pulse.run())
    kafka.vitals.start("the reader of results", hub.pump())
    kafka.vitals.start("the clock of streams", expiry.run())
    kafka.vitals.start("the watch on the topics", _until_replaced(kafka))


async def _until_replaced(kafka: Connected) -> None:
    """Return when the topics under this process are no longer the ones it works with."""
    await kafka.registry.until_replaced(kafka.incarnation)
    log.error("the topics were made anew: this process ends, its next start works with them")


async def _serve(server: DrainingServer, vitals: Vitals) -> None:
    """Serve until told to stop or until a vital part ends; either way the readers are drained."""
    # What lives as long as the process is not looked through again and again.
    gc.freeze()
    with watched(asyncio.get_running_loop()):
        await _serve_until_ended(server, vitals)


async def _serve_until_ended(server: DrainingServer, vitals: Vitals) -> None:
    serving = asyncio.ensure_future(server.run_until_told())
    ended = asyncio.ensure_future(vitals.ended())
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        log.critical("a part of the process ended", exc_info=ended.result())
        server.leave()
    ended.cancel()
    await serving
    if (failure := vitals.failure) is not None:
        raise failure
