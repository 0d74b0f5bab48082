from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from streaming_runtime.core.errors import InvalidBody
from streaming_runtime.core.ports import ProcessorCatalog
from streaming_runtime.processing.catalog import Catalog
from tests.product import ROOT


def test_it_is_the_catalog_of_the_port_and_knows_the_four() -> None:
    catalog: ProcessorCatalog = Catalog()

    assert catalog.names() == ["identity", "jmespath", "reject", "uppercase"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("identity", {}),
        ("uppercase", {}),
        ("jmespath", {"expression": "a.b"}),
        ("reject", {"when": "a > `1`"}),
    ],
)
def test_each_is_accepted_with_its_parameters(name: str, parameters: dict[str, Any]) -> None:
    Catalog().check(name, parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("nobody", {}, "no processor 'nobody': use one of identity, jmespath, reject, uppercase"),
        ("", {}, "no processor ''"),
        ("identity", {"x": 1}, "identity takes no parameters: .*unknown field `x`"),
        ("jmespath", {}, "jmespath takes expression: .*missing required field `expression`"),
        ("jmespath", {"expression": 1}, "jmespath takes expression: Expected `str`, got `int`"),
        ("jmespath", {"expression": "a", "y": 2}, "unknown field `y`"),
        ("jmespath", {"expression": "a["}, "expression: is not complete"),
        ("reject", {"expression": "a"}, "reject takes when"),
        ("reject", {"when": None}, "Expected `str`, got `null`"),
        ("reject", {"when": "nope(@)"}, "when: has no function nope"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_change(
    name: str, parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidBody, match=complaint):
        Catalog().check(name, parameters)


def test_a_complaint_stays_short_whatever_a_client_sends() -> None:
    with pytest.raises(InvalidBody) as unknown:
        Catalog().check("n" * 60_000, {})
    with pytest.raises(InvalidBody) as field:
        Catalog().check("identity", {"f" * 60_000: 1})

    assert max(len(str(unknown.value)), len(str(field.value))) < 400


def test_the_api_can_import_it_without_quix_and_without_a_second_kafka_client() -> None:
    program = (
        "import sys; from streaming_runtime.processing.catalog import Catalog; Catalog().names();"
        "print([m for m in ('quixstreams', 'confluent_kafka', 'prometheus_client', 'pydantic',"
        " 'httpx', 'aiokafka') if m in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "[]"
