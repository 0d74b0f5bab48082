"""What a stream may be started with."""

import pytest

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.http.start_body import parse_start


@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_a_start_without_a_body_means_all_defaults(body: bytes) -> None:
    start = parse_start(body)

    assert (start.processor, start.label, start.ttl_seconds) == (None, None, None)


def test_a_start_takes_its_three_fields() -> None:
    start = parse_start(
        b'{"processor":{"name":"jmespath","expression":"a"},"label":"\xe2\x9c\x93\\n","ttl_seconds":9}'
    )

    assert start.processor == {"name": "jmespath", "expression": "a"}
    assert (start.label, start.ttl_seconds) == ("✓\n", 9)


@pytest.mark.parametrize(
    "body, said",
    [
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"procesor":"x"}', "procesor"),
        (b'{"processor":7}', "processor"),
        (b'{"processor":""}', "processor"),
        (b'{"label":7}', "label"),
        (b'{"label":"' + b"x" * 201 + b'"}', "label"),
        (b'{"label":"\\ud800"}', "surrogate"),
        (b'{"label":"a","label":"b"}', "twice"),
        (b'{"ttl_seconds":0}', "ttl_seconds"),
        (b'{"ttl_seconds":-1}', "ttl_seconds"),
        (b'{"ttl_seconds":1.5}', "ttl_seconds"),
        (b'{"ttl_seconds":"60"}', "ttl_seconds"),
        (b'{"ttl_seconds":true}', "ttl_seconds"),
        (b'{"ttl_seconds":NaN}', "JSON"),
        (b'{"ttl_seconds":' + b"9" * 5_000 + b"}", "JSON"),
        (b'{"processor":{"name":' + b"[" * 200 + b"]" * 200 + b"}}", "100 levels"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_start_that_cannot_be_meant_is_refused_with_the_field(body: bytes, said: str) -> None:
    with pytest.raises(InvalidBody, match=said):
        parse_start(body)


def test_what_is_said_of_a_body_never_holds_its_values_or_grows_with_it() -> None:
    with pytest.raises(InvalidBody) as refused:
        parse_start(b'{"ttl_seconds":"a secret"}')
    assert "secret" not in str(refused.value)

    with pytest.raises(InvalidBody) as refused:
        parse_start(b'{"' + b"x" * 10_000 + b'":1}')
    assert len(str(refused.value)) < 300
