"""Tokens for MSK's IAM: signed with the credentials of this process, and kept while they last."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import lru_cache

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

# MSK's are good for 900 s; a connection that is being opened must still find its token good.
SPARE_SECONDS = 120.0

# Returns a token and the moment it expires, in milliseconds since 1970.
Sign = Callable[[], tuple[str, int]]


class MskTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Implements aiokafka's token provider; belongs to no loop, so all of a process share it.

    Signing takes some 20 ms of CPU and may look for credentials over the network, so it is done on
    a thread, once however many connections open at a time.
    """

    def __init__(self, sign: Sign) -> None:
        self._sign = sign
        self._signing = threading.Lock()
        self._token = ""
        # By the clock on the wall: the other one may stand still while a function is frozen.
        self._good_until = 0.0

    async def token(self) -> str:
        """Return a token that is good for another SPARE_SECONDS.

        Raises:  KafkaConnectionError, which whoever connects waits out like an absent broker.
        """
        if time.time() < self._good_until:
            return self._token
        signing = asyncio.get_running_loop().run_in_executor(None, self._signed)
        # Whatever it is that there are no credentials, a producer's keeper must not die of it.
        await asyncio.wait({signing})
        if (failure := signing.exception()) is not None:
            raise KafkaConnectionError("no token for the brokers could be signed") from failure
        return signing.result()

    def _signed(self) -> str:
        with self._signing:
            if time.time() >= self._good_until:
                self._token, expires_ms = self._sign()
                self._good_until = expires_ms / 1000 - SPARE_SECONDS
            return self._token


@lru_cache(maxsize=4)
def msk_tokens(region: str) -> MskTokens:
    """Return the tokens of a region, the same for all clients of this process."""
    return MskTokens(lambda: _sign(region))


def _sign(region: str) -> tuple[str, int]:
    # Brings botocore, which takes longer to import than all else, and only this way of security
    # needs it.
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider as signer  # noqa: PLC0415

    token, expires_ms = signer.generate_auth_token(region)
    return str(token), int(expires_ms)
