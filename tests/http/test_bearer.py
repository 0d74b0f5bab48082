"""Which tokens are believed, and what is made of what they say."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from streaming_runtime.core.errors import Forbidden, Unauthorized
from streaming_runtime.http import bearer
from streaming_runtime.http.bearer import IssuerTokens, scopes_of
from streaming_runtime.http.gate import require
from tests.http.forgeries import HEAD, PUBLIC_SECRET, changed, forged, head
from tests.http.issuing import AUDIENCE, EC, RSA, SETTINGS, Issuer, Json, signed


async def refused(tokens: IssuerTokens, token: str) -> Unauthorized:
    with pytest.raises(Unauthorized) as found:
        await tokens.principal_of(token)
    return found.value


@pytest.mark.parametrize("key, algorithm", [(RSA, "RS256"), (EC, "ES256")])
async def test_a_token_of_the_issuer_speaks_for_its_tenant(key: Any, algorithm: str) -> None:
    issuer = Issuer()

    principal = await issuer.tokens().principal_of(issuer.token(key, algorithm))

    assert principal.tenant == "acme"
    assert principal.scopes == {"start", "send", "read"}
    assert principal.expires_at == (int(issuer.now) + 300) * 1_000
    assert principal.is_bearer
    assert principal.key_id == ""


@pytest.mark.parametrize("audience", [AUDIENCE, ["https://else.example", AUDIENCE]])
async def test_the_audience_may_be_one_or_among_several(audience: Any) -> None:
    issuer = Issuer()

    assert await issuer.tokens().principal_of(issuer.token(aud=audience))


async def test_the_tenant_comes_from_the_claim_that_is_configured() -> None:
    issuer = Issuer()
    tokens = issuer.tokens(replace(SETTINGS, tenant_claim="org_id"))

    assert (await tokens.principal_of(issuer.token(org_id="org-1"))).tenant == "org-1"
    assert "no tenant" in str(await refused(tokens, issuer.token()))


@pytest.mark.parametrize(
    "claims, scopes",
    [
        ({}, set()),
        ({"scope": ""}, set()),
        ({"scope": "openid profile"}, set()),
        ({"scope": "stream:read send"}, {"read", "send"}),
        ({"scp": "read"}, {"read"}),
        ({"scp": ["stream:start", "admin"]}, {"start", "admin"}),
        ({"scope": ["read"]}, {"read"}),
        ({"scope": "", "scp": "admin"}, set()),
        ({"scope": 7}, set()),
        ({"scope": {"read": True}}, set()),
        ({"scp": [7, None, "read"]}, {"read"}),
        ({"scope": "stream:stream:read READ read\u00a0 stream:"}, set()),
    ],
)
def test_scopes_are_read_from_either_claim_with_or_without_the_prefix(
    claims: Json, scopes: set[str]
) -> None:
    assert scopes_of(claims) == scopes


async def test_a_token_without_the_scope_is_told_which_it_lacks() -> None:
    issuer = Issuer()
    principal = await issuer.tokens().principal_of(issuer.token(scope=None))

    with pytest.raises(Forbidden) as found:
        require(principal, "send", "any-stream")

    assert found.value.headers["WWW-Authenticate"] == (
        'Bearer realm="millrace", error="insufficient_scope", scope="stream:send"'
    )


@pytest.mark.parametrize("reason", forged(Issuer().claims()))
async def test_a_forged_token_is_refused(reason: str) -> None:
    issuer = Issuer()
    token = forged(issuer.claims())[reason]
    tokens = issuer.tokens()

    error = await refused(tokens, token)

    assert error.headers["WWW-Authenticate"].startswith('Bearer realm="millrace", error="invalid_')
    assert not token or token not in str(error.headers) + str(error)
    # What was refused leaves nothing behind for the next.
    await refused(tokens, token)
    assert (await tokens.principal_of(issuer.token())).tenant == "acme"


@pytest.mark.parametrize("reason", changed(0))
async def test_a_signed_token_that_is_not_for_us_is_refused(reason: str) -> None:
    issuer = Issuer()

    error = await refused(issuer.tokens(), issuer.token(**changed(int(issuer.now))[reason]))

    assert 'error="invalid_token"' in error.headers["WWW-Authenticate"]


async def test_the_corpus_differs_from_a_good_token_only_where_it_says() -> None:
    """What all of the forgeries are made from is a token that counts."""
    issuer = Issuer()
    tokens = issuer.tokens()

    for good in (
        signed(HEAD, issuer.claims(), RSA),
        signed(head(typ="JWT", nonce="unknown names are passed over"), issuer.claims(), RSA),
        signed(HEAD, issuer.claims(nbf=int(issuer.now) + 29, exp=issuer.now + 0.5), RSA),
        signed({"alg": "ES256"}, issuer.claims(), EC),
    ):
        assert (await tokens.principal_of(good)).tenant == "acme"


async def test_hmac_counts_only_with_a_secret_that_is_configured() -> None:
    secret = OctKey.generate_key(256, {"kid": "shared"})
    issuer = Issuer()
    issuer.read = lambda: {"keys": [secret.as_dict(private=True)]}  # type: ignore[method-assign]
    tokens = issuer.tokens(replace(SETTINGS, algorithms=("HS256",)))

    assert await tokens.principal_of(issuer.token(secret, "HS256"))
    await refused(tokens, issuer.token(RSA))


async def test_a_published_secret_checks_no_public_key_algorithm() -> None:
    issuer = Issuer()
    issuer.read = lambda: {  # type: ignore[method-assign]
        "keys": [PUBLIC_SECRET.as_dict(private=True), EC.as_dict(private=False)]
    }

    await refused(issuer.tokens(), signed(head(alg="HS256"), issuer.claims(), PUBLIC_SECRET))


async def test_a_token_is_checked_once_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    tokens, token, checks = issuer.tokens(), issuer.token(), 0
    check = bearer._signed_payload

    def counted(*args: Any) -> bytes:
        nonlocal checks
        checks += 1
        return check(*args)

    monkeypatch.setattr(bearer, "_signed_payload", counted)
    first = await tokens.principal_of(token)

    assert await tokens.principal_of(token) is first
    assert checks == 1
    issuer.now += 301
    assert "expired" in str(await refused(tokens, token))


async def test_a_token_whose_key_was_withdrawn_counts_no_longer_than_the_set() -> None:
    issuer = Issuer()
    tokens, token = issuer.tokens(), issuer.token(exp=int(issuer.now) + 90_000)
    await tokens.principal_of(token)

    issuer.keys = [EC]
    issuer.now += 1_201

    await refused(tokens, token)


async def test_what_is_remembered_of_tokens_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer, "MAX_REMEMBERED", 3)
    issuer = Issuer()
    tokens = issuer.tokens()

    for number in range(6):
        principal = await tokens.principal_of(issuer.token(EC, "ES256", sub=f"tenant-{number}"))
        assert principal.tenant == f"tenant-{number}"

    assert len(tokens._remembered) == 3


async def test_nothing_of_a_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    issuer = Issuer()
    tokens = issuer.tokens()

    for token in (issuer.token(), issuer.token(aud="x"), *forged(issuer.claims()).values()):
        try:
            await tokens.principal_of(token)
        except Unauthorized:
            continue

    assert "eyJ" not in caplog.text


@pytest.mark.filterwarnings("ignore:Key size")
async def test_a_key_too_short_to_trust_is_passed_over() -> None:
    weak = RSAKey.generate_key(1024, {"kid": "weak"})
    issuer = Issuer(weak, EC)

    await refused(issuer.tokens(), issuer.token(weak))
