"""Keys made, rotated and withdrawn by the command while servers run."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from streaming_runtime.core.settings import KafkaSettings
from tests.client import Client, frame
from tests.eventually import eventually, until
from tests.kafka.parts import everything_in
from tests.keys.command import Done, keys
from tests.product import Process, Product, product

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
# A server looks at the keys of its open connections every 5 s; the contract gives it a minute.
ENDED_SECONDS = 30.0
MANY = 50


class Deployment:
    """Two servers without a configured key, and the command beside them."""

    def __init__(self, made: Product, directory: Path) -> None:
        self.made = made
        self.one, self.other = made.api(), made.api()
        self._directory = directory
        self.given: list[str] = []

    async def command(self, *words: str) -> Done:
        environ = {name: value for name, value in self.made.environ.items() if value}
        done = await asyncio.to_thread(keys, *words, cwd=self._directory, environ=environ)
        assert done.code == 0, done.err
        return done

    async def key(self, *words: str) -> str:
        """Return a new key."""
        key = (await self.command(*words)).out.strip()
        self.given.append(key)
        return key


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(
    broker: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    directory = tmp_path_factory.mktemp("issued")
    environ = {"API_KEY": "", "SIGNING_SECRET": "a secret of these tests", "LOG_LEVEL": "DEBUG"}
    async with product(broker, directory, environ) as made:
        deployment = Deployment(made, directory)
        await asyncio.gather(deployment.one.start(), deployment.other.start())
        yield deployment


async def status_of(server: Process, key: str, path: str = "/streams") -> int:
    async with Client(server.url, key) as client:
        return (await client.http.get(path)).status_code


async def test_two_tenants_made_with_two_commands_do_not_see_each_other(
    deployment: Deployment,
) -> None:
    alice, bob = await asyncio.gather(
        deployment.key("add", "--tenant", "alice"), deployment.key("add", "--tenant", "bob")
    )

    async with Client(deployment.one.url, alice) as hers, Client(deployment.other.url, bob) as his:
        stream = await hers.start()
        await hers.send(stream, "for her")
        foreign = await his.http.get(f"/stream/{stream}")
        lists = [(await client.http.get("/streams")).json()["streams"] for client in (hers, his)]

    assert foreign.status_code == 404
    assert [[entry["stream_id"] for entry in one] for one in lists] == [[stream], []]


async def test_a_key_may_do_what_it_was_made_for_and_nothing_else(deployment: Deployment) -> None:
    owner = await deployment.key("add", "--tenant", "carol")
    async with Client(deployment.one.url, owner) as client:
        mine, other = await client.start(), await client.start()
    words = ("--scopes", "read", "--streams", f"{mine[:6]}*")
    reader = await deployment.key("add", "--tenant", "carol", *words)

    async with Client(deployment.other.url, reader) as client:
        answers = [
            await client.http.get(f"/stream/{mine}"),
            await client.http.get(f"/stream/{other}"),
            await client.http.post(f"/stream/{mine}/send", json={"data": 1}),
            await client.http.post("/stream/start", json={}),
        ]

    assert [answer.status_code for answer in answers] == [200, 403, 403, 403]


async def test_a_rotation_under_load_refuses_nothing(deployment: Deployment) -> None:
    first = await deployment.key("add", "--tenant", "dave")
    async with Client(deployment.one.url, first) as client:
        stream = await client.start()
    current, seen = [first], dict[str, list[int]]()
    is_over = asyncio.Event()

    async def send_on(server: Process) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            while not is_over.is_set():
                key = current[0]
                answer = await http.post(
                    f"/stream/{stream}/send", json={"data": 1}, headers={"x-api-key": key}
                )
                seen.setdefault(key, []).append(answer.status_code)

    def has_sent(key: str) -> bool:
        return len(seen.get(key, ())) > MANY

    senders = [asyncio.ensure_future(send_on(s)) for s in (deployment.one, deployment.other) * 2]
    await eventually(lambda: has_sent(first), 20)
    second = await deployment.key("rotate", first, "--overlap", "60")
    # For the time of the overlap both count: clients change over when they like.
    current[0] = second
    await eventually(lambda: has_sent(second), 20)
    still = await status_of(deployment.other, first)
    is_over.set()
    await asyncio.gather(*senders)
    await deployment.command("revoke", first)
    for server in (deployment.one, deployment.other):
        await until(partial(status_of, server, first), lambda status: status == 401, 20)

    assert {key: set(statuses) for key, statuses in seen.items()} == {first: {202}, second: {202}}
    assert still == 200
    assert await status_of(deployment.other, second) == 200


async def test_what_a_revoked_key_has_opened_ends_and_nothing_is_opened_again(
    deployment: Deployment,
) -> None:
    key = await deployment.key("add", "--tenant", "erin")
    kept = await deployment.key("add", "--tenant", "erin")
    server = deployment.other
    async with Client(server.url, key) as client, Client(server.url, kept) as another:
        stream = await client.start()
        async with (
            client.events(stream) as events,
            client.lines(stream) as lines,
            client.socket(stream) as socket,
            another.lines(stream) as staying,
        ):
            for reading in (events, lines, staying):
                await anext(reading)
            await frame(socket)
            await deployment.command("revoke", key)
            async with asyncio.timeout(ENDED_SECONDS):
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        await socket.recv()
                told_events = [one async for one in events]
                told_lines = [one async for one in lines]
            await another.send(stream, "still here")
            refused = await client.http.get(f"/stream/{stream}/results")
            still_open = asyncio.ensure_future(anext(staying))
            await asyncio.wait({still_open}, timeout=0.3)
            is_cut_off = still_open.done() and isinstance(
                still_open.exception(), StopAsyncIteration
            )
            still_open.cancel()

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "revoked")
    assert [one.event for one in told_events] == ["message", "error"]
    assert json.loads(told_events[-1].data)["code"] == "unauthorized"
    assert [one["control"] for one in told_lines] == ["position", "error"]
    assert told_lines[-1]["problem"]["code"] == "unauthorized"
    assert refused.status_code == 401
    assert not is_cut_off


async def test_a_key_that_was_made_for_a_time_ends_by_itself(deployment: Deployment) -> None:
    key = await deployment.key("add", "--tenant", "frank", "--expires-in", "4")

    before = await status_of(deployment.one, key)
    await until(lambda: status_of(deployment.other, key), lambda status: status == 401, 20)

    assert before == 200
    assert await status_of(deployment.one, key) == 401


async def test_no_key_right_or_wrong_stands_in_a_log_a_metric_or_a_topic(
    deployment: Deployment,
) -> None:
    key = await deployment.key("add", "--tenant", "grace")
    async with Client(deployment.one.url, key) as client:
        stream = await client.start(label="grace's")
        await client.send(stream, 1)
    mistyped = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert await status_of(deployment.one, mistyped) == 401
    assert await status_of(deployment.one, "x", f"/streams?ticket={key}&key={key}") == 401
    assert await status_of(deployment.one, "x", f"/stream/{key}") == 401

    environ = {name: value for name, value in deployment.made.environ.items() if value}
    settings = KafkaSettings.from_env(environ)
    kept = "".join(
        f"{record.key!r}{record.value!r}"
        for record in await everything_in(settings, settings.streams_topic, 0)
    )
    async with httpx.AsyncClient() as http:
        metrics = (await http.get(deployment.one.metrics_url)).text
    logs = deployment.one.log.read_text("utf-8") + deployment.other.log.read_text("utf-8")
    secrets = [one.split("_")[2] for one in deployment.given]

    assert "unauthorized" in logs and "digest" in kept and "millrace_requests_total" in metrics
    assert key.split("_")[2] in secrets
    assert [secret for secret in secrets if secret in logs + kept + metrics] == []
    assert re.search(r"millrace_[0-9A-Za-z]{12}_", logs + kept) is None


async def test_a_server_with_nothing_but_a_file_of_keys(
    deployment: Deployment, broker: str, tmp_path: Path
) -> None:
    file = ("--file", str(tmp_path / "keys.json"))
    first = await deployment.key("add", "--tenant", "heidi", *file)
    environ = {"API_KEY": "", "API_KEYS_FILE": file[1]}
    async with product(broker, tmp_path, environ) as made:
        server = made.api()
        await server.start()
        before = await status_of(server, first)
        # Made under a pepper that this server does not have.
        assert before == 401
        plain = await asyncio.to_thread(keys, "add", "--tenant", "heidi", *file, cwd=tmp_path)
        key = plain.out.strip()
        await until(lambda: status_of(server, key), lambda status: status == 200, 10)
        await asyncio.to_thread(keys, "revoke", key, *file, cwd=tmp_path)
        await until(lambda: status_of(server, key), lambda status: status == 401, 10)
        log = server.log.read_text("utf-8")

    assert "another KEY_PEPPER or SIGNING_SECRET" in log
