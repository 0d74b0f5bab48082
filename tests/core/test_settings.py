from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from streaming_runtime.core.api_keys import pepper_from
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.further_limits import FurtherRates
from streaming_runtime.core.key_file import KeyFile
from streaming_runtime.core.settings import (
    CredentialSettings,
    HttpSettings,
    KafkaSettings,
    LimitSettings,
    ProcessingSettings,
    Settings,
    is_loopback,
    key_peppers,
    log_level,
)
from tests.core.issued import issued

NEEDED = {"KAFKA_BROKER": "localhost:9092", "API_KEY": "a-key"}


def test_two_variables_are_all_it_needs() -> None:
    settings = Settings.from_env(NEEDED)

    assert settings.kafka == KafkaSettings("localhost:9092", "plaintext", "millrace.", 12)
    assert settings.credentials.keys == (("default", "a-key"),)
    assert settings.limits == LimitSettings(10_000, 20_000, 20_000)
    assert settings.http == HttpSettings("127.0.0.1", 8080, 2112, 20, ())
    assert (settings.default_processor, settings.registry) == ("identity", "kafka")
    assert settings.log_level == "INFO"


def test_each_variable_arrives_where_it_belongs() -> None:
    settings = Settings.from_env(
        {
            "KAFKA_BROKER": "one:9092, [::1]:9093",
            "KAFKA_SECURITY": "plaintext",
            "KAFKA_TOPIC_PREFIX": "test_1-",
            "KAFKA_PARTITIONS": "3",
            "API_KEY": "a-key",
            "API_KEYS": "acme:one, beta:t:wo,",
            "SIGNING_SECRET": "what seals and signs",
            "RATE_LIMIT_PER_SECOND": "5",
            "RATE_LIMIT_BURST": "7",
            "RATE_LIMIT_READERS": "0",
            "HOST": "0.0.0.0",
            "PORT": "9000",
            "PROMETHEUS_PORT": "0",
            "DRAIN_SECONDS": "0",
            "CORS_ORIGINS": "https://one.example, https://two.example,",
            "DEFAULT_PROCESSOR": "uppercase",
            "STREAM_REGISTRY": "kafka",
            "LOG_LEVEL": "DEBUG",
        }
    )

    assert settings.kafka == KafkaSettings("one:9092, [::1]:9093", "plaintext", "test_1-", 3)
    keys = (("default", "a-key"), ("acme", "one"), ("beta", "t:wo"))
    peppers = (pepper_from(b"what seals and signs"),)
    assert settings.credentials == CredentialSettings(
        keys, b"what seals and signs", peppers=peppers
    )
    assert settings.limits == LimitSettings(5, 7, 0)
    origins = ("https://one.example", "https://two.example")
    assert settings.http == HttpSettings("0.0.0.0", 9000, 0, 0, origins)
    assert (settings.default_processor, settings.log_level) == ("uppercase", "DEBUG")


def test_processing_reads_only_its_own() -> None:
    assert ProcessingSettings.from_env({}) == ProcessingSettings(
        host="127.0.0.1",
        prometheus_port=2113,
        state_dir=".local/processing",
        guarantee="at-least-once",
    )
    assert ProcessingSettings.from_env(
        {
            "HOST": "::1",
            "PROCESSING_PROMETHEUS_PORT": "1",
            "STATE_DIR": "elsewhere",
            "PROCESSING_GUARANTEE": "exactly-once",
        }
    ) == ProcessingSettings(
        host="::1", prometheus_port=1, state_dir="elsewhere", guarantee="exactly-once"
    )


def test_an_empty_variable_counts_as_unset() -> None:
    every = (
        "KAFKA_SECURITY KAFKA_TOPIC_PREFIX KAFKA_PARTITIONS API_KEYS SIGNING_SECRET"
        " RATE_LIMIT_PER_SECOND RATE_LIMIT_BURST RATE_LIMIT_READERS HOST PORT PROMETHEUS_PORT"
        " DRAIN_SECONDS CORS_ORIGINS DEFAULT_PROCESSOR STREAM_REGISTRY LOG_LEVEL"
    )

    assert Settings.from_env(NEEDED | dict.fromkeys(every.split(), "")) == Settings.from_env(NEEDED)


