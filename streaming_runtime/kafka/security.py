"""What aiokafka is told so that the brokers let it in."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.kafka_security import PROTOCOLS, KafkaSecurity
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka.msk_tokens import msk_tokens


def secured(settings: KafkaSettings) -> dict[str, Any]:
    """Return the settings of a connection that are about security.

    Raises:  ConfigurationInvalid for certificates that cannot be used.
    """
    way, identity = settings.security, settings.identity
    told: dict[str, Any] = {"security_protocol": PROTOCOLS[way]}
    if way != "plaintext":
        told["ssl_context"] = _tls(identity.ca_file, identity.certificate_file, identity.key_file)
    if way == "scram":
        told |= _password(identity)
    if way == "iam":
        told["sasl_mechanism"] = "OAUTHBEARER"
        told["sasl_oauth_token_provider"] = msk_tokens(identity.region)
    return told


def _password(identity: KafkaSecurity) -> dict[str, Any]:
    return {
        "sasl_mechanism": identity.mechanism,
        "sasl_plain_username": identity.username,
        "sasl_plain_password": identity.password,
    }


# Once for all clients of a process: the system's authorities take some 20 ms to read, on the loop.
@lru_cache(maxsize=4)
def _tls(ca_file: str, certificate_file: str, key_file: str) -> ssl.SSLContext:
    """Return what checks the brokers' certificates and names, and shows ours if there is one."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (ssl.SSLError, OSError) as exc:
        raise ConfigurationInvalid(f"KAFKA_CA_FILE ({ca_file}) holds no certificates") from exc
    if certificate_file:
        try:
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (ssl.SSLError, OSError) as exc:
            raise ConfigurationInvalid(
                f"KAFKA_CERTIFICATE_FILE ({certificate_file}) and KAFKA_KEY_FILE ({key_file}) are"
                " no certificate and the key of it, without a password"
            ) from exc
    return context


def _no_password() -> str:
    """Answer for a key under a password, which OpenSSL would ask for at the terminal."""
    return ""
