"""What Kafka's own tools ask a cluster and aiokafka does not: leaders, their moves, the quorum."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

MOVE_MS = 10_000
PREFERRED = 0
METADATA_LOG = "__cluster_metadata"


class ElectLeadersAnswer(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 43
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("number", Int32), ("error_code", Int16), ("words", String("utf-8"))),
                ),
            ),
        ),
    )


class ElectLeadersStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 43
    API_VERSION = 1
    RESPONSE_TYPE = ElectLeadersAnswer
    SCHEMA = Schema(
        ("kind", Int8),
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("timeout_ms", Int32),
    )


class ElectLeaders(Request[ElectLeadersStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Ask for the first replica of a partition as its leader."""

    API_KEY = 43

    def __init__(self, topic: str, partition: int) -> None:
        self._topics = [(topic, [partition])]

    def build(self, request_struct_class: type[ElectLeadersStruct]) -> ElectLeadersStruct:
        return request_struct_class(PREFERRED, self._topics, MOVE_MS)


REPLICA = CompactArray(("replica_id", Int32), ("log_end_offset", Int64), ("tags", TaggedFields))


class DescribeQuorumAnswer(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 55
    API_VERSION = 0
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("number", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("voters", REPLICA),
                        ("observers", REPLICA),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeQuorumStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 0
    RESPONSE_TYPE = DescribeQuorumAnswer
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("number", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeQuorum(Request[DescribeQuorumStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Ask who is the active controller: a broker's metadata name any broker as that."""

    API_KEY = 55

    def build(self, request_struct_class: type[DescribeQuorumStruct]) -> DescribeQuorumStruct:
        return request_struct_class([(METADATA_LOG, [(0, {})], {})], {})


async def active_controller(admin: AIOKafkaAdminClient) -> int:
    """Return the node that leads the controllers, -1 while none does."""
    answer: dict[str, Any] = (await admin._send_request(DescribeQuorum())).to_object()
    partitions = [each for topic in answer["topics"] for each in topic["partitions"]]
    return int(partitions[0]["leader_id"]) if partitions else -1


async def move_leader(
    admin: AIOKafkaAdminClient, topic: str, partition: int, replicas: list[int]
) -> None:
    """Give a partition its replicas in another order, and make the first of them its leader."""
    places: list[Any] = [(topic, [(partition, replicas, {})], {})]
    await admin._send_request(AlterPartitionReassignmentsRequest(MOVE_MS, places, {}))
    await admin._send_request(ElectLeaders(topic, partition))
