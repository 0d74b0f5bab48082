"""Whoever may do one thing may do no other: each operation asks for one scope, or is for all."""

from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.core.principals import SCOPES
from tests.security.credentials import OURS, Carried, World
from tests.security.documented import Asked, document_of, operations
from tests.stories.wire import wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Deny by default: an operation that is in neither table fails here, until somebody decides.
NEEDS = {
    "startStream": "start",
    "sendRecords": "send",
    "endStream": "send",
    "readResults": "read",
    "getStream": "read",
    "listStreams": "read",
    "makeTicket": "read",
}
PUBLIC = {
    "getAsyncApi",
    "getConsole",
    "getDocs",
    "getFile",
    "getProblem",
    "getSchema",
    "isAlive",
    "isReady",
    "listProblems",
    "getProtectedResource",
}
NO_CREDENTIAL = Carried()


async def test_every_operation_asks_for_a_scope_or_is_known_to_be_for_all(world: World) -> None:
    document = await document_of(world.api.url)

    guarded = {o["operationId"] for _, _, o in operations(document) if o["security"]}
    public = {o["operationId"] for _, _, o in operations(document) if not o["security"]}

    assert guarded == NEEDS.keys()
    assert public <= PUBLIC


async def test_a_scope_opens_its_own_operations_and_no_other(world: World) -> None:
    document = await document_of(world.api.url)
    found: dict[str, set[str]] = {name: set() for name in NEEDS}
    for scope in SCOPES:
        token = world.issuer.token(OURS, scope=f"stream:{scope}")
        async with wire(world.api.url) as peer:
            for asked, name in guarded(document):
                carried = Carried({"Authorization": f"Bearer {token}"})
                heard = await peer.ask(asked.bytes_for(world.streams[OURS], carried))
                assert heard.status != 401, asked
                if heard.status != 403:
                    found[name].add(scope)
                else:
                    assert heard.code() == "forbidden"

    assert found == {name: {scope} for name, scope in NEEDS.items()}


async def test_without_a_credential_nothing_but_what_is_for_all_is_answered(world: World) -> None:
    document = await document_of(world.api.url)
    async with wire(world.api.url) as peer:
        for asked, name in guarded(document):
            heard = await peer.ask(asked.bytes_for(world.streams[OURS], NO_CREDENTIAL))
            assert (heard.status, heard.code()) == (401, "unauthorized"), name
            assert heard.headers["www-authenticate"]


async def test_a_token_without_a_scope_of_ours_may_do_nothing(world: World) -> None:
    document = await document_of(world.api.url)
    token = world.issuer.token(OURS, scope="openid profile")
    async with wire(world.api.url) as peer:
        for asked, name in guarded(document):
            carried = Carried({"Authorization": f"Bearer {token}"})
            heard = await peer.ask(asked.bytes_for(world.streams[OURS], carried))
            assert (heard.status, heard.code()) == (403, "forbidden"), name


def guarded(document: dict[str, Any]) -> list[tuple[Asked, str]]:
    """Return a request of each operation that needs a credential, which changes nothing."""
    return [
        (
            Asked(
                method,
                path,
                accept="application/json" if method == "GET" else "",
                # Whoever may get so far is told that it is no JSON.
                body=b"nonsense" if method == "POST" else None,
            ),
            str(operation["operationId"]),
        )
        for method, path, operation in operations(document)
        if operation["security"]
    ]
