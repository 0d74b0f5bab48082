import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator

from streaming_runtime.core import entries, positions
from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.errors import BrokerUnavailable, InvalidBody, RateLimited, every_error
from streaming_runtime.core.key_entries import KEY_PREFIX, to_entry
from streaming_runtime.core.model import (
    Height,
    Incarnation,
    Kind,
    LogEntry,
    Processor,
    Receipt,
    Record,
    Stream,
)
from streaming_runtime.core.reading import Delivery, Gap
from streaming_runtime.core.results import EncodedResult, ResultEncoder
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.http import problems
from streaming_runtime.http.event_forms import EXPIRING, SseForm
from streaming_runtime.kafka.sink import KafkaSink
from streaming_runtime.live import asyncapi, close_codes, first_message, frames
from streaming_runtime.processing.dead_letters import dead_letter
from streaming_runtime.processing.records import InputRecord, OutputRecord
from streaming_runtime.processing.results import Results, problem
from tests.core import event_stream
from tests.core.issued import issued

KAFKA = KafkaSettings("kafka-7.example:9092", "plaintext", "test.", 3)
DOCUMENT = asyncapi.document(KAFKA)
SCHEMA = Path(__file__).parent / "schemas" / "asyncapi-3.0.0.json.gz"
SCHEMA_SHA256 = "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"
STREAM = Stream(
    stream_id="Zk3vXw8mQe2rT6yLh0sUaA",
    tenant="default",
    processor=Processor("jmespath", {"expression": "a"}),
    incarnation="hvsdfg1A",
    partition=2,
    first_offset=0,
    created_at=1_000,
)
CURSOR = "A" * 64


def _official() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))


def _fits(schema: dict[str, Any] | None, value: object) -> bool:
    """Say whether a value is of a schema of the document, whose references are the document's."""
    if schema is None:
        return value is None
    return Draft7Validator({**schema, "components": DOCUMENT["components"]}).is_valid(value)


def _matching(channel: str, headers: object, payload: object) -> list[str]:
    """Return which messages of a channel this is; it must be exactly one."""
    return [
        name
        for name, message in DOCUMENT["channels"][channel]["messages"].items()
        if _fits(message.get("headers", {}), headers) and _fits(message.get("payload"), payload)
    ]


def test_the_document_is_asyncapi_3() -> None:
    found = [f"{list(e.absolute_path)}: {e.message}" for e in _official().iter_errors(DOCUMENT)]

    assert found == []


def test_the_schema_it_is_held_against_is_the_published_one_and_refuses_faults() -> None:
    digest = hashlib.sha256(gzip.decompress(SCHEMA.read_bytes())).hexdigest()
    operation = {"action": "watch", "channel": {"$ref": "#/channels/input"}}

    assert digest == SCHEMA_SHA256
    assert not _official().is_valid({**DOCUMENT, "operations": {"x": operation}})
    assert not _official().is_valid({**DOCUMENT, "asyncapi": "2.6.0"})


def test_it_can_be_written_as_json_and_is_made_anew_each_time() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert asyncapi.document(KAFKA) == DOCUMENT


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_reference_leads_somewhere() -> None:
    references = set(_references(DOCUMENT))

    assert len(references) > 20
    for reference in references:
        node: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


MESSAGES = [
    (channel, name) for channel, c in DOCUMENT["channels"].items() for name in c["messages"]
]


@pytest.mark.parametrize(("channel", "name"), MESSAGES)
def test_an_example_is_of_its_own_message_and_of_no_other(channel: str, name: str) -> None:
    message = DOCUMENT["channels"][channel]["messages"][name]
    if "payload" not in message:
        assert (channel, name) == ("eventStream", "position")
        return

    (example,) = message["examples"]

    assert _matching(channel, example.get("headers", {}), example["payload"]) == [name]


def test_it_does_not_tell_where_kafka_is() -> None:
    assert "kafka-7" not in json.dumps(DOCUMENT)


def test_topics_have_the_names_and_partitions_of_the_deployment() -> None:
    bindings = {
        name: channel["bindings"]["kafka"]
        for name, channel in DOCUMENT["channels"].items()
        if "kafka" in channel.get("bindings", {})
    }

    assert {name: (b["topic"], b["partitions"]) for name, b in bindings.items()} == {
        "input": ("test.input", 3),
        "results": ("test.results", 3),
        "deadLetter": ("test.dead-letter", 1),
        "streams": ("test.streams", 1),
    }


