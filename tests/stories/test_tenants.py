"""A foreign tenant's stream looks like one that never was, on every route and in every form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from tests.client import Client, Json
from tests.product import Process, product
from tests.stories.wire import Heard, request, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS, THEIRS = "tenant-key-of-ours-01", "tenant-key-of-theirs-02"
SECOND_OURS = "tenant-key-of-ours-03"
NEVER_WAS = "AAAAAAAAAAAAAAAAAAAAAA"
BODIES = (b'{"data":1}', b"[]", b"{", b"")
FORMS = ("text/event-stream", "application/json", "application/x-ndjson", "image/png")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(broker: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """Give a server of two tenants; the keys and ids are told apart, so nothing is processed."""
    keys = f"ours:{OURS},theirs:{THEIRS},ours:{SECOND_OURS}"
    async with product(broker, tmp_path_factory.mktemp("tenants"), {"API_KEYS": keys}) as made:
        api = made.api()
        await api.start()
        yield api


def asked(stream: str) -> list[bytes]:
    """Return each request that names a stream, as its foreigner might send it."""
    key = {"x-api-key": OURS}
    found = [
        request("GET", f"/stream/{stream}", key),
        request("HEAD", f"/stream/{stream}", key),
        request("POST", f"/stream/{stream}/end", key, b""),
        request("POST", f"/stream/{stream}/end", key, b"nonsense"),
    ]
    for body in BODIES:
        found.append(request("POST", f"/stream/{stream}/send", key, body))
        lines = {**key, "Content-Type": "application/x-ndjson"}
        found.append(request("POST", f"/stream/{stream}/send", lines, body))
    for accept in FORMS:
        for query in ("", "?cursor=nonsense", "?limit=0"):
            fields = {**key, "Accept": accept}
            found.append(request("GET", f"/stream/{stream}/results{query}", fields))
    return found


def comparable(heard: Heard) -> tuple[int, Json, Json]:
    """Leave out what is each answer's own."""
    own = ("x-request-id", "date", "ratelimit")
    headers = {name: value for name, value in heard.headers.items() if name not in own}
    body: Json = json.loads(heard.body) if heard.body else {}
    body.pop("request_id", None)
    return heard.status, headers, body


async def test_a_foreign_stream_cannot_be_told_from_one_that_never_was(shared: Process) -> None:
    async with Client(shared.url, THEIRS) as them, wire(shared.url) as peer:
        foreign = await them.start(label="secret")
        await them.send(foreign, "secret")
        for about_foreign, about_nothing in zip(asked(foreign), asked(NEVER_WAS), strict=True):
            found = comparable(await peer.ask(about_foreign))
            none = comparable(await peer.ask(about_nothing))

            assert found == none, about_foreign[:80]
            assert found[0] == 404, about_foreign[:80]
        still_theirs = (await them.http.get(f"/stream/{foreign}")).json()

    assert still_theirs["ended_at"] is None


async def test_a_foreign_socket_cannot_be_told_from_none(shared: Process) -> None:
    async with Client(shared.url, THEIRS) as them, Client(shared.url, OURS) as us:
        foreign = await them.start()
        for query in ("", "?cursor=nonsense", "?tail=1"):
            seen = [await refused_socket(us, stream, query) for stream in (foreign, NEVER_WAS)]

            assert seen[0] == seen[1]
            assert seen[0][0] == 4404


async def refused_socket(client: Client, stream: str, query: str) -> tuple[int | None, str, Json]:
    async with asyncio.timeout(10), client.socket(stream, query) as socket:
        told: Json = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    del told["problem"]["request_id"]
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason, told


async def test_a_list_holds_the_callers_own_streams_whichever_of_its_keys_is_used(
    shared: Process,
) -> None:
    async with (
        Client(shared.url, OURS) as us,
        Client(shared.url, SECOND_OURS) as us_too,
        Client(shared.url, THEIRS) as them,
    ):
        own, foreign = [await us.start(), await us_too.start()], await them.start()

        lists = [
            [entry["stream_id"] for entry in (await c.http.get("/streams")).json()["streams"]]
            for c in (us, us_too, them)
        ]
        look = await us_too.http.get(f"/stream/{own[0]}")

    assert lists[0] == lists[1]
    assert set(own) <= set(lists[0])
    assert foreign in lists[2]
    assert not set(lists[0]) & set(lists[2])
    assert look.status_code == 200


async def test_a_cursor_of_a_foreign_stream_is_worth_nothing(shared: Process) -> None:
    async with Client(shared.url, OURS) as us, Client(shared.url, THEIRS) as them:
        own, foreign = await us.start(), await them.start()
        theirs = (await them.page(foreign))["cursor"]

        answer = await us.http.get(
            f"/stream/{own}/results?cursor={theirs}", headers={"accept": "application/json"}
        )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")
