from pathlib import Path

import pytest

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.kafka_security import KafkaSecurity
from streaming_runtime.core.settings import KafkaSettings

BROKER = {"KAFKA_BROKER": "b:9094"}
SCRAM = {"KAFKA_SECURITY": "scram", "KAFKA_USERNAME": "user", "KAFKA_PASSWORD": "hush"}
IAM = {"KAFKA_SECURITY": "iam", "AWS_REGION": "eu-central-1"}
TLS = {"KAFKA_SECURITY": "tls"}


def read(environ: dict[str, str]) -> KafkaSecurity:
    return KafkaSettings.from_env(BROKER | environ).identity


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "some.pem"
    path.touch()
    return str(path)


def test_in_the_clear_nothing_is_shown() -> None:
    assert read({"AWS_REGION": "eu-central-1"}) == KafkaSecurity()


def test_a_password_goes_with_the_stronger_mechanism_unless_the_other_is_asked_for() -> None:
    weaker = SCRAM | {"KAFKA_SCRAM_MECHANISM": "SCRAM-SHA-256"}

    assert read(SCRAM) == KafkaSecurity(mechanism="SCRAM-SHA-512", username="user", password="hush")
    assert read(weaker).mechanism == "SCRAM-SHA-256"


def test_a_password_is_never_shown() -> None:
    assert "hush" not in repr(KafkaSettings.from_env(BROKER | SCRAM))


def test_a_role_signs_for_the_region_that_aws_tells() -> None:
    assert read(IAM) == KafkaSecurity(region="eu-central-1")


def test_certificates_are_files(file: str) -> None:
    mutual = {"KAFKA_CA_FILE": file, "KAFKA_CERTIFICATE_FILE": file, "KAFKA_KEY_FILE": file}

    assert read(TLS | mutual) == KafkaSecurity(file, file, file)
    for way in (TLS, SCRAM, IAM):
        assert read(way | {"KAFKA_CA_FILE": file}).ca_file == file


CONTRADICTIONS = [
    ("KAFKA_USERNAME", TLS | {"KAFKA_USERNAME": "user"}),
    ("KAFKA_PASSWORD", IAM | {"KAFKA_PASSWORD": "hush"}),
    ("KAFKA_PASSWORD", {"KAFKA_PASSWORD": "hush"}),
    ("KAFKA_SCRAM_MECHANISM", TLS | {"KAFKA_SCRAM_MECHANISM": "SCRAM-SHA-512"}),
    ("KAFKA_CA_FILE", {"KAFKA_CA_FILE": "ca.pem"}),
    ("KAFKA_CERTIFICATE_FILE", SCRAM | {"KAFKA_CERTIFICATE_FILE": "c.pem"}),
    ("KAFKA_KEY_FILE", IAM | {"KAFKA_KEY_FILE": "k.pem"}),
    ("KAFKA_KEY_FILE", TLS | {"KAFKA_CERTIFICATE_FILE": "c.pem"}),
    ("KAFKA_CERTIFICATE_FILE", TLS | {"KAFKA_KEY_FILE": "k.pem"}),
    ("KAFKA_CA_FILE", TLS | {"KAFKA_CA_FILE": "/nowhere/ca.pem"}),
    ("KAFKA_USERNAME", {"KAFKA_SECURITY": "scram", "KAFKA_PASSWORD": "hush"}),
    ("KAFKA_PASSWORD", {"KAFKA_SECURITY": "scram", "KAFKA_USERNAME": "user"}),
    ("KAFKA_SCRAM_MECHANISM", SCRAM | {"KAFKA_SCRAM_MECHANISM": "PLAIN"}),
    ("AWS_REGION", {"KAFKA_SECURITY": "iam"}),
]


@pytest.mark.parametrize(("name", "environ"), CONTRADICTIONS)
def test_what_is_missing_or_of_no_use_is_refused_by_its_name(
    name: str, environ: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationInvalid, match=name) as caught:
        read(environ)

    assert "hush" not in str(caught.value)
