"""Repeats on a real broker: no second result, whoever has the partition by then."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from streaming_runtime.core.model import new_stream_id
from tests.eventually import eventually
from tests.processing.conftest import Running
from tests.processing.traffic import Sent, Traffic, headers_of, metric, seen_by_readers, source_of
from tests.product import Process, Product

REPEATS = "millrace_repeats_dropped_total"
GUARANTEES = ("at-least-once", "exactly-once")


def keyed(value: bytes, stream: bytes, key: bytes | None = None, kind: str = "record") -> Sent:
    header = secrets.token_hex(16).encode() if key is None else key
    return Sent(value, key=stream, kind=kind, headers={"idempotency-key": header})


def figure(process: Process, name: str) -> float:
    return metric(int(process.url.rpartition(":")[2]), name)


async def values_of(traffic: Traffic, stream: bytes) -> list[bytes]:
    """Return the values of all that the results log holds for a stream."""
    return [r.value for r in await traffic.all_results() if r.key == stream]


async def test_a_repeat_gives_no_second_result_and_every_record_is_accounted_for(
    running: Running,
) -> None:
    stream, other = (new_stream_id().encode() for _ in range(2))
    await running.traffic.results_of(await running.traffic.send(Sent(b"0")))
    before = metric(running.metrics_port, REPEATS)

    sources = await running.traffic.send(
        keyed(b"1", stream, b"a"),
        keyed(b"2", stream, b"a"),
        keyed(b"3", other, b"a"),
        keyed(b"4", stream, b"a\n0"),
        Sent(b"5", key=stream),
        Sent(b"6", key=stream),
        Sent(b"7", key=stream, headers={"idempotency-key": b""}),
        Sent(b"8", key=stream, headers={"idempotency-key": None}),
        keyed(b"{poison", stream, b"p"),
        keyed(b"{poison", stream, b"p"),
        keyed(b"null", stream, b"e", kind="end"),
        keyed(b"null", stream, b"e", kind="end"),
        Sent(b'"last"', key=stream),
        keyed(b'"of other"', other, b"z"),
    )
    await running.traffic.results_of(sources[-2:])

    results = [r for r in await running.traffic.all_results() if source_of(r) in set(sources)]
    letters = await running.traffic.dead_letters_of([sources[8]])
    told = {source_of(r) for r in results}
    dropped = [source for source in sources if source not in told]
    assert dropped == [sources[1], sources[9], sources[11]]
    assert metric(running.metrics_port, REPEATS) - before == len(dropped)
    assert len(results) + len(dropped) == len(sources)
    assert headers_of(letters[0])["idempotency-key"] == b"p"
    assert headers_of(results[-1])["kind"] in {b"result"}


@pytest.mark.parametrize(
    "guarantee", ["at-least-once", pytest.param("exactly-once", marks=pytest.mark.soak)]
)
async def test_keys_survive_a_kill_and_go_with_their_partitions_to_an_empty_folder(
    guarantee: str, traffic: Traffic, processes: Product
) -> None:
    await killed_again_and_again(1, 2_000, guarantee, traffic, processes)


@pytest.mark.soak
@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_keys_survive_twenty_kills(
    guarantee: str, traffic: Traffic, processes: Product
) -> None:
    await killed_again_and_again(20, 60_000, guarantee, traffic, processes)


async def killed_again_and_again(
    kills: int, count: int, guarantee: str, traffic: Traffic, processes: Product
) -> None:
    """Kill between changelog and commit, and anywhere else: no record is lost or eaten by itself.

    A third of the records comes again at once, and all of them at the end.
    """
    environ = {**traffic.environ, "PROCESSING_GUARANTEE": guarantee}
    streams = [new_stream_id().encode() for _ in range(20)]
    sent = [keyed(b"%d" % n, streams[n % 20]) for n in range(count)]
    sources = (await traffic.send(*sent, *sent[::3]))[:count]

    for _ in range(kills):
        process = processes.processing(**environ)
        await process.start()
        await eventually(partial(has_written, process), 40)
        await process.kill()
    last = processes.processing(**environ)
    await last.start()
    again = await traffic.send(*sent, *(Sent(b'"after"', key=stream) for stream in streams))
    results = await traffic.results_of([*sources, *again[count:]], seconds=60 + count / 500)

    assert [int(result.value) for result in results[:count]] == list(range(count))
    taken = seen_by_readers(await traffic.all_results())
    assert sum(map(len, taken.values())) == count + len(streams)
    assert figure(last, REPEATS) >= count
    assert await last.stop() == 0


def has_written(process: Process) -> bool:
    return figure(process, 'millrace_processed_total{kind="result"}') > 0


async def test_a_process_that_starts_again_reuses_its_folder_and_needs_none(
    traffic: Traffic, processes: Product, tmp_path: Path
) -> None:
    stream, state = new_stream_id().encode(), tmp_path / "kept"
    environ = {**traffic.environ, "STATE_DIR": str(state)}
    sent = [keyed(b"%d" % n, stream) for n in range(20)]

    for run in range(3):
        process = processes.processing(**environ)
        await process.start()
        (last,) = (await traffic.send(*sent, Sent(b'"after"', key=stream)))[-1:]
        await traffic.results_of([last], seconds=40)
        assert figure(process, REPEATS) == (20 if run else 0)
        assert [p.name for p in state.iterdir() if p.is_dir()] == ["0"]
        assert await process.stop() == 0
        if run == 1:
            shutil.rmtree(state)

    assert await values_of(traffic, stream) == [s.value for s in sent] + 3 * [b'"after"']


@pytest.mark.soak
async def test_two_processes_with_one_state_dir_share_nothing_in_it(
    traffic: Traffic, processes: Product, tmp_path: Path
) -> None:
    environ = {**traffic.environ, "STATE_DIR": str(tmp_path / "shared")}
    one, other = (processes.processing(**environ) for _ in range(2))
    await asyncio.gather(one.start(), other.start())
    streams = [new_stream_id().encode() for _ in range(12)]
    sent = [keyed(b"%d" % n, streams[n % 12], b"%d" % n) for n in range(240)]
    await traffic.results_of(await traffic.send(*sent))

    one.signal(signal.SIGTERM)
    assert await one.ended() == 0
    sources = await traffic.send(*sent, *(Sent(b'"after"', key=s) for s in streams))
    await traffic.results_of(sources[240:])

    assert sorted(p.name for p in (tmp_path / "shared").iterdir() if p.is_dir()) == ["0", "1"]
    assert len(await traffic.all_results()) == 240 + 12
    assert await other.stop() == 0
