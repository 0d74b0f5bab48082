import pytest

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.secret_arns import revealed, secret_arns
from streaming_runtime.core.settings import Settings

NEEDED = {"KAFKA_BROKER": "b:9094"}


def arn(name: str) -> str:
    return f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbCdEf"


ALL = {
    "API_KEYS_ARN": arn("keys"),
    "SIGNING_SECRET_ARN": arn("signing"),
    "KAFKA_SECRET_ARN": arn("AmazonMSK_kafka"),
    "KAFKA_SECURITY": "scram",
}
HELD = {
    "API_KEYS_ARN": "acme:one,beta:two\n",
    "SIGNING_SECRET_ARN": "what seals and signs",
    "KAFKA_SECRET_ARN": '{"username": "user", "password": "hush"}',
}


def test_what_secrets_hold_takes_the_place_of_their_arns() -> None:
    environ = NEEDED | ALL
    settings = Settings.from_env(revealed(environ, {n: HELD[n] for n in secret_arns(environ)}))

    assert settings.credentials.keys == (("acme", "one"), ("beta", "two"))
    assert settings.credentials.signing_secret == b"what seals and signs"
    assert settings.kafka.identity.username == "user"
    assert settings.kafka.identity.password == "hush"


def test_an_empty_arn_counts_as_unset() -> None:
    assert secret_arns(dict.fromkeys(ALL, "")) == {}


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("API_KEYS_ARN", {"API_KEYS_ARN": "keys"}),
        ("API_KEYS_ARN", {"API_KEYS_ARN": "arn:aws:s3:::bucket"}),
        ("API_KEYS", {"API_KEYS_ARN": arn("keys"), "API_KEYS": "a:b"}),
        ("SIGNING_SECRET", {"SIGNING_SECRET_ARN": arn("s"), "SIGNING_SECRET": "s"}),
        ("KAFKA_PASSWORD", ALL | {"KAFKA_PASSWORD": "x"}),
        ("KAFKA_SECRET_ARN", {"KAFKA_SECRET_ARN": arn("k"), "KAFKA_SECURITY": "iam"}),
        ("KAFKA_SECRET_ARN", {"KAFKA_SECRET_ARN": arn("k")}),
    ],
)
def test_contradictions_are_refused_by_name(name: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid, match=name):
        secret_arns(environ)


@pytest.mark.parametrize("held", ["", "text", "[]", '{"username": "u"}', '{"password": 7}', "{"])
def test_a_secret_without_what_it_has_to_hold_is_named_and_not_shown(held: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="KAFKA_SECRET_ARN") as caught:
        revealed(ALL, {"KAFKA_SECRET_ARN": held})

    assert 'password":' not in str(caught.value)


def test_whoever_reads_no_secrets_refuses_an_arn() -> None:
    with pytest.raises(ConfigurationInvalid, match="SIGNING_SECRET_ARN"):
        Settings.from_env(NEEDED | {"API_KEY": "k", "SIGNING_SECRET_ARN": arn("s")})


def test_a_registry_in_dynamodb_needs_its_table_and_no_other_does() -> None:
    needed = NEEDED | {"API_KEY": "k"}
    settings = Settings.from_env(
        needed | {"STREAM_REGISTRY": "dynamodb", "DYNAMODB_TABLE": "millrace-prod"}
    )

    assert (settings.registry, settings.table) == ("dynamodb", "millrace-prod")
    for wrong in ({"STREAM_REGISTRY": "dynamodb"}, {"DYNAMODB_TABLE": "millrace"}):
        with pytest.raises(ConfigurationInvalid, match="DYNAMODB_TABLE"):
            Settings.from_env(needed | wrong)
    for name in ("a", "a b", "x" * 256):
        with pytest.raises(ConfigurationInvalid, match="DYNAMODB_TABLE"):
            Settings.from_env(needed | {"STREAM_REGISTRY": "dynamodb", "DYNAMODB_TABLE": name})
