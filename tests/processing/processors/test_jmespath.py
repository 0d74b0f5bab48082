from __future__ import annotations

import pytest

from streaming_runtime.processing.catalog import Catalog
from streaming_runtime.processing.processor import Unprocessable


@pytest.mark.parametrize(
    ("expression", "data", "expected"),
    [
        ("user.name", b'{"user":{"name":"Ada"}}', b'"Ada"'),
        ("nothing", b'{"a":1}', b"null"),
        ("a", b'{"a":9007199254740993}', b"9007199254740993"),
        ("a", b'{"a":[1e400,-0,1.10]}', b"[1e400,-0,1.10]"),
        ("{b: b, a: a}", b'{"a":1.0,"b":"\\u00e9"}', b'{"b":"\xc3\xa9","a":1.0}'),
    ],
)
def test_the_result_is_what_the_expression_finds(
    expression: str, data: bytes, expected: bytes
) -> None:
    assert Catalog().process("jmespath", {"expression": expression})(data) == expected


def test_a_number_beyond_json_is_never_written() -> None:
    process = Catalog().process("jmespath", {"expression": "sum(@)"})

    with pytest.raises(Unprocessable, match="no word for"):
        process(b"[1e400,1e400]")


def test_a_function_that_cannot_take_the_data_makes_the_record_unprocessable() -> None:
    process = Catalog().process("jmespath", {"expression": "length(@)"})

    with pytest.raises(Unprocessable, match="length"):
        process(b"1")