def test_every_close_code_is_explained() -> None:
    codes = {str(value) for value in vars(close_codes).values() if type(value) is int}

    explained = DOCUMENT["channels"]["webSocket"]["x-close-codes"]

    assert set(explained) == codes
    for code in codes:
        is_final = int(code) not in {*close_codes.COME_BACK, close_codes.ENDED}
        assert ("final" in explained[code]) is is_final


def test_the_query_is_the_one_that_is_read() -> None:
    events = DOCUMENT["operations"]["sendEvents"]["bindings"]["http"]["query"]["properties"]
    sockets = DOCUMENT["channels"]["webSocket"]["bindings"]["ws"]["query"]["properties"]

    assert set(events) == {*positions.PLACES, "until", "limit", "ticket"}
    assert sockets == {**events, first_message.PARAMETER: {"const": first_message.FIRST}}


def test_a_credential_as_documented_is_taken_and_two_at_once_are_not() -> None:
    message = DOCUMENT["channels"]["webSocket"]["messages"]["authenticate"]
    (example,) = message["examples"]
    two = {**example["payload"], "ticket": "a ticket"}

    assert first_message.MESSAGE.decode(json.dumps(example["payload"])).key == "a key"
    assert not _fits(message["payload"], two)
    assert not _fits(message["payload"], {"type": "authenticate"})


def _result(kind: Kind) -> EncodedResult:
    value = problem("no such field") if kind == "failed" else b"null"
    entry = LogEntry(STREAM.stream_id, 5, kind, "2-7-1", Height(7, 1), value, 1_000, 2_000)
    return ResultEncoder(CursorSeal(b"secret"), STREAM.incarnation).encode(entry)


GAP = Gap(CURSOR, CURSOR, "incarnation")
PROBLEM = problems.document(BrokerUnavailable(), "id")


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        (SseForm().opening(CURSOR, 1_500), "position"),
        (SseForm().position(CURSOR), "position"),
        (SseForm().result(Delivery(_result("result"), None)), "result"),
        (SseForm().result(Delivery(_result("failed"), CURSOR)), "failed"),
        (SseForm().result(Delivery(_result("end"), None)), "end"),
        (SseForm().gap(GAP), "gap"),
        (SseForm().gap(GAP._replace(requested=None)), "gap"),
        (SseForm().slow(1_500, CURSOR), "slow"),
        (SseForm().reconnect(1_500, CURSOR), "reconnect"),
        (SseForm().expiring(60), EXPIRING),
        (SseForm().error(PROBLEM, 1_500), "error"),
    ],
)
def test_what_an_event_stream_writes_is_documented(stream: bytes, name: str) -> None:
    *_, last = stream.removesuffix(b"\n\n").split(b"\n\n")
    fields = dict(line.split(b": ", 1) for line in last.split(b"\n"))
    headers: dict[str, str | int] = {
        key.decode(): value.decode() for key, value in fields.items() if key != b"data"
    }
    headers |= {"retry": int(headers["retry"])} if "retry" in headers else {}
    payload = json.loads(fields[b"data"]) if b"data" in fields else None

    assert _matching("eventStream", headers, payload) == [name]
    assert len(event_stream.read(stream).events) == (0 if name == "position" else 1)


REF = msgspec.Raw(b'{"n":1}')


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (_result("result").websocket(), "result"),
        (_result("failed").websocket(CURSOR), "failed"),
        (_result("end").websocket(), "end"),
        (frames.position(CURSOR), "position"),
        (frames.gap(GAP), "gap"),
        (frames.leaving("slow", 1_500, CURSOR), "slow"),
        (frames.leaving("reconnect", 1_500, CURSOR), "reconnect"),
        (frames.receipt(STREAM.stream_id, Receipt(2, 7), REF), "receipt"),
        (frames.receipt(STREAM.stream_id, Receipt(2, 7), frames.NULL), "receipt"),
        (frames.send_error(RateLimited(), REF, "id"), "refused"),
        (frames.expiring(60), EXPIRING),
        (frames.error(InvalidBody(), "id"), "error"),
    ],
)
def test_every_frame_is_documented(frame: str, name: str) -> None:
    assert _matching("webSocket", {}, json.loads(frame)) == [name]


def test_a_record_as_documented_is_taken() -> None:
    (example,) = DOCUMENT["channels"]["webSocket"]["messages"]["send"]["examples"]

    frame = frames.parse_send(json.dumps(example["payload"]))

    assert isinstance(frame, frames.SendFrame)
    assert json.loads(bytes(frame.data)) == example["payload"]["data"]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_every_problem_is_of_the_documented_form(error: type[InvalidBody]) -> None:
    assert _fits({"$ref": "#/components/schemas/Problem"}, problems.document(error(), "id"))


