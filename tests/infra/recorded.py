"""Each function run once through all it can do, on a real broker and an emulated AWS."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.topics import ensure_topics
from tests.infra.serverless import made
from tests.infra.templates import REGION, ROOT, SAM, resources

KEY = "a-key-of-these-tests"
NDJSON = "application/x-ndjson"
WITHIN_SECONDS = 60
Requests = list[dict[str, Any]]


class Recorded(NamedTuple):
    """What a function answered, and what it asked for: service, operation, topic or table."""

    answers: list[dict[str, Any]]
    asked: set[tuple[str, str, str]]
    log: str

    @property
    def statuses(self) -> list[int]:
        return [answer["statusCode"] for answer in self.answers]


class Place(NamedTuple):
    """Where the functions run: the variables of the template, for this machine."""

    environ: dict[str, str]
    prefix: str
    table: str


def requests(stream_id: str) -> dict[str, Requests]:
    """Return what each function is asked, so that it does everything it can."""
    send, read = f"/stream/{stream_id}/send", f"/stream/{stream_id}/results"
    keyed = {"Idempotency-Key": "k"}
    return {
        "send": [
            _post(send, '{"data":1}'),
            _post(send, '[{"data":1},{"data":2}]'),
            _post(send, '{"data":1}\n', {"Content-Type": NDJSON}),
            _post(send, '{"data":1}', {"Prefer": "wait=1"}),
            _post(send, '{"data":1}', keyed),
            _post(send, '{"data":1}', keyed),
            _post(send, '{"data":2}', keyed),
        ],
        "results": [
            _get(read, "application/json", {"wait": "1"}),
            _get(read, "application/json", {"tail": "2"}),
            _get(read, "text/event-stream", {"since": "2026-01-01T00:00:00Z", "until": "now"}),
        ],
        "streams": [
            _get(f"/stream/{stream_id}"),
            _get("/streams"),
            _post(f"/stream/{stream_id}/ticket", ""),
            _post(f"/stream/{stream_id}/end", ""),
        ],
    }


def _post(path: str, body: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"method": "POST", "path": path, "body": body, "headers": headers or {}}


def _get(path: str, accept: str = "*/*", query: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"method": "GET", "path": path, "query": query, "headers": {"Accept": accept}}


def record_all(broker: str) -> tuple[Place, dict[str, Recorded]]:
    """Run all four functions, each in a process of its own, over topics that the service made."""
    with _place(broker) as place:
        start = [_post("/stream/start", '{"ttl_seconds": 60}')] * 2
        found = {"start": _record("start", start, place.environ)}
        assert found["start"].statuses == [201, 201], found["start"].log
        used, ended = (json.loads(one["body"])["stream_id"] for one in found["start"].answers)
        asked = {**requests(used), "streams": requests(ended)["streams"]}
        with ThreadPoolExecutor() as pool:
            runs = {name: pool.submit(_record, name, asked[name], place.environ) for name in asked}
            found |= {name: run.result() for name, run in runs.items()}
        return place, found


@contextmanager
def _place(broker: str) -> Iterator[Place]:
    prefix = f"policies-{secrets.token_hex(4)}."
    settings = KafkaSettings.from_env({"KAFKA_BROKER": broker, "KAFKA_TOPIC_PREFIX": prefix})
    asyncio.run(ensure_topics(settings))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _furnished(f"http://{host}:{port}", broker, prefix)
    finally:
        server.stop()


def _furnished(endpoint: str, broker: str, prefix: str) -> Place:
    """Make the table as the template has it and the secrets that it names."""
    access = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}

    def client(service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )

    about = resources(SAM)["Table"]["Properties"]
    table = client("dynamodb").create_table(
        TableName=f"{prefix}table",
        KeySchema=about["KeySchema"],
        AttributeDefinitions=about["AttributeDefinitions"],
        BillingMode=about["BillingMode"],
    )["TableDescription"]["TableName"]
    kept = client("secretsmanager")
    keys = kept.create_secret(Name=f"{prefix}keys", SecretString=f"acme:{KEY}")["ARN"]
    signing = kept.create_secret(Name=f"{prefix}signing", SecretString="a secret of these tests")
    here = {
        "KAFKA_BROKER": broker,
        "KAFKA_SECURITY": "plaintext",
        "KAFKA_TOPIC_PREFIX": prefix,
        "DYNAMODB_TABLE": table,
        "API_KEYS_ARN": keys,
        "SIGNING_SECRET_ARN": signing["ARN"],
    }
    # Lambda sets both names of the region: boto3 looks at the second only.
    region = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    ours = {**region, **access, "AWS_ENDPOINT_URL": endpoint, "RECORDING_KEY": KEY}
    return Place({**variables(), **here, **ours}, prefix, table)


def variables() -> dict[str, str]:
    """Return the variables that the template gives to every function."""
    found: dict[str, str] = made()["SendFunction"]["Properties"]["Environment"]["Variables"]
    return {name: str(value) for name, value in found.items()}


def _record(name: str, asked: Requests, environ: Mapping[str, str]) -> Recorded:
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.infra.recording", name, str(theirs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[theirs],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        text=True,
    )
    os.close(theirs)
    with os.fdopen(ours) as answers:
        try:
            log, _ = process.communicate(json.dumps(asked), WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        text = answers.read()
    assert text, log
    found = json.loads(text)
    return Recorded(
        found["answers"],
        {(service, operation, thing) for service, operation, thing in found["asked"]},
        log,
    )
