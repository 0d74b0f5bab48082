"""Whose key is whose."""

import pytest

from streaming_runtime.core.errors import Unauthorized
from streaming_runtime.http.credentials import MAX_KEY_BYTES, ConfiguredKeys

KEYS = ConfiguredKeys([("acme", "key-a"), ("acme", "key-b"), ("other", "schlüssel")])


async def tenant_of(keys: ConfiguredKeys, headers: dict[str, str]) -> str:
    return (await keys.principal_of(headers, {}, None)).tenant


@pytest.mark.parametrize("key, tenant", [("key-a", "acme"), ("key-b", "acme")])
async def test_each_key_of_a_tenant_is_the_tenants(key: str, tenant: str) -> None:
    assert await tenant_of(KEYS, {"x-api-key": key}) == tenant


async def test_a_key_is_compared_as_the_bytes_that_were_sent() -> None:
    assert await tenant_of(KEYS, {"x-api-key": "schlüssel".encode().decode("latin-1")}) == "other"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "key-"},
        {"x-api-key": "key-a "},
        {"x-api-key": "KEY-A"},
        {"x-api-key": "key-a, key-b"},
        {"x-api-key": "\udcff"},
        {"x-api-key": "x" * (MAX_KEY_BYTES + 1)},
        {"authorization": "Bearer key-a"},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    ],
)
async def test_anything_else_is_unauthorized_with_a_challenge(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized) as refused:
        await tenant_of(KEYS, headers)

    assert refused.value.headers["WWW-Authenticate"].startswith("ApiKey realm=")
    assert not any(value and value in str(refused.value) for value in headers.values())


async def test_a_key_beyond_what_is_compared_is_not_the_key_it_begins_with() -> None:
    long = "k" * MAX_KEY_BYTES
    keys = ConfiguredKeys([("acme", long)])

    assert await tenant_of(keys, {"x-api-key": long}) == "acme"
    with pytest.raises(Unauthorized):
        await tenant_of(keys, {"x-api-key": long + "k"})