class Recorder:
    """Stands where the producer does, and keeps what the sink gives it."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes, dict[str, str]]] = []

    async def send(
        self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> tuple[int, int]:
        assert topic == DOCUMENT["channels"]["input"]["address"]
        self.sent.append((key, value, {name: text.decode() for name, text in headers}))
        return 2, 7


def _has_documented_key(channel: str, name: str, key: bytes) -> bool:
    binding = DOCUMENT["channels"][channel]["messages"][name]["bindings"]["kafka"]
    return _fits(binding["key"], key.decode())


@pytest.mark.parametrize("traceparent", [None, "00-ab-cd-01"])
async def test_what_the_api_writes_to_the_input_is_documented(traceparent: str | None) -> None:
    recorder = Recorder()
    sink = KafkaSink(KAFKA.input_topic, recorder)  # type: ignore[arg-type]

    await sink.append(Record(STREAM, b'{"a":1}', 1_000, traceparent=traceparent))
    await sink.append(Record(STREAM, b"null", 1_000, kind="end", traceparent=traceparent))

    for (key, value, headers), name in zip(recorder.sent, ("record", "end"), strict=True):
        documented = DOCUMENT["channels"]["input"]["messages"][name]["headers"]["properties"]
        assert _has_documented_key("input", name, key)
        assert set(headers) == set(documented) - ({"traceparent"} if traceparent is None else set())
        assert _matching("input", headers, json.loads(value)) == [name]


def _text(record: OutputRecord) -> dict[str, str]:
    return {name: (text or b"").decode() for name, text in record.headers}


INPUT = InputRecord(2, 7, STREAM.stream_id.encode(), b'{"a":1}', [("kind", b"record")], 1_000)


@pytest.mark.parametrize(
    ("kind", "value", "part"),
    [
        ("result", b'"A"', None),
        ("result", b'"A"', 2),
        ("failed", problem("no such field"), None),
        ("end", b"null", None),
    ],
)
def test_what_processing_writes_to_the_results_is_documented(
    kind: Kind, value: bytes, part: int | None
) -> None:
    results = Results(KAFKA.results_topic, lambda: 2_000)

    record = results.make(INPUT, {"traceparent": b"00-ab-cd-01"}, kind, value, part)

    assert record.topic == DOCUMENT["channels"]["results"]["address"]
    assert _has_documented_key("results", kind, record.key or b"")
    documented = DOCUMENT["channels"]["results"]["messages"][kind]["headers"]["properties"]
    assert set(_text(record)) == set(documented)
    assert _matching("results", _text(record), json.loads(value)) == [kind]


def test_a_dead_letter_is_documented() -> None:
    topic = KAFKA.dead_letter_topic

    record = dead_letter(INPUT, "no such field", 3, topic=topic, max_bytes=1 << 20, now_ms=0)

    assert record.topic == DOCUMENT["channels"]["deadLetter"]["address"]
    assert _has_documented_key("deadLetter", "deadLetter", record.key or b"")
    assert _matching("deadLetter", _text(record), json.loads(record.value or b"")) == ["deadLetter"]


@pytest.mark.parametrize(
    "stream",
    [STREAM, STREAM.ended(5_000, end_source=9)],
    ids=["started", "ended"],
)
def test_registry_entries_are_documented(stream: Stream) -> None:
    value = json.loads(entries.to_json(stream))

    assert _has_documented_key("streams", "entry", stream.stream_id.encode())
    assert _matching("streams", {}, value) == ["entry"]
    documented = DOCUMENT["channels"]["streams"]["messages"]["entry"]["payload"]["properties"]
    assert set(value) <= set(documented)


@pytest.mark.parametrize("replaces", [None, "hvsdfg1A"])
def test_announcements_are_documented(replaces: str | None) -> None:
    key, value = entries.announcement(Incarnation("hvsdfg1B", 12), replaces)

    assert _has_documented_key("streams", "incarnation", key)
    assert _matching("streams", {}, json.loads(value)) == ["incarnation"]


def test_an_issued_key_is_what_the_document_says() -> None:
    _, key = issued(label="x", expires_at=1, revoked_at=2, per_second=3, burst=4)
    name = KEY_PREFIX + key.key_id.encode()

    assert _has_documented_key("streams", "issuedKey", name)
    assert _matching("streams", {}, to_entry(key)) == ["issuedKey"]
    documented = DOCUMENT["channels"]["streams"]["messages"]["issuedKey"]["payload"]["properties"]
    assert documented.keys() == to_entry(key).keys()
