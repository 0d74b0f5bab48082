"""An ASGI application as a Lambda function: API Gateway's and a load balancer's events in and out.

The only module that imports Mangum.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any, cast

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from litestar.types import ASGIApp
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from streaming_runtime.core import audit
from streaming_runtime.core.errors import ConfigurationInvalid, InvalidBody, StreamingError
from streaming_runtime.core.logs import without_credentials
from streaming_runtime.http.answers import NDJSON, PAST_THE_EDGE, of_error
from streaming_runtime.http.edge import new_request_id
from streaming_runtime.http.lambda_events import (
    Event,
    body_of,
    correlation_of,
    kind_of,
    readable,
    refused_records,
)
from streaming_runtime.http.lambda_exchange import exchanged
from streaming_runtime.http.problems import MEDIA_TYPE

# Powertools names the logger after the service, and all of ours are below this name.
LOGGER = "millrace"
NAMESPACE = "Millrace"
# What is text leaves as it is; anything else as base64, which a REST API passes on undecoded.
TEXT_TYPES = [*DEFAULT_TEXT_MIME_TYPES, NDJSON, MEDIA_TYPE]
# What must be left of an invocation when its answer is there, or Lambda ends the process: a second,
# and of a very short one a fourth.
MARGIN_SECONDS = 1.0
MARGIN_SHARE = 0.25
# What they tell at INFO is of no use to anybody, and Lambda's own handler would write it.
TALKATIVE = ("aiokafka", "botocore")
NO_REQUEST = "The event is no request of API Gateway, of a load balancer or of a function's URL"
NO_CONTENT = 204

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

    def pinged(self) -> None:
        self.metrics.add_metric("Pings", MetricUnit.Count, 1)

    def foreign(self) -> None:
        self.metrics.add_metric("ForeignEvents", MetricUnit.Count, 1)


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
        """Answer a request within the time that its invocation has left.

        Raises:  UnreadableEvent; ConfigurationInvalid.
        """
        try:
            adapter = self.infer(readable(event), context)
            scope, body = adapter.scope, body_of(event)
        # Nobody's event but one that somebody made up: what is missing may be anything.
        except (LookupError, TypeError, AttributeError, ValueError, RuntimeError) as exc:
            raise UnreadableEvent from exc
        answer = self._run(exchanged(cast(Any, self.app), scope, body, _seconds(context)))
        found: dict[str, Any] = adapter(cast(Any, answer))
        if not any(name == b"content-type" for name, _ in answer["headers"]):
            # Mangum gives an HTTP API's answer a type where it has none.
            found.get("headers", {}).pop("content-type", None)
        return found


class UnreadableEvent(Exception):
    """An event that looks like a request and is none."""


def lambda_entry(
    app: ASGIApp, run: Run, figures: LambdaFigures, log_level: Callable[[], str]
) -> Handler:
    """Return what Lambda calls.

    Raises:  (the handler) ConfigurationInvalid: a function that cannot work must not look healthy.
    """
    bridge = LoopBridge(app, run)
    state: dict[str, Handler] = {}

    def handler(event: Event, context: Any) -> dict[str, Any]:
        if not state:
            # At the first call, not at import: a logger takes its place among the process's own.
            logger = Logger(service=LOGGER, level=log_level(), json_serializer=_line)
            for name in TALKATIVE:
                logging.getLogger(name).setLevel(logging.WARNING)
            _audit_among(logger)

            def answer(event: Event, context: Any) -> dict[str, Any]:
                return _answered(bridge, logger, figures, event, context)

            # No variable of Powertools can have it log events: there are keys and bodies in them.
            logged = logger.inject_lambda_context(answer, log_event=False, clear_state=True)
            state["whole"] = figures.metrics.log_metrics(logged, capture_cold_start_metric=True)
        return state["whole"](event, context)

    return handler


def _audit_among(logger: Logger) -> None:
    """Write the audit log where all else is written: a function has no file of its own."""
    entries = logging.getLogger(audit.LOGGER)
    entries.handlers[:] = logger.handlers
    entries.propagate = False
    entries.setLevel(logging.INFO)
    audit.bound_entries(entries)


def _answered(
    bridge: LoopBridge, logger: Logger, figures: LambdaFigures, event: Event, context: Any
) -> dict[str, Any]:
    kind = kind_of(event)
    if kind == "ping":
        figures.pinged()
        return _whole(NO_CONTENT, {}, "")
    try:
        if kind == "request":
            logger.set_correlation_id(correlation_of(event))
            return bridge(event, context)
    except UnreadableEvent:
        pass
    except ConfigurationInvalid:
        figures.misconfigured()
        raise
    figures.foreign()
    logger.warning("an event that is no request was refused")
    return _no_request(event)


def _no_request(event: Any) -> dict[str, Any]:
    answer = of_error(InvalidBody(NO_REQUEST), new_request_id(), PAST_THE_EDGE)
    headers = {name.lower(): value for name, value in answer.own_headers.items()}
    whole = _whole(answer.status_code, headers, answer.body.decode())
    return {**whole, **refused_records(event)}


def _whole(status: int, headers: dict[str, str], body: str) -> dict[str, Any]:
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


def _line(entry: dict[str, Any]) -> str:
    """Write an entry as Powertools does, with no credential in it, whoever put it there."""
    return without_credentials(json.dumps(entry, default=str, separators=(",", ":")))


def _seconds(context: Any) -> float:
    """Return how long an answer may take, so that it leaves before the invocation is over."""
    left: float = context.get_remaining_time_in_millis() / 1000
    return max(0.0, left - min(MARGIN_SECONDS, left * MARGIN_SHARE))
