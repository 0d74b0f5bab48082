"""What a run was asked for: flags over the environment over ``.env``."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.settings import (
    LOG_LEVELS,
    HttpSettings,
    ProcessingSettings,
    Settings,
    is_loopback,
)

TEST_KEY = "test-api-key"
# At a keyboard Ctrl-C should be quick; readers come back with their cursor all the same.
DRAIN_SECONDS = "2"
_KEYS = ("API_KEY", "API_KEYS", "API_KEYS_FILE")
# With one of these people may be let in without a configured key.
_OTHER_CREDENTIALS = ("SIGNING_SECRET", "JWT_ISSUER")
_ANY_BROKER = "127.0.0.1:9092"  # Stands in while the rest is checked, before there is a broker.
_BROKERS = ("1", "3")  # Two keep nothing that one would lose.
_FLAGS = (
    ("--port", "PORT", "N", "port of the API (8080; 0: a free one)"),
    ("--host", "HOST", "H", "address it listens on (127.0.0.1)"),
    ("--broker", "KAFKA_BROKER", "HOST:PORT", "a Kafka of yours instead of the embedded broker"),
    ("--brokers", "EMBEDDED_BROKERS", "N", "1 or 3 embedded brokers (1): with 3 any one may go"),
    ("--data", "DATA_DIR", "DIR", "where data, logs and state are kept (.local)"),
    ("--partitions", "KAFKA_PARTITIONS", "N", "partitions of topics made anew (12)"),
    ("--prometheus-port", "PROMETHEUS_PORT", "N", "port of the metrics (2112)"),
    ("--log-level", "LOG_LEVEL", "L", "DEBUG, INFO, WARNING or ERROR"),
)


@dataclass(frozen=True)
class Options:
    """One run. ``environ`` is all the children get, besides what is chosen for each of them."""

    http: HttpSettings
    broker: str
    brokers: int
    data: Path
    has_processing: bool
    is_test_key: bool
    environ: Mapping[str, str]

    @property
    def key(self) -> str:
        """Return the key to show in the examples, empty for a configured one: never printed."""
        return TEST_KEY if self.is_test_key else ""


def read(
    arguments: Sequence[str], environ: Mapping[str, str], dotenv: Mapping[str, str]
) -> Options:
    """Merge the three sources and check all of it, so that nothing is started in vain.

    An empty variable counts as unset, so it does not hide the one in ``.env``.

    Raises:  ConfigurationInvalid, in words that name the variable; SystemExit for unknown flags.
    """
    flags = vars(_parser().parse_args(arguments))
    merged = {
        name: value for source in (dotenv, environ) for name, value in source.items() if value
    }
    merged |= {name: flags[name] for _, name, *_ in _FLAGS if flags[name] is not None}
    merged.setdefault("DRAIN_SECONDS", DRAIN_SECONDS)
    is_test_key = _takes_test_key(merged)
    if is_test_key:
        merged["API_KEY"] = TEST_KEY
    broker = merged.get("KAFKA_BROKER", "")
    http = Settings.from_env({**merged, "KAFKA_BROKER": broker or _ANY_BROKER}).http
    ProcessingSettings.from_env(merged)
    if is_test_key and not is_loopback(http.host):
        raise ConfigurationInvalid(
            f"HOST ({http.host}) is reachable from elsewhere, and no key is configured: set"
            f" {' or '.join(_KEYS)}, or SIGNING_SECRET for keys that `python -m"
            " streaming_runtime.keys add` makes"
        )
    return Options(
        http=http,
        broker=broker,
        brokers=_brokers(merged),
        data=Path(merged.get("DATA_DIR") or ".local").absolute(),
        has_processing=not flags["no_processing"],
        is_test_key=is_test_key,
        environ=merged,
    )


def _takes_test_key(merged: Mapping[str, str]) -> bool:
    """Say whether nothing else lets anybody in; on loopback it does no harm beside issued keys."""
    if any(merged.get(name) for name in _KEYS):
        return False
    is_local = is_loopback(HttpSettings.from_env(merged).host)
    return is_local or not any(merged.get(name) for name in _OTHER_CREDENTIALS)


def _brokers(merged: Mapping[str, str]) -> int:
    number = merged.get("EMBEDDED_BROKERS", "1")
    if number not in _BROKERS:
        raise ConfigurationInvalid(f"EMBEDDED_BROKERS ({number}) must be {' or '.join(_BROKERS)}")
    if number != "1" and merged.get("KAFKA_BROKER"):
        raise ConfigurationInvalid(
            f"EMBEDDED_BROKERS ({number}) starts brokers of ours, KAFKA_BROKER"
            f" ({merged['KAFKA_BROKER']}) names yours: leave one of the two out"
        )
    return int(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Run the whole product on this machine: broker, processing, API.",
        epilog=f"The environment says the same things. Log levels: {', '.join(LOG_LEVELS)}.",
    )
    for flag, name, shape, meaning in _FLAGS:
        parser.add_argument(flag, dest=name, metavar=shape, help=f"{meaning}; or {name}")
    parser.add_argument(
        "--no-processing", action="store_true", help="leave processing to another process"
    )
    return parser