def test_the_burst_follows_the_rate_unless_it_is_given() -> None:
    assert LimitSettings.from_env({"RATE_LIMIT_PER_SECOND": "50"}).burst == 100
    assert LimitSettings.from_env({"RATE_LIMIT_PER_SECOND": "0"}) == LimitSettings(0, 0, 20_000)


def test_settings_cannot_be_changed() -> None:
    settings = HttpSettings.from_env({})

    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_topics_stand_behind_their_prefix() -> None:
    kafka = KafkaSettings.from_env(NEEDED)

    assert kafka.input_topic == "millrace.input"
    assert kafka.results_topic == "millrace.results"
    assert kafka.dead_letter_topic == "millrace.dead-letter"
    assert kafka.streams_topic == "millrace.streams"


WRONG = [
    ("KAFKA_BROKER", ["", "host", "host:", ":9092", "host:port", "host:-1", "host:70000", "a:1,"]),
    ("KAFKA_BROKER", ["a:1,,b:2", "a:1 b:2", "host:٣", "http://host:1", "a:0", "::1:1"]),
    ("KAFKA_SECURITY", ["tls?", "PLAINTEXT"]),
    ("KAFKA_TOPIC_PREFIX", ["a b", "ä", "a/b", "x" * 201, "a\n"]),
    ("KAFKA_PARTITIONS", ["0", "-1", "10001", "twelve", "1.5", "1e3", " 1", "٣", "9" * 5_000]),
    ("API_KEY", ["", "two words\t", "ключ", " padded", "padded\n", "a\x7f", "k" * 1_025]),
    ("API_KEYS", ["key", ":key", "tenant:", "a:b,c", "one:a-key", "one:x,two:x", "one:schlüssel"]),
    ("RATE_LIMIT_PER_SECOND", ["-1", "fast", "1000000001"]),
    ("RATE_LIMIT_BURST", ["0", "-1"]),
    ("RATE_LIMIT_READERS", ["-1", "some"]),
    ("PORT", ["65536", "-1", "http", "2112"]),
    ("PROMETHEUS_PORT", ["65536", "8080"]),
    ("DRAIN_SECONDS", ["-1", "3601", "0.5"]),
    ("STREAM_REGISTRY", ["redis", "Kafka"]),
    ("LOG_LEVEL", ["info", "TRACE"]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG for value in values]
)
def test_what_cannot_be_used_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=name):
        Settings.from_env(NEEDED | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("PROCESSING_PROMETHEUS_PORT", "65536"), ("PROCESSING_GUARANTEE", "at-most-once")],
)
def test_processing_refuses_by_name_too(name: str, value: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=name):
        ProcessingSettings.from_env({name: value})


def test_without_any_key_nothing_starts() -> None:
    with pytest.raises(ConfigurationInvalid, match="API_KEY is not set"):
        CredentialSettings.from_env({})


def test_a_secret_is_enough_for_keys_that_are_made_later() -> None:
    settings = CredentialSettings.from_env({"SIGNING_SECRET": "a long random text"})

    assert (settings.keys, settings.signing_secret) == ((), b"a long random text")


def test_tokens_alone_need_a_secret_that_seals() -> None:
    with pytest.raises(ConfigurationInvalid, match="SIGNING_SECRET"):
        CredentialSettings.from_env({"JWT_ISSUER": "https://issuer.example"})


async def test_a_file_of_keys_is_enough_and_whoever_reads_the_same_one_agrees(
    tmp_path: Path,
) -> None:
    paths = [str(tmp_path / name) for name in ("one", "other")]
    for path in paths:
        await KeyFile(path, lambda: 0.0).put(issued()[1])

    read = [CredentialSettings.from_env({"API_KEYS_FILE": path}) for path in (*paths, paths[0])]

    assert [settings.keys_file for settings in read[:2]] == paths
    assert read[0].signing_secret == read[2].signing_secret != read[1].signing_secret
    assert (read[0].keys, read[0].peppers) == ((), ())


