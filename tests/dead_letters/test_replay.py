"""Sending letters in again: once, in order, and only where somebody would see the result."""

from __future__ import annotations

from pathlib import Path

from streaming_runtime.core.model import new_stream_id
from tests.dead_letters.letters import Left, command, leave, start_streams
from tests.processing.traffic import Sent, Traffic, headers_of, source_of
from tests.product import Product


async def test_a_letter_that_is_replayed_twice_gives_one_result_and_a_new_failure_a_new_letter(
    traffic: Traffic, broker: str, tmp_path: Path
) -> None:
    key = new_stream_id().encode()
    await start_streams(traffic.settings, key)
    own = [("idempotency-key", b"the client's"), ("note", b"kept")]
    good, bad = await leave(
        traffic.settings, Left(b'"healed"', key, headers=own), Left(b"{still broken", key)
    )
    processes = Product(broker, tmp_path, {})
    process = processes.processing(**traffic.environ)
    await process.start()

    first = await command(traffic.settings, "replay", good, bad, "--yes")
    again = await command(traffic.settings, "replay", good)
    sources = [line.split()[2] for line in (first.out + again.out).splitlines()]
    (after,) = await traffic.send(Sent(b'"after"', key=key))
    await traffic.results_of([after])
    results = [source_of(result) for result in await traffic.all_results()]
    letters = await traffic.read(traffic.settings.dead_letter_topic, lambda found: len(found) > 2)
    second = await command(traffic.settings, "replay", f"0-{letters[2].offset}")
    (last,) = await traffic.results_of([second.lines[0].split()[2]])
    await processes.close()

    assert (first.code, again.code, second.code) == (0, 0, 0)
    assert results == [sources[0], sources[1], after]
    assert headers_of(last)["kind"] == b"failed"
    assert source_of(letters[2]) == sources[1]
    assert headers_of(letters[2])["idempotency-key"].endswith(f"/{bad}".encode())


async def test_a_streams_letters_are_replayed_in_order_as_they_were(traffic: Traffic) -> None:
    key, other = (new_stream_id().encode() for _ in range(2))
    await start_streams(traffic.settings, key, other)
    left = [
        Left(b"%d" % n, other if n % 3 else key, headers=[("note", b"%d" % n)], age_ms=n)
        for n in range(330)
    ]
    await leave(traffic.settings, *left)

    unasked = await command(traffic.settings, "replay", "--stream", key.decode())
    replayed = await command(traffic.settings, "replay", "--stream", key.decode(), "--yes")
    records = await traffic.read(traffic.settings.input_topic, lambda found: len(found) >= 110)

    assert (unasked.code, "110 letters" in unasked.err) == (2, True)
    assert replayed.code == 0
    assert len(replayed.lines) == 110
    expected = [letter for letter in left if letter.key == key]
    assert [r.value for r in records] == [letter.value for letter in expected]
    for record, letter in zip(records, expected, strict=True):
        assert list(record.headers)[:-1] == letter.written()[:-3]
        assert record.headers[-1][0] == "idempotency-key"
    assert len({record.headers[-1][1] for record in records}) == 110


async def test_what_nobody_would_see_is_refused_with_the_reason(traffic: Traffic) -> None:
    living, ended, unknown = (new_stream_id().encode() for _ in range(3))
    await start_streams(traffic.settings, living)
    await start_streams(traffic.settings, ended, ended_at=1)
    places = await leave(
        traffic.settings,
        *(Left(b"1", key) for key in (living, ended, unknown, None, b"\x1b[2J")),
    )

    said = await command(traffic.settings, "replay", "--all", "--yes")
    missing = await command(traffic.settings, "replay", "0-99")
    unclear = await command(traffic.settings, "replay")

    assert said.code == 1
    assert [line.split()[0] for line in said.lines] == [places[0]]
    reasons = ("ended", "not known", "no stream id", "no stream id")
    for place, why in zip(places[1:], reasons, strict=True):
        assert any(place in line and why in line for line in said.err.splitlines())
    assert "\x1b" not in said.err
    assert (missing.code, "no such letter" in missing.err) == (1, True)
    assert (unclear.code, "--stream ID" in unclear.err) == (2, True)
