"""What keeps a browser safe: headers on every kind of answer, and who may call from which page."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.security.conftest import ALLOWED_ORIGIN
from tests.security.credentials import OURS, Carried, World
from tests.security.documented import Asked, document_of, operations, requests_of
from tests.stories.wire import Heard, request, wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Pages, documents and health may be kept; nothing else may, and no refusal.
KEPT = re.compile(r"/(health/.*|docs|schema|asyncapi|problems(/.*)?|console/.*|\.well-known/.*)?")
PAGES = re.compile(r"/(docs|problems(/.*)?)?")
OPEN_POLICY = re.compile(r"unsafe|\*|data:|http:|blob:")
ORIGIN_TABLE = [
    (ALLOWED_ORIGIN, True),
    ("https://app.example.evil", False),
    ("https://evil-app.example", False),
    ("https://sub.app.example", False),
    ("http://app.example", False),
    ("https://app.example:8443", False),
    ("HTTPS://APP.EXAMPLE", False),
    ("https://app.example/", False),
    ("https://app.example, https://evil.example", False),
    ("null", False),
    ("*", False),
    ("", False),
]


def everything(document: dict[str, object]) -> list[Asked]:
    """Return a request of each operation, public ones too, and of what is no operation."""
    found = [Asked(method, path) for method, path, o in operations(document) if not o["security"]]
    for is_about_a_stream in (True, False):
        found += requests_of(document, is_about_a_stream=is_about_a_stream)
    paths = ("/nowhere", "/stream", "/%2e%2e/etc", "/console/nothing.js", "/problems/none")
    return [*found, *(Asked("GET", path) for path in paths), Asked("DELETE", "/streams")]


async def head_of(world: World, sent: bytes) -> Heard:
    """Return the head of an answer, which may be one without end."""
    async with wire(world.api.url) as peer:
        await peer.say(sent)
        async with asyncio.timeout(20):
            return await peer.hear_head()


@pytest.mark.parametrize("is_known", [True, False], ids=["with a key", "without"])
async def test_every_answer_carries_what_keeps_a_browser_safe(world: World, is_known: bool) -> None:
    statuses = set()
    carried = Carried({"x-api-key": world.keys[OURS]} if is_known else {})
    async with world.client(OURS) as us:
        stream = await us.start()
    for asked in everything(await document_of(world.api.url)):
        heard = await head_of(world, asked.bytes_for(stream, carried))
        statuses.add(heard.status)
        assert_safe(asked.path, heard)

    assert statuses >= ({200, 202, 400, 404, 405} if is_known else {200, 401, 404, 405})


def assert_safe(path: str, heard: Heard) -> None:
    fields, where = heard.headers, (path, heard.status)
    assert fields["x-content-type-options"] == "nosniff", where
    assert fields["x-request-id"], where
    assert not {"server", "x-powered-by", "via"} & fields.keys(), where
    assert "set-cookie" not in fields, where
    assert "access-control-allow-origin" not in fields, where
    assert "content-encoding" not in fields, where
    if KEPT.fullmatch(path) is None or heard.status >= 400:
        assert "no-store" in fields["cache-control"], where
    if PAGES.fullmatch(path) and heard.status == 200:
        assert_closed(fields)


def assert_closed(fields: dict[str, str]) -> None:
    """Hold a page's policy: everything is forbidden but what comes from here."""
    policy = fields["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action" in policy
    # The little pictures of a style sheet run nothing.
    assert OPEN_POLICY.search(policy.replace("img-src 'self' data:", "")) is None
    assert fields["x-frame-options"] == "DENY"
    assert fields["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno field\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"a" * 17_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["no request", "no field", "a long head", "two lengths"],
)
async def test_what_is_refused_below_the_application_is_as_safe(world: World, sent: bytes) -> None:
    heard = await head_of(world, sent)

    assert heard.status in (400, 431)
    assert_safe("/", heard)


async def test_an_answer_with_a_credential_is_kept_by_nobody_and_sends_no_referrer(
    world: World,
) -> None:
    async with world.client(OURS) as us:
        answer = await us.http.post(f"/stream/{world.streams[OURS]}/ticket")

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("origin", "is_allowed"), ORIGIN_TABLE)
async def test_a_page_may_call_only_from_an_origin_of_the_list(
    world: World, origin: str, is_allowed: bool, method: str
) -> None:
    asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "x-api-key"}
    key = {"x-api-key": world.keys[OURS]}
    async with httpx.AsyncClient(base_url=world.api.url) as http:
        preflight = await http.options("/streams", headers={"Origin": origin, **asks})
        actual = await http.get("/streams", headers={"Origin": origin, **key})
        refused = await http.get("/streams", headers={"Origin": origin})

    # The key decides what is answered, the origin who may read it.
    assert (actual.status_code, refused.status_code) == (200, 401)
    assert preflight.is_success is is_allowed
    for answer in (preflight, actual, refused):
        found = answer.headers.get("access-control-allow-origin")
        assert found == (ALLOWED_ORIGIN if is_allowed else None)
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in answer.headers.get("vary", "").lower()


async def test_without_an_origin_nothing_is_said_of_origins(world: World) -> None:
    heard = await head_of(world, request("GET", "/streams", {"x-api-key": world.keys[OURS]}))

    assert heard.status == 200
    assert not [name for name in heard.headers if name.startswith("access-control")]


def of_sockets(world: World) -> list[tuple[str | None, bool]]:
    """Return the table of origins, with those that only a socket's server knows."""
    host = urlsplit(world.api.url).netloc
    own = [(None, True), (f"http://{host}", True), (f"https://{host}", True)]
    foreign = [
        (f"http://{host}.evil.example", False),
        (f"http://evil.example/{host}", False),
        (f"ws://{host}", False),
        (f"http://user@{host}", False),
        (f"http://{host.partition(':')[0]}", False),
    ]
    return [*own, *foreign, *ORIGIN_TABLE]


async def test_a_socket_opens_only_from_an_origin_of_the_list_or_its_own(world: World) -> None:
    found = [(origin, await opens(world, origin)) for origin, _ in of_sockets(world)]

    assert found == of_sockets(world)


async def opens(world: World, origin: str | None) -> bool:
    """Say whether a socket from a page of an origin opens, with a key that is good."""
    address = f"{world.api.url.replace('http', 'ws', 1)}/stream/{world.streams[OURS]}/results"
    fields = {"x-api-key": world.keys[OURS]} | ({} if origin is None else {"Origin": origin})
    async with asyncio.timeout(10), connect(address, additional_headers=fields, proxy=None) as peer:
        try:
            frame = json.loads(await peer.recv())
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == 4403
            return False
    assert frame["type"] == "position"
    return True
