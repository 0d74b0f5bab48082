"""The bill of materials of a set, as CycloneDX: from the lock alone, so it is the same anywhere.

Source:  ECMA-424, CycloneDX 1.6.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.supply_chain.locks import Pin

NAMESPACE = uuid.UUID("6f1f5c3e-54a1-4d4c-9a58-0a6c1d3b7e21")
PRODUCT = "millrace"


def bill(name: str, version: str, pins: Sequence[Pin], jars: Sequence[Pin] = ()) -> dict[str, Any]:
    """Return the document for a set of packages, and the jars that it starts.

    Shape:   the same pins give the same document: no time of day, and a serial number that follows
             from the contents.
    """
    product = f"{PRODUCT}/{name}@{version}"
    components = [*map(_package, pins), *map(_jar, jars)]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": product,
                "name": f"{PRODUCT}-{name}",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
            "lifecycles": [{"phase": "pre-build"}],
        },
        "components": components,
        "dependencies": _dependencies(product, pins, map(_ref, jars)),
    }
    contents = json.dumps(document, sort_keys=True)
    return {"serialNumber": uuid.uuid5(NAMESPACE, contents).urn, **document}


def write(document: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _package(pin: Pin) -> dict[str, Any]:
    url = _url(pin)
    sums = [{"alg": "SHA-256", "content": one} for one in pin.sums]
    return {
        "type": "library",
        "bom-ref": url,
        "name": pin.name,
        "version": pin.version,
        "purl": url,
        # One of these files is installed, which depends on the machine: none is the component's.
        "externalReferences": [{"type": "distribution", "url": url, "hashes": sums}],
    }


def _jar(pin: Pin) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": _ref(pin),
        "name": pin.name,
        "version": pin.version,
        "hashes": [{"alg": "SHA-256", "content": pin.sums[0]}],
    }


def _url(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def _ref(jar: Pin) -> str:
    return f"jar:{jar.name}@{jar.version}"


def _dependencies(product: str, pins: Sequence[Pin], jars: Iterable[str]) -> list[dict[str, Any]]:
    """Return who needs what; a package that nobody in the set asks for, we asked for.

    Shape:   a name may stand in a lock in two versions, each for its own Python.
    """
    named: dict[str, list[str]] = defaultdict(list)
    for pin in pins:
        named[pin.name].append(_url(pin))
    needs: dict[str, set[str]] = {product: set(jars), **{_url(pin): set() for pin in pins}}
    for pin in pins:
        known = [ref for name in pin.asked_by for ref in named.get(name, ())]
        for parent in known or [product]:
            needs[parent].add(_url(pin))
    return [{"ref": ref, "dependsOn": sorted(found)} for ref, found in sorted(needs.items())]
