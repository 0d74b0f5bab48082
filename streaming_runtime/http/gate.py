"""The gate: every request passes it with its credential and its share of the limit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from streaming_runtime.core.errors import Forbidden, RateLimited, StreamingError
from streaming_runtime.core.limits import TenantLimits, Verdict
from streaming_runtime.core.ports import SharedLimits
from streaming_runtime.core.principals import Principal, Scope
from streaming_runtime.http.credentials import Credentials

# Nobody knows when one of a tenant's readers leaves.
READER_RETRY_SECONDS = 5
NOTHING_ASKED: Mapping[str, str] = MappingProxyType({})


class Admission(NamedTuple):
    """Who was let in, and the limit headers of the answer."""

    principal: Principal
    headers: dict[str, str]

    @property
    def tenant(self) -> str:
        return self.principal.tenant


class Gate:
    """Knows the keys and the limits of tenants."""

    def __init__(self, credentials: Credentials, limits: TenantLimits) -> None:
        self.credentials = credentials
        self.limits = limits

    async def enter(
        self,
        headers: Mapping[str, str],
        scope: Scope,
        stream_id: str | None = None,
        query: Mapping[str, str] = NOTHING_ASKED,
    ) -> Admission:
        """Let a request in that needs ``scope``, on a stream if it is about one.

        Raises:  Unauthorized; Forbidden without the scope; RateLimited with Retry-After and the
                 RateLimit fields; Overloaded where nobody can tell who it is.
        """
        principal = await self.credentials.principal_of(headers, query, stream_id)
        require(principal, scope, stream_id)
        return Admission(principal, await self._counted(principal.tenant))

    async def _counted(self, tenant: str) -> dict[str, str]:
        return self.count(tenant)

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

    def __init__(
        self, credentials: Credentials, limits: TenantLimits, shared: SharedLimits
    ) -> None:
        super().__init__(credentials, limits)
        self._shared = shared

    async def _counted(self, tenant: str) -> dict[str, str]:
        try:
            verdict = await self._shared.take(tenant)
        except StreamingError:
            # What keeps the counts is no reason to refuse anybody; one process lets in no more
            # than all of them may.
            return self.count(tenant)
        return self._told(verdict)


def require(principal: Principal, scope: Scope, stream_id: str | None = None) -> None:
    """Refuse what a credential was not made for.

    Raises:  Forbidden; it is said before the stream is looked up, so it tells nothing of it.
    """
    if not principal.may(scope, stream_id):
        raise Forbidden(f"This credential may not {scope} here: it lacks the scope or the stream")
