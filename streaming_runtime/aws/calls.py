"""Calls of DynamoDB from a loop: on threads, each with a deadline, its failures in our words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProxyConnectionError,
    SSLError,
)

from streaming_runtime.core.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    Overloaded,
    StreamingError,
)

log = logging.getLogger("millrace.aws")

# DynamoDB answers in milliseconds; what takes longer is a connection that died in a freeze. Two
# attempts of a second each, and the way to a third, are within the deadline of one call.
CONNECT_SECONDS = 0.5
READ_SECONDS = 1.0
ATTEMPTS = 3
CALL_SECONDS = 3.0
THREADS = 32
UNREACHABLE = "The table of streams cannot be reached now; nothing was changed"

# It never left, or was refused before anything was done.
CERTAIN = (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProxyConnectionError,
    SSLError,
)
BUSY = "The table of streams takes no more at the moment; nothing was changed"
UNANSWERED = "The table of streams did not answer in time; the change may be made"
THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
# What another call of the same kind meets a moment later.
FAULTS_OF_THEIRS = frozenset({"InternalServerError", "InternalFailure", "ServiceUnavailable"})


class Dynamo:
    """DynamoDB's client, opened at the first call; ``table`` is the one that everything lies in."""

    def __init__(
        self,
        table: str,
        make_client: Callable[[], Any] | None = None,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self.table = table
        self._seconds = call_seconds
        self._make_client = make_client or _client
        self._client: Any = None
        self._threads: ThreadPoolExecutor | None = None

    async def read(self, operation: str, **request: Any) -> dict[str, Any]:
        """Call what changes nothing.

        Raises:  BrokerUnavailable or Overloaded; ClientError if we asked for nonsense.
        """
        try:
            return await self.write(operation, **request)
        except OutcomeUnknown:
            raise BrokerUnavailable(UNREACHABLE) from None

    async def item(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """Return an item as it is now, None if there is none.

        Raises:  as ``read``.
        """
        found = await self.read("get_item", TableName=self.table, Key=key, ConsistentRead=True)
        item: dict[str, Any] | None = found.get("Item")
        return item

    async def write(self, operation: str, **request: Any) -> dict[str, Any]:
        """Call what changes something, with a condition that makes it safe to be tried again.

        Raises:  BrokerUnavailable or Overloaded: nothing was changed; OutcomeUnknown; ClientError
                 for a condition that does not hold, or if we asked for nonsense.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "dynamodb")
        calling = self._threads.submit(self._call, operation, request)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(asyncio.wrap_future(calling))
        except TimeoutError:
            if calling.cancel():  # It never had a thread.
                raise Overloaded(BUSY) from None
            raise OutcomeUnknown(UNANSWERED) from None
        except (ClientError, BotoCoreError) as failure:
            raise _in_our_words(failure) from failure

    def close(self) -> None:
        """Let go of threads and connections; a call under way ends with its own deadline."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = self._client = None

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if self._client is None:
            self._client = self._make_client()
        answer: dict[str, Any] = getattr(self._client, operation)(**request)
        return answer


def failed_condition(failure: ClientError) -> dict[str, Any] | None:
    """Return the item that stood against a conditional write, None for any other failure.

    Shape:  of a transaction, that of its first operation; {} when no item stands there.
    """
    code = failure.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return failure.response.get("Item", {})  # type: ignore[no-any-return]
    if code == "TransactionCanceledException":
        first = failure.response["CancellationReasons"][0]
        if first["Code"] == "ConditionalCheckFailed":
            return first.get("Item", {})  # type: ignore[no-any-return]
    return None


def _in_our_words(failure: ClientError | BotoCoreError) -> StreamingError | ClientError:
    if isinstance(failure, CERTAIN):
        return _told(BrokerUnavailable(UNREACHABLE), failure)
    if not isinstance(failure, ClientError):
        return _told(OutcomeUnknown(UNANSWERED), failure)
    code = failure.response["Error"]["Code"]
    if code in THROTTLED or _is_conflict(failure):
        return _told(Overloaded(BUSY), failure)
    if code in FAULTS_OF_THEIRS:
        return _told(OutcomeUnknown(UNANSWERED), failure)
    if code in {"AccessDeniedException", "ResourceNotFoundException"}:
        return _told(BrokerUnavailable(UNREACHABLE), failure)
    return failure


def _is_conflict(failure: ClientError) -> bool:
    reasons = failure.response.get("CancellationReasons", [])
    codes = {reason["Code"] for reason in reasons}
    return bool(codes & {"TransactionConflict", "ThrottlingError"}) and (
        "ConditionalCheckFailed" not in codes
    )


def _told(error: StreamingError, failure: ClientError | BotoCoreError) -> StreamingError:
    code = type(failure).__name__
    if isinstance(failure, ClientError):
        code = failure.response["Error"]["Code"]
    log.warning("DynamoDB did not do it", extra={"reason": code})
    return error


def _client() -> Any:
    return boto3.client(
        "dynamodb",
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=THREADS,
            tcp_keepalive=True,
        ),
    )
