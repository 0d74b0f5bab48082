"""The gate: every request passes it with its credential and its share of the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streaming_runtime.core.errors import RateLimited
from streaming_runtime.core.limits import TenantLimits
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
        self._keys = keys
        self.limits = limits

    def admit(self, headers: Mapping[str, str]) -> Admission:
        """Let a request in.

        Raises:  Unauthorized; RateLimited with Retry-After and the RateLimit fields.
        """
        tenant = self._keys.tenant_of(headers)
        return Admission(tenant, self.count(tenant))

    def count(self, tenant: str) -> dict[str, str]:
        """Count one request of a tenant; return the fields that tell what is left.

        Raises:  RateLimited.
        Source:  draft-ietf-httpapi-ratelimit-headers-11.
        """
        verdict = self.limits.take(tenant)
        if verdict is None:
            return {}
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
