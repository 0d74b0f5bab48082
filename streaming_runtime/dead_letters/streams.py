"""Which of some streams are known: asked where the settings say that streams are registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from streaming_runtime.core.errors import BrokerUnavailable, Overloaded
from streaming_runtime.core.model import Stream, is_stream_id
from streaming_runtime.core.settings import registry_of
from streaming_runtime.kafka.dead_letters import DeadLetters

ASKED_AT_ONCE = 1_000


async def known_streams(
    environ: Mapping[str, str], ids: Collection[str], letters: DeadLetters
) -> dict[str, Stream]:
    """Return the registry's entries of these streams, as far as there are any.

    Raises:  ConfigurationInvalid; BrokerUnavailable; Overloaded, also for a table that cannot be
             read: no stream is held for unknown because of that.
    """
    registry, table = registry_of(environ)
    if registry == "kafka":
        return await letters.streams(ids)
    try:
        return await _in_table(table, sorted(filter(is_stream_id, ids)))
    except BrokerUnavailable as gone:
        raise Overloaded(
            f"the table {table} (DYNAMODB_TABLE) cannot be read: is it there, and may we read it?"
        ) from gone


async def _in_table(table: str, ids: list[str]) -> dict[str, Stream]:
    # Brings boto3, which takes longer to import than all else.
    from streaming_runtime.aws.calls import Dynamo  # noqa: PLC0415
    from streaming_runtime.aws.registry import DynamoRegistry  # noqa: PLC0415

    dynamo = Dynamo(table)
    try:
        registry = DynamoRegistry(dynamo)
        found: dict[str, Stream] = {}
        for first in range(0, len(ids), ASKED_AT_ONCE):
            for stream in await registry.known(ids[first : first + ASKED_AT_ONCE]):
                found[stream.stream_id] = stream
        return found
    finally:
        dynamo.close()
