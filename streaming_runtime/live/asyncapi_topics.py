"""The Kafka side of the AsyncAPI document: what an engine in any language reads and writes."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from streaming_runtime.core import entries, key_entries
from streaming_runtime.core.errors import ProcessingFailed
from streaming_runtime.core.model import Kind, Processor, Record, Stream
from streaming_runtime.core.principals import SCOPES
from streaming_runtime.core.settings import KafkaSettings
from streaming_runtime.http import problems, schemas
from streaming_runtime.http.examples import REQUEST_ID, RESULT, STREAM_ID
from streaming_runtime.http.schemas import SOURCE, STREAM, TEXT, WHOLE, Schema
from streaming_runtime.kafka.topics import DAY_MS, DEAD_LETTER_DAYS, RETENTION_DAYS

MILLISECONDS: Schema = {"type": "string", "pattern": "^[0-9]+$", "description": "Since 1970."}
PROCESSOR: Schema = {
    "type": "string",
    "contentMediaType": "application/json",
    "description": "An object with the processor's name and its parameters.",
}
TRACE: Schema = {"type": "string", "description": "W3C Trace Context, passed on to the result."}
ATTEMPTS: Schema = {"type": "string", "pattern": "^[0-9]+$"}
GIVEN_UP = {
    name: value
    for name, value in problems.document(ProcessingFailed("no such field"), REQUEST_ID).items()
    if name not in ("status", "request_id")
}
FIELD_TYPES: dict[type, Schema] = {
    str: TEXT,
    int: WHOLE,
    Processor: {"type": "object", "required": ["name"], "properties": {"name": TEXT}},
}
SENT_MS, PROCESSED_MS = "1769860800000", "1769860800004"
ENTRY: dict[str, Any] = {
    "stream_id": STREAM_ID,
    "tenant": "default",
    "incarnation": "hvsdfg1A",
    "partition": 7,
    "first_offset": 1042,
    "created_at": 1769860800000,
    "processor": {"name": "uppercase"},
}
ISSUED_KEY: dict[str, Any] = {
    "key_id": "3fH8kQ0aZr1B",
    "tenant": "acme",
    "digest": "5f" * 32,
    "pepper": "9c1d02ab",
    "created_at": 1769860800000,
    "scopes": ["start", "send", "read"],
    "streams": "*",
}


def kafka_channels(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the topics, by the part they play; their names are those of this deployment."""
    return {
        "input": _topic(
            kafka.input_topic,
            "What clients have sent, in each stream's order.",
            {kind: _input(kind) for kind in get_args(get_type_hints(Record)["kind"])},
            partitions=kafka.partitions,
            days=RETENTION_DAYS,
        ),
        "results": _topic(
            kafka.results_topic,
            "What readers see: in a partition, those whose source is above all before it.",
            {kind: _result(kind) for kind in get_args(Kind)},
            partitions=kafka.partitions,
            days=RETENTION_DAYS,
        ),
        "deadLetter": _topic(
            kafka.dead_letter_topic,
            "Records that could not be processed, untouched.",
            {"deadLetter": _dead_letter()},
            partitions=1,
            days=DEAD_LETTER_DAYS,
        ),
        "streams": _topic(
            kafka.streams_topic,
            "Who owns which stream, which life of the topics counts, and which keys were issued.",
            {"entry": _entry(), "incarnation": _incarnation(), "issuedKey": _issued_key()},
            partitions=1,
            days=None,
        ),
    }


def kafka_operations() -> dict[str, Any]:
    """Return who writes and who reads what."""
    return {
        "writeInput": _operation("send", "input", "A send is stored by all in-sync replicas."),
        "readInput": _operation("receive", "input", "An engine processes each partition in order."),
        "writeResults": _operation("send", "results", "An engine writes them in input order."),
        "readResults": _operation("receive", "results", "Readers' connections are fed from here."),
        "writeDeadLetters": _operation("send", "deadLetter", "An engine gives up after 3 tries."),
        "writeStreams": _operation("send", "streams", "A stream is started or ended."),
        "readStreams": _operation("receive", "streams", "Each replica has them all in memory."),
    }


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
    }


def _topic(
    name: str,
    description: str,
    messages: dict[str, Any],
    *,
    partitions: int,
    days: int | None,
) -> dict[str, Any]:
    kept: dict[str, Any] = {"cleanup.policy": ["compact"]}
    if days is not None:
        kept = {"cleanup.policy": ["delete"], "retention.ms": days * DAY_MS}
    binding = {
        "topic": name,
        "partitions": partitions,
        "topicConfiguration": kept,
        "bindingVersion": "0.5.0",
    }
    return {
        "address": name,
        "description": description,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": messages,
        "bindings": {"kafka": binding},
    }


