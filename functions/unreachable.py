"""What cannot be reached: every use of it says so, and all that does not need it goes on."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from streaming_runtime.core.api_keys import IssuedKey
from streaming_runtime.core.errors import BrokerUnavailable, Overloaded, StreamingError
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.core.model import Incarnation, Position, Receipt, Record, Stream
from streaming_runtime.core.ports import Bounds, Claim, Ends, Feed, Waiter
from streaming_runtime.core.principals import Scope
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.gate import NOTHING_ASKED, Admission, Gate


class UnreachableKafka:
    """Implements all ports of core.ports that stand for Kafka by refusing.

    So a wrong key is 401 also now, and each route answers in the way its clients survive.
    """

    @property
    def incarnation(self) -> Incarnation:
        self._refuse()

    def enter(self, record: Record, waiter: Waiter) -> None:
        self._refuse()

    async def append(self, record: Record) -> Receipt:
        self._refuse()

    async def room(self, records: int, size: int) -> None:
        """What follows refuses, and says for which record."""

    async def append_all(
        self, stream: Stream, values: Sequence[bytes], sent_at: int, traceparent: str | None = None
    ) -> list[Receipt | StreamingError]:
        self._refuse()

    async def partition_for(self, stream_id: str) -> int:
        self._refuse()

    async def put(self, stream: Stream) -> None:
        self._refuse()

    def at_hand(self, stream_id: str) -> Stream | None:
        return None

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

    async def find(self, use: bytes) -> Claim | None:
        self._refuse()

    async def find_latest(self, use: bytes) -> Claim | None:
        self._refuse()

    async def claim(self, use: bytes, digest: bytes, ends: Ends, over: Claim | None) -> Claim:
        self._refuse()

    async def keep(self, use: bytes, claim: Claim, offsets: tuple[int | None, ...]) -> None:
        self._refuse()

    async def release(self, use: bytes, claim: Claim, *, is_unused: bool) -> None:
        self._refuse()

    async def ends(self, partition: int) -> Ends:
        self._refuse()

    async def landed(self, stream: Stream, names: Collection[str], claim: Claim) -> dict[str, int]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise BrokerUnavailable("Kafka cannot be reached now")


class UnreachableKeys:
    """Implements core.ports.KnownKeys while nobody can tell a good key from a bad one."""

    async def find(self, key_id: str) -> IssuedKey | None:
        raise Overloaded("The keys of this deployment cannot be read now")


class ClosedGate(Gate):
    """Lets nobody in while it is not known which keys there are, and calls nobody's key wrong.

    A client that is told 401 gives up, and an EventSource for good.
    """

    def __init__(self) -> None:
        super().__init__(ConfiguredKeys(()), TenantLimits(0, 0, 0, time.monotonic))

    async def enter(
        self,
        headers: Mapping[str, str],
        scope: Scope,
        stream_id: str | None = None,
        query: Mapping[str, str] = NOTHING_ASKED,
        *,
        is_socket: bool = False,
    ) -> Admission:
        raise Overloaded("The keys of this deployment cannot be read now")
