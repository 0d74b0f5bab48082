"""What every answer carries, and that nothing ends without a status of ours."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from litestar import Request, Router, get, post
from litestar.types import Receive, Send

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.http.answers import EVENT_STREAM, Answer, StreamedAnswer, chunk, of_json
from streaming_runtime.http.application import create_app
from streaming_runtime.http.bodies import oversized_send, read_body
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.edge import Edge
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.services import Services
from tests.functions.api import Figures
from tests.http.asgi import Conversation, scope_of

SECRET = "a foreign exception's text"


@get("/page")
async def page() -> Answer:
    return of_json({"n": 1})


@get("/health/live")
async def live() -> Answer:
    return of_json({})


@post("/page/{name:str}/body")
async def body(request: Request[Any, Any, Any]) -> Answer:
    received = await read_body(request.receive, 8, oversized_send)
    return Answer(received, media_type="text/plain")


@get("/overloaded")
async def overloaded() -> Answer:
    raise Overloaded


@get("/fault")
async def fault() -> Answer:
    raise ValueError(SECRET)


@get("/stream")
async def stream() -> StreamedAnswer:
    async def write(receive: Receive, send: Send) -> None:
        await chunk(send, b"first\n")
        while (await receive())["type"] != "http.disconnect":
            pass

    return StreamedAnswer(write, EVENT_STREAM, {"Cache-Control": "no-store, no-transform"})


@get("/broken")
async def broken() -> StreamedAnswer:
    async def write(receive: Receive, send: Send) -> None:
        await chunk(send, b"first\n")
        raise ValueError(SECRET)

    return StreamedAnswer(write, EVENT_STREAM)


ROUTER = Router(path="/", route_handlers=[page, live, body, overloaded, fault, stream, broken])


class Served:
    """An application of these routes, its figures and a client."""

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        self.figures = Figures()
        gate = Gate(ConfiguredKeys([]), TenantLimits(0, 0, 0, lambda: 0.0))
        nothing: Any = None
        services = Services(
            gate, nothing, nothing, nothing, nothing, nothing, nothing, is_streaming=True
        )
        self.app: Edge = create_app([ROUTER], services, self.figures, origins)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **more)


@pytest.fixture
def served() -> Served:
    return Served()


async def test_every_answer_has_a_request_id_and_nosniff_and_no_server(served: Served) -> None:
    ids = set()
    for path in ("/page", "/nothing", "/overloaded", "/fault", "/health/live"):
        answer = await served.ask("GET", path, headers={"x-request-id": "mine"})

        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 5 and "mine" not in ids


async def test_answers_are_not_stored_but_for_health_and_pages(served: Served) -> None:
    assert (await served.ask("GET", "/page")).headers["cache-control"] == "no-store"
    assert (await served.ask("GET", "/nothing")).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await served.ask("GET", "/health/live")).headers
    assert (await served.ask("GET", "/healthy")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/nothing", 404, "not-found"),
        ("POST", "/nothing", 404, "not-found"),
        ("GET", "/page/x", 404, "not-found"),
        ("GET", "/%00", 404, "not-found"),
        ("DELETE", "/page", 405, "method-not-allowed"),
        ("OPTIONS", "/page", 405, "method-not-allowed"),
        ("TRACE", "/page", 405, "method-not-allowed"),
        ("BREW", "/page", 405, "method-not-allowed"),
        ("GET", "/overloaded", 503, "overloaded"),
        ("GET", "/fault", 500, "internal"),
    ],
)
async def test_a_refusal_is_a_problem_document(
    served: Served, method: str, path: str, status: int, code: str
) -> None:
    answer = await served.ask(method, path)

    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert served.figures.codes == [code]


async def test_a_405_names_the_methods_there_are(served: Served) -> None:
    assert (await served.ask("POST", "/page")).headers["allow"] == "GET, HEAD"
    assert (await served.ask("GET", "/page/x/body")).headers["allow"] == "POST"
    assert (await served.ask("HEAD", "/page/x/body")).headers["allow"] == "POST"


async def test_a_fault_tells_the_log_and_not_the_client(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "millrace.http"):
        answer = await served.ask("GET", "/fault")

    assert SECRET not in answer.text
    assert SECRET in caplog.text


async def test_head_is_get_without_a_body(served: Served) -> None:
    head, full = await served.ask("HEAD", "/page"), await served.ask("GET", "/page")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]
    assert served.figures.requests[0] == ("/page", "HEAD", 200)


async def test_head_of_a_stream_ends_at_once(served: Served) -> None:
    async with asyncio.timeout(5):
        answer = await served.ask("HEAD", "/stream")

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content == b""


async def test_an_answers_own_cache_policy_stands_alone(served: Served) -> None:
    answer = await served.ask("HEAD", "/stream")

    assert answer.headers.get_list("cache-control") == ["no-store, no-transform"]


async def test_figures_count_routes_and_never_paths(served: Served) -> None:
    await served.ask("POST", "/page/secret/body", content=b"x")
    await served.ask("GET", "/page/secret")
    await served.ask("BREW", "/page")

    assert served.figures.requests == [
        ("/page/{name}/body", "POST", 200),
        ("other", "GET", 404),
        ("other", "other", 405),
    ]


async def test_a_stream_counts_when_it_begins(served: Served) -> None:
    async with Conversation(served.app, scope_of("GET", "/stream")) as talk:
        await talk.lines(1)

        assert served.figures.requests == [("/stream", "GET", 200)]
        talk.leave()
        await talk.end()
    assert len(served.figures.requests) == 1


async def test_an_answer_that_breaks_off_is_cut_and_counted(served: Served) -> None:
    async with Conversation(served.app, scope_of("GET", "/broken")) as talk:
        with pytest.raises(Exception, match="after response started"):
            await talk.end()

        assert talk.received == b"first\n"
    assert served.figures.requests == [("/broken", "GET", 200)]
    assert served.figures.codes == ["internal"]


async def test_a_client_that_leaves_within_its_body_gets_nothing(served: Served) -> None:
    async with Conversation(served.app, scope_of("POST", "/page/x/body")) as talk:
        talk.write(b"half")
        talk.leave()
        await talk.end()

        assert talk.status == 0
    assert served.figures.requests == [("/page/{name}/body", "POST", 499)]
    assert served.figures.codes == ["client-gone"]


async def test_a_refusal_is_logged_with_its_reason_and_without_the_query(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "millrace.http"):
        answer = await served.ask("POST", "/page/x/body?ticket=a-secret", content=b"123456789")

    (logged,) = [vars(record) for record in caplog.records if record.name == "millrace.http"]
    assert (logged["reason"], logged["status"]) == ("record-too-large", 413)
    assert logged["request_id"] == answer.headers["x-request-id"]
    assert "a-secret" not in str(logged)


async def test_a_page_of_an_allowed_origin_can_read_every_answer() -> None:
    served = Served(("https://app.example",))
    for path in ("/page", "/nothing", "/fault"):
        answer = await served.ask("GET", path, headers={"origin": "https://app.example"})

        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["vary"] == "Origin"


async def test_only_an_allowed_origin_gets_a_preflight_through() -> None:
    served = Served(("https://app.example",))
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}

    allowed = await served.ask(
        "OPTIONS", "/page", headers={"origin": "https://app.example", **asked}
    )
    foreign = await served.ask(
        "OPTIONS", "/page", headers={"origin": "https://evil.example", **asked}
    )

    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert allowed.headers["access-control-allow-methods"] == "GET, POST"
    assert foreign.status_code == 405
    assert "access-control-allow-origin" not in foreign.headers
