"""Settings: read once from a mapping, at the edge of a process, into frozen dataclasses."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from streaming_runtime.core.api_keys import pepper_from
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.further_limits import NO_FURTHER, FurtherRates
from streaming_runtime.core.jwt_settings import JwtSettings
from streaming_runtime.core.kafka_security import NO_IDENTITY, WAYS, KafkaSecurity
from streaming_runtime.core.key_file import seal_of
from streaming_runtime.core.secret_arns import secret_arns

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_PROMETHEUS_PORT = 2112
DEFAULT_PROCESSING_PROMETHEUS_PORT = 2113
# A stream stays in its partition for good, so the count is generous for a start: 12 divides well
# among 1, 2, 3, 4, 6 and 12 processing processes.
DEFAULT_PARTITIONS = 12
# Twice what one process sends, so that a limit is met by a fault or an attack and not by work.
DEFAULT_RATE_PER_SECOND = 10_000
DEFAULT_READERS = 20_000
DEFAULT_DRAIN_SECONDS = 20
MAX_TOPIC_PREFIX = 200
MAX_KEY_BYTES = 1_024
SHORTEST_PEPPER = 16
SHORTEST_SECRET = 16
MAX_PORT = 65_535
ADDRESS = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+", re.ASCII)
REGISTRIES = ("kafka", "dynamodb")
# Source: DynamoDB's naming rules.
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where Kafka is, how it is reached, and what our topics are called."""

    broker: str
    security: str
    topic_prefix: str
    partitions: int
    identity: KafkaSecurity = NO_IDENTITY

    @property
    def input_topic(self) -> str:
        return f"{self.topic_prefix}input"

    @property
    def results_topic(self) -> str:
        return f"{self.topic_prefix}results"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic_prefix}dead-letter"

    @property
    def streams_topic(self) -> str:
        return f"{self.topic_prefix}streams"

    @property
    def idempotency_topic(self) -> str:
        return f"{self.topic_prefix}idempotency"

    @property
    def limits_topic(self) -> str:
        return f"{self.topic_prefix}limits"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> KafkaSettings:
        broker = environ.get("KAFKA_BROKER", "")
        if not broker:
            raise ConfigurationInvalid("KAFKA_BROKER is not set: give it host:port of a broker")
        for address in broker.split(","):
            match = ADDRESS.fullmatch(address.strip())
            if match is None or not 0 < int(match[1]) <= MAX_PORT:
                raise ConfigurationInvalid(f"KAFKA_BROKER ({broker}) is not host:port,host:port")
        security = one_of(environ, "KAFKA_SECURITY", WAYS, "plaintext")
        identity = KafkaSecurity.from_env(environ, security)
        prefix = environ.get("KAFKA_TOPIC_PREFIX", "") or "millrace."
        legal = prefix.isascii() and all(c.isalnum() or c in "._-" for c in prefix)
        if not legal or len(prefix) > MAX_TOPIC_PREFIX:
            raise ConfigurationInvalid(
                f"KAFKA_TOPIC_PREFIX ({prefix!r}) may hold letters, digits, '.', '_' and '-'"
            )
        partitions = number(environ, "KAFKA_PARTITIONS", DEFAULT_PARTITIONS, 1, 10_000)
        return cls(broker, security, prefix, partitions, identity)


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """The configured keys, by tenant, and the secret that seals cursors.

    Shape:  ``keys_file`` names a file of issued keys, empty for none; ``peppers`` are what the
            digests of issued keys are made under, none of them where no secret is configured;
            ``follows_from_keys`` where whoever knows all ``keys`` knows the secret.
    """

    keys: tuple[tuple[str, str], ...]
    signing_secret: bytes
    keys_file: str = ""
    peppers: tuple[bytes, ...] = ()
    follows_from_keys: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> CredentialSettings:
        keys = _configured_keys(environ)
        keys_file = environ.get("API_KEYS_FILE", "")
        secret = environ.get("SIGNING_SECRET", "").encode()
        if secret and len(secret) < SHORTEST_SECRET:
            raise ConfigurationInvalid(
                f"SIGNING_SECRET has fewer than {SHORTEST_SECRET} characters: take a random one, as"
                " `openssl rand -hex 32` makes it"
            )
        run_seal = environ.get("RUN_SEAL", "")
        # Read also where a secret is set: what is wrong with the file is said at the start.
        seal = seal_of(keys_file) if keys_file else b""
        if not (keys or secret or seal):
            raise ConfigurationInvalid(_no_key(environ))
        return cls(
            tuple(keys),
            secret or (_derived_secret(keys, run_seal) if keys else seal),
            keys_file,
            key_peppers(environ),
            follows_from_keys=bool(keys and not secret and not run_seal),
        )


