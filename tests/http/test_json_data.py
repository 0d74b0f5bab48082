"""What is refused of a client's JSON before any parser of ours sees it."""

import time

import pytest

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.http.json_data import check, check_text, is_shallow

MEBIBYTE = 1 << 20


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_depth_itself_is_allowed_and_one_more_is_not(opening: bytes, closing: bytes) -> None:
    assert is_shallow(nested(100, opening, closing), 100)
    assert not is_shallow(nested(101, opening, closing), 100)


def test_brackets_in_strings_do_not_nest() -> None:
    text = b'"' + b"[{" * 200 + b'\\"' + b"[{" * 200 + b'\\\\"'

    assert is_shallow(b"[" + text + b"]", 100)
    assert not is_shallow(nested(60) + text + nested(101), 100)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert is_shallow(b"[" + b"[]," * 500 + b"[]]", 2)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 102 + b'"' + b'\\"' * (MEBIBYTE // 2),
        b"[" * 102 + b'"' * MEBIBYTE,
        b"[" * 102 + b'"' + b"\\" * MEBIBYTE,
        b"[" * MEBIBYTE,
        b"[]" * (MEBIBYTE // 2),
        b'["",' * (MEBIBYTE // 4),
    ],
    ids=["escaped quotes", "quotes", "backslashes", "open", "pairs", "strings"],
)
def test_no_body_of_a_mebibyte_holds_up_the_process(body: bytes) -> None:
    begun = time.process_time()

    is_shallow(body, 100)

    # A tenth of it is usual; what goes wrong here takes minutes.
    assert time.process_time() - begun < 2


def test_both_halves_of_a_pair_are_text_and_one_is_not() -> None:
    check_text(rb'{"data":"\ud83d\ude00"}')
    check_text(rb'{"data":"\\ud83d"}')

    with pytest.raises(InvalidBody, match="surrogate"):
        check_text(rb'{"data":"\ud83d"}')
    with pytest.raises(InvalidBody, match="surrogate"):
        check_text(rb'{"data":{"\uDE00":1}}')


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"'])
def test_what_is_not_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody, match="UTF-8"):
        check(body, depth=1)


def test_a_number_of_any_length_is_text_beside_a_pair() -> None:
    check_text(rb'{"data":["\ud83d\ude00",' + b"9" * 10_000 + b"]}")
