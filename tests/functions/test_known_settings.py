"""Settings are read at the first call, and the secrets among them now and then."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from functions.known_settings import REREAD_SECONDS, KnownSettings
from streaming_runtime.core.errors import ConfigurationInvalid, Overloaded

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf"
PLAIN = {"KAFKA_BROKER": "b:9092", "API_KEY": "plain"}
BY_ARN = {"KAFKA_BROKER": "b:9092", "API_KEYS_ARN": ARN}


class Vault:
    """Holds one secret, counts who asks, and may be out of reach."""

    def __init__(self) -> None:
        self.held = "acme:first"
        self.is_open = True
        self.reads = 0
        self.now = 0.0

    def read(self, arns: Mapping[str, str]) -> dict[str, str]:
        self.reads += 1
        if not self.is_open:
            raise Overloaded
        return dict.fromkeys(arns, self.held)

    def known(self, environ: Mapping[str, str]) -> KnownSettings:
        return KnownSettings(environ, self.read, lambda: self.now)


async def key_of(known: KnownSettings) -> str:
    return (await known.current()).credentials.keys[0][1]


async def test_without_arns_nobody_is_asked() -> None:
    vault = Vault()

    assert await key_of(vault.known(PLAIN)) == "plain"
    assert vault.reads == 0


async def test_a_secret_is_read_once_and_again_when_it_may_have_changed() -> None:
    vault = Vault()
    known = vault.known(BY_ARN)

    first = [await key_of(known) for _ in range(3)]
    vault.held = "acme:second"
    before = await key_of(known)
    vault.now += REREAD_SECONDS

    assert first == ["first"] * 3
    assert before == "first"
    assert await key_of(known) == "second"
    assert vault.reads == 2


async def test_what_was_read_once_outlives_an_outage_that_is_not_asked_about_at_every_call() -> (
    None
):
    vault = Vault()
    known = vault.known(BY_ARN)
    await known.current()
    vault.is_open, vault.now = False, REREAD_SECONDS

    assert [await key_of(known) for _ in range(5)] == ["first"] * 5
    assert vault.reads == 2


async def test_what_was_never_read_is_asked_for_at_every_call() -> None:
    vault = Vault()
    vault.is_open = False
    known = vault.known(BY_ARN)

    for _ in range(2):
        with pytest.raises(Overloaded):
            await known.current()
    vault.is_open = True

    assert await key_of(known) == "first"


async def test_a_contradiction_is_refused_before_anything_is_read() -> None:
    vault = Vault()

    with pytest.raises(ConfigurationInvalid, match="API_KEYS"):
        await vault.known(BY_ARN | {"API_KEYS": "a:b"}).current()
    assert vault.reads == 0
