"""Fields and query as they stand in the scope."""

import pytest

from streaming_runtime.core.errors import InvalidParameter
from streaming_runtime.http.heads import fields_of, query_of


def test_a_repeated_field_is_joined_and_bytes_are_latin_1() -> None:
    headers = [(b"accept", b"a/b"), (b"x-api-key", b"\xe9"), (b"accept", b"c/d")]

    assert fields_of({"headers": headers}) == {"accept": "a/b, c/d", "x-api-key": "é"}


def test_an_empty_value_is_a_value() -> None:
    assert query_of({"query_string": b"cursor=&limit=3"}) == {"cursor": "", "limit": "3"}


def test_values_are_decoded() -> None:
    assert query_of({"query_string": b"since=2026-01-31T12:00:00%2B01:00&a=%FF"}) == {
        "since": "2026-01-31T12:00:00+01:00",
        "a": "\N{REPLACEMENT CHARACTER}",
    }


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="twice"):
        query_of({"query_string": b"cursor=a&cursor=b"})