def _input(kind: str) -> dict[str, Any]:
    fields = {
        "kind": {"const": kind},
        "processor": PROCESSOR,
        "sent-at": MILLISECONDS,
        "traceparent": TRACE,
    }
    shown = {"kind": kind, "processor": '{"name":"uppercase"}', "sent-at": SENT_MS}
    payload = schemas.ANYTHING if kind == "record" else {"type": "null"}
    example = "sample data" if kind == "record" else None
    return _message(kind, fields, payload, shown, example, optional=("traceparent",))


def _result(kind: str) -> dict[str, Any]:
    payloads: dict[str, tuple[Schema, Any]] = {
        "result": (schemas.ANYTHING, RESULT["data"]),
        "failed": (schemas.ref("ProcessingProblem"), GIVEN_UP),
        "end": ({"type": "null"}, None),
    }
    fields = {
        "kind": {"const": kind},
        "source": SOURCE,
        "sent-at": MILLISECONDS,
        "processed-at": MILLISECONDS,
        "traceparent": TRACE,
    }
    shown = {"kind": kind, "source": RESULT["source"], "sent-at": SENT_MS}
    shown["processed-at"] = PROCESSED_MS
    payload, example = payloads[kind]
    return _message(kind, fields, payload, shown, example, optional=("traceparent",))


def _dead_letter() -> dict[str, Any]:
    fields = {"source": SOURCE, "reason": TEXT, "attempts": ATTEMPTS}
    shown = {"source": RESULT["source"], "reason": "no such field", "attempts": "3"}
    message = _message("deadLetter", fields, schemas.ANYTHING, shown, "sample data")
    message["summary"] = "The record's own headers stand beside these three."
    message["headers"]["additionalProperties"] = True
    return message


def _entry() -> dict[str, Any]:
    """Return the message of a registry entry: a stream, without what is not known of it."""
    members: dict[str, Schema] = {}
    required = []
    for name, hint in get_type_hints(Stream).items():
        plain, *nothing = get_args(hint) or (hint,)
        members[name] = FIELD_TYPES[plain]
        if not nothing:
            required.append(name)
    members["stream_id"] = STREAM
    payload = {"type": "object", "required": required, "properties": members}
    return _message("entry", {}, payload, {}, ENTRY)


def _incarnation() -> dict[str, Any]:
    members = {"incarnation": TEXT, "partitions": WHOLE, "replaces": {"type": ["string", "null"]}}
    payload = {"type": "object", "required": list(members), "properties": members}
    shown = {"incarnation": "hvsdfg1A", "partitions": 12, "replaces": None}
    message = _message("incarnation", {}, payload, {}, shown)
    prefix = entries.INCARNATION_PREFIX.decode()
    message["bindings"]["kafka"]["key"] = {"type": "string", "pattern": f"^{prefix}"}
    return message


def _issued_key() -> dict[str, Any]:
    """Return the message of an issued key, in which its secret is only a digest."""
    texts = ("key_id", "tenant", "digest", "pepper", "streams")
    members: dict[str, Schema] = dict.fromkeys(texts, TEXT) | {"created_at": WHOLE}
    members["scopes"] = {"type": "array", "items": {"enum": list(SCOPES)}}
    required = list(members)
    members |= dict.fromkeys(("expires_at", "revoked_at", "per_second", "burst"), WHOLE)
    members["label"] = TEXT
    payload = {"type": "object", "required": required, "properties": members}
    message = _message("issued key", {}, payload, {}, ISSUED_KEY)
    prefix = key_entries.KEY_PREFIX.decode()
    message["bindings"]["kafka"]["key"] = {"type": "string", "pattern": f"^{prefix}"}
    return message


def _message(
    name: str,
    fields: dict[str, Schema],
    payload: Schema,
    shown: dict[str, str],
    example: Any,
    *,
    optional: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return a message: its headers are bytes in Kafka, here the text that they are."""
    headers: Schema = {
        "type": "object",
        "required": [field for field in fields if field not in optional],
        "properties": fields,
    }
    return {
        "name": name,
        "headers": headers,
        "payload": payload,
        "bindings": {"kafka": {"key": STREAM, "bindingVersion": "0.5.0"}},
        "examples": [{"headers": shown, "payload": example}],
    }
