"""The table as template.yaml makes it, on moto, and clients of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

from streaming_runtime.aws.calls import Dynamo

TABLE = "millrace"
REGION = "eu-central-1"
# The emulation takes its time on a busy machine; what a deadline does is tested with a short one.
PATIENT_SECONDS = 30.0


def client() -> Any:
    return boto3.client(
        "dynamodb",
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


class OneAtATime:
    """A client of moto, whose changes are not atomic among threads as DynamoDB's are."""

    lock = threading.Lock()

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            with self.lock:
                return getattr(self._real, operation)(**request)

        return call


def emulated_client() -> OneAtATime:
    return OneAtATime(client())


def create_table(dynamodb: Any, name: str = TABLE) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@contextmanager
def emulated_table() -> Iterator[None]:
    with mock_aws():
        create_table(client())
        yield


@contextmanager
def dynamo(
    make_client: Any = emulated_client, table: str = TABLE, call_seconds: float = PATIENT_SECONDS
) -> Iterator[Dynamo]:
    opened = Dynamo(table, make_client, call_seconds)
    try:
        yield opened
    finally:
        opened.close()
