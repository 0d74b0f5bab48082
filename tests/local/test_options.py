from pathlib import Path

import pytest

from local.options import TEST_KEY, read
from streaming_runtime.core.errors import ConfigurationInvalid


def test_with_nothing_said_it_listens_on_loopback_with_the_test_key() -> None:
    options = read([], {}, {})

    assert (options.http.host, options.http.port) == ("127.0.0.1", 8080)
    assert options.http.prometheus_port == 2112
    assert options.is_test_key
    assert options.environ["API_KEY"] == options.key == TEST_KEY
    assert options.has_processing
    assert options.broker == ""


def test_a_flag_wins_over_the_environment_and_that_over_the_file() -> None:
    dotenv = {"PORT": "1", "KAFKA_PARTITIONS": "2", "LOG_LEVEL": "ERROR"}
    environ = {"PORT": "3", "KAFKA_PARTITIONS": "4"}

    options = read(["--port", "5"], environ, dotenv)

    assert options.http.port == 5
    assert options.environ["PORT"] == "5"
    assert options.environ["KAFKA_PARTITIONS"] == "4"
    assert options.environ["LOG_LEVEL"] == "ERROR"


def test_an_empty_variable_hides_nothing_and_is_not_passed_on() -> None:
    options = read([], {"API_KEY": "", "KAFKA_TOPIC_PREFIX": ""}, {"API_KEY": "k", "PORT": ""})

    assert options.environ["API_KEY"] == "k"
    assert "KAFKA_TOPIC_PREFIX" not in options.environ
    assert options.http.port == 8080


def test_an_empty_broker_flag_asks_for_the_embedded_one() -> None:
    assert read(["--broker", ""], {"KAFKA_BROKER": "k:9092"}, {}).broker == ""


@pytest.mark.parametrize("name", ["API_KEY", "API_KEYS"])
def test_a_configured_key_is_used_and_never_shown(name: str) -> None:
    options = read([], {name: "tenant:secret"}, {})

    assert not options.is_test_key
    assert options.key == ""
    assert TEST_KEY not in options.environ.values()


@pytest.mark.parametrize("name", ["SIGNING_SECRET"])
def test_where_keys_are_issued_an_address_that_others_reach_is_served_without_the_test_key(
    name: str,
) -> None:
    environ = {name: "a long random text"}

    far = read(["--host", "0.0.0.0"], environ, {})
    near = read([], environ, {})

    assert (far.is_test_key, far.environ.get("API_KEY")) == (False, None)
    assert near.is_test_key


def test_a_file_of_keys_that_is_missing_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="API_KEYS_FILE"):
        read([], {"API_KEYS_FILE": str(tmp_path / "none")}, {})


def test_without_a_key_an_address_that_others_reach_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"HOST \(0\.0\.0\.0\).*API_KEY"):
        read(["--host", "0.0.0.0"], {}, {})


@pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.2"])
def test_without_a_key_loopback_is_fine(host: str) -> None:
    assert read(["--host", host], {}, {}).http.host == host


def test_with_a_key_any_address_is_fine() -> None:
    assert read(["--host", "0.0.0.0"], {"API_KEY": "k"}, {}).http.host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PROMETHEUS_PORT", "-1"),
        ("PROCESSING_PROMETHEUS_PORT", "x"),
        ("KAFKA_BROKER", "nowhere"),
        ("KAFKA_PARTITIONS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("PROCESSING_GUARANTEE", "perhaps"),
        ("API_KEYS", "no-tenant"),
        ("DRAIN_SECONDS", "soon"),
    ],
)
def test_a_bad_setting_of_any_process_is_refused_before_one_is_started(
    name: str, value: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match=name):
        read([], {name: value}, {})


def test_zero_asks_for_free_ports() -> None:
    options = read(["--port", "0", "--prometheus-port", "0"], {}, {})

    assert (options.http.port, options.http.prometheus_port) == (0, 0)


def test_a_relative_data_directory_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert read([], {"DATA_DIR": "here"}, {}).data == tmp_path / "here"
    assert read([], {}, {}).data == tmp_path / ".local"


def test_processing_can_be_left_to_others() -> None:
    assert not read(["--no-processing"], {}, {}).has_processing


def test_at_a_keyboard_draining_is_short_unless_said_otherwise() -> None:
    assert read([], {}, {}).http.drain_seconds == 2
    assert read([], {"DRAIN_SECONDS": "30"}, {}).http.drain_seconds == 30


def test_an_unknown_flag_ends_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(["--prot", "1"], {}, {})

    assert ended.value.code == 2
    assert "--prot" in capsys.readouterr().err


def test_three_brokers_are_asked_for_by_flag_or_environment() -> None:
    assert read(["--brokers", "3"], {}, {}).brokers == 3
    assert read([], {"EMBEDDED_BROKERS": "3"}, {}).brokers == 3
    assert read([], {}, {}).brokers == 1


def test_two_brokers_and_brokers_of_two_kinds_are_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"EMBEDDED_BROKERS \(2\) must be 1 or 3"):
        read(["--brokers", "2"], {}, {})
    with pytest.raises(ConfigurationInvalid, match="KAFKA_BROKER"):
        read(["--brokers", "3"], {"KAFKA_BROKER": "kafka:9092"}, {})
