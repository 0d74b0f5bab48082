from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.processing.json_text import check_json, encode, number, parse
from streaming_runtime.processing.processor import Unprocessable

TOKENS = [
    "0",
    "-0",
    "-0.0",
    "1.0",
    "1.10",
    "1E5",
    "1e-7",
    "1e400",
    "-1e400",
    "9007199254740993",
    "123456789012345678901234567890",
    "7" * 5_000,
    "-" + "7" * 5_000,
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:12])
def test_a_number_is_written_as_it_stood(token: str) -> None:
    data = f'{{"n":[{token}]}}'.encode()

    assert encode(parse(data)) == data


@given(st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?\Z"))
def test_every_number_of_the_grammar_survives(token: str) -> None:
    assert encode(parse(token.encode())) == token.encode()


def test_an_exact_number_computes_as_its_nearest_float() -> None:
    assert number("1.10") == 1.1
    assert number("1e400") == math.inf
    assert type(number("1.5")) is float


def test_strings_and_structure_survive() -> None:
    data = '{"é":"\\u0000\\"\\\\","a":[],"b":{},"c":[true,false,null,"\U0001f600"]}'.encode()

    assert encode(parse(data)) == data


@pytest.mark.parametrize("value", [b"1", b' {"a" : 1} ', b"1e400", b'"\\ud83d\\ude00"', b"null"])
def test_what_is_json_passes_unchanged(value: bytes) -> None:
    assert check_json(value) is value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"NaN",
        b"-Infinity",
        b"01",
        b"1.",
        b"{'a':1}",
        b"1 2",
        b'"\xff"',
        b'"\\ud800"',
        b'"\n"',
        b"\xef\xbb\xbf1",
    ],
)
def test_what_is_not_json_is_refused(value: bytes) -> None:
    with pytest.raises(Unprocessable, match="not valid JSON"):
        check_json(value)


def test_no_data_and_endless_nesting_are_refused() -> None:
    with pytest.raises(Unprocessable, match="no data"):
        check_json(None)
    with pytest.raises(Unprocessable, match="too deeply"):
        check_json(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, object()])
def test_what_json_has_no_word_for_is_never_written(value: object) -> None:
    with pytest.raises(Unprocessable):
        encode([value])


def test_half_a_surrogate_pair_and_endless_digits_are_never_written() -> None:
    with pytest.raises(Unprocessable, match="surrogate"):
        encode("\ud800")
    with pytest.raises(Unprocessable, match="over 4300 digits"):
        encode(10**5_000)


def test_a_list_that_holds_itself_twice_again_and_again_is_refused_while_writing() -> None:
    value: object = "x"
    for _ in range(200):
        value = [value, value]

    with pytest.raises(Unprocessable, match="larger than 1 KiB"):
        encode(value, max_bytes=1_024)


def test_the_limit_counts_bytes_and_not_characters() -> None:
    assert encode("é" * 10, max_bytes=22) == ('"' + "é" * 10 + '"').encode()
    with pytest.raises(Unprocessable, match="larger"):
        encode("é" * 10, max_bytes=21)
