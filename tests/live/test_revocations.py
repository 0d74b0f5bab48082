"""Connections of keys that count no more are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.core.principals import CALLER, Principal
from streaming_runtime.live import revocations
from streaming_runtime.live.connections import Connection, Connections
from streaming_runtime.live.revocations import Revocations


@contextmanager
def called_by(principal: Principal | None) -> Iterator[None]:
    token = CALLER.set(principal)
    try:
        yield
    finally:
        CALLER.reset(token)


def opened(stack: ExitStack, connections: Connections, key_id: str | None) -> Connection:
    principal = None if key_id is None else Principal("acme", key_id=key_id)
    with called_by(principal):
        return stack.enter_context(connections.opened())


async def test_only_the_connections_of_a_key_that_counts_no_more_are_closed() -> None:
    connections, asked = Connections(lambda _: None), list[str]()
    with ExitStack() as stack:
        good, bad, bad_too = (opened(stack, connections, name) for name in ("good", "bad", "bad"))
        configured, nobody = (opened(stack, connections, name) for name in ("", None))
        upload = stack.enter_context(_uploading(connections, "bad"))

        async def counts(key_id: str) -> bool:
            asked.append(key_id)
            return key_id == "good"

        await Revocations(connections, counts).look()

        assert {bad.leaving, bad_too.leaving, upload.leaving} == {"revoked"}
        assert {good.leaving, configured.leaving, nobody.leaving} == {None}
    assert sorted(asked) == ["bad", "good"]


@contextmanager
def _uploading(connections: Connections, key_id: str) -> Iterator[Connection]:
    with called_by(Principal("acme", key_id=key_id)), connections.uploading() as connection:
        yield connection


async def test_while_nobody_can_tell_a_connection_stays_and_is_looked_at_again() -> None:
    connections = Connections(lambda _: None)
    answers: list[bool | Exception] = [Overloaded(), False]
    with ExitStack() as stack:
        connection = opened(stack, connections, "k")

        async def counts(_: str) -> bool:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        watch = Revocations(connections, counts)
        await watch.look()
        assert connection.leaving is None
        await watch.look()
        assert connection.leaving == "revoked"


async def test_it_looks_again_and_again_within_the_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections, looks = Connections(lambda _: None), asyncio.Semaphore(0)
    assert revocations.LOOK_SECONDS <= 10
    monkeypatch.setattr(revocations, "LOOK_SECONDS", 0.001)
    with ExitStack() as stack:
        opened(stack, connections, "k")

        async def counts(_: str) -> bool:
            looks.release()
            return True

        watching = asyncio.ensure_future(Revocations(connections, counts).run())
        async with asyncio.timeout(5):
            for _ in range(3):
                await looks.acquire()
        watching.cancel()


async def test_a_connection_that_was_closed_is_not_asked_about() -> None:
    connections = Connections(lambda _: None)
    with ExitStack() as stack:
        opened(stack, connections, "k")

    assert connections.by_key() == {}