@pytest.mark.parametrize(
    "more", [{}, {"API_KEY": "a-key"}, {"SIGNING_SECRET": "a secret of these tests"}]
)
def test_a_file_of_keys_that_is_not_there_is_refused_at_the_start(
    more: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationInvalid, match="API_KEYS_FILE"):
        CredentialSettings.from_env({"API_KEYS_FILE": str(tmp_path / "none"), **more})


def test_peppers_are_given_or_follow_from_the_secret() -> None:
    one, other = "a-pepper-of-16-characters", "another-of-16-characters"
    secret = {"SIGNING_SECRET": "what seals and signs"}

    assert key_peppers({}) == ()
    assert key_peppers(secret) == (pepper_from(b"what seals and signs"),)
    given = {"KEY_PEPPER": f"{one}, {other}"}
    assert key_peppers(secret | given) == (one.encode(), other.encode())
    with pytest.raises(ConfigurationInvalid, match="KEY_PEPPER") as refused:
        key_peppers({"KEY_PEPPER": "hush"})
    assert "hush" not in str(refused.value)


def test_keys_of_tenants_are_enough() -> None:
    keys = CredentialSettings.from_env({"API_KEYS": "acme:one"}).keys

    assert keys == (("acme", "one"),)


def test_a_tenant_may_have_several_keys() -> None:
    keys = CredentialSettings.from_env({"API_KEY": "new", "API_KEYS": "default:old"}).keys

    assert keys == (("default", "new"), ("default", "old"))


@pytest.mark.parametrize(
    "environ",
    [{"API_KEY": "hush hush\t"}, {"API_KEYS": "hush"}, {"API_KEY": "hush", "API_KEYS": "a:hush"}],
)
def test_a_refusal_never_shows_a_key(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        CredentialSettings.from_env(environ)

    assert "hush" not in str(caught.value)


def _secret(api_keys: str, **more: str) -> bytes:
    return CredentialSettings.from_env({"API_KEYS": api_keys, **more}).signing_secret


def test_replicas_with_the_same_keys_agree_on_a_secret() -> None:
    assert _secret("a:one,b:two") == _secret("b:two, a:one")
    assert len(_secret("a:one")) == 32


def test_other_keys_give_another_secret() -> None:
    secrets = {_secret(keys) for keys in ("a:one", "a:two", "b:one", "ao:ne", "a:one,b:two")}

    assert len(secrets) == 5
    assert not any(b"one" in secret for secret in secrets)


def test_a_given_secret_is_used_as_it_is() -> None:
    assert _secret("a:one", SIGNING_SECRET="sésame, ouvre-toi") == "sésame, ouvre-toi".encode()


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "localhost.example.org"]
)
def test_an_address_that_others_reach_is_no_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_is_known(host: str) -> None:
    assert is_loopback(host)


def test_the_log_level_can_be_read_alone() -> None:
    assert log_level({}) == "INFO"
    assert log_level({"LOG_LEVEL": "ERROR"}) == "ERROR"


def test_further_limits_are_off_unless_they_are_asked_for() -> None:
    names = ("RECORDS", "BYTES", "STARTS", "STREAM", "RECONNECTS")
    environ = {f"RATE_LIMIT_{name}_PER_SECOND": str(n) for n, name in enumerate(names, 1)}

    assert LimitSettings.from_env({}).further == FurtherRates(0, 0, 0, 0, 0)
    assert LimitSettings.from_env(environ).further == FurtherRates(1, 2, 3, 4, 5)
    with pytest.raises(ConfigurationInvalid, match="RATE_LIMIT_BYTES_PER_SECOND"):
        LimitSettings.from_env({"RATE_LIMIT_BYTES_PER_SECOND": "many"})
