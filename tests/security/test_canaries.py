"""No credential, right or wrong, is in a log, a figure, a problem or a dead letter's head."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from tests.eventually import until
from tests.security.canaries import (
    CREDENTIALS,
    LOGGED,
    OWN,
    Canaries,
    ask_brokenly,
    ask_everything,
    open_sockets,
)
from tests.security.credentials import KINDS, OURS, Carried, World
from tests.security.documented import document_of, operations
from tests.stories.figures import Figures, figures_of
from tests.stories.test_watching import random_path
from tests.stories.wire import request, wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

POISON = {"name": "jmespath", "expression": "abs(@)"}
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "HEAD")
PATHS = 10_000
AT_ONCE = 50


class Heard:
    """All that anybody can learn of what was carried."""

    def __init__(self, canaries: Canaries, answers: str, logs: str, letter: ConsumerRecord) -> None:
        self.canaries = canaries
        self.answers = answers
        self.logs = logs
        self.letter = letter


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def heard(world: World) -> AsyncIterator[Heard]:
    canaries = Canaries()
    answers = await ask_everything(world, canaries)
    broken = await ask_brokenly(world, canaries)
    frames = await open_sockets(world, canaries)
    letter = await dead_letter(world, canaries)
    texts = [str(answer.headers) + answer.body.decode("utf-8", "replace") for answer in answers]
    texts += [one.decode("utf-8", "replace") for one in broken] + frames
    logs = world.api.log.read_text() + world.processing.log.read_text()
    yield Heard(canaries, "\n".join(texts), logs, letter)


async def dead_letter(world: World, canaries: Canaries) -> ConsumerRecord:
    """Send a record that cannot be processed, with credentials beside it; return its letter."""
    fields = {
        "Authorization": f"Bearer {canaries['bearer']}",
        "Cookie": canaries["cookie"],
        "Idempotency-Key": canaries["idempotency"],
        "X-Anything": canaries["header"],
    }
    async with world.client(OURS) as client:
        stream = await client.start(processor=POISON, label=canaries["label"])
        body = {"data": canaries["data"]}
        sent = await client.http.post(f"/stream/{stream}/send", json=body, headers=fields)
        assert sent.status_code == 202
        page = await client.page(stream, wait=20)
    assert [result["kind"] for result in page["results"]] == ["failed"]
    consumer = AIOKafkaConsumer(
        f"{world.prefix}dead-letter", bootstrap_servers=world.broker, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                if record.key == stream.encode():
                    return record
    finally:
        await consumer.stop()
    raise AssertionError("no letter")


async def test_the_canaries_were_carried(world: World, heard: Heard) -> None:
    # What looks for nothing finds nothing: these were refused, each in its way.
    lines = [json.loads(line) for line in world.api.log.read_text().splitlines()]
    reasons = {line["reason"] for line in lines if line["message"] == "refused"}

    assert {"unauthorized", "invalid-cursor", "invalid-parameter", "head-too-large"} <= reasons
    assert heard.canaries.found_in(heard.logs, LOGGED) == set(LOGGED)
    assert heard.canaries.found_in(repr(heard.letter.headers), OWN) == {"idempotency"}
    assert heard.letter.value == json.dumps(heard.canaries["data"]).encode()


async def test_no_credential_and_nothing_of_a_record_is_logged(world: World, heard: Heard) -> None:
    assert heard.canaries.found_in(heard.logs, CREDENTIALS + OWN) == set()
    assert [secret[:9] for secret in world.known_secrets() if secret in heard.logs] == []
    assert len(world.known_secrets()) > 7


async def test_no_answer_shows_a_credential(world: World, heard: Heard) -> None:
    assert heard.canaries.found_in(heard.answers, CREDENTIALS) == set()


async def test_figures_show_nothing_that_was_sent(world: World, heard: Heard) -> None:
    async with httpx.AsyncClient() as http:
        for process in (world.api, world.processing):
            page = (await http.get(process.metrics_url)).text
            assert "millrace_" in page
            assert heard.canaries.found_in(page, CREDENTIALS + OWN) == set()


async def test_a_dead_letter_has_no_credential_and_its_data_stands_in_its_value_alone(
    heard: Heard,
) -> None:
    head = repr(heard.letter.headers)

    assert heard.canaries.found_in(head, CREDENTIALS) == set()
    assert heard.canaries.found_in(head, OWN) == {"idempotency"}


async def test_every_denial_is_counted_and_stands_in_the_audit_log_with_whom_it_concerns(
    world: World,
) -> None:
    bearer = {"Authorization": f"Bearer {world.issuer.token('acme', scope='stream:read')}"}
    wrong = dict((await wrong_secret(world)).headers)
    key, claimed = {"x-api-key": world.keys[OURS]}, world.issued[OURS].split("_")[1]
    for method, path, headers, expected in (
        ("GET", f"/stream/{'A' * 22}", key, ("unknown-stream", "/stream/{stream_id}", OURS, None)),
        ("POST", "/stream/start", bearer, ("forbidden", "/stream/start", "acme", None)),
        ("GET", "/streams", {}, ("unauthorized", "/streams", None, None)),
        ("GET", "/streams", wrong, ("unauthorized", "/streams", None, claimed)),
    ):
        before = await figures_of(world.api)
        # Again and again: of what another test has asked for by the thousand some is left out.
        entry = await until(partial(audited, world, method, path, headers), bool)
        assert tuple(map(entry.get, ("reason", "route", "tenant", "key_id"))) == expected
        assert entry["client"] == "127.0.0.1"
        assert counted(await figures_of(world.api), expected[0]) > counted(before, expected[0])


async def audited(world: World, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """Ask, and return the entry of the denial, empty where it was left out."""
    async with httpx.AsyncClient(base_url=world.api.url) as http:
        answer = await http.request(method, path, headers=headers)
    request_id = answer.headers["x-request-id"]
    entries: list[dict[str, Any]] = [e for e in world.api.logged() if e.get("log") == "audit"]
    return next((entry for entry in entries if entry["request_id"] == request_id), {})


async def wrong_secret(world: World) -> Carried:
    """Return a key with the id of one there is and another secret, as one that was revoked has."""
    (kind,) = [kind for kind in KINDS if kind.name == "wrong secret of an issued key"]
    return await kind.carried(world, OURS)


def counted(figures: Figures, reason: str) -> float:
    return figures.value("millrace_denials_total", reason=reason)


async def test_a_flood_of_denials_is_counted_whole_and_written_in_a_few_lines(world: World) -> None:
    before, begun = await figures_of(world.api), len(world.api.logged())
    flood, asked, clock = request("GET", "/streams") * AT_ONCE, 0, time.monotonic
    # Over more than a second, so that the bound begins anew at least once.
    until_seconds = clock() + 1.5
    async with wire(world.api.url) as peer:
        while clock() < until_seconds or asked < 1_000:
            await peer.say(flood)
            for _ in range(AT_ONCE):
                assert (await peer.hear()).status == 401
            asked += AT_ONCE
    after = await figures_of(world.api)

    lines = [line for line in world.api.logged()[begun:] if line.get("log") == "audit"]
    assert counted(after, "unauthorized") - counted(before, "unauthorized") == asked
    assert 0 < len(lines) < asked / 4
    assert sum(line.get("left_out", 0) for line in lines) > asked / 4


async def test_ten_thousand_random_paths_leave_the_number_of_series_the_same(world: World) -> None:
    async with world.client(OURS) as us:
        key = us.headers
    await ask_each_route_in_each_way(world, key)
    before = await series_of(world)
    asked = [random_request(key) for _ in range(PATHS)]

    await asyncio.gather(*(ask_all(world, asked[n::4]) for n in range(4)))

    assert await series_of(world) == before


async def series_of(world: World) -> set[object]:
    return set((await figures_of(world.api)).samples)


async def ask_each_route_in_each_way(world: World, key: dict[str, str]) -> None:
    """Have every series there that a client without rights to anything can make."""
    document = await document_of(world.api.url)
    paths = {path for _, path, _ in operations(document)} | {"/nowhere"}
    asked = []
    for path in paths:
        concrete = path.replace("{stream_id}", "x").replace("{code}", "x").replace("{file}", "x")
        for method in METHODS:
            for query in ("", "?key=value", "?a=1&a=2"):
                asked += [request(method, concrete + query, key, b"")]
            asked += [request(method, concrete, {}, b"")]
    await ask_all(world, asked)


def random_request(key: dict[str, str]) -> bytes:
    return request(random.choice(METHODS), random_path(), key, b"")


async def ask_all(world: World, asked: list[bytes]) -> None:
    async with wire(world.api.url) as peer:
        for begun in range(0, len(asked), AT_ONCE):
            some = asked[begun : begun + AT_ONCE]
            await peer.say(b"".join(some))
            for one in some:
                await peer.hear(has_body=not one.startswith(b"HEAD "))
