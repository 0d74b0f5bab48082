from __future__ import annotations

import time
from typing import Any

import pytest
from jmespath import search as plain_search

from streaming_runtime.processing.expressions import Expression
from streaming_runtime.processing.json_text import encode, parse
from streaming_runtime.processing.processor import Unprocessable


def found(expression: str, data: str) -> str:
    return encode(Expression("expression", expression).search(parse(data.encode()))).decode()


TWICE = "[@,@]|" * 40
SEPARATED = '"",' * 999
BOMBS = {
    "two trees, compared": (f"{{a:{TWICE}@,b:{TWICE}@}}|a==b", "1"),
    "two trees, sought": (f"{{a:{TWICE}@,b:{TWICE}@}}|contains([a],b)", "1"),
    "lists twice in lists, written": (TWICE + "@", "1"),
    "lists twice in lists, as text": (TWICE + "to_string(@)", "1"),
    "doubled lists": ("[@,@][]|" * 45 + "@", "[1,2]"),
    "doubled texts": ("[@,@]|join('',@)|" * 45 + "@", '"abc"'),
    "one list many times": ("[" + ",".join(["@"] * 900) + "][]", "[" + "1," * 90_000 + "1]"),
    "a long separator": ("join(a, b)", f'{{"a":"{"x" * 9_999}","b":[{SEPARATED}""]}}'),
    "sorted again and again": ("sort(@)|" * 90 + "@", "[" + "1," * 90_000 + "1]"),
    "visited again and again": ("@[*]|" * 90 + "@", "[" + "1," * 90_000 + "1]"),
    "reversed again and again": ("reverse(@)|" * 90 + "@", f'"{"x" * 250_000}"'),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_expression_that_asks_for_endless_work_is_given_up(name: str) -> None:
    expression, data = BOMBS[name]
    started = time.process_time()

    with pytest.raises(Unprocessable, match=r"too many steps|too long|larger than"):
        found(expression, data)

    # A bound for a slow machine; what it keeps out would take longer than the universe is old.
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("expression", "data"),
    [
        ("a.b[0]", '{"a":{"b":[1,2]}}'),
        ("[?a > `1`].a", '[{"a":1},{"a":2.5},{"a":3}]'),
        ("{x: a, y: b}", '{"a":1,"b":"two"}'),
        ("a[].b[]", '{"a":[{"b":[1,2]},{"b":[3]},{"b":4}]}'),
        ("*.a", '{"x":{"a":1},"y":{"a":2}}'),
        ("sort_by(@, &a)[-1].a", '[{"a":3},{"a":1}]'),
        ("max_by(@, &a).a", '[{"a":3},{"a":1}]'),
        ("join(', ', a)", '{"a":["x","y"]}'),
        ("contains(a, 'x')", '{"a":["x","y"]}'),
        ("contains(a, 'el')", '{"a":"hello"}'),
        ("length(a) == `2`", '{"a":[1,2]}'),
        ("a == b", '{"a":{"x":[1,{"y":null}]},"b":{"x":[1,{"y":null}]}}'),
        ("a != b", '{"a":[1,2],"b":[2,1]}'),
        ("a && b || c", '{"a":[],"b":1,"c":"c"}'),
        ("!a", '{"a":0}'),
        ("a < b", '{"a":"x","b":"y"}'),
        ("a < b", '{"a":true,"b":2}'),
        ("to_string(a)", '{"a":[1,"x"]}'),
        ("to_number(a)", '{"a":"12"}'),
        ("sum(@)", "[1,2.5]"),
        ("[::2]", "[1,2,3]"),
        ("nothing.here", '{"a":1}'),
    ],
)
def test_it_finds_what_jmespath_finds(expression: str, data: str) -> None:
    expected: Any = plain_search(expression, parse(data.encode()))

    assert found(expression, data) == encode(expected).decode()


@pytest.mark.parametrize(
    ("expression", "data", "expected"),
    [
        ("@ == `1`", "true", "false"),
        ("@ != `1`", "true", "true"),
        ("contains(@, `1`)", "[true]", "false"),
        ("@ < `1`", '"text"', "null"),
        ("to_number(@)", '"1e400"', "1e400"),
        ("to_number(@)", '"9007199254740993"', "9007199254740993"),
        ("to_number(@)", '"007"', "null"),
        ("to_number(@)", '" 1_0 "', "null"),
        ("to_string(@)", "[1e400,1.10]", '"[1e400,1.10]"'),
        ("type(@)", "1e400", '"number"'),
        ("max(@)", "[1.10,2.50]", "2.50"),
        ("@[0] == @[1]", "[1.0,1]", "true"),
    ],
)
def test_it_is_right_where_plain_jmespath_is_not(expression: str, data: str, expected: str) -> None:
    assert found(expression, data) == expected


def test_a_record_of_the_largest_size_is_within_the_bounds() -> None:
    data = "[" + "1," * 60_000 + "1]"

    assert found("length(@)", data) == "60001"
    assert found("[*]", data) == data
