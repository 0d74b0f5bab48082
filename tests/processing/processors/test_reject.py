from __future__ import annotations

import pytest

from streaming_runtime.processing.catalog import Catalog
from streaming_runtime.processing.processor import Rejected, Unprocessable


@pytest.mark.parametrize("data", [b'{"a":0}', b'{"a":true}', b'{"a":"x"}', b'{"a":[null]}'])
def test_what_matches_is_rejected(data: bytes) -> None:
    assert isinstance(Catalog().process("reject", {"when": "a"})(data), Rejected)


@pytest.mark.parametrize("data", [b'{"a" : ""}', b'{"a":false}', b"[]", b'{"a":null,"n":1.10}'])
def test_what_does_not_match_passes_as_the_very_same_bytes(data: bytes) -> None:
    assert Catalog().process("reject", {"when": "a"})(data) is data


def test_a_condition_on_exact_numbers() -> None:
    process = Catalog().process("reject", {"when": "@ > `9007199254740992`"})

    assert isinstance(process(b"9007199254740993"), Rejected)
    assert process(b"9007199254740992") == b"9007199254740992"
    assert isinstance(process(b"1e400"), Rejected)


def test_a_condition_that_cannot_be_computed_is_no_match() -> None:
    with pytest.raises(Unprocessable):
        Catalog().process("reject", {"when": "abs(@) > `1`"})(b'"x"')
