"""How the brokers are reached: in the clear, over TLS, with a password, or as a role of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streaming_runtime.core.errors import ConfigurationInvalid

# Each way, and what Kafka itself calls what it rides on.
PROTOCOLS = {"plaintext": "PLAINTEXT", "tls": "SSL", "scram": "SASL_SSL", "iam": "SASL_SSL"}
WAYS = tuple(PROTOCOLS)
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
# Which ways use a variable; with any other it would be believed to protect something.
USED_BY = {
    "KAFKA_CA_FILE": ("tls", "scram", "iam"),
    "KAFKA_CERTIFICATE_FILE": ("tls",),
    "KAFKA_KEY_FILE": ("tls",),
    "KAFKA_USERNAME": ("scram",),
    "KAFKA_PASSWORD": ("scram",),
    "KAFKA_SCRAM_MECHANISM": ("scram",),
}
FILES = ("KAFKA_CA_FILE", "KAFKA_CERTIFICATE_FILE", "KAFKA_KEY_FILE")


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """What a client shows the brokers, and what it checks of theirs.

    Shape:   an empty text is unset. Without ``ca_file`` the system's authorities count;
             certificate and key come together, for mutual TLS.
    """

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    region: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], way: str) -> KafkaSecurity:
        """Read what ``way`` needs.

        Raises:  ConfigurationInvalid for what is missing, and for what ``way`` would not use.
        """
        for name, ways in USED_BY.items():
            if environ.get(name, "") and way not in ways:
                raise ConfigurationInvalid(
                    f"{name} is set, but KAFKA_SECURITY ({way}) does not use it: unset one of them"
                )
        security = cls(
            ca_file=environ.get("KAFKA_CA_FILE", ""),
            certificate_file=environ.get("KAFKA_CERTIFICATE_FILE", ""),
            key_file=environ.get("KAFKA_KEY_FILE", ""),
            mechanism=_mechanism(environ) if way == "scram" else "",
            username=environ.get("KAFKA_USERNAME", ""),
            password=environ.get("KAFKA_PASSWORD", ""),
            region=environ.get("AWS_REGION", "") if way == "iam" else "",
        )
        security._check_complete(way)
        _check_files(environ)
        return security

    def _check_complete(self, way: str) -> None:
        needed = {
            "scram": {"KAFKA_USERNAME": self.username, "KAFKA_PASSWORD": self.password},
            "iam": {"AWS_REGION": self.region},
        }
        for name, value in needed.get(way, {}).items():
            if not value:
                raise ConfigurationInvalid(f"{name} is not set: KAFKA_SECURITY ({way}) needs it")
        if bool(self.certificate_file) != bool(self.key_file):
            missing = "KAFKA_KEY_FILE" if self.certificate_file else "KAFKA_CERTIFICATE_FILE"
            raise ConfigurationInvalid(
                f"{missing} is not set: a certificate and its key go together"
            )


NO_IDENTITY = KafkaSecurity()


def _mechanism(environ: Mapping[str, str]) -> str:
    name = environ.get("KAFKA_SCRAM_MECHANISM", "") or MECHANISMS[0]
    if name not in MECHANISMS:
        raise ConfigurationInvalid(
            f"KAFKA_SCRAM_MECHANISM ({name}) must be one of: {', '.join(MECHANISMS)}"
        )
    return name


def _check_files(environ: Mapping[str, str]) -> None:
    for name in FILES:
        path = environ.get(name, "")
        if path and not Path(path).is_file():
            raise ConfigurationInvalid(f"{name} ({path}) is no file")
