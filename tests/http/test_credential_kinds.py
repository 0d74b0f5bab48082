"""A request is judged by the first credential that it carries, and told how to bring another."""

from __future__ import annotations

import pytest

from streaming_runtime.core.errors import Forbidden, Unauthorized
from streaming_runtime.core.jwt_settings import JwtSettings
from streaming_runtime.core.limits import TenantLimits
from streaming_runtime.http.bearer import bearer_tokens
from streaming_runtime.http.credential_kinds import CredentialKinds
from streaming_runtime.http.credentials import CHALLENGE, ConfiguredKeys
from streaming_runtime.http.gate import Gate
from streaming_runtime.http.protected_resource import ProtectedResource, origin_of
from tests.http.issuing import SETTINGS, Issuer

KEYS = ConfiguredKeys([("acme-by-key", "a-key")])
POINTER = 'resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
HOST = {"host": "api.example"}


async def refused(kinds: CredentialKinds, headers: dict[str, str]) -> Unauthorized:
    with pytest.raises(Unauthorized) as found:
        await kinds.principal_of(headers, {}, None)
    return found.value


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_comes_in_the_authorization_field(scheme: str) -> None:
    issuer = Issuer()
    kinds = CredentialKinds(KEYS, bearer=issuer.tokens())
    headers = {"authorization": f"{scheme}  {issuer.token()} "}

    assert (await kinds.principal_of(headers, {}, None)).tenant == "acme"


async def test_a_key_beside_a_token_decides() -> None:
    issuer = Issuer()
    kinds = CredentialKinds(KEYS, bearer=issuer.tokens())
    headers = {"authorization": f"Bearer {issuer.token()}"}

    assert (await kinds.principal_of({**headers, "x-api-key": "a-key"}, {}, None)).tenant == (
        "acme-by-key"
    )
    await refused(kinds, {**headers, "x-api-key": "wrong"})


async def test_whoever_brings_nothing_is_told_of_both_ways() -> None:
    kinds = CredentialKinds(KEYS, bearer=Issuer().tokens(), has_metadata=True)

    error = await refused(kinds, HOST)

    assert error.headers["WWW-Authenticate"] == f"{CHALLENGE}, {POINTER}"


async def test_whoever_brings_a_wrong_token_is_told_what_is_wrong_with_it() -> None:
    issuer = Issuer()
    kinds = CredentialKinds(KEYS, bearer=issuer.tokens(), has_metadata=True)
    wrong = issuer.token(exp=1)

    error = await refused(kinds, {**HOST, "authorization": f"Bearer {wrong}"})

    assert error.headers["WWW-Authenticate"] == (
        'Bearer realm="millrace", error="invalid_token",'
        f' error_description="The token has expired", {POINTER}'
    )


@pytest.mark.parametrize("field", ["Bearer", "Bearer ", "Basic YTpi", "Bearer\tx"])
async def test_what_is_no_token_is_refused(field: str) -> None:
    await refused(CredentialKinds(KEYS, bearer=Issuer().tokens()), {"authorization": field})


async def test_without_an_issuer_no_token_is_taken() -> None:
    assert bearer_tokens(None) is None
    kinds = CredentialKinds(KEYS, bearer=bearer_tokens(None))

    error = await refused(kinds, {"authorization": f"Bearer {Issuer().token()}"})

    assert error.headers["WWW-Authenticate"] == CHALLENGE


async def test_a_key_in_the_place_of_a_token_is_none() -> None:
    kinds = CredentialKinds(KEYS, bearer=Issuer().tokens())

    await refused(kinds, {"authorization": "Bearer a-key"})


async def test_only_a_token_is_told_of_its_scope() -> None:
    issuer = Issuer()
    kinds = CredentialKinds(KEYS, bearer=issuer.tokens())
    gate = Gate(kinds, TenantLimits(0, 0, 0, issuer.clock))
    reading = {"authorization": f"Bearer {issuer.token(scope='read')}"}

    assert (await gate.enter(reading, "read", "a-stream")).tenant == "acme"
    with pytest.raises(Forbidden) as found:
        await gate.enter(reading, "start")
    assert 'scope="stream:start"' in found.value.headers["WWW-Authenticate"]
    with pytest.raises(Forbidden):
        await gate.enter({"authorization": f"Bearer {issuer.token(scope=None)}"}, "read")


@pytest.mark.parametrize(
    "host, origin",
    [
        ("api.example", "https://api.example"),
        ("api.example:8443", "https://api.example:8443"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("", "http://localhost"),
        ('evil", error="x', "http://localhost"),
        ("user@evil", "http://localhost"),
        ("a/b", "http://localhost"),
        ("é", "http://localhost"),
    ],
)
def test_the_address_of_the_metadata_is_the_one_that_was_asked(host: str, origin: str) -> None:
    assert origin_of({"host": host}) == origin


def test_the_resource_is_the_audience_where_that_is_an_address() -> None:
    named = JwtSettings("https://issuer.example", "millrace", "", ("RS256",), "sub")

    assert ProtectedResource(SETTINGS).document({"host": "127.0.0.1"}) == {
        "resource": "https://api.example",
        "authorization_servers": ["https://issuer.example"],
        "scopes_supported": ["stream:start", "stream:send", "stream:read", "stream:admin"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Millrace",
    }
    assert ProtectedResource(named).document(HOST)["resource"] == "https://api.example"
