"""Every way to reach brokers, against a real one: clients are let in, or say that they are not."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streaming_runtime.core.errors import BrokerUnavailable, ConfigurationInvalid
from streaming_runtime.core.kafka_security import KafkaSecurity
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.kafka import security
from streaming_runtime.kafka.connection import connected
from streaming_runtime.kafka.msk_tokens import MskTokens
from streaming_runtime.processing import clients as processing
from streaming_runtime.processing.topics import Topics
from tests.kafka.certificates import Authority, Signed
from tests.kafka.secured_broker import MECHANISMS, PASSWORD, USER, SecuredBroker, unsigned_token
from tests.product import KEY, product

module_loop = pytest.mark.asyncio(loop_scope="module")
TOPICS = Topics(1, 2 << 20, 2 << 20)
# Long enough for a busy machine to be let in, short enough to wait for being refused.
REFUSED_SECONDS = 3.0
RESULT_SECONDS = 60.0
WAYS = ("tls", "mutual", *MECHANISMS, "iam")


class Secured(NamedTuple):
    """A broker, and what a client has to have to be let in."""

    broker: SecuredBroker
    authority: Authority
    stranger: Authority
    ours: Signed

    def settings(self, way: str) -> KafkaSettings:
        """Return the settings of a client that is let in, with topics of its own."""
        identity = KafkaSecurity(ca_file=str(self.authority.file))
        if way == "mutual":
            certificate, key = map(str, self.ours)
            identity = replace(identity, certificate_file=certificate, key_file=key)
            return self._of("MUTUAL", "tls", identity)
        if way in MECHANISMS:
            identity = replace(identity, mechanism=way, username=USER, password=PASSWORD)
            return self._of("SCRAM", "scram", identity)
        if way == "iam":
            return self._of("TOKEN", "iam", replace(identity, region="eu-central-1"))
        return self._of("TLS", "tls", identity)

    def _of(self, listener: str, way: str, identity: KafkaSecurity) -> KafkaSettings:
        prefix = f"s{secrets.token_hex(4)}."
        return KafkaSettings(self.broker.address(listener), way, prefix, 1, identity)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    broker = SecuredBroker(folder / "kafka", authority.signed("broker", "127.0.0.1"), authority)
    await broker.start()
    yield Secured(broker, authority, stranger, authority.signed("client", "client.example"))
    await broker.stop()


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a token made that the broker here believes; the one of MSK only MSK can check."""
    made = MskTokens(lambda: unsigned_token(900))
    monkeypatch.setattr(security, "msk_tokens", lambda _: made)


def told_of(settings: KafkaSettings, options: dict[str, Any]) -> dict[str, Any]:
    """Return librdkafka's options with a token that the broker here believes."""
    if settings.security == "iam":
        text, expires_ms = unsigned_token(900)
        options["oauth_cb"] = lambda _: (text, expires_ms / 1000)
    return options


@module_loop
@pytest.mark.parametrize("way", WAYS)
async def test_api_and_processing_are_let_in(secured: Secured, way: str) -> None:
    settings = secured.settings(way)

    async with connected(settings) as kafka:
        stored = await kafka.producer.send(settings.input_topic, b"k", b"v", [])
        value = await asyncio.to_thread(_passed_on, settings)
        bounds = await kafka.offsets.bounds(settings.results_topic, 0)

    assert (stored.partition, stored.offset) == (0, 0)
    assert value == b"v"
    assert bounds.end == 1


def _passed_on(settings: KafkaSettings) -> bytes:
    """Do what processing does, with its own clients: read a record, and write one."""
    group = {"group.id": processing.group(settings)}
    consumer = Consumer(told_of(settings, processing.consumer_options(settings)) | group)
    consumer.assign([TopicPartition(settings.input_topic, 0, 0)])
    record = consumer.poll(20)
    assert record is not None
    assert record.error() is None
    consumer.close()
    options = processing.producer_options(settings, "at-least-once", TOPICS)
    producer = Producer(told_of(settings, options))
    producer.produce(settings.results_topic, record.value(), partition=0)
    assert producer.flush(20) == 0
    value = record.value()
    assert isinstance(value, bytes)
    return value


