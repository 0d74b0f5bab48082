"""Functions as they are on AWS: keys and secrets by ARN, streams, claims and limits in DynamoDB."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.aws.table import REGION, create_table
from tests.functions.api import KEY, SEAL_SECRET, Api
from tests.functions.lambda_process import LambdaProcess, lambda_process
from tests.functions.parity.asked import Answered, Asked
from tests.functions.parity.case import JSON, KEYED
from tests.functions.parity.events import function_of, rest_v1
from tests.functions.parity.transports import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE, BURST = 1, 40


@pytest.fixture(scope="module")
def cloud() -> Iterator[dict[str, str]]:
    """Give the variables with which boto3 finds an AWS of our own."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    server.stop()


def client_of(cloud: dict[str, str], service: str) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=cloud["AWS_ENDPOINT_URL"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def kept_secret(cloud: dict[str, str], text: str) -> str:
    """Keep a text as a secret and return its ARN."""
    manager = client_of(cloud, "secretsmanager")
    arn: str = manager.create_secret(Name=secrets.token_hex(4), SecretString=text)["ARN"]
    return arn


@pytest.fixture
def environ(broker: str, api: Api, cloud: dict[str, str]) -> dict[str, str]:
    table = f"millrace-{secrets.token_hex(4)}"
    create_table(client_of(cloud, "dynamodb"), table)
    return {
        **cloud,
        "KAFKA_BROKER": broker,
        "KAFKA_TOPIC_PREFIX": api.kafka.settings.topic_prefix,
        "API_KEYS_ARN": kept_secret(cloud, f"acme:{KEY}"),
        "SIGNING_SECRET_ARN": kept_secret(cloud, SEAL_SECRET),
        "STREAM_REGISTRY": "dynamodb",
        "DYNAMODB_TABLE": table,
        "RATE_LIMIT_PER_SECOND": str(RATE),
        "RATE_LIMIT_BURST": str(BURST),
    }


async def answer_of(process: LambdaProcess, asked: Asked) -> Answered:
    called = asyncio.to_thread(process.call_until_open, function_of(asked), rest_v1(asked))
    return answered(await called)


async def started(process: LambdaProcess) -> str:
    answer = await answer_of(process, Asked("POST", "/stream/start", (KEYED,)))
    assert answer.status == 201, answer.body
    stream_id: str = json.loads(answer.body)["stream_id"]
    return stream_id


async def test_a_stream_lives_its_life_in_two_sandboxes(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with (
        lambda_process(tmp_path / "one", environ) as one,
        lambda_process(tmp_path / "other", environ) as other,
    ):
        stream_id = await started(one)
        stream = f"/stream/{stream_id}"
        keyed = Asked("POST", f"{stream}/send", (KEYED, ("idempotency-key", "k")), b'{"data":1}')

        sent = await answer_of(other, keyed)
        again = await answer_of(one, keyed)
        read = await answer_of(other, Asked("GET", f"{stream}/results?wait=10", (KEYED, JSON)))
        listed = await answer_of(other, Asked("GET", "/streams", (KEYED,)))
        ended = await answer_of(one, Asked("POST", f"{stream}/end", (KEYED,)))
        late = await answer_of(other, Asked("POST", f"{stream}/send", (KEYED,), b'{"data":2}'))

    assert (sent.status, again.status, ended.status) == (202, 202, 202)
    assert again.body == sent.body
    assert again.headers["idempotent-replayed"] == "true"
    assert [result["data"] for result in json.loads(read.body)["results"]] == [1]
    assert [found["stream_id"] for found in json.loads(listed.body)["streams"]] == [stream_id]
    assert json.loads(late.body)["code"] == "stream-ended"
    for log in ("one", "other"):
        text = (tmp_path / log).read_text()
        assert KEY not in text
        assert SEAL_SECRET not in text


async def test_sandboxes_admit_no_more_together_than_one_may(
    environ: dict[str, str], tmp_path: Path
) -> None:
    asked = Asked("GET", "/stream/nothing", (KEYED,))
    with (
        lambda_process(tmp_path / "one", environ) as one,
        lambda_process(tmp_path / "other", environ) as other,
    ):
        begun = asyncio.get_running_loop().time()
        found = [await answer_of(each, asked) for _ in range(BURST) for each in (one, other)]
        seconds = asyncio.get_running_loop().time() - begun

    admitted = sum(answer.status == 404 for answer in found)
    refused = next(answer for answer in found if answer.status == 429)
    assert admitted <= BURST + RATE * seconds + 1
    assert int(refused.headers["retry-after"]) >= 1
    assert "ratelimit" in refused.headers


async def test_a_secret_that_is_not_there_is_named_and_fails_the_call(
    environ: dict[str, str], tmp_path: Path
) -> None:
    missing = environ["API_KEYS_ARN"][:-6] + "AAAAAA"
    with lambda_process(tmp_path / "log", environ | {"API_KEYS_ARN": missing}) as process:
        outcome = await asyncio.to_thread(
            process.outcome, "streams", rest_v1(Asked("GET", "/streams", (KEYED,)))
        )

    assert "API_KEYS_ARN" in outcome["raised"]
    assert "ConfigurationInvalid" in outcome["raised"]


async def test_while_secrets_cannot_be_read_nobodys_key_is_called_wrong(
    environ: dict[str, str], tmp_path: Path
) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with lambda_process(tmp_path / "log", environ | nowhere) as process:
        asked = rest_v1(Asked("GET", "/streams", (KEYED,)))
        refused = answered(await asyncio.to_thread(process.call, "streams", asked))
        events = Asked("GET", "/stream/x/results", (KEYED, ("accept", "text/event-stream")))
        survived = await answer_of(process, events)

    assert (refused.status, json.loads(refused.body)["code"]) == (503, "overloaded")
    assert survived.status == 200
    assert b"event: error" in survived.body
