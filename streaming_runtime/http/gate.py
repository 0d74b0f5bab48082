"""The gate: every request passes it with its credential and its share of the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streaming_runtime.core.errors import RateLimited, StreamingError
from streaming_runtime.core.limits import TenantLimits, Verdict
from streaming_runtime.core.ports import SharedLimits
from streaming_runtime.http.credentials import ConfiguredKeys

# Nobody knows when one of a tenant's readers leaves.
READER_RETRY_SECONDS = 5


class Admission(NamedTuple):
    """Who was let in, and the limit headers of the answer."""

    tenant: str
    headers: dict[str, str]


class Gate:
    """Knows the keys and the limits of tenants."""

    def __init__(self, keys: ConfiguredKeys, limits: TenantLimits) -> None:
        self.keys = keys
        self.limits = limits

    def admit(self, headers: Mapping[str, str]) -> Admission:
        """Let a request in.

        Raises:  Unauthorized; RateLimited with Retry-After and the RateLimit fields.
        """
        tenant = self.keys.tenant_of(headers)
        return Admission(tenant, self.count(tenant))

    async def enter(self, headers: Mapping[str, str]) -> Admission:
        """Let a request in; unlike ``admit`` it may ask others what they have let in.

        Raises:  as ``admit``.
        """
        return self.admit(headers)

    def count(self, tenant: str) -> dict[str, str]:
        """Count one request of a tenant; return the fields that tell what is left.

        Raises:  RateLimited.
        Source:  draft-ietf-httpapi-ratelimit-headers-11.
        """
        verdict = self.limits.take(tenant)
        return {} if verdict is None else self._told(verdict)

    def _told(self, verdict: Verdict) -> dict[str, str]:
        fields = {
            "RateLimit-Policy": self.limits.policy,
            "RateLimit": self.limits.state(verdict),
        }
        if verdict.is_admitted:
            return fields
        seconds = verdict.retry_after_seconds
        error = RateLimited(f"Too many requests for this client: try again in {seconds} s")
        error.headers.update(fields, **{"Retry-After": str(seconds)})
        raise error

    def open_reader(self, tenant: str) -> None:
        """Count a reader that stays; pairs with ``close_reader``.

        Raises:  RateLimited when the tenant has its fill.
        """
        if not self.limits.open_reader(tenant):
            error = RateLimited("This client has as many open readers as it may have")
            error.headers.update(
                {
                    "RateLimit-Policy": self.limits.readers_policy,
                    "RateLimit": f'"readers";r=0;t={READER_RETRY_SECONDS}',
                    "Retry-After": str(READER_RETRY_SECONDS),
                }
            )
            raise error

    def close_reader(self, tenant: str) -> None:
        self.limits.close_reader(tenant)


class SharedGate(Gate):
    """Counts requests together with all other processes, and by itself while it cannot."""

    def __init__(self, keys: ConfiguredKeys, limits: TenantLimits, shared: SharedLimits) -> None:
        super().__init__(keys, limits)
        self._shared = shared

    async def enter(self, headers: Mapping[str, str]) -> Admission:
        tenant = self.keys.tenant_of(headers)
        try:
            verdict = await self._shared.take(tenant)
        except StreamingError:
            # What keeps the counts is no reason to refuse anybody; one process lets in no more
            # than all of them may.
            return Admission(tenant, self.count(tenant))
        return Admission(tenant, self._told(verdict))
