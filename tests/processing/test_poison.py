"""Records that cannot be processed: what neighbours notice, and that each is accounted for."""

from __future__ import annotations

import asyncio
import json
import random
from itertools import count

import pytest
from aiokafka.partitioner import murmur2

from streaming_runtime.core.model import new_stream_id
from tests.cluster.measured import spread, tell
from tests.processing.conftest import Running
from tests.processing.traffic import Sent, Traffic, headers_of, metric, source_of

PROMISED_SECONDS = 1.0
# What a machine with other things to do may add to half a second of trying and one interrupted try.
SLACK_SECONDS = 0.5
APART_SECONDS = 0.02
BETWEEN_SECONDS = 1.5
FUZZED = 1_200
SEED = 9
REPEATS = "millrace_repeats_dropped_total"

# The last two take as long as any record may: one fails when it has cost much, one does not end.
POISON = (
    Sent(b"{not json"),
    Sent(b"1", processor=b"{broken"),
    Sent(b'"x"', processor={"name": "jmespath", "expression": "abs(@)"}),
    Sent(b'"x"', processor={"name": "jmespath", "expression": "|".join(["[@,@]"] * 30)}),
    Sent(
        b"[" + b",".join(b"[%d]" % (n % 10) for n in range(150_000)) + b"]",
        processor={"name": "jmespath", "expression": "sort_by(@,&to_string(@))"},
    ),
)


def key_in(partition: int, partitions: int) -> bytes:
    """Return a stream of this partition."""
    for _ in count():
        key = new_stream_id().encode()
        if (murmur2(key) & 0x7FFFFFFF) % partitions == partition:
            return key
    raise AssertionError


async def among_neighbours(traffic: Traffic, partition: int) -> tuple[list[str], list[str]]:
    """Send poison into the midst of a steady flow; return the sources of flow and poison."""
    key, of_poison = (key_in(partition, traffic.settings.partitions) for _ in range(2))
    flow: list[str] = []
    poison: list[str] = []

    async def keep_flowing() -> None:
        for number in count():
            flow.extend(await traffic.send_with(producer, Sent(b"%d" % number, key=key)))
            await asyncio.sleep(APART_SECONDS)

    async with traffic.producing() as producer:
        flowing = asyncio.ensure_future(keep_flowing())
        for record in POISON:
            await asyncio.sleep(BETWEEN_SECONDS)
            own = Sent(record.value, of_poison, processor=record.processor)
            poison += await traffic.send_with(producer, own)
        await asyncio.sleep(BETWEEN_SECONDS)
        flowing.cancel()
        await asyncio.wait({flowing})
    return flow, poison


async def test_neighbours_of_poison_are_delayed_by_a_second_at_most(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic = running.traffic
    await traffic.results_of(await traffic.send(Sent(b"0")))

    flow, poison = await among_neighbours(traffic, 0)
    results = await traffic.results_of(flow)
    letters = await traffic.dead_letters_of(poison)

    delays = [
        (int(headers["processed-at"]) - int(headers["sent-at"])) / 1000
        for headers in map(headers_of, results)
    ]
    tell(capsys, "row 9, neighbours of poison", records=len(delays), **spread(delays))
    assert {headers_of(result)["kind"] for result in results} == {b"result"}
    assert [letter.value for letter in letters] == [record.value for record in POISON]
    assert max(delays) <= PROMISED_SECONDS + SLACK_SECONDS


class Fuzz:
    """Records of which some are good, some are broken and some are no records at all."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.streams = [new_stream_id().encode() for _ in range(20)]

    def record(self) -> Sent:
        pick = self._random.choice
        value = pick([self._json, self._broken_json, self._bytes, self._nothing])()
        return Sent(
            value=value,
            # aiokafka writes no record that has neither.
            key=pick([*self.streams, *self.streams, None if value else b"", self._bytes()]),
            kind=pick(["record"] * 8 + ["end", "question", "", None]),
            processor=pick(["identity"] * 6 + [self._processor(), self._bytes()]),
            headers=self._headers(),
        )

    def _json(self) -> bytes:
        return json.dumps({"n": self._random.random(), "t": "\u00e9" * 3}).encode()

    def _broken_json(self) -> bytes:
        text = bytearray(self._json())
        for _ in range(self._random.randint(1, 4)):
            text[self._random.randrange(len(text))] = self._random.randrange(256)
        return bytes(text)

    def _bytes(self) -> bytes:
        return self._random.randbytes(self._random.randint(0, 60))

    def _nothing(self) -> None:
        return None

    def _processor(self) -> object:
        expression = self._random.choice(["n", "abs(t)", "[", "@"])
        name = self._random.choice(["jmespath", "uppercase", "nobody", "reject"])
        return {"name": name, "expression": expression}

    def _headers(self) -> dict[str, bytes | None]:
        headers: dict[str, bytes | None] = {
            f"x{n}": self._random.choice([None, self._bytes()])
            for n in range(self._random.randint(0, 3))
        }
        headers["sent-at"] = b"1700000000000"
        if self._random.random() < 0.4:
            headers["idempotency-key"] = b"k%d" % self._random.randrange(10)
        return headers


async def test_under_byte_fuzz_each_record_is_a_result_a_dead_letter_or_a_repeat(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic, fuzz = running.traffic, Fuzz(SEED)
    await traffic.results_of(await traffic.send(Sent(b"0")))
    before = metric(running.metrics_port, REPEATS)
    records = [fuzz.record() for _ in range(FUZZED)]

    sources = await traffic.send(*records)
    # Behind everything else in each partition.
    last = [Sent(b"0", key_in(n, traffic.settings.partitions)) for n in range(3)]
    await traffic.results_of(await traffic.send(*last))
    sent = dict(zip(sources, records, strict=True))
    results = [r for r in await traffic.all_results() if source_of(r) in sent]
    letters = {source_of(r): r for r in await traffic.letters() if source_of(r) in sent}
    repeats = int(metric(running.metrics_port, REPEATS) - before)

    made = {source_of(result) for result in results} - letters.keys()
    tell(
        capsys,
        f"row 9, byte fuzz {SEED}",
        records=FUZZED,
        results=len(made),
        dead_letters=len(letters),
        repeats=repeats,
    )
    assert len(made) + len(letters) + repeats == FUZZED
    assert min(len(made), len(letters), repeats) > FUZZED // 20
    for source, letter in letters.items():
        own = sent[source]
        assert (letter.key, letter.value) == (own.key, own.value)
        assert [*letter.headers[:-3]] == own.written_headers()[: len(letter.headers) - 3]
        assert headers_of(letter)["reason"]
        assert int(headers_of(letter)["attempts"]) in {1, 2, 3}
    failed = {source_of(r) for r in results if headers_of(r)["kind"] == b"failed"}
    told = {source for source in letters if sent[source].key in fuzz.streams}
    assert told <= failed
