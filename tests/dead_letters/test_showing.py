"""What the command shows, and that nothing in a record can speak to the terminal."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from local.ports import free_port
from streaming_runtime.core.model import new_stream_id
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.dead_letters.safe_text import safe
from tests.dead_letters.letters import Left, command, leave
from tests.processing.traffic import Traffic

EVIL = b"\x1b]0;owned\x07\x1b[2J\xff\x00\r\n" + "\u202e".encode()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (None, "null"),
        (b"plain \xc3\xa9", "plain \u00e9"),
        (b"\x1b[2J\n", "\\x1b[2J\\n"),
        (b"\xff", "\\xff"),
        ("\u202e\u2028\ud800", "\\u202e\\u2028\\ud800"),
    ],
)
def test_only_what_can_be_seen_is_shown(raw: bytes | str | None, shown: str) -> None:
    assert safe(raw) == shown


def test_a_long_text_says_how_much_was_left_out() -> None:
    assert safe(b"x" * 3_000, 10) == "xxxxxxxxxx ... 2,990 characters more"


async def test_the_list_has_the_newest_first_and_is_narrowed_by_stream_reason_and_time(
    traffic: Traffic,
) -> None:
    one, other = (new_stream_id().encode() for _ in range(2))
    places = await leave(
        traffic.settings,
        Left(b"old", one, age_ms=7_200_000),
        Left(b"{", one),
        Left(EVIL, other, reason=b"The processor raised " + EVIL, source=EVIL),
        Left(b"", None, reason=b"The key is not a stream id"),
    )

    whole = await command(traffic.settings, "list")
    short = await command(traffic.settings, "list", "--limit", "1")
    of_one = await command(traffic.settings, "list", "--stream", one.decode(), "--since", "1h")
    raised = await command(traffic.settings, "list", "--reason", "RAISED", "--json")
    none = await command(traffic.settings, "list", "--reason", "nowhere")

    assert whole.code == 0
    assert [line.split()[0] for line in whole.lines] == ["LETTER", *reversed(places)]
    assert [line.split()[0] for line in short.lines] == ["LETTER", places[3]]
    assert [line.split()[0] for line in of_one.lines] == ["LETTER", places[1]]
    assert b64decode(json.loads(raised.out)["value"]) == EVIL
    assert (none.code, none.out, "no such letters" in none.err) == (0, "", True)
    assert is_harmless(whole.out)


async def test_one_letter_is_shown_whole_and_safely(traffic: Traffic) -> None:
    key = new_stream_id().encode()
    headers = [("note", EVIL), ("empty", None), ("source", b"its own")]
    (place, long) = await leave(
        traffic.settings,
        Left(EVIL, key, reason=EVIL, headers=headers),
        Left(b"y" * 10_000, key),
    )

    shown = await command(traffic.settings, "show", place)
    exact = json.loads((await command(traffic.settings, "show", place, "--json")).out)
    cut = await command(traffic.settings, "show", long)
    full = await command(traffic.settings, "show", long, "--full")

    assert shown.code == 0
    assert is_harmless(shown.out)
    for part in (place, "1-7", "3 tries", key.decode(), "note: \\x1b]0;owned", "empty: null"):
        assert part in shown.out
    assert [[name, value and b64decode(value)] for name, value in exact["headers"]][3:] == [
        list(header) for header in headers
    ]
    assert b64decode(exact["value"]) == EVIL
    assert "characters more" in cut.out
    assert "y" * 10_000 in full.out


async def test_what_is_not_there_is_said_with_what_to_do(traffic: Traffic) -> None:
    nobody = KafkaSettings(f"127.0.0.1:{free_port()}", "plaintext", "t.", 1)
    elsewhere = KafkaSettings(traffic.settings.broker, "plaintext", "elsewhere.", 1)

    missing = await command(traffic.settings, "show", "0-99")
    unreachable = await command(nobody, "list")
    mistaken = await command(elsewhere, "list")
    senseless = await command(traffic.settings, "show", "17")
    helped = await command(traffic.settings, "--help")

    assert (missing.code, "no letter 0-99" in missing.err) == (1, True)
    assert (unreachable.code, nobody.broker in unreachable.err) == (1, True)
    assert "is it running" in unreachable.err
    assert (mistaken.code, "KAFKA_TOPIC_PREFIX (elsewhere.)" in mistaken.err) == (2, True)
    assert (senseless.code, "PARTITION-OFFSET" in senseless.err) == (2, True)
    assert (helped.code, "replay" in helped.out) == (0, True)
    for said in (missing, unreachable, mistaken, senseless):
        assert "Traceback" not in said.err


def is_harmless(text: str) -> bool:
    return all(c == "\n" or c.isprintable() for c in text)
