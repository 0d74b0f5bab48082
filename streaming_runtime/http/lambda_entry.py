"""An ASGI application as a Lambda function: API Gateway's and a load balancer's events in and out.

The only module that imports Mangum.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from litestar.types import ASGIApp
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from streaming_runtime.core.errors import ConfigurationInvalid, StreamingError
from streaming_runtime.http.answers import NDJSON
from streaming_runtime.http.problems import MEDIA_TYPE

# Powertools names the logger after the service, and all of ours are below this name.
LOGGER = "millrace"
NAMESPACE = "Millrace"
CORRELATION_ID = 'requestContext.requestId || headers."x-amzn-trace-id"'
# What is text leaves as it is; anything else as base64, which a REST API passes on undecoded.
TEXT_TYPES = [*DEFAULT_TEXT_MIME_TYPES, NDJSON, MEDIA_TYPE]

Event = dict[str, Any]
Handler = Callable[[Event, Any], dict[str, Any]]
Run = Callable[[Coroutine[Any, Any, dict[str, Any]]], dict[str, Any]]


class LambdaFigures:
    """Implements http.services.Observer: figures go out in the log, as CloudWatch reads them.

    Mangum turns a fault into an answer, so Lambda itself never counts one: ``UnhandledErrors`` is
    what to be alarmed by.
    """

    def __init__(self, function: str) -> None:
        self.metrics = Metrics(namespace=NAMESPACE, service=function)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self.metrics.add_metric("Requests", MetricUnit.Count, 1)
        self.metrics.add_metric("RequestSeconds", MetricUnit.Seconds, seconds)

    def refused(self, code: str) -> None:
        self.metrics.add_metric("Refusals", MetricUnit.Count, 1)
        if code == StreamingError.code:
            self.metrics.add_metric("UnhandledErrors", MetricUnit.Count, 1)

    def misconfigured(self) -> None:
        self.metrics.add_metric("ConfigurationFaults", MetricUnit.Count, 1)


class LoopBridge(Mangum):
    """Mangum's reading of events, with the application run by ``run`` instead of on its own loop.

    Mangum would run each call on the main thread's loop, where nothing of Kafka can live: that loop
    stands still between calls, and is gone after any ``asyncio.run``.

    Source:  mangum 0.22, adapter.Mangum: ``infer`` and the handlers are used as they are.
    """

    def __init__(self, app: ASGIApp, run: Run) -> None:
        super().__init__(cast(Any, app), lifespan="off", text_mime_types=TEXT_TYPES)
        self._run = run

    def _setup_event_loop(self) -> None:
        """Make no loop: the base class opens one when it is built, that is, at import."""

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        adapter = self.infer(event, context)
        exchange = _exchanged(cast(Any, self.app), adapter.scope, adapter.body)
        return adapter(cast(Any, self._run(exchange)))


def lambda_entry(
    app: ASGIApp, run: Run, figures: LambdaFigures, log_level: Callable[[], str]
) -> Handler:
    """Return what Lambda calls.

    Raises:  (the handler) ConfigurationInvalid: a function that cannot work must not look healthy.
    """
    bridge = LoopBridge(app, run)
    state: dict[str, Handler] = {}

    def answer(event: Event, context: Any) -> dict[str, Any]:
        try:
            return bridge(without_stage(event), context)
        except ConfigurationInvalid:
            figures.misconfigured()
            raise

    def handler(event: Event, context: Any) -> dict[str, Any]:
        if not state:
            # At the first call, not at import: a logger takes its place among the process's own.
            logger = Logger(service=LOGGER, level=log_level())
            logged = logger.inject_lambda_context(
                answer, clear_state=True, correlation_id_path=CORRELATION_ID
            )
            state["whole"] = figures.metrics.log_metrics(logged, capture_cold_start_metric=True)
        return state["whole"](event, context)

    return handler


def without_stage(event: Event) -> Event:
    """Return an HTTP API's event with the path that the client asked for.

    A named stage stands before the path there, and nowhere else; Mangum passes it on.
    """
    context = event.get("requestContext", {})
    stage, http = context.get("stage"), context.get("http")
    if http is None or stage in (None, "$default"):
        return event
    path = http["path"]
    if not path.startswith(f"/{stage}/"):
        return event
    return {
        **event,
        "requestContext": {**context, "http": {**http, "path": path[len(stage) + 1 :]}},
    }


async def _exchanged(app: ASGIApp, scope: Any, body: bytes) -> dict[str, Any]:
    """Run one request to its end and return the whole answer as Mangum's handlers take it."""
    head: dict[str, Any] = {}
    pieces: list[bytes] = []
    has_read = False

    async def receive() -> Any:
        nonlocal has_read
        if has_read:
            return {"type": "http.disconnect"}
        has_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            head.update(status=message["status"], headers=message["headers"])
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return {**head, "body": b"".join(pieces)}
