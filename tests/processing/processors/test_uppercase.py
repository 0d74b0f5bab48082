from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.processing.json_text import check_json
from streaming_runtime.processing.processors.uppercase import uppercase


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('"sample data"', '"SAMPLE DATA"'),
        ('{"name":"value"}', '{"name":"VALUE"}'),
        ('{"name" \n : "value"}', '{"name" \n : "VALUE"}'),
        ('["a:", ":", "\\":"]', '["A:", ":", "\\":"]'),
        ('{"a\\"b":"c\\"d"}', '{"a\\"b":"C\\"D"}'),
        ('{"k":"a","k":"b"}', '{"k":"A","k":"B"}'),
        ('"stra\u00dfe"', '"STRASSE"'),
        ('"\\u00e9\\ud801\\udc28\\n\\\\n\\u0000"', '"\u00c9\U00010400\\n\\\\N\\u0000"'),
        ("[true,false,null,1e5,1E400,-0.0,1.10]", "[true,false,null,1e5,1E400,-0.0,1.10]"),
        ('[9007199254740993,"x"]', '[9007199254740993,"X"]'),
        ('""', '""'),
        ("5", "5"),
    ],
)
def test_values_are_in_capitals_and_the_rest_is_as_it_was(data: str, expected: str) -> None:
    assert uppercase(data.encode()).decode() == expected


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_it_agrees_with_parsing_and_writing(data: Any, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps(data, ensure_ascii=is_ascii, indent=indent).encode()

    result = uppercase(text)

    assert json.loads(check_json(result)) == _in_capitals(data)


def _in_capitals(data: Any) -> Any:
    if isinstance(data, str):
        return data.upper()
    if isinstance(data, list):
        return [_in_capitals(element) for element in data]
    if isinstance(data, dict):
        return {name: _in_capitals(value) for name, value in data.items()}
    return data
