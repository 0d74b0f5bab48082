"""A bill of materials names everything that a lock pins, and who needs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.supply_chain.bill import bill, write
from tests.supply_chain.locks import Pin, jars, pins_of, sets

SERIAL = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def of(name: str) -> dict[str, Any]:
    return bill(name, "1.0", pins_of(name))


@pytest.mark.parametrize("name", sets())
def test_every_pin_of_a_lock_is_a_component_with_its_sums(name: str) -> None:
    document = of(name)

    assert len(document["components"]) == len(pins_of(name)) > 2
    for component in document["components"]:
        (source,) = component["externalReferences"]
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert source["hashes"]
        assert all(re.fullmatch("[0-9a-f]{64}", one["content"]) for one in source["hashes"])


@pytest.mark.parametrize("name", sets())
def test_every_component_is_reached_from_the_product(name: str) -> None:
    document = of(name)
    needs = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    reached, left = set(), [document["metadata"]["component"]["bom-ref"]]
    while left:
        ref = left.pop()
        if ref not in reached:
            reached.add(ref)
            left.extend(needs[ref])

    refs = [component["bom-ref"] for component in document["components"]]
    assert len(set(refs)) == len(refs)
    assert set(refs) <= reached
    assert needs.keys() == reached


def test_who_needs_what_is_taken_from_the_lock() -> None:
    pins = [Pin("a", "1", ("0" * 64,)), Pin("b", "2", ("1" * 64,), ("a",))]

    needs = bill("x", "1.0", pins)["dependencies"]

    assert needs == [
        {"ref": "millrace/x@1.0", "dependsOn": ["pkg:pypi/a@1"]},
        {"ref": "pkg:pypi/a@1", "dependsOn": ["pkg:pypi/b@2"]},
        {"ref": "pkg:pypi/b@2", "dependsOn": []},
    ]


def test_the_jars_of_the_broker_are_components_with_one_sum_each() -> None:
    document = bill("run", "1.0", pins_of("run"), jars())

    found = [one for one in document["components"] if one["bom-ref"].startswith("jar:")]
    assert len(found) == len(jars()) > 30
    assert all(len(one["hashes"]) == 1 for one in found)


def test_the_same_lock_gives_the_same_bytes_and_another_another_number(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write(of("functions"), tmp_path / place / "bill.json")

    assert (tmp_path / "one/bill.json").read_bytes() == (tmp_path / "two/bill.json").read_bytes()
    assert SERIAL.fullmatch(json.loads((tmp_path / "one/bill.json").read_text())["serialNumber"])
    assert of("functions")["serialNumber"] != of("container")["serialNumber"]
