"""An emulated DynamoDB with our table, for processes that are not this one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

from local.ports import free_port
from tests.aws.table import REGION, TABLE, create_table

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@contextmanager
def served_table(name: str = TABLE) -> Iterator[str]:
    """Give the address at which the table stands."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    access = {variable.lower(): value for variable, value in CREDENTIALS.items()}
    client = boto3.client("dynamodb", endpoint_url=url, region_name=REGION, **access)
    create_table(client, name)
    try:
        yield url
    finally:
        # What is emulated lives in this process, and longer than its server.
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.delete_table(TableName=name)
        server.stop()


def environ_for(url: str, name: str = TABLE) -> dict[str, str]:
    """Return what has a process keep its streams in the table at an address."""
    return {
        "STREAM_REGISTRY": "dynamodb",
        "DYNAMODB_TABLE": name,
        "AWS_ENDPOINT_URL_DYNAMODB": url,
        "AWS_DEFAULT_REGION": REGION,
        **CREDENTIALS,
    }
