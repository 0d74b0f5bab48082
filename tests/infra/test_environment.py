"""Templates set the variables that the code reads: no other, and none is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streaming_runtime.core import kafka_security, secret_arns, settings
from streaming_runtime.core.settings import KafkaSettings, ProcessingSettings, Settings
from tests.infra.serverless import made
from tests.infra.templates import ROOT, resolved

# What a template leaves to its default, and why.
LEFT_OUT = {
    "API_KEY": "one key in the clear: a secret holds them",
    "API_KEYS": "API_KEYS_ARN stands for it",
    "API_KEYS_FILE": "a file; nothing in Lambda or Fargate would put it there",
    "KEY_PEPPER": "it follows from the secret of SIGNING_SECRET_ARN",
    "KAFKA_CA_FILE": "MSK's certificates are signed by an authority that the system knows",
    "KAFKA_CERTIFICATE_FILE": "a file; nothing in Lambda or Fargate would put it there",
    "KAFKA_KEY_FILE": "as its certificate",
    "KAFKA_PASSWORD": "KAFKA_SECRET_ARN stands for it",
    "KAFKA_SCRAM_MECHANISM": "MSK knows SCRAM-SHA-512 alone, which is the default",
    "KAFKA_USERNAME": "KAFKA_SECRET_ARN stands for it",
    "RATE_LIMIT_BYTES_PER_SECOND": "off unless a deployment asks for it, as the four below",
    "RATE_LIMIT_RECONNECTS_PER_SECOND": "off",
    "RATE_LIMIT_RECORDS_PER_SECOND": "off",
    "RATE_LIMIT_STARTS_PER_SECOND": "off",
    "RATE_LIMIT_STREAM_PER_SECOND": "off",
    "RUN_SEAL": "of a run on one machine",
    "SIGNING_SECRET": "SIGNING_SECRET_ARN stands for it",
}
OF_A_SERVER = {
    "DRAIN_SECONDS": "a function holds no connection",
    "HOST": "a function listens nowhere",
    "PORT": "a function listens nowhere",
    "PROMETHEUS_PORT": "a function writes its figures into the log",
    "RATE_LIMIT_READERS": "a function's readers are gone with its answer",
}
OF_THE_API = {
    "API_KEYS_ARN": "processing answers nobody",
    "SIGNING_SECRET_ARN": "processing signs nothing",
}


def named_in(module: Any) -> set[str]:
    """Return the texts of a module that may be variables of Kafka."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and re.fullmatch("KAFKA_[A-Z_]+", text)}


class Watched(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def read_by(read: Any, given: Mapping[str, str]) -> set[str]:
    """Return what is asked of an environment, whichever way Kafka is reached."""
    asked: set[str] = set()
    for way in ("plaintext", "scram", "iam"):
        watched = Watched({**given, "KAFKA_SECURITY": way, **NEEDED[way]})
        read(watched)
        asked |= watched.asked
    return {name for name in asked if not name.startswith("AWS_")}


NEEDED: dict[str, dict[str, str]] = {
    "plaintext": {},
    "scram": {"KAFKA_USERNAME": "u", "KAFKA_PASSWORD": "p"},
    "iam": {"AWS_REGION": "eu-central-1"},
}
API = {
    "KAFKA_BROKER": "b:9092",
    "API_KEY": "a-key",
    "STREAM_REGISTRY": "dynamodb",
    "DYNAMODB_TABLE": "table",
}


def read_by_the_api() -> set[str]:
    return read_by(Settings.from_env, API)


def read_by_processing() -> set[str]:
    def read(environ: Mapping[str, str]) -> None:
        secret_arns.secret_arns(environ)
        KafkaSettings.from_env(environ)
        ProcessingSettings.from_env(environ)
        settings.log_level(environ)

    return read_by(read, API)


def of_function(name: str) -> dict[str, str]:
    found = made()[name]["Properties"]["Environment"]["Variables"]
    return {variable: str(value) for variable, value in found.items()}


def of_container(service: str) -> dict[str, str]:
    task = resolved(ROOT / "infra" / f"{service}.yaml")["Task"]["Properties"]
    container = next(c for c in task["ContainerDefinitions"] if c["Name"] == service)
    found = {one["Name"]: str(one["Value"]) for one in container["Environment"]}
    return {name: value for name, value in found.items() if not name.startswith("AWS_")}


def test_the_reading_is_watched_whole() -> None:
    known = read_by_the_api() | read_by_processing()

    assert {"KAFKA_BROKER", "KAFKA_SECRET_ARN", "DYNAMODB_TABLE", "STATE_DIR"} <= known
    for module in (settings, kafka_security, secret_arns):
        assert named_in(module) <= known


@pytest.mark.parametrize("name", ["Start", "Send", "Results", "Streams"])
def test_a_function_is_given_what_it_reads(name: str) -> None:
    given = of_function(f"{name}Function")

    assert given.keys() | LEFT_OUT.keys() | OF_A_SERVER.keys() == read_by_the_api()
    assert given.keys().isdisjoint(LEFT_OUT.keys() | OF_A_SERVER.keys())


def test_the_live_service_is_given_what_it_reads() -> None:
    given = of_container("live")

    assert given.keys() | LEFT_OUT.keys() == read_by_the_api()
    assert given.keys().isdisjoint(LEFT_OUT)


def test_processing_is_given_what_it_reads() -> None:
    given = of_container("processing")
    needless = {"KAFKA_PARTITIONS", *OF_THE_API}
    of_keys = {"API_KEY", "API_KEYS", "API_KEYS_FILE", "KEY_PEPPER", "RUN_SEAL", "SIGNING_SECRET"}
    of_api = {name for name in LEFT_OUT if name in of_keys or name.startswith("RATE_LIMIT_")}
    left_out = LEFT_OUT.keys() - of_api

    assert given.keys() | left_out == read_by_processing() - needless - of_keys
    assert given.keys().isdisjoint(left_out)


def test_what_the_templates_give_is_taken() -> None:
    """The example of a deployment, with its secrets read, is one that every part starts with."""
    secrets = {
        "API_KEYS_ARN": "acme:a-key",
        "SIGNING_SECRET_ARN": "a secret of these tests",
    }
    region = {"AWS_REGION": "eu-central-1"}
    for given in (of_function("SendFunction"), of_container("live")):
        plain = given | {"DYNAMODB_TABLE": "millrace-prod-Table-1A2B"}
        assert secret_arns.secret_arns(plain).keys() == secrets.keys()
        found = Settings.from_env(secret_arns.revealed(plain, secrets) | region)
        assert (found.registry, found.kafka.security) == ("dynamodb", "iam")

    processing = of_container("processing") | region
    assert KafkaSettings.from_env(processing).security == "iam"
    assert ProcessingSettings.from_env(processing).prometheus_port == 2113
