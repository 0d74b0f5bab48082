"""Kafka while it cannot be reached: every use says so, and all that needs no Kafka goes on."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from streaming_runtime.core.errors import BrokerUnavailable
from streaming_runtime.core.model import Incarnation, Position, Receipt, Record, Stream
from streaming_runtime.core.ports import Bounds, Feed


class UnreachableKafka:
    """Implements RecordSink, StreamRegistry and ResultsLog of core.ports by refusing.

    So a wrong key is 401 also now, and each route answers in the way its clients survive.
    """

    @property
    def incarnation(self) -> Incarnation:
        self._refuse()

    async def append(self, record: Record) -> Receipt:
        self._refuse()

    async def partition_for(self, stream_id: str) -> int:
        self._refuse()

    async def put(self, stream: Stream) -> None:
        self._refuse()

    async def get(self, stream_id: str) -> Stream | None:
        self._refuse()

    async def page(self, tenant: str, after: tuple[int, str] | None, limit: int) -> list[Stream]:
        self._refuse()

    async def bounds(self, partition: int) -> Bounds:
        self._refuse()

    async def sources(self, partition: int) -> Bounds:
        self._refuse()

    async def tip(self, partition: int) -> Position:
        self._refuse()

    def follow(self, stream: Stream, position: Position) -> AbstractAsyncContextManager[Feed]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise BrokerUnavailable("Kafka cannot be reached now")
