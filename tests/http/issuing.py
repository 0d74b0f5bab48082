"""An issuer of tokens whose keys and clock a test holds, and tokens that no issuer would make."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from streaming_runtime.core.jwt_settings import JwtSettings
from streaming_runtime.http.bearer import IssuerTokens
from streaming_runtime.http.key_set import KeySet
from streaming_runtime.http.key_source import KeysUnreadable

ISSUER = "https://issuer.example"
AUDIENCE = "https://api.example"
SETTINGS = JwtSettings(ISSUER, AUDIENCE, "", ("RS256", "ES256"), "sub")
# Made once: an RSA key takes a while.
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ALL = ["RS256", "RS384", "PS256", "ES256", "HS256", "none"]

Json = dict[str, Any]


class Issuer:
    """Publishes keys, or fails to; counts how often it was asked."""

    def __init__(self, *keys: RSAKey | ECKey | OctKey) -> None:
        self.keys = list(keys or (RSA, EC))
        self.is_down = False
        self.asked = 0
        self.now = time.time()

    def read(self) -> Any:
        self.asked += 1
        if self.is_down:
            raise KeysUnreadable("down")
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def clock(self) -> float:
        return self.now

    def claims(self, **changed: Any) -> Json:
        """Return good claims, with these in their place; None leaves one out."""
        good = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "acme",
            "exp": int(self.now) + 300,
            "scope": "stream:start stream:send stream:read",
        }
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, key: Any = RSA, algorithm: str = "RS256", **changed: Any) -> str:
        head = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"}
        return signed(head, self.claims(**changed), key)

    def tokens(self, settings: JwtSettings = SETTINGS) -> IssuerTokens:
        return IssuerTokens(settings, KeySet(self.read, self.clock), self.clock)


def signed(head: Json, claims: Json | bytes, key: Any) -> str:
    """Return a token with any head at all: the signature is good, whatever is signed."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signing = f"{part(json.dumps(head).encode())}.{part(payload)}"
    algorithm = jws.JWSRegistry.algorithms[head["alg"]]
    return f"{signing}.{part(algorithm.sign(signing.encode(), key))}"


def part(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")
