"""Bearer tokens: what an issuer says of a caller, believed only as far as it is signed for us."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from streaming_runtime.core.errors import Unauthorized
from streaming_runtime.core.jwt_settings import JwtSettings
from streaming_runtime.core.principals import SCOPES, Principal, Scope
from streaming_runtime.http.key_set import KeySet, UnknownKey
from streaming_runtime.http.key_source import key_source
from streaming_runtime.http.token_form import Malformed, Token, json_object, opened

# Clocks differ: a token may be this much older than we are. It ends when it says, without grace.
LEEWAY_SECONDS = 30
MAX_TENANT = 255
MAX_REMEMBERED = 10_000
SCOPE_PREFIX = "stream:"
# In this many seconds the year 9999 is over; what ends later has numbers that nothing shows.
LATEST = 253_402_300_800


class Remembered(NamedTuple):
    """A token that was checked, under which set of keys, and until when that holds."""

    principal: Principal
    generation: int
    ends: float


class IssuerTokens:
    """Implements http.credential_kinds.BearerTokens for one issuer.

    Checking a signature takes as long as all else of a small request, so that a token is checked
    once, until it ends or the issuer's keys change.
    """

    def __init__(
        self, settings: JwtSettings, keys: KeySet, now: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._keys = keys
        self._now = now
        self._remembered: dict[bytes, Remembered] = {}

    async def principal_of(self, token: str) -> Principal:
        """Return who the token speaks for; without any scope claim it may do nothing.

        Raises:  Unauthorized, with the challenge of RFC 6750; Overloaded while no key set is there.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._remembered.get(digest)
        if known is not None and known.ends > self._now():
            await self._keys.refresh()
            if known.generation == self._keys.generation:
                return known.principal
        try:
            principal, ends = await self._checked(opened(token))
        except Malformed as malformed:
            raise invalid_token(str(malformed)) from malformed
        self._remember(digest, Remembered(principal, self._keys.generation, ends))
        return principal

    async def _checked(self, token: Token) -> tuple[Principal, float]:
        if token.algorithm not in self.settings.algorithms:
            raise invalid_token("Tokens signed in this way are not taken")
        try:
            key = await self._keys.key(token.key_id, token.algorithm)
        except UnknownKey:
            raise invalid_token("The issuer has no key that this token names") from None
        claims = json_object(_signed_payload(token, key))
        ends = self._check(claims)
        principal = Principal(
            _tenant(claims, self.settings.tenant_claim),
            scopes_of(claims),
            expires_at=int(ends * 1_000),
            is_bearer=True,
        )
        return principal, ends

    def _check(self, claims: Mapping[str, Any]) -> float:
        """Return when the token ends, in seconds since 1970."""
        if claims.get("iss") != self.settings.issuer:
            raise invalid_token("The token is of another issuer")
        audience = claims.get("aud")
        if self.settings.audience not in (audience if isinstance(audience, list) else [audience]):
            raise invalid_token("The token is for another audience")
        now, ends, begins = self._now(), _moment(claims, "exp"), _moment(claims, "nbf")
        if ends is None:
            raise invalid_token("The token has no end")
        if ends <= now:
            raise invalid_token("The token has expired")
        if begins is not None and begins > now + LEEWAY_SECONDS:
            raise invalid_token("The token does not count yet")
        return ends

    def _remember(self, digest: bytes, checked: Remembered) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            # The one that was learned first; a token that is in use is soon learned again.
            del self._remembered[next(iter(self._remembered))]
        self._remembered.pop(digest, None)
        self._remembered[digest] = checked


def bearer_tokens(settings: JwtSettings | None) -> IssuerTokens | None:
    """Return what checks tokens; None where no issuer is named."""
    return None if settings is None else IssuerTokens(settings, KeySet(key_source(settings)))


def invalid_token(description: str) -> Unauthorized:
    """Return the 401 of a token; nothing of the token stands in it.

    Source:  RFC 6750, section 3.1.
    """
    error = Unauthorized(description)
    error.headers["WWW-Authenticate"] = (
        f'Bearer realm="millrace", error="invalid_token", error_description="{description}"'
    )
    return error


def scopes_of(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """Return what a token allows: its ``scope``, or its ``scp`` where it has none.

    Shape:   words with spaces between, or a list of them; ``stream:send`` and ``send`` are one.
             None of ours means none at all: a token that was made for something else of this
             audience is no key to everything.
    Source:  RFC 8693, section 4.2.
    """
    listed = claims.get("scope", claims.get("scp"))
    words = listed.split(" ") if isinstance(listed, str) else listed
    if not isinstance(words, list):
        return frozenset()
    named = {word.removeprefix(SCOPE_PREFIX) for word in words if isinstance(word, str)}
    return frozenset(scope for scope in SCOPES if scope in named)


def _tenant(claims: Mapping[str, Any], name: str) -> str:
    """Return the tenant as the issuer wrote it: cleaning could make one tenant of two.

    Source:  OpenID Connect Core 1.0, section 2: ``sub`` is up to 255 ASCII characters.
    """
    tenant = claims.get(name)
    if not isinstance(tenant, str) or not tenant:
        raise invalid_token("The token names no tenant")
    if len(tenant) > MAX_TENANT or not all("!" <= character <= "~" for character in tenant):
        raise invalid_token("The tenant of the token is no name")
    return tenant


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    moment = claims.get(name)
    if moment is None and name not in claims:
        return None
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise invalid_token(f"The token's {name} is no time")
    if not 0 <= moment < LATEST:
        raise invalid_token(f"The token's {name} is no time")
    return moment


def _signed_payload(token: Token, key: Any) -> bytes:
    from joserfc.errors import JoseError  # noqa: PLC0415 - there since the key set was read
    from joserfc.jws import JWSRegistry, deserialize_compact  # noqa: PLC0415

    # A header may hold names that we do not know, unless they are critical: RFC 7515, section 4.
    registry = JWSRegistry(algorithms=[token.algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = len(token.text)
    try:
        payload = deserialize_compact(token.text, key, registry=registry).payload
    except (JoseError, ValueError) as failed:
        _refuse_signature(failed)
    return payload or b""


def _refuse_signature(failed: Exception) -> NoReturn:
    raise invalid_token("The signature of the token is not one of its issuer's") from failed
