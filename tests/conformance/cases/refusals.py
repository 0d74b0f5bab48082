"""Problem documents: who gets which, and what stands in them."""

from __future__ import annotations

from ..case import each
from ..client.answer import STATUS_OF, Answer
from ..client.api import EVENT_STREAM, JSON, UNKNOWN, Api
from ..client.wire import request

# Whether trying the same again can help.
RETRIABLE = {"rate-limited", "request-timeout", "idempotency-in-progress"}
ROUTES = {
    "start": ("POST", "/stream/start"),
    "send": ("POST", "/stream/{}/send"),
    "results": ("GET", "/stream/{}/results"),
    "end": ("POST", "/stream/{}/end"),
    "look": ("GET", "/stream/{}"),
    "list": ("GET", "/streams"),
}


async def _provoke(api: Api, code: str) -> Answer:
    """Return an answer that the contract refuses with this code."""
    stream = await api.shared()
    if code == "invalid-body":
        return await stream.post(b"{")
    if code == "invalid-cursor":
        return await stream.ask_page(cursor="nonsense")
    if code == "invalid-parameter":
        return await stream.ask_page(limit=0)
    if code == "unauthorized":
        return await api.with_key("wrong-key").get("/streams")
    if code == "unknown-stream":
        return await api.get(f"/stream/{UNKNOWN}")
    if code == "not-found":
        return await api.get("/no/such/route")
    if code == "method-not-allowed":
        return await api.ask("DELETE", stream.path)
    if code == "not-acceptable":
        return await api.get(stream.results_path, "image/png")
    if code == "record-too-large":
        return await stream.post(b'{"data":"%b"}' % (b"x" * (300 << 10)))
    assert code == "batch-too-large"
    return await stream.post(b"[" + b",".join([b"1"] * 1_001) + b"]")


PROVOKED = {
    code: code
    for code in (
        "invalid-body",
        "invalid-cursor",
        "invalid-parameter",
        "unauthorized",
        "unknown-stream",
        "not-found",
        "method-not-allowed",
        "not-acceptable",
        "record-too-large",
        "batch-too-large",
    )
}


@each(PROVOKED)
async def a_refusal_is_a_problem_with_its_code_and_status(api: Api, code: str) -> None:
    problem = (await _provoke(api, code)).refused(code)

    assert problem["retriable"] is (code in RETRIABLE)


@each(PROVOKED)
async def the_type_of_a_problem_is_a_page(api: Api, code: str) -> None:
    """`type` (`/problems/CODE`, served as a page)"""
    problem = (await _provoke(api, code)).refused(code)

    page = await api.ask("GET", problem["type"], anonymous=True)

    assert page.status == 200
    assert page.media_type == "text/html"
    assert code.encode() in page.body


@each({code: code for code in (*STATUS_OF, "processing-failed") if code not in PROVOKED})
async def every_code_has_its_page(api: Api, code: str) -> None:
    page = await api.ask("GET", f"/problems/{code}", anonymous=True)

    assert (page.status, page.media_type) == (200, "text/html")


async def a_code_that_is_none_has_no_page(api: Api) -> None:
    (await api.ask("GET", "/problems/no-such-code", anonymous=True)).refused("not-found")


async def the_request_id_of_a_problem_is_its_own(api: Api) -> None:
    problems = [(await _provoke(api, "not-found")).refused("not-found") for _ in range(5)]

    assert len({problem["request_id"] for problem in problems}) == 5


async def a_problem_does_not_show_what_was_sent(api: Api) -> None:
    """never a stack trace, never a foreign exception's text"""
    secret = "hunter2-and-other-secrets"
    stream = await api.shared()

    answers = [
        await stream.post(b'{"data":1,"%b":2}' % secret.encode()),
        await api.post("/stream/start", b'{"%b":1}' % secret.encode()),
        await stream.ask_page(cursor=secret),
        await api.with_key(secret).get("/streams"),
    ]

    for answer in answers:
        assert answer.status in (400, 401)
        for word in (b"Traceback", b"File ", b"Exception", b"pydantic", b"msgspec"):
            assert word not in answer.body
    assert secret.encode() not in answers[-1].body


@each(
    {f"{name} with {kind}": (*ROUTES[name], kind) for name in ROUTES for kind in ("none", "wrong")}
)
async def every_route_needs_a_credential(api: Api, method: str, path: str, kind: str) -> None:
    """A 401 carries `WWW-Authenticate`."""
    stream = await api.shared()
    headers = {"accept": JSON} | ({"x-api-key": "wrong"} if kind == "wrong" else {})

    answer = await api.ask(
        method,
        path.format(stream.id),
        headers=headers,
        body=b'{"data":1}' if method == "POST" else None,
        anonymous=True,
    )

    answer.refused("unauthorized")
    assert answer.headers["www-authenticate"]


