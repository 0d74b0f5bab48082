from __future__ import annotations

from typing import Any

import pytest

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.processing.expressions import Expression, is_true
from streaming_runtime.processing.processor import Unprocessable


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("a[", "ends too early"),
        ("a ++ b", "see character 3"),
        ("a = b", "see character 3"),
        ("'open", "see character 1"),
        ("nope(@)", r"no function nope\(\); there are abs, avg"),
        ("abs(@, @)", r"gives abs\(\) 2 arguments where it takes 1"),
        ("a | not_null()", r"gives not_null\(\) 0 arguments"),
        ("[::0]", "step 0"),
        ("&a", "& outside"),
        ("`1e400`", "literal"),
        ("`NaN`", "literal"),
        ('`"\\ud800"`', "literal"),
        ("[" * 120 + "@" + "]" * 120, "nested deeper than 100"),
        ("(" * 900 + "a" + ")" * 900, "that can be read"),
        ("a" * 2_001, "longer than 2,000"),
    ],
)
def test_what_can_never_work_is_refused_and_named(text: str, complaint: str) -> None:
    with pytest.raises(InvalidBody, match=complaint) as caught:
        Expression("when", text)

    assert str(caught.value).startswith("when: ")


@pytest.mark.parametrize("text", ["a", "`foo`", "a[?b == 'c'].d | [0]", "map(&a, @)", "x" * 2_000])
def test_what_can_work_is_accepted(text: str) -> None:
    Expression("expression", text)


@pytest.mark.parametrize(
    ("text", "data", "complaint"),
    [
        ("abs(@)", "text", r"abs\(\) needs number, and the data holds something else"),
        ("sort_by(@, &a)", [{"a": 1}, {"a": "x"}], r"sort_by\(\) needs number"),
        ("min_by(@, &a)", [{"a": 1}, {"a": "x"}], "cannot be computed"),
        ("ceil(@)", float("inf"), "cannot be computed"),
        ("avg(@)", [10**400], "cannot be computed"),
    ],
)
def test_data_that_a_function_cannot_take_is_unprocessable(
    text: str, data: Any, complaint: str
) -> None:
    with pytest.raises(Unprocessable, match=complaint):
        Expression("expression", text).search(data)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_null_false_and_what_is_empty_is_false(value: Any) -> None:
    assert not is_true(value)


@pytest.mark.parametrize("value", [0, 0.0, True, "a", [None], {"a": None}])
def test_all_else_is_true(value: Any) -> None:
    assert is_true(value)