def key_peppers(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return what digests of issued keys are made under: the first is for new keys."""
    given = [p.strip().encode() for p in environ.get("KEY_PEPPER", "").split(",") if p.strip()]
    if any(len(pepper) < SHORTEST_PEPPER for pepper in given):
        raise ConfigurationInvalid(
            f"KEY_PEPPER holds a text of fewer than {SHORTEST_PEPPER} characters: take a random"
            " one, as `openssl rand -hex 32` makes it"
        )
    secret = environ.get("SIGNING_SECRET", "").encode()
    return tuple(given) or ((pepper_from(secret),) if secret else ())


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Limits for each tenant; 0 turns one off."""

    per_second: int
    burst: int
    readers: int
    further: FurtherRates = NO_FURTHER

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> LimitSettings:
        rate = number(environ, "RATE_LIMIT_PER_SECOND", DEFAULT_RATE_PER_SECOND, 0, 10**9)
        burst = number(environ, "RATE_LIMIT_BURST", 2 * rate, 0, 10**9)
        if rate and not burst:
            raise ConfigurationInvalid(
                "RATE_LIMIT_BURST (0) would refuse everything while RATE_LIMIT_PER_SECOND is set"
            )
        readers = number(environ, "RATE_LIMIT_READERS", DEFAULT_READERS, 0, 10**9)
        further = FurtherRates(
            records=number(environ, "RATE_LIMIT_RECORDS_PER_SECOND", 0, 0, 10**9),
            bytes=number(environ, "RATE_LIMIT_BYTES_PER_SECOND", 0, 0, 10**9),
            starts=number(environ, "RATE_LIMIT_STARTS_PER_SECOND", 0, 0, 10**9),
            stream=number(environ, "RATE_LIMIT_STREAM_PER_SECOND", 0, 0, 10**9),
            reconnects=number(environ, "RATE_LIMIT_RECONNECTS_PER_SECOND", 0, 0, 10**9),
        )
        return cls(rate, burst, readers, further)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where the server listens and how it leaves."""

    host: str
    port: int
    prometheus_port: int
    drain_seconds: int
    cors_origins: tuple[str, ...]

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> HttpSettings:
        origins = (o.strip() for o in environ.get("CORS_ORIGINS", "").split(","))
        settings = cls(
            host=environ.get("HOST", "") or DEFAULT_HOST,
            port=number(environ, "PORT", DEFAULT_PORT, 0, MAX_PORT),
            prometheus_port=number(
                environ, "PROMETHEUS_PORT", DEFAULT_PROMETHEUS_PORT, 0, MAX_PORT
            ),
            drain_seconds=number(environ, "DRAIN_SECONDS", DEFAULT_DRAIN_SECONDS, 0, 3_600),
            cors_origins=tuple(filter(None, origins)),
        )
        for origin in settings.cors_origins:
            if ORIGIN.fullmatch(origin) is None:
                raise ConfigurationInvalid(
                    f"CORS_ORIGINS ({origin}) must be origins: https://HOST or https://HOST:PORT"
                )
        if settings.port and settings.port == settings.prometheus_port:
            raise ConfigurationInvalid(
                f"PORT and PROMETHEUS_PORT are both {settings.port}: give each its own"
            )
        return settings


@dataclass(frozen=True, slots=True)
class ProcessingSettings:
    """What a processing process needs besides Kafka."""

    host: str
    prometheus_port: int
    state_dir: str
    guarantee: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> ProcessingSettings:
        guarantees = ("at-least-once", "exactly-once")
        return cls(
            host=environ.get("HOST", "") or DEFAULT_HOST,
            prometheus_port=number(
                environ,
                "PROCESSING_PROMETHEUS_PORT",
                DEFAULT_PROCESSING_PROMETHEUS_PORT,
                0,
                MAX_PORT,
            ),
            state_dir=environ.get("STATE_DIR", "") or ".local/processing",
            guarantee=one_of(environ, "PROCESSING_GUARANTEE", guarantees, guarantees[0]),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the API needs; each part can be read alone by a function that needs only it."""

    kafka: KafkaSettings
    credentials: CredentialSettings
    limits: LimitSettings
    http: HttpSettings
    default_processor: str
    registry: str
    table: str
    log_level: str
    jwt: JwtSettings | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read and check the environment, after what stands in secrets of AWS was put into it.

        Raises:  ConfigurationInvalid, in words that name the variable.
        """
        for name in secret_arns(environ):
            raise ConfigurationInvalid(f"{name} is set, but nothing here reads secrets of AWS")
        registry, table = registry_of(environ)
        return cls(
            kafka=KafkaSettings.from_env(environ),
            credentials=CredentialSettings.from_env(environ),
            limits=LimitSettings.from_env(environ),
            http=HttpSettings.from_env(environ),
            default_processor=environ.get("DEFAULT_PROCESSOR", "") or "identity",
            registry=registry,
            table=table,
            log_level=log_level(environ),
            jwt=JwtSettings.from_env(environ),
        )


def registry_of(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return where streams are registered, and in which table if it is one."""
    registry = one_of(environ, "STREAM_REGISTRY", REGISTRIES, "kafka")
    table = environ.get("DYNAMODB_TABLE", "")
    if registry == "dynamodb" and TABLE.fullmatch(table) is None:
        raise ConfigurationInvalid(
            f"DYNAMODB_TABLE ({table}) is no table's name: STREAM_REGISTRY (dynamodb) needs one"
        )
    if registry != "dynamodb" and table:
        raise ConfigurationInvalid(
            f"DYNAMODB_TABLE is set, but STREAM_REGISTRY ({registry}) does not use it"
        )
    return registry, table


def log_level(environ: Mapping[str, str]) -> str:
    return one_of(environ, "LOG_LEVEL", LOG_LEVELS, "INFO")


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Read a whole number between ``low`` and ``high``; an empty value counts as unset."""
    text = environ.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and low <= int(text) <= high):
        raise ConfigurationInvalid(f"{name} ({text}) must be a whole number from {low} to {high}")
    return int(text)


def one_of(environ: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    """Read one of ``choices``; an empty value counts as unset."""
    text = environ.get(name, "") or default
    if text not in choices:
        raise ConfigurationInvalid(f"{name} ({text}) must be one of: {', '.join(choices)}")
    return text


def _configured_keys(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    keys: list[tuple[str, str]] = []
    if api_key := environ.get("API_KEY", ""):
        keys.append(("default", _sendable(api_key, "API_KEY")))
    for pair in filter(None, (p.strip() for p in environ.get("API_KEYS", "").split(","))):
        tenant, colon, key = pair.partition(":")
        if not (tenant and colon and key):
            raise ConfigurationInvalid("API_KEYS must be TENANT:KEY,TENANT:KEY")
        keys.append((tenant, _sendable(key, "API_KEYS")))
    if len({key for _, key in keys}) != len(keys):
        raise ConfigurationInvalid("API_KEY and API_KEYS name one key twice")
    return keys


def _no_key(environ: Mapping[str, str]) -> str:
    """Say what is missing where nobody could be let in, or nothing could be sealed."""
    if environ.get("JWT_ISSUER", ""):
        return (
            "SIGNING_SECRET is not set: with JWT_ISSUER alone nothing else seals cursors; set it to"
            " a long random text, the same for every process (`openssl rand -hex 32`)"
        )
    return (
        "API_KEY is not set: give the key that clients must send as x-api-key; or set"
        " SIGNING_SECRET to a long random text and make keys with `python -m streaming_runtime.keys"
        " add`, or API_KEYS_FILE to a file of such keys"
    )


def _sendable(key: str, name: str) -> str:
    """Return a key that a client can send in a header; any other could never be the right one."""
    is_sendable = key.isascii() and key.isprintable() and key == key.strip()
    if not is_sendable or len(key) > MAX_KEY_BYTES:
        raise ConfigurationInvalid(
            f"{name} holds a key that no header can carry: use up to {MAX_KEY_BYTES} printable"
            " ASCII characters, with no space around them"
        )
    return key


def _derived_secret(keys: list[tuple[str, str]], run_seal: str) -> bytes:
    """Return a secret that replicas with the same keys agree on, and those of one run alone."""
    digest = hashlib.sha256(b"millrace signing\0" + run_seal.encode())
    for tenant, key in sorted(keys):
        digest.update(f"{len(tenant)}:{tenant}{len(key)}:{key}".encode())
    return digest.digest()
