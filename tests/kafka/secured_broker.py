"""A real broker that is reached over TLS, mutual TLS, with a password, or with a token."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path

from local.broker import Broker
from local.broker_config import HOST
from local.ports import free_port
from tests.kafka.certificates import Authority, Signed

USER, PASSWORD = "millrace", "only-for-tests: %$#"
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
LISTENERS = {"TLS": "SSL", "MUTUAL": "SSL", "SCRAM": "SASL_SSL", "TOKEN": "SASL_SSL"}
# Under another name than that of its certificate.
NOWHERE = "nowhere.example"
LOGIN = "org.apache.kafka.common.security"


class SecuredBroker(Broker):
    """Adds listeners to the embedded broker, each with its own way to be let in."""

    def __init__(self, directory: Path, certificate: Signed, authority: Authority) -> None:
        super().__init__(directory)
        self.ports = [free_port() for _ in LISTENERS]
        self._certificate = certificate
        self._authority = authority

    def address(self, listener: str) -> str:
        return f"{HOST}:{self.ports[list(LISTENERS).index(listener)]}"

    async def _spawn(self, arguments: list[str], output: str) -> asyncio.subprocess.Process:
        if arguments[0] == "kafka.Kafka":
            self._secure(self.directory / "server.properties")
        else:
            for mechanism in MECHANISMS:
                user = f'{mechanism}=[name="{USER}",password="{PASSWORD}"]'
                arguments = [*arguments, "--add-scram", user]
        return await super()._spawn(arguments, output)

    def _secure(self, settings: Path) -> None:
        """Add to what the broker is told; of two lines for one name the later counts."""
        told = dict(line.split("=", 1) for line in settings.read_text().splitlines())
        addresses = [f"{name}://{self.address(name)}" for name in LISTENERS]
        protocols = [f"{name}:{protocol}" for name, protocol in LISTENERS.items()]
        keys = self.directory / "keys.pem"
        keys.write_bytes(
            self._certificate.key.read_bytes() + self._certificate.certificate.read_bytes()
        )
        more = {
            "listeners": ",".join([told["listeners"], *addresses]),
            "advertised.listeners": ",".join([told["advertised.listeners"], *addresses]),
            "listener.security.protocol.map": ",".join(
                [told["listener.security.protocol.map"], *protocols]
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(keys),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._authority.file),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.scram.scram-sha-512.sasl.jaas.config": _login("scram.ScramLoginModule"),
            "listener.name.scram.scram-sha-256.sasl.jaas.config": _login("scram.ScramLoginModule"),
            "listener.name.token.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.token.oauthbearer.sasl.jaas.config": _login(
                "oauthbearer.OAuthBearerLoginModule", 'unsecuredLoginStringClaim_sub="broker"'
            ),
        }
        lines = "".join(f"{name}={value}\n" for name, value in more.items())
        settings.write_text(settings.read_text() + lines)


def unsigned_token(seconds: float) -> tuple[str, int]:
    """Return a token that the broker of these tests believes, and when it expires, in ms.

    Kafka's default for OAUTHBEARER believes whoever says who he is; MSK's own tokens are the same
    to a client, but for who makes them.
    """
    now = time.time()
    claims = {"sub": USER, "iat": now - 1, "exp": now + seconds}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""]), int((now + seconds) * 1000)


def _login(module: str, options: str = "") -> str:
    return f"{LOGIN}.{module} required {options};"
