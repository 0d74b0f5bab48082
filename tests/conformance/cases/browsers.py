"""What keeps a browser safe, and what lets its scripts in."""

from __future__ import annotations

from ..case import each
from ..client.answer import Answer
from ..client.api import EVENT_STREAM, JSON, UNKNOWN, Api
from ..target import NotThere

ELSEWHERE = "https://elsewhere.example"
ANSWERS = {
    "a start": ("POST", "/stream/start", b""),
    "a send": ("POST", "/stream/{}/send", b'{"data":1}'),
    "an array": ("POST", "/stream/{}/send", b'[{"data":1}]'),
    "a page": ("GET", "/stream/{}/results?limit=1", None),
    "a look": ("GET", "/stream/{}", None),
    "a list": ("GET", "/streams?limit=1", None),
    "bad JSON": ("POST", "/stream/{}/send", b"{"),
    "a bad cursor": ("GET", "/stream/{}/results?cursor=x", None),
    "an unknown stream": ("GET", f"/stream/{UNKNOWN}", None),
    "an unknown route": ("GET", "/nowhere", None),
    "a wrong method": ("DELETE", "/streams", None),
}
OPEN = {
    "health": "/health/live",
    "ready": "/health/ready",
    "schema": "/schema",
    "asyncapi": "/asyncapi",
    "the console": "/",
    "the docs": "/docs",
    "a problem": "/problems/invalid-body",
}


async def _ask(api: Api, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
    stream = await api.shared()
    fields = {"accept": JSON, **headers}
    return await api.ask(method, path.format(stream.id), headers=fields, body=body)


@each(ANSWERS)
async def an_answer_says_nosniff_and_no_store_and_not_who_serves(
    api: Api, method: str, path: str, body: bytes | None
) -> None:
    """Every answer: `X-Content-Type-Options: nosniff`, no `Server` banner, `no-store`."""
    answer = await _ask(api, method, path, body)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


@each(OPEN)
async def a_page_says_nosniff_and_not_who_serves(api: Api, path: str) -> None:
    answer = await api.ask("GET", path, anonymous=True)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


async def a_401_says_nosniff_and_no_store(api: Api) -> None:
    answer = await api.ask("GET", "/streams", anonymous=True)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
    assert "server" not in answer.headers


async def a_204_says_nosniff_and_no_store(api: Api) -> None:
    stream = await api.start()
    await stream.end()
    at = await stream.cursor(behind=1)

    answer = await api.ask(
        "GET", stream.results_path, headers={"accept": EVENT_STREAM, "last-event-id": at}
    )

    assert answer.status == 204
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]


@each(ANSWERS)
async def another_origin_may_not_read_an_answer(
    api: Api, method: str, path: str, body: bytes | None
) -> None:
    """CORS_ORIGINS (empty: same origin only) is the allow-list for CORS"""
    answer = await _ask(api, method, path, body, origin=ELSEWHERE)

    assert "access-control-allow-origin" not in answer.headers


def _origin(api: Api) -> str:
    if api.target.origin is None:
        raise NotThere("no allowed origin was named (ORIGIN)")
    return api.target.origin


@each(ANSWERS)
async def an_allowed_origin_may_read_an_answer(
    api: Api, method: str, path: str, body: bytes | None
) -> None:
    origin = _origin(api)

    answer = await _ask(api, method, path, body, origin=origin)

    assert answer.headers["access-control-allow-origin"] in (origin, "*")
    assert "origin" in answer.headers.get("vary", "").lower()
    assert "access-control-allow-credentials" not in answer.headers


async def an_allowed_origin_may_read_an_event_stream(api: Api) -> None:
    origin, stream = _origin(api), await api.shared()

    async with stream.events(headers={"origin": origin}, from_="now") as events:
        assert events.headers["access-control-allow-origin"] in (origin, "*")


async def a_script_may_read_what_it_must_act_on(api: Api) -> None:
    answer = await _ask(api, "GET", "/streams", None, origin=_origin(api))

    exposed = answer.headers["access-control-expose-headers"].lower()
    for name in ("retry-after", "ratelimit", "ratelimit-policy", "idempotent-replayed"):
        assert name in exposed


@each(
    {
        "a start": ("POST", "/stream/start"),
        "a send": ("POST", "/stream/{}/send"),
        "results": ("GET", "/stream/{}/results"),
        "an end": ("POST", "/stream/{}/end"),
    }
)
async def the_preflight_of_an_allowed_origin_is_answered(api: Api, method: str, path: str) -> None:
    origin, stream = _origin(api), await api.shared()
    wanted = "x-api-key, content-type, idempotency-key, prefer, last-event-id"

    answer = await api.ask(
        "OPTIONS",
        path.format(stream.id),
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": wanted,
        },
        anonymous=True,
    )

    assert answer.status in (200, 204)
    assert answer.headers["access-control-allow-origin"] in (origin, "*")
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert [name for name in wanted.split(", ") if name not in allowed] == []


async def the_preflight_of_another_origin_is_not_answered(api: Api) -> None:
    answer = await api.ask(
        "OPTIONS",
        "/stream/start",
        headers={"origin": ELSEWHERE, "access-control-request-method": "POST"},
        anonymous=True,
    )

    assert "access-control-allow-origin" not in answer.headers


async def a_name_that_only_looks_like_an_allowed_origin_is_none(api: Api) -> None:
    origin = _origin(api)

    for other in (f"{origin}.evil.example", f"{origin}:8443", origin.upper() + "x", "null"):
        answer = await _ask(api, "GET", "/streams", None, origin=other)
        assert "access-control-allow-origin" not in answer.headers, other


async def a_page_may_not_be_framed_and_runs_its_own_scripts_alone(api: Api) -> None:
    answer = await api.ask("GET", "/", anonymous=True)

    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors" in policy or answer.headers.get("x-frame-options") == "DENY"
