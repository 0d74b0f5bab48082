"""Bytes into lines."""

from hypothesis import given
from hypothesis import strategies as st

from functions.send.splitting import LineSplitter


def split(pieces: list[bytes], most: int = 100) -> list[bytes | None]:
    splitter = LineSplitter(most)
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return lines + splitter.finish()


@given(st.lists(st.text("ab\n").map(str.encode)))
def test_how_the_body_is_cut_into_pieces_changes_nothing(pieces: list[bytes]) -> None:
    body = b"".join(pieces)

    lines = split(pieces)

    assert b"\n".join(line or b"" for line in lines) == body.removesuffix(b"\n")


def test_a_last_line_needs_no_end() -> None:
    assert split([b"a\nb"]) == [b"a", b"b"]
    assert split([b"a\nb\n"]) == [b"a", b"b"]
    assert split([]) == []


def test_a_line_of_just_the_limit_is_one() -> None:
    assert split([b"1234", b"5\n6"], 5) == [b"12345", b"6"]


def test_a_longer_line_is_passed_over_and_the_rest_goes_on() -> None:
    assert split([b"1234", b"56", b"7\nok\n", b"123456"], 5) == [None, b"ok", None]


def test_a_line_that_is_too_long_is_not_kept() -> None:
    splitter = LineSplitter(5)

    for _ in range(1_000):
        splitter.feed(b"x" * 1_000)

    assert splitter._pieces == []
