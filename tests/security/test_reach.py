"""What the code cannot do, whoever asks: reach other hosts, look up streams elsewhere, run data."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.architecture.tree import modules, parsed
from tests.security.credentials import OURS, World
from tests.security.test_isolation import foreign_ids
from tests.stories.wire import request, wire

SERVED = ("streaming_runtime", "functions")
# What opens a connection to an address; Kafka's and AWS's clients have folders of their own.
REACHING = {
    *("aiohttp", "ftplib", "http.client", "httpcore", "httpx", "requests", "smtplib"),
    *("urllib.request", "urllib3", "xmlrpc"),
}
# The issuer's keys, from where the settings say.
MAY_REACH = {"streaming_runtime.http.key_source"}
RUNNING = {"code", "dill", "marshal", "pickle", "shelve", "subprocess", "yaml"}
RUN = {"eval", "exec", "compile", "os.system", "os.popen"}
# `Streams.owned` asks for tenant and stream together; the others look again at one it has given.
MAY_LOOK_UP = {
    "streaming_runtime.core.streams",
    "streaming_runtime.core.sending",
    "functions.prompt",
}


def imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importing(names: set[str]) -> set[str]:
    return {
        module
        for module, path in modules(*SERVED).items()
        for imported in imports(parsed(path))
        if imported in names or imported.partition(".")[0] in names
    }


def test_nothing_reaches_an_address_but_what_reads_the_issuers_keys() -> None:
    assert importing(REACHING) == MAY_REACH


def test_nothing_that_came_from_outside_can_be_run() -> None:
    called = {
        module
        for module, path in modules(*SERVED).items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in RUN
    }

    assert importing(RUNNING) == set()
    assert called == set()


def look_ups() -> dict[str, set[str]]:
    """Return the functions that ask a registry for a stream, outside of the adapters."""
    found: dict[str, set[str]] = {}
    for module, path in modules(*SERVED).items():
        if module.split(".")[1:2] in (["kafka"], ["aws"], ["dead_letters"], ["keys"]):
            continue
        for function in ast.walk(parsed(path)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                isinstance(node, ast.Call) and ast.unparse(node.func).endswith("registry.get")
                for node in ast.walk(function)
            ):
                found.setdefault(module, set()).add(function.name)
    return found


def test_streams_are_looked_up_in_one_place_by_tenant_and_id() -> None:
    found = look_ups()

    assert found.keys() <= MAY_LOOK_UP
    assert "owned" in found["streaming_runtime.core.streams"]


@pytest.mark.asyncio(loop_scope="session")
async def test_no_request_makes_a_topic(world: World) -> None:
    before = await topics(world)
    key = {"x-api-key": world.keys[OURS]}
    async with wire(world.api.url) as peer:
        for name in (*foreign_ids("A" * 22), f"{world.prefix}made", "__consumer_offsets", "%00"):
            for path in (f"/stream/{name}", f"/stream/{name}/send", f"/stream/{name}/results"):
                for method in ("GET", "POST"):
                    await peer.ask(request(method, path, key, b'{"data": 1}'))
    assert await topics(world) == before


async def topics(world: World) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.broker)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()
