"""The API Gateway has the routes that the code serves, and says no in our words."""

from __future__ import annotations

import json
import re
from typing import Any

from litestar import Router

from functions.results.routes import router as results
from functions.send.routes import router as send
from functions.start.routes import router as start
from functions.streams.routes import router as streams
from streaming_runtime.core.errors import every_error
from streaming_runtime.http import problems
from streaming_runtime.http.openapi import operations_of
from streaming_runtime.live import health, pages
from tests.infra.serverless import made, transformed
from tests.infra.templates import SAM, resources

ROUTERS: dict[str, Router] = {"Start": start, "Send": send, "Results": results, "Streams": streams}
NOT_FOR_CLIENTS = {"health", "pages", "documents"}
METHODS = {"get", "post", "put", "patch", "delete", "head"}
FUNCTION = re.compile(r"functions/@(\w+)Function\.Arn:live/invocations$")


def served() -> set[tuple[str, str]]:
    """Return the routes of the whole API, less those that only the live service has."""
    whole = [*ROUTERS.values(), health.router({}), pages.router({})]
    return {
        (path, method.lower())
        for path, method, operation in operations_of(whole)
        if operation.tag not in NOT_FOR_CLIENTS
    }


def paths(**given: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = made(**given)["Api"]["Properties"]["Body"]["paths"]
    return found


def routed(**given: str) -> set[tuple[str, str]]:
    return {
        (path, method)
        for path, methods in paths(**given).items()
        for method in methods
        if method in METHODS
    }


def integration(path: str, method: str, **given: str) -> dict[str, Any]:
    found: dict[str, Any] = paths(**given)[path][method]["x-amazon-apigateway-integration"]
    return found


def test_the_routes_are_those_that_the_code_serves() -> None:
    assert routed() == served()


def test_each_route_goes_to_the_function_that_has_it() -> None:
    for name, router in ROUTERS.items():
        for path, method, _ in operations_of([router]):
            match = FUNCTION.search(integration(path, method.lower())["uri"])
            assert match is not None and match[1] == name, path


def test_api_gateway_may_call_each_function_for_its_routes_only() -> None:
    events = {
        (event["Properties"]["Path"], event["Properties"]["Method"])
        for name in ROUTERS
        for event in resources(SAM)[f"{name}Function"]["Properties"]["Events"].values()
    }
    sources = [
        one["Properties"]["SourceArn"]
        for one in made().values()
        if one["Type"] == "AWS::Lambda::Permission"
    ]

    assert events == served()
    assert sorted(source.partition("/")[2] for source in sources) == sorted(
        f"*/{method.upper()}{re.sub(r'{[^}]+}', '*', path)}" for path, method in served()
    )


def test_results_may_come_from_the_container_as_a_stream_without_end() -> None:
    given = {"ResultsFrom": "live", "VpcLinkId": "abc123", "LiveHost": "live.example"}
    found = integration("/stream/{stream_id}/results", "get", **given)

    assert found["type"] == "http_proxy"
    assert found["connectionType"] == "VPC_LINK"
    assert found["responseTransferMode"] == "STREAM"
    assert found["uri"] == "https://live.example/stream/{stream_id}/results"
    assert routed(**given) == served()


def test_a_preflight_is_answered_where_other_origins_are_allowed() -> None:
    assert "options" not in paths()["/streams"]
    assert all("options" in one for one in paths(CorsOrigins="https://app.example").values())


def test_bodies_reach_a_function_as_they_were_sent() -> None:
    api = made()["Api"]["Properties"]

    assert api["BinaryMediaTypes"] == ["*/*"]
    assert "MinimumCompressionSize" not in api
    assert api["Name"] == "millrace-prod"
    assert api["Body"]["openapi"] == "3.0.1"


def test_a_key_of_the_gateway_is_asked_for_only_where_that_is_wanted() -> None:
    def security(**given: str) -> list[Any]:
        return [one["security"] for p in paths(**given).values() for one in _methods(p)]

    assert all(one == [] for one in security())
    assert all(one == [{"gatewayKey": []}] for one in security(GatewayKeys="required"))


def _methods(path: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for method, one in path.items() if method in METHODS]


def test_the_gateway_refuses_in_our_words() -> None:
    known = {error.code: error() for error in every_error()}
    body = transformed()["Resources"]["Api"]["Properties"]["Body"]
    refusals = body["x-amazon-apigateway-gateway-responses"]

    for refusal in refusals.values():
        told = json.loads(refusal["responseTemplates"]["application/json"])
        expected = problems.document(known[told["code"]], "$context.requestId")
        headers = refusal["responseParameters"]
        assert told == expected
        assert int(refusal["statusCode"]) == expected["status"]
        assert headers["gatewayresponse.header.Content-Type"] == f"'{problems.MEDIA_TYPE}'"
        assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"
        if expected["status"] in (429, 503):
            assert int(headers["gatewayresponse.header.Retry-After"].strip("'")) >= 1
    assert len(refusals) >= 5


def test_an_access_log_line_is_json_without_query_or_key() -> None:
    stage = made()["ApiStage"]["Properties"]
    line = json.loads(stage["AccessLogSetting"]["Format"])

    assert {"request_id", "route", "status", "latency_ms"} <= line.keys()
    assert not {one for one in line.values() if "query" in one.lower() or "header" in one.lower()}
    assert not any(setting["DataTraceEnabled"] for setting in stage["MethodSettings"])
    assert all(setting["ThrottlingRateLimit"] for setting in stage["MethodSettings"])