@module_loop
@pytest.mark.parametrize("way", ["tls", "SCRAM-SHA-512", "iam"])
async def test_processing_can_ask_the_cluster(
    secured: Secured, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = secured.settings(way)
    text, expires_ms = unsigned_token(900)
    monkeypatch.setattr(
        "streaming_runtime.processing.security.tokens_of",
        lambda _: lambda _: (text, expires_ms / 1000),
    )

    admin = processing.admin(settings)
    found = await asyncio.to_thread(admin.list_topics, timeout=20)

    assert len(found.brokers) == 1


@module_loop
@pytest.mark.timeout(150)
async def test_the_product_runs_on_a_password(secured: Secured, tmp_path: Path) -> None:
    settings = secured.settings("SCRAM-SHA-512")
    environ = {
        "KAFKA_BROKER": settings.broker,
        "KAFKA_SECURITY": "scram",
        "KAFKA_USERNAME": USER,
        "KAFKA_PASSWORD": PASSWORD,
        "KAFKA_CA_FILE": settings.identity.ca_file,
        "KAFKA_PARTITIONS": "1",
    }
    async with product(settings.broker, tmp_path, environ) as made:
        api, worker = made.api(), made.processing()
        await api.start()
        await worker.start()
        headers = {"x-api-key": KEY, "accept": "application/json"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=40) as client:
            started = (await client.post("/stream/start", json={"processor": "uppercase"})).json()
            await client.post(started["send_url"], json={"data": "loud"})
            results: list[dict[str, Any]] = []
            deadline = time.monotonic() + RESULT_SECONDS
            while not results and time.monotonic() < deadline:
                page = await client.get(started["results_url"], params={"wait": 20})
                results = page.json()["results"]
        logged = api.log.read_text() + worker.log.read_text()

    assert [result["data"] for result in results] == ["LOUD"]
    assert PASSWORD not in logged


def refused(secured: Secured, what: str) -> KafkaSettings:
    """Return the settings of a client that is not let in, or does not let itself in."""
    scram = secured.settings("SCRAM-SHA-512")
    stranger = str(secured.stranger.file)
    wrong = {
        "a wrong password": replace(scram, identity=replace(scram.identity, password="guessed")),
        "an unknown user": replace(scram, identity=replace(scram.identity, username="nobody")),
        "a foreign broker": replace(scram, identity=replace(scram.identity, ca_file=stranger)),
        "no certificate": replace(secured.settings("tls"), broker=secured.broker.address("MUTUAL")),
        "no TLS": KafkaSettings(secured.broker.address("TLS"), "plaintext", "s.", 1),
        "another name": replace(scram, broker=scram.broker.replace("127.0.0.1", "localhost")),
    }
    return wrong[what]


REFUSALS = [
    "a wrong password",
    "an unknown user",
    "a foreign broker",
    "no certificate",
    "no TLS",
    "another name",
]


@module_loop
@pytest.mark.parametrize("what", REFUSALS)
async def test_whoever_is_not_let_in_says_so_in_time(secured: Secured, what: str) -> None:
    settings = refused(secured, what)
    begun = time.monotonic()

    with pytest.raises(BrokerUnavailable) as caught:
        async with connected(settings, REFUSED_SECONDS):
            pass

    assert time.monotonic() - begun < REFUSED_SECONDS + 12
    assert "guessed" not in str(caught.value)


@module_loop
@pytest.mark.parametrize("what", ["a wrong password", "a foreign broker"])
async def test_processing_is_not_let_in_either(secured: Secured, what: str) -> None:
    admin = processing.admin(refused(secured, what))

    with pytest.raises(KafkaException):
        await asyncio.to_thread(admin.list_topics, timeout=REFUSED_SECONDS)


@contextmanager
def naming(variable: str) -> Iterator[None]:
    with pytest.raises(ConfigurationInvalid, match=variable):
        yield


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    authority = Authority(tmp_path, "authority")
    one, other = authority.signed("one", "one"), authority.signed("other", "other")

    def asked(**identity: str) -> None:
        security.secured(KafkaSettings("b:1", "tls", "s.", 1, KafkaSecurity(**identity)))

    with naming("KAFKA_CA_FILE"):
        asked(ca_file=str(nothing))
    with naming("KAFKA_CERTIFICATE_FILE"):
        asked(certificate_file=str(nothing), key_file=str(one.key))
    with naming("KAFKA_KEY_FILE"):
        asked(certificate_file=str(one.certificate), key_file=str(other.key))