@each(
    {
        "empty": {"x-api-key": ""},
        "the key in capitals": {"x-api-key": "KEY"},
        "half the key": {"x-api-key": "HALF"},
        "the key and a character": {"x-api-key": "MORE"},
        "10,000 characters": {"x-api-key": "x" * 10_000},
        "as basic": {"authorization": "Basic eDp5"},
        "a bearer that is none": {"authorization": "Bearer nonsense"},
        "an unsigned token": {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
        "an empty bearer": {"authorization": "Bearer"},
    }
)
async def a_credential_that_is_none_opens_nothing(api: Api, headers: dict[str, str]) -> None:
    key = api.target.key
    written = {"KEY": key.upper() + "X", "HALF": key[: len(key) // 2], "MORE": key + "x"}
    fields = {name: written.get(value, value) for name, value in headers.items()}

    (await api.ask("GET", "/streams", headers=fields, anonymous=True)).refused("unauthorized")


async def a_key_in_the_query_opens_nothing(api: Api) -> None:
    answer = await api.ask(
        "GET", "/streams", query={"x-api-key": api.key, "key": api.key}, anonymous=True
    )

    answer.refused("unauthorized")


async def a_wrong_key_is_told_before_whether_a_stream_exists(api: Api) -> None:
    stream, wrong = await api.shared(), api.with_key("wrong-key")

    for stream_id in (stream.id, UNKNOWN):
        (await wrong.get(f"/stream/{stream_id}")).refused("unauthorized")


@each(
    {
        "DELETE a stream": ("DELETE", "/stream/{}", "GET"),
        "GET send": ("GET", "/stream/{}/send", "POST"),
        "GET end": ("GET", "/stream/{}/end", "POST"),
        "POST results": ("POST", "/stream/{}/results", "GET"),
        "PUT results": ("PUT", "/stream/{}/results", "GET"),
        "PATCH the list": ("PATCH", "/streams", "GET"),
        "POST the list": ("POST", "/streams", "GET"),
        "TRACE the list": ("TRACE", "/streams", "GET"),
        "a method of WebDAV": ("PROPFIND", "/streams", "GET"),
        "POST health": ("POST", "/health/live", "GET"),
    }
)
async def a_method_a_route_has_not_is_405_with_allow(
    api: Api, method: str, path: str, allowed: str
) -> None:
    stream = await api.shared()

    answer = await api.ask(method, path.format(stream.id))

    answer.refused("method-not-allowed")
    assert allowed in [word.strip() for word in answer.headers["allow"].split(",")]


async def get_of_start_does_not_start_a_stream(api: Api) -> None:
    answer = await api.get("/stream/start")

    assert answer.status in (404, 405)


@each(
    {
        "nowhere": "/nowhere",
        "below a route": "/streams/1/2/3",
        "capitals": "/Streams",
        "up and away": "/../../etc/passwd",
        "a file": "/console/../../etc/passwd",
        "no version": "/v1/stream/start",
    }
)
async def a_path_that_is_no_route_is_404(api: Api, path: str) -> None:
    async with api.wire() as wire:
        answer = await wire.ask(request("GET", path, api.credential))

    answer.refused("not-found")


@each(
    {
        "an image": "image/png",
        "html": "text/html",
        "refused by its quality": "text/event-stream;q=0",
        "anything refused": "*/*;q=0",
        "another application": "application/xml, application/pdf",
    }
)
async def results_in_no_acceptable_form_are_406(api: Api, accept: str) -> None:
    stream = await api.shared()

    (await api.get(stream.results_path, accept)).refused("not-acceptable")


async def the_best_form_that_is_accepted_is_chosen(api: Api) -> None:
    stream = await api.shared()
    accept = "text/event-stream;q=0.2, application/json;q=0.9, application/x-ndjson;q=0.5"

    assert (await api.get(stream.results_path, accept, limit=1)).media_type == JSON


async def a_refusal_is_a_problem_whatever_is_accepted(api: Api) -> None:
    stream = await api.shared()

    for accept in ("text/html", EVENT_STREAM, "application/xml", ""):
        answer = await api.get(stream.results_path, accept, limit=0)
        assert answer.status in (400, 406)
        assert answer.media_type == "application/problem+json"
        (await api.get("/nowhere", accept)).refused("not-found")
