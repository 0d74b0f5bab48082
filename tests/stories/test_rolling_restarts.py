"""Servers restarted one after the other under readers and a sender: nothing is lost or repeated."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from streaming_runtime.live.server import raise_descriptor_limit
from tests.client import Client
from tests.cluster.measured import tell
from tests.eventually import eventually
from tests.product import Process, Product, product
from tests.stories.followers import FORMS, Follower
from tests.stories.numbers import Sender, background

STREAMS = 10
OPENED_AT_ONCE = 100
# The contract's own, on a machine that others use as well.
EXIT_SECONDS = 5.0
UNREADY_SECONDS = 1.0
MOST_TIMES_UNIFORM = 2.0
# Of a few readers a second some come together by chance; of hundreds hardly any.
DEVIATIONS = 5


class Size(NamedTuple):
    """How much of it."""

    readers: int
    restarts: int
    drain_seconds: int


SMALL = Size(100, 2, 4)
LARGE = Size(
    int(os.environ.get("ROLLING_READERS", "2000")),
    int(os.environ.get("ROLLING_RESTARTS", "20")),
    int(os.environ.get("ROLLING_DRAIN_SECONDS", "20")),
)


class Restart(NamedTuple):
    """What one restart was like; ``returns`` are the readers that came back in each second."""

    code: int
    exit_seconds: float
    unready_seconds: float
    readers: int
    returns: list[int]

    def times_uniform(self, drain_seconds: int) -> float:
        return max(self.returns, default=0) * drain_seconds / max(1, self.readers)

    def is_spread(self, drain_seconds: int) -> bool:
        uniform = self.readers / drain_seconds
        most = max(MOST_TIMES_UNIFORM * uniform, uniform + DEVIATIONS * math.sqrt(uniform))
        return max(self.returns, default=0) <= most


async def restarted(server: Process, followers: Sequence[Follower], size: Size) -> Restart:
    """End a server as a deploy does, and start it again; its readers go to the other."""
    leaving = [one for one in followers if one.is_open and one.port == server.port]
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(base_url=server.url) as http:
        begun, begun_at = time.monotonic(), loop.time()
        server.signal(signal.SIGTERM)
        unready = asyncio.ensure_future(unready_after(http, begun))
        code = await server.ended(size.drain_seconds + EXIT_SECONDS + 10)
        took = time.monotonic() - begun
        unready_seconds = await unready
    await server.start()
    await eventually(lambda: all(one.is_open for one in followers), 30)
    seconds = Counter(
        int(at - begun_at) for one in leaving for at in one.opened_at if at > begun_at
    )
    returns = [seconds[second] for second in range(max(seconds, default=0) + 1)]
    return Restart(code, took, unready_seconds, len(leaving), returns)


async def unready_after(http: httpx.AsyncClient, begun: float) -> float:
    """Return how long after ``begun`` no new client would have been sent here."""
    with suppress(httpx.TransportError):
        while (await http.get("/health/ready")).status_code == 200:
            await asyncio.sleep(0.02)
    return time.monotonic() - begun


async def rolled(made: Product, size: Size) -> tuple[list[Follower], Sender, list[Restart]]:
    """Restart two servers in turn under a crowd that follows; return what came of it."""
    raise_descriptor_limit()
    servers = [made.api(), made.api()]
    await asyncio.gather(*(server.start() for server in servers), made.processing().start())
    ports = [server.port for server in servers]
    async with Client(servers[0].url) as client:
        streams = [await client.start() for _ in range(STREAMS)]
    sender = Sender(streams, ports)
    followers = [
        Follower(FORMS[n % len(FORMS)], streams[n % STREAMS], ports) for n in range(size.readers)
    ]
    runs = [asyncio.ensure_future(sender.run())]
    async with background(*await opened(followers)):
        async with background(*runs):
            restarts = [
                await restarted(servers[n % 2], followers, size) for n in range(size.restarts)
            ]
        await eventually(
            lambda: all(one.next_number >= sender.sent[one.stream] for one in followers), 30
        )
    return followers, sender, restarts


async def opened(followers: Sequence[Follower]) -> list[asyncio.Future[None]]:
    """Let them come some at a time, and wait until each has its position."""
    runs: list[asyncio.Future[None]] = []
    for first in range(0, len(followers), OPENED_AT_ONCE):
        some = followers[first : first + OPENED_AT_ONCE]
        runs += [asyncio.ensure_future(one.run()) for one in some]
        await eventually(lambda some=some: all(one.is_open for one in some), 30)  # type: ignore[misc]
    return runs


def check(
    capsys: pytest.CaptureFixture[str],
    size: Size,
    followers: Sequence[Follower],
    sender: Sender,
    restarts: Sequence[Restart],
) -> None:
    """Tell the figures, and hold them against the promise."""
    figures = {
        "readers": len(followers),
        "restarts": len(restarts),
        "results": sum(one.next_number for one in followers),
        "sent": sum(sender.sent.values()),
        "tries": sender.tries,
        "lost": sum(one.lost for one in followers),
        "repeated": sum(one.repeated for one in followers),
        "returns": sum(len(one.opened_at) - 1 for one in followers),
        "cut without a word": sum(one.cuts for one in followers),
        "longest exit": round(max(one.exit_seconds for one in restarts), 2),
        "slowest unready": round(max(one.unready_seconds for one in restarts), 3),
        "most times uniform": round(
            max(one.times_uniform(size.drain_seconds) for one in restarts), 2
        ),
    }
    tell(capsys, "rolling restarts", **figures)
    told = Counter(name for one in followers for name, _ in one.told)
    assert (figures["lost"], figures["repeated"], dict(told)) == (0, 0, {})
    assert figures["cut without a word"] == 0
    assert min(sender.sent.values()) > 0
    for restart in restarts:
        assert restart.code == 0
        assert restart.readers > 0
        assert restart.exit_seconds < size.drain_seconds + EXIT_SECONDS
        assert restart.unready_seconds < UNREADY_SECONDS
        assert restart.is_spread(size.drain_seconds), restart


async def run(broker: str, directory: Path, size: Size, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"DRAIN_SECONDS": str(size.drain_seconds)}
    async with product(broker, directory, environ) as made:
        check(capsys, size, *await rolled(made, size))


@pytest.mark.timeout(180)
async def test_a_rolling_restart_loses_and_repeats_nothing_and_sends_readers_away_one_by_one(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(broker, tmp_path, SMALL, capsys)


@pytest.mark.soak
@pytest.mark.timeout(120 + LARGE.restarts * (LARGE.drain_seconds + 40))
async def test_twenty_rolling_restarts_under_two_thousand_readers(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(broker, tmp_path, LARGE, capsys)
