"""The handlers, called as Lambda calls them, with the events that AWS sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functions.api import KEY, Api
from tests.functions.lambda_process import LambdaProcess, event, lambda_process

FUNCTIONS = ("send", "results", "streams", "start")
# What belongs to other parts of the product; a function that loads it starts later and weighs more.
FOREIGN = {
    "boto3",
    "confluent_kafka",
    "httpx",
    "local",
    "moto",
    "prometheus_client",
    "pydantic_settings",
    "quixstreams",
    "uvicorn",
    "websockets",
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lambda") / "log"


@pytest.fixture(scope="module")
def function(broker: str, api: Api, log: Path) -> Iterator[LambdaProcess]:
    """Give a process beside the API of this module: same topics, same keys."""
    environ = {
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        "API_KEYS": f"acme:{KEY}",
    }
    with lambda_process(log, environ) as process:
        yield process


async def called(process: LambdaProcess, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Call a handler while the engine of the tests goes on."""
    return await asyncio.to_thread(process.call, name, asked)


def of_log(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


module_loop = pytest.mark.asyncio(loop_scope="module")


@module_loop
async def test_a_stream_lives_its_life_through_the_functions(function: LambdaProcess) -> None:
    started = await called(function, "start", event("start_rest_v1"))
    stream_id = json.loads(started["body"])["stream_id"]

    sent = await called(function, "send", event("send_http_v2", STREAM_ID=stream_id))
    read = await called(
        function, "results", event("results_alb", STREAM_ID=stream_id, ACCEPT="text/event-stream")
    )
    ended = await called(function, "streams", event("end_alb_multi_value", STREAM_ID=stream_id))
    listed = await called(function, "streams", event("list_rest_v1"))

    assert (started["statusCode"], sent["statusCode"]) == (201, 202)
    assert json.loads(started["body"])["processor"] == "uppercase"
    assert json.loads(sent["body"])["stream_id"] == stream_id
    assert (read["statusCode"], read["isBase64Encoded"]) == (200, False)
    assert read["headers"]["content-type"] == "text/event-stream"
    assert read["headers"]["cache-control"] == "no-store, no-transform"
    assert '"data":"SAMPLE DATA"' in read["body"]
    assert read["body"].startswith("retry: ")
    assert read["body"].rstrip("\n").rpartition("\n\n")[2].startswith("id: ")
    assert ended["statusCode"] == 202
    assert json.loads(ended["body"])["ended_at"] is not None
    assert len(json.loads(listed["body"])["streams"]) == 1


@module_loop
async def test_answers_that_are_text_are_never_base64(api: Api, function: LambdaProcess) -> None:
    stream_id = await api.start()

    lines = await called(function, "send", event("send_lines_rest_v1", STREAM_ID=stream_id))
    problem = await called(function, "send", event("send_lines_rest_v1", STREAM_ID="x"))
    read = await called(
        function,
        "results",
        event("results_alb", STREAM_ID=stream_id, ACCEPT="application/x-ndjson"),
    )

    codes = [json.loads(line).get("code") for line in lines["body"].splitlines()]
    assert codes == [None, "invalid-body", None]
    assert json.loads(problem["body"])["code"] == "unknown-stream"
    assert json.loads(read["body"].splitlines()[0])["control"] == "position"
    assert not any(answer["isBase64Encoded"] for answer in (lines, problem, read))


@module_loop
async def test_a_page_of_an_http_api_reads_its_query(api: Api, function: LambdaProcess) -> None:
    stream_id = await api.start()
    await api.send(stream_id, 1, 2)
    await api.results(stream_id, 2)

    answer = await called(
        function,
        "results",
        event("results_http_v2", STREAM_ID=stream_id, ACCEPT="application/json"),
    )

    page = json.loads(answer["body"])
    assert [one["data"] for one in page["results"]] == [1]
    assert page["end"] is False


@module_loop
async def test_all_calls_of_a_process_share_one_producer(api: Api, function: LambdaProcess) -> None:
    stream_id = await api.start()
    await called(function, "send", event("send_http_v2", STREAM_ID=stream_id))
    before = await asyncio.to_thread(function.outcome, "send", None)

    for _ in range(5):
        await called(function, "send", event("send_http_v2", STREAM_ID=stream_id))
        assert function.seconds < 2

    after = await asyncio.to_thread(function.outcome, "send", None)
    assert after["producers"] == before["producers"]
    assert after["threads"] == before["threads"]


@module_loop
async def test_calls_leave_figures_and_a_correlation_id_in_the_log(
    function: LambdaProcess, log: Path
) -> None:
    await called(function, "send", event("send_lines_rest_v1", STREAM_ID="x"))

    lines = of_log(log)
    figures = [line for line in lines if "_aws" in line]
    refused = [line for line in lines if line.get("message") == "refused"][-1]
    assert figures[-1]["service"] == "send"
    assert (figures[-1]["Requests"], figures[-1]["Refusals"]) == ([1.0], [1.0])
    assert any("ColdStart" in line for line in figures)
    assert refused["correlation_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbef0"
    assert refused["reason"] == "unknown-stream"
    assert refused["function_name"] == "send"
    assert KEY not in log.read_text()


def test_importing_a_handler_opens_nothing_and_loads_no_foreign_part(tmp_path: Path) -> None:
    with lambda_process(tmp_path / "log", {}) as process:
        held = [process.outcome(name, None) for name in FUNCTIONS]

    assert (held[-1]["threads"], held[-1]["sockets"], held[-1]["producers"]) == (1, [], 0)
    assert FOREIGN & set(held[-1]["modules"]) == set()
    # pydantic takes longer to import than all else of ours, and only a start needs it.
    assert "pydantic" not in held[0]["modules"]


def test_a_missing_setting_fails_every_call_and_is_named(tmp_path: Path) -> None:
    with lambda_process(tmp_path / "log", {"API_KEY": "k"}) as process:
        outcomes = [process.outcome("start", event("start_rest_v1")) for _ in range(2)]

    assert [outcome["raised"] for outcome in outcomes] == [
        "ConfigurationInvalid: KAFKA_BROKER is not set: give it host:port of a broker"
    ] * 2


def test_without_kafka_a_call_is_answered_soon(tmp_path: Path) -> None:
    environ = {"KAFKA_BROKER": "127.0.0.1:9", "API_KEYS": f"acme:{KEY}"}
    with lambda_process(tmp_path / "log", environ) as process:
        process.outcome("send", None)  # The import is Lambda's init, and not of the call.
        sent = process.call("send", event("send_http_v2", STREAM_ID="A" * 22))
        took = process.seconds

    assert (sent["statusCode"], json.loads(sent["body"])["code"]) == (503, "broker-unavailable")
    assert int(sent["headers"]["retry-after"]) >= 1
    assert took < 10  # 5 s for Kafka, the rest for a busy machine.
