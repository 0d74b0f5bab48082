"""What makes a bearer token count: who issued it, for whom, and with which keys it is checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from streaming_runtime.core.errors import ConfigurationInvalid

PUBLIC_KEY_ALGORITHMS = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
)
SHARED_SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
DEFAULT_ALGORITHMS = "RS256,ES256"
DEFAULT_TENANT_CLAIM = "sub"
# What says nothing without an issuer, but would be believed to protect something.
OF_AN_ISSUER = ("JWT_AUDIENCE", "JWT_JWKS")
MAX_TEXT = 1_024


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """One issuer of tokens, and what is asked of them.

    Shape:   ``key_set`` is a URL or the path of a file; empty, it is discovered from the issuer.
    """

    issuer: str
    audience: str
    key_set: str
    algorithms: tuple[str, ...]
    tenant_claim: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> JwtSettings | None:
        """Read them; None where no issuer is named, so that no token is taken.

        Raises:  ConfigurationInvalid, in words that name the variable.
        """
        key_set = environ.get("JWT_JWKS", "")
        settings = cls(
            issuer=_plain("JWT_ISSUER", environ.get("JWT_ISSUER", "")),
            audience=_plain("JWT_AUDIENCE", environ.get("JWT_AUDIENCE", "")),
            key_set=key_set,
            algorithms=_algorithms(environ, key_set),
            tenant_claim=_plain("JWT_TENANT_CLAIM", environ.get("JWT_TENANT_CLAIM", ""))
            or DEFAULT_TENANT_CLAIM,
        )
        if not settings.issuer:
            for name in OF_AN_ISSUER:
                if environ.get(name, ""):
                    raise ConfigurationInvalid(f"{name} is set, but JWT_ISSUER is not")
            return None
        if not settings.audience:
            raise ConfigurationInvalid(
                "JWT_AUDIENCE is not set: without it a token that JWT_ISSUER made for another"
                " service would count here"
            )
        settings._check_source()
        return settings

    def _check_source(self) -> None:
        if not self.key_set:
            if not is_trusted(self.issuer):
                raise ConfigurationInvalid(
                    f"JWT_ISSUER ({self.issuer}) is no https address, so that its keys cannot be"
                    " discovered: set JWT_JWKS"
                )
        elif is_url(self.key_set):
            if not is_trusted(self.key_set):
                raise ConfigurationInvalid(
                    f"JWT_JWKS ({self.key_set}) must be https: whoever can change it on the way"
                    " could sign tokens"
                )
        elif not Path(self.key_set).is_file():
            raise ConfigurationInvalid(f"JWT_JWKS ({self.key_set}) is neither a URL nor a file")


def is_url(text: str) -> bool:
    return "://" in text


def is_trusted(address: str) -> bool:
    """Say whether what is read there can only come from there: https, or this machine itself."""
    parts = _split(address)
    if parts is None or not parts.hostname or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_here(parts.hostname))


def is_here(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _plain(name: str, text: str) -> str:
    # The issuer and the audience stand in header fields and documents of ours.
    if text and not (text.isascii() and text.isprintable() and " " not in text and '"' not in text):
        raise ConfigurationInvalid(f"{name} may hold printable ASCII characters without spaces")
    if len(text) > MAX_TEXT:
        raise ConfigurationInvalid(f"{name} is longer than {MAX_TEXT} characters")
    return text


def _algorithms(environ: Mapping[str, str], key_set: str) -> tuple[str, ...]:
    text = environ.get("JWT_ALGORITHMS", "") or DEFAULT_ALGORITHMS
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name in SHARED_SECRET_ALGORITHMS and (not key_set or is_url(key_set)):
            raise ConfigurationInvalid(
                f"JWT_ALGORITHMS ({name}) signs with a shared secret, which no issuer publishes:"
                " it needs JWT_JWKS to be a file"
            )
        if name not in PUBLIC_KEY_ALGORITHMS + SHARED_SECRET_ALGORITHMS:
            raise ConfigurationInvalid(
                f"JWT_ALGORITHMS ({name}) must be of: {', '.join(PUBLIC_KEY_ALGORITHMS)}"
            )
    if not names:
        raise ConfigurationInvalid(f"JWT_ALGORITHMS ({text}) names none")
    return names
