"""What the settings of tokens may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.jwt_settings import JwtSettings

GOOD = {"JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "millrace"}


def test_without_an_issuer_no_token_is_taken() -> None:
    assert JwtSettings.from_env({}) is None
    assert JwtSettings.from_env({"JWT_ALGORITHMS": "RS256", "JWT_TENANT_CLAIM": "sub"}) is None


def test_an_issuer_and_an_audience_are_enough() -> None:
    assert JwtSettings.from_env(GOOD) == JwtSettings(
        "https://issuer.example", "millrace", "", ("RS256", "ES256"), "sub"
    )


def test_each_variable_arrives_where_it_belongs(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.touch()
    more = {"JWT_JWKS": str(file), "JWT_ALGORITHMS": "PS256, HS256", "JWT_TENANT_CLAIM": "org"}

    assert JwtSettings.from_env(GOOD | more | {"JWT_ISSUER": "a-name"}) == JwtSettings(
        "a-name", "millrace", str(file), ("PS256", "HS256"), "org"
    )


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"JWT_AUDIENCE": ""}, "JWT_AUDIENCE is not set"),
        ({"JWT_ISSUER": ""}, "JWT_AUDIENCE is set, but JWT_ISSUER is not"),
        ({"JWT_ISSUER": "", "JWT_AUDIENCE": "", "JWT_JWKS": "x"}, "JWT_JWKS is set, but"),
        ({"JWT_ISSUER": "http://issuer.example"}, "JWT_ISSUER .* is no https address"),
        ({"JWT_ISSUER": "issuer"}, "set JWT_JWKS"),
        ({"JWT_ISSUER": "https://user:pass@issuer.example"}, "JWT_ISSUER"),
        ({"JWT_ISSUER": "https://issuer.example:port"}, "JWT_ISSUER"),
        ({"JWT_ISSUER": "https://"}, "JWT_ISSUER"),
        ({"JWT_ISSUER": 'https://issuer"'}, "JWT_ISSUER may hold"),
        ({"JWT_AUDIENCE": "two words"}, "JWT_AUDIENCE may hold"),
        ({"JWT_AUDIENCE": "line\n"}, "JWT_AUDIENCE may hold"),
        ({"JWT_TENANT_CLAIM": "é"}, "JWT_TENANT_CLAIM may hold"),
        ({"JWT_AUDIENCE": "a" * 1_025}, "JWT_AUDIENCE is longer"),
        ({"JWT_JWKS": "http://keys.example/keys"}, "JWT_JWKS .* must be https"),
        ({"JWT_JWKS": "file:///etc/keys"}, "JWT_JWKS .* must be https"),
        ({"JWT_JWKS": "/no/such/file"}, "JWT_JWKS .* is neither"),
        ({"JWT_ALGORITHMS": "none"}, r"JWT_ALGORITHMS \(none\) must be"),
        ({"JWT_ALGORITHMS": "RS256,NONE"}, r"JWT_ALGORITHMS \(NONE\) must be"),
        ({"JWT_ALGORITHMS": "rs256"}, "JWT_ALGORITHMS"),
        ({"JWT_ALGORITHMS": ","}, "JWT_ALGORITHMS .* names none"),
        ({"JWT_ALGORITHMS": "RS256,HS256"}, r"JWT_ALGORITHMS \(HS256\) .* JWT_JWKS to be a file"),
        (
            {"JWT_ALGORITHMS": "HS512", "JWT_JWKS": "https://issuer.example/keys"},
            r"JWT_ALGORITHMS \(HS512\)",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_in_words(changed: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=words):
        JwtSettings.from_env(GOOD | changed)


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "[::1]:9000"])
def test_an_issuer_on_this_machine_needs_no_https(host: str) -> None:
    assert JwtSettings.from_env(GOOD | {"JWT_ISSUER": f"http://{host}"}) is not None
