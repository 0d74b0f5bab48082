"""What librdkafka is told so that the brokers let it in."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from confluent_kafka.admin import AdminClient

from streaming_runtime.core.kafka_security import PROTOCOLS, KafkaSecurity
from streaming_runtime.core.settings import KafkaSettings

POLL_SECONDS = 0.5


def secured(settings: KafkaSettings) -> dict[str, Any]:
    """Return the settings of a connection that are about security.

    Shape:   librdkafka asks for a token when it has none and when a fifth of its life is left.
    """
    way, identity = settings.security, settings.identity
    told: dict[str, Any] = {"security.protocol": PROTOCOLS[way]}
    if way != "plaintext":
        told |= _tls(identity)
    if way == "scram":
        told["sasl.mechanism"] = identity.mechanism
        told["sasl.username"] = identity.username
        told["sasl.password"] = identity.password
    if way == "iam":
        told["sasl.mechanism"] = "OAUTHBEARER"
        told["oauth_cb"] = tokens_of(identity.region)
    return told


def tokens_of(region: str) -> Callable[[str], tuple[str, float]]:
    """Return what gives librdkafka a token of MSK's IAM, and the second at which it expires."""

    def token(_: str) -> tuple[str, float]:
        # Brings botocore, which only this way of security needs.
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider as signer  # noqa: PLC0415

        text, expires_ms = signer.generate_auth_token(region)
        return str(text), expires_ms / 1000

    return token


def serve_tokens(client: AdminClient) -> None:
    """Have a client that nobody polls get its tokens, for as long as it lives.

    Source:  confluent-kafka 2.12: ``oauth_cb`` is called within ``poll`` and nowhere else.
    """
    served = weakref.ref(client)

    def serve() -> None:
        while (alive := served()) is not None:
            alive.poll(POLL_SECONDS)
            del alive

    threading.Thread(target=serve, name="tokens", daemon=True).start()


def _tls(identity: KafkaSecurity) -> dict[str, str]:
    files = {
        "ssl.ca.location": identity.ca_file,
        "ssl.certificate.location": identity.certificate_file,
        "ssl.key.location": identity.key_file,
    }
    given = {name: path for name, path in files.items() if path}
    return {"ssl.endpoint.identification.algorithm": "https", **given}
