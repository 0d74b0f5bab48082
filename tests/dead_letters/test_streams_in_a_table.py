"""Replaying where streams are registered in DynamoDB: Kafka's streams topic has none of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from streaming_runtime.aws.calls import Dynamo
from streaming_runtime.aws.registry import DynamoRegistry
from streaming_runtime.core.model import new_stream_id
from tests.aws.table import REGION
from tests.aws.table_server import environ_for, served_table
from tests.dead_letters.letters import Left, a_stream, command, leave
from tests.processing.traffic import Traffic

Variables = dict[str, str]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Variables]:
    """Give what names a table that stands, to this process too."""
    name = f"millrace-{secrets.token_hex(4)}"
    with served_table(name) as url:
        environ = environ_for(url, name) | {"AWS_REGION": REGION}
        for variable, value in environ.items():
            if variable.startswith("AWS_"):
                monkeypatch.setenv(variable, value)
        yield environ


async def test_what_the_table_knows_is_replayed_and_nothing_else(
    variables: Variables, traffic: Traffic
) -> None:
    living, ended, unknown = (new_stream_id().encode() for _ in range(3))
    dynamo = Dynamo(variables["DYNAMODB_TABLE"])
    for stream in (a_stream(living), a_stream(ended, ended_at=1)):
        await DynamoRegistry(dynamo).put(stream)
    dynamo.close()
    keys = (living, ended, unknown, None, b"\x1b[2J")
    places = await leave(traffic.settings, *(Left(b"1", key) for key in keys))

    said = await command(traffic.settings, "replay", "--all", "--yes", **variables)

    assert [line.split()[0] for line in said.lines] == [places[0]], said.err
    assert said.code == 1
    for place, why in zip(places[1:], ("ended", "not known", "no stream id"), strict=False):
        assert any(place in line and why in line for line in said.err.splitlines())


async def test_a_table_that_cannot_be_read_refuses_nobody_as_unknown(
    variables: Variables, traffic: Traffic
) -> None:
    (place,) = await leave(traffic.settings, Left(b"1", new_stream_id().encode()))

    said = await command(
        traffic.settings, "replay", place, **{**variables, "DYNAMODB_TABLE": "no-such-table"}
    )

    assert (said.code, said.out) == (1, "")
    assert "the table no-such-table (DYNAMODB_TABLE) cannot be read" in said.err
    assert "not known" not in said.err
