"""What clients reach: functions behind API Gateway's events, and the container for what streams."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Literal

from functions.results.negotiation import chosen_form
from local.emulator.container_door import hand_on, is_upgrade
from local.emulator.events import Form, MalformedAnswer, event_of, reply_of
from local.emulator.http_server import HttpServer, Reply, Request, Taken
from local.emulator.outcome import Answered, FailureKind
from local.emulator.routes import Route, matching
from local.emulator.sandboxes import Sandboxes
from local.progress import printable, warn
from streaming_runtime.core.errors import (
    BatchTooLarge,
    NotAcceptable,
    OutcomeUnknown,
    StreamingError,
)
from streaming_runtime.http.answers import JSON, PAST_THE_EDGE, of_error

# Who answers a read: a page of JSON is a function's in either case.
ResultsFrom = Literal["container", "function"]
RESULTS_FROM: tuple[ResultsFrom, ...] = ("container", "function")
MOST_EVENT_BYTES = 6 * 1024 * 1024
_BY_HTTP_API = {
    FailureKind.TIMEOUT: (503, "Service Unavailable"),
    FailureKind.THROTTLED: (503, "Service Unavailable"),
}


def failure_reply(form: Form, kind: FailureKind) -> Reply:
    """Return what each kind of front door says when a function gave no answer.

    Shape:   of a REST API what template.yaml has it say (DEFAULT_5XX): nobody knows what was done.
    Source:  AWS Lambda developer guide, on errors behind API Gateway and behind a load balancer.
    """
    if form == "rest":
        return _problem(OutcomeUnknown("The function did not answer"))
    if form == "alb":
        return Reply(502, b"<html><body>502 Bad Gateway</body></html>", [_type("text/html")])
    status, said = _BY_HTTP_API.get(kind, (500, "Internal Server Error"))
    return Reply(status, json.dumps({"message": said}).encode(), [_type(JSON)])


def _problem(error: StreamingError) -> Reply:
    answer = of_error(error, str(uuid.uuid4()), PAST_THE_EDGE)
    headers = answer.own_headers
    if "Retry-After" in headers:
        headers["Retry-After"] = "1"  # Fixed, as a template's words are.
    return Reply(answer.status_code, answer.body, list(headers.items()))


def _type(media_type: str) -> tuple[str, str]:
    return "Content-Type", media_type


class Gateway:
    """Answers with functions what template.yaml routes to them; the container has the rest.

    ``form`` is whose events they get, and may be another one at any time.
    """

    def __init__(
        self,
        functions: Mapping[str, Sandboxes],
        container_port: int,
        form: Form = "rest",
        results_from: ResultsFrom = "container",
        has_preflights: bool = False,
    ) -> None:
        self._functions = functions
        self._container_port = container_port
        self.form = form
        self._results_from = results_from
        self._has_preflights = has_preflights
        self._server = HttpServer(self._answer)

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        return await self._server.open(host, port)

    async def close(self) -> None:
        await self._server.close()

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Reply | Taken:
        found = matching(request.method, request.raw_path, self._has_preflights)
        if found is None or self._is_the_containers(request, found[0]):
            return await hand_on(self._container_port, request, reader, writer)
        return await self._invoke(request, *found)

    def _is_the_containers(self, request: Request, route: Route) -> bool:
        if route.function != "results":
            return False
        if is_upgrade(request):
            return True
        try:
            is_page = chosen_form(request.header("accept")) == JSON
        except NotAcceptable:
            return False
        return not is_page and self._results_from == "container"

    async def _invoke(self, request: Request, route: Route, parameters: dict[str, str]) -> Reply:
        event = event_of(self.form, request, route, parameters)
        if len(event) > MOST_EVENT_BYTES:
            return _problem(BatchTooLarge("The request is larger than a function takes"))
        outcome = await self._functions[route.function].invoke(event)
        if not isinstance(outcome, Answered):
            warn(f"  {route.function}: {outcome.kind}: {printable(outcome.body.decode()[:300])}")
            return failure_reply(self.form, outcome.kind)
        try:
            return reply_of(outcome.body)
        except MalformedAnswer as wrong:
            warn(f"  {route.function}: its answer is none: {wrong}")
            return failure_reply(self.form, FailureKind.ERROR)
