"""The gate: every request passes it with its credential and its share of the limit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from streaming_runtime.core.errors import Forbidden, RateLimited, StreamingError
from streaming_runtime.core.further_limits import NO_FURTHER, Counted, FurtherLimits
from streaming_runtime.core.limits import OwnReaders, TenantLimits, Verdict
from streaming_runtime.core.ports import HeldLimits, SharedLimits, SharedReaders
from streaming_runtime.core.principals import CALLER, Principal, Scope
from streaming_runtime.http.credentials import Credentials

# Nobody knows when one of a tenant's readers leaves.
READER_RETRY_SECONDS = 5
NOTHING_ASKED: Mapping[str, str] = MappingProxyType({})
# Source: RFC 6750, section 3.
SCOPE_CHALLENGE = 'Bearer realm="millrace", error="insufficient_scope", scope="stream:{}"'
# Of what there were too many, by the name of the limit.
WHAT: Mapping[str, str] = MappingProxyType(
    {
        "requests": "requests",
        "key": "requests with this key",
        "stream": "requests for this stream",
        "starts": "starts",
        "records": "records",
        "bytes": "bytes",
        "reconnects": "new readers",
    }
)


class Admission(NamedTuple):
    """Who was let in, and the limit headers of the answer."""

    principal: Principal
    headers: dict[str, str]

    @property
    def tenant(self) -> str:
        return self.principal.tenant


class Gate:
    """Knows the keys and the limits of tenants."""

    def __init__(
        self,
        credentials: Credentials,
        limits: TenantLimits,
        further: FurtherLimits | None = None,
        readers: SharedReaders | None = None,
    ) -> None:
        self.credentials = credentials
        self.limits = limits
        self._readers = readers or OwnReaders(limits)
        self.further = further or FurtherLimits(NO_FURTHER, time.monotonic)
        self._counts_streams = self.further.has("stream", "starts")
        self.counts_data = self.further.has("records", "bytes")

    async def enter(
        self,
        headers: Mapping[str, str],
        scope: Scope,
        stream_id: str | None = None,
        query: Mapping[str, str] = NOTHING_ASKED,
        *,
        is_socket: bool = False,
    ) -> Admission:
        """Let a request in that needs ``scope``, on a stream if it is about one.

        Raises:  Unauthorized; Forbidden without the scope; RateLimited with Retry-After and the
                 RateLimit fields; Overloaded where nobody can tell who it is.
        """
        principal = await self.credentials.principal_of(
            headers, query, stream_id, is_socket=is_socket
        )
        CALLER.set(principal)
        require(principal, scope, stream_id)
        return Admission(principal, await self.counted(principal, scope, stream_id))

    async def counted(
        self, principal: Principal, scope: Scope, stream_id: str | None = None
    ) -> dict[str, str]:
        """Count one request, for its tenant, its key and its stream; return what is left of each.

        Raises:  RateLimited, with what the limit says that is used up.
        """
        fields = await self._counted(principal.tenant)
        if principal.per_second or self._counts_streams:
            fields = _with(fields, await self.further.of_request(principal, scope, stream_id))
        return fields

    def counted_at_once(self, principal: Principal) -> dict[str, str] | None:
        """Count a request to a stream that is let in without waiting; None: it is not counted.

        Shape:   also None where more is limited than requests of a tenant.
        """
        if principal.per_second or self._counts_streams or self.counts_data:
            return None
        return self._counted_at_once(principal.tenant)

    def _counted_at_once(self, tenant: str) -> dict[str, str] | None:
        verdict = self.limits.take(tenant)
        if verdict is None:
            return {}
        return self._told(verdict) if verdict.is_admitted else None

    async def count_data(
        self, tenant: str, records: int, size: int, fields: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Count records and their bytes, before anything of them is stored.

        Raises:  RateLimited, and none of them counts.
        """
        known = {} if fields is None else fields
        if not self.counts_data:
            return known
        return _with(known, await self.further.of_data(tenant, records, size))

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
        raise _refusal("requests", fields, verdict.retry_after_seconds)

    async def open_reader(self, tenant: str) -> None:
        """Count a reader that stays; pairs with ``close_reader``.

        Raises:  RateLimited when the tenant has its fill, or too many came at once.
        """
        _with({}, await self.further.of_reader(tenant))
        if not await self._readers.open(tenant):
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
        self._readers.close(tenant)


class SharedGate(Gate):
    """Counts requests together with all other processes, and by itself while it cannot."""

    def __init__(
        self,
        credentials: Credentials,
        limits: TenantLimits,
        shared: SharedLimits,
        further: FurtherLimits | None = None,
    ) -> None:
        super().__init__(credentials, limits, further)
        self._shared = shared

    def _counted_at_once(self, tenant: str) -> dict[str, str] | None:
        return None

    async def _counted(self, tenant: str) -> dict[str, str]:
        try:
            verdict = await self._shared.take(tenant)
        except StreamingError:
            # What keeps the counts is no reason to refuse anybody; one process lets in no more
            # than all of them may.
            return self.count(tenant)
        return self._told(verdict)


class HeldGate(Gate):
    """Counts requests together with all other processes, from what is held of that beforehand."""

    def __init__(
        self,
        credentials: Credentials,
        limits: TenantLimits,
        held: HeldLimits,
        further: FurtherLimits | None = None,
        readers: SharedReaders | None = None,
    ) -> None:
        super().__init__(credentials, limits, further, readers)
        self._held = held

    def _counted_at_once(self, tenant: str) -> dict[str, str] | None:
        verdict = self._held.take_held(tenant)
        return self._told(verdict) if verdict is not None and verdict.is_admitted else None

    async def _counted(self, tenant: str) -> dict[str, str]:
        verdict = self._held.take_held(tenant)
        if verdict is None:
            try:
                verdict = await self._held.take(tenant)
            except StreamingError:
                return self.count(tenant)
        return self._told(verdict)


def _with(fields: dict[str, str], told: Sequence[Counted]) -> dict[str, str]:
    """Return the limit fields of an answer with what further limits say.

    Raises:  RateLimited, with the fields of the limit that refuses.
    """
    for counted in told:
        own = {"RateLimit-Policy": counted.policy, "RateLimit": counted.state}
        if not counted.verdict.is_admitted:
            raise _refusal(counted.name, own, counted.verdict.retry_after_seconds)
        fields = fields | {n: f"{fields[n]}, {v}" if n in fields else v for n, v in own.items()}
    return fields


def _refusal(name: str, fields: Mapping[str, str], seconds: int) -> RateLimited:
    error = RateLimited(f"Too many {WHAT[name]} for this client: try again in {seconds} s")
    error.headers.update(fields, **{"Retry-After": str(seconds)})
    return error


def require(principal: Principal, scope: Scope, stream_id: str | None = None) -> None:
    """Refuse what a credential was not made for.

    Raises:  Forbidden; it is said before the stream is looked up, so it tells nothing of it.
    """
    if not principal.may(scope, stream_id):
        error = Forbidden(f"This credential may not {scope} here: it lacks the scope or the stream")
        if principal.is_bearer:
            error.headers["WWW-Authenticate"] = SCOPE_CHALLENGE.format(scope)
        raise error
