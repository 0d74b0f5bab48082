"""The API document: valid, whole, and written from the routes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from litestar import Router, get, websocket
from litestar.connection import WebSocket
from openapi_spec_validator import OpenAPIV31SpecValidator

from streaming_runtime.core import errors
from streaming_runtime.http import examples
from streaming_runtime.http.answers import Answer
from streaming_runtime.http.openapi import VERSION, Undocumented, document, operations_of
from tests.functions.api import ROUTERS

ROOT = Path(__file__).parents[2]
SCOPES = {
    "startStream": "start",
    "sendRecords": "send",
    "readResults": "read",
    "getStream": "read",
    "listStreams": "read",
    "endStream": "send",
    "makeTicket": "read",
}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return document(ROUTERS)


def operations(whole: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in whole["paths"].values() for operation in methods.values()]


def test_the_document_is_openapi_3_1_and_json(whole: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(whole).validate()

    assert whole["openapi"].startswith("3.1")
    assert json.loads(json.dumps(whole)) == whole


def test_it_describes_exactly_the_routes_there_are(whole: dict[str, Any]) -> None:
    described = {
        (method.upper(), path) for path, methods in whole["paths"].items() for method in methods
    }

    assert described == {
        ("POST", "/stream/start"),
        ("POST", "/stream/{stream_id}/send"),
        ("GET", "/stream/{stream_id}/results"),
        ("POST", "/stream/{stream_id}/end"),
        ("POST", "/stream/{stream_id}/ticket"),
        ("GET", "/stream/{stream_id}"),
        ("GET", "/streams"),
    }


def test_a_route_that_says_nothing_of_itself_is_an_error() -> None:
    @get("/silent")
    async def silent() -> Answer:
        return Answer()

    with pytest.raises(Undocumented, match="GET /silent"):
        document([Router(path="/", route_handlers=[silent])])


def test_a_websocket_is_no_part_of_it() -> None:
    @websocket("/socket")
    async def socket(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.close()

    assert operations_of([Router(path="/", route_handlers=[socket])]) == []


def test_every_operation_needs_a_credential_and_names_its_parameters(
    whole: dict[str, Any],
) -> None:
    assert set(whole["components"]["securitySchemes"]) == {"apiKey", "bearer", "ticket"}
    for path, methods in whole["paths"].items():
        for operation in methods.values():
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}

            scopes = [f"stream:{SCOPES[operation['operationId']]}"]
            # A ticket opens results, and nothing else.
            more = ["ticket"] if path.endswith("/results") else []
            assert operation["security"] == [{n: scopes} for n in ("apiKey", "bearer", *more)]
            assert named == ({"stream_id"} if "{stream_id}" in path else set())


def test_every_operation_has_its_own_id_and_what_all_can_meet(whole: dict[str, Any]) -> None:
    found = operations(whole)

    assert len({operation["operationId"] for operation in found}) == len(found)
    for operation in found:
        assert {"400", "401", "408", "429", "431", "500", "503"} <= set(operation["responses"])


def test_every_refusal_is_a_problem_with_an_example_for_each_code(whole: dict[str, Any]) -> None:
    for operation in operations(whole):
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            content = response["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for code, example in content["examples"].items():
                assert f"`{code}`" in response["description"]
                assert str(example["value"]["status"]) == status


def test_every_example_fits_its_schema(whole: dict[str, Any]) -> None:
    checked = 0
    for operation in operations(whole):
        bodies = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        bodies += [r["content"] for r in operation["responses"].values() if "content" in r]
        for content in (one for body in bodies for one in body.values()):
            schema = {**content["schema"], "components": whole["components"]}
            for example in content.get("examples", {}).values():
                jsonschema.Draft202012Validator(schema).validate(example["value"])
                checked += 1
    assert checked > 40


def test_the_example_of_a_cursor_looks_like_one() -> None:
    assert len(examples.CURSOR_ID) == 64


def test_the_codes_of_problems_are_those_of_our_errors(whole: dict[str, Any]) -> None:
    codes = whole["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]

    assert set(codes) == {error.code for error in errors.every_error()} | {"internal"}


def test_its_version_is_the_projects(whole: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert whole["info"]["version"] == VERSION == project["version"]
