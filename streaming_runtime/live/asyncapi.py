"""AsyncAPI 3.0 for what is no request and answer: the event stream, the WebSocket, the topics."""

from __future__ import annotations

from typing import Any

from streaming_runtime.core.settings import DEFAULT_PORT, KafkaSettings
from streaming_runtime.http.answers import EVENT_STREAM
from streaming_runtime.http.components import components
from streaming_runtime.http.openapi import VERSION
from streaming_runtime.live.asyncapi_connections import event_stream, query, web_socket
from streaming_runtime.live.asyncapi_topics import kafka_channels, kafka_operations

NAMED = ("ResultOfRecord", "FailedResult", "EndResult", "ProcessingProblem", "Problem", "Receipt")


def document(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the document.

    Shape:   where Kafka is stays unsaid: anybody may read this, and only its topics are contract.
    Source:  AsyncAPI 3.0.0.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Millrace",
            "version": VERSION,
            "description": "Real-time streams over Kafka: what moves on connections that stay"
            " open, and in the topics. Requests and answers are at `/schema`.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {
            "eventStream": event_stream(),
            "webSocket": web_socket(),
            **kafka_channels(kafka),
        },
        "operations": {**_operations(), **kafka_operations()},
        "components": {
            "schemas": {name: components()[name] for name in NAMED},
            "securitySchemes": {
                "apiKey": {"type": "httpApiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _servers() -> dict[str, Any]:
    either = ("apiKey", "bearer")
    security = [{"$ref": f"#/components/securitySchemes/{scheme}"} for scheme in either]
    here: dict[str, Any] = {
        "host": "{host}",
        "variables": {"host": {"default": f"localhost:{DEFAULT_PORT}"}},
        "security": security,
    }
    return {
        "http": {**here, "protocol": "http", "description": "Behind TLS: https."},
        "webSocket": {**here, "protocol": "ws", "description": "Behind TLS: wss."},
        "kafka": {
            "host": "{bootstrap}",
            "protocol": "kafka",
            "variables": {
                "bootstrap": {"default": "localhost:9092", "description": "KAFKA_BROKER."}
            },
            "description": "For engines that process records; clients need only HTTP.",
        },
    }


def _operations() -> dict[str, Any]:
    others = ("authenticate", "send", "receipt", "refused")
    sent = [kind for kind in web_socket()["messages"] if kind not in others]
    return {
        "sendEvents": {
            "action": "send",
            "channel": {"$ref": "#/channels/eventStream"},
            "summary": "Results and what happens to the connection, until the stream ends.",
            "bindings": {
                "http": {"method": "GET", "query": query(), "bindingVersion": "0.3.0"},
            },
            "messages": _refs("eventStream", list(event_stream()["messages"])),
            "x-media-type": EVENT_STREAM,
        },
        "sendFrames": {
            "action": "send",
            "channel": {"$ref": "#/channels/webSocket"},
            "summary": "The same results, and what happens to the socket.",
            "messages": _refs("webSocket", sent),
        },
        "receiveCredential": {
            "action": "receive",
            "channel": {"$ref": "#/channels/webSocket"},
            "summary": "A credential as the first frame; nothing is sent before it.",
            "messages": _refs("webSocket", ["authenticate"]),
        },
        "receiveRecords": {
            "action": "receive",
            "channel": {"$ref": "#/channels/webSocket"},
            "summary": "Records of the client; each is answered, in order, and the socket goes on.",
            "messages": _refs("webSocket", ["send"]),
            "reply": {
                "channel": {"$ref": "#/channels/webSocket"},
                "messages": _refs("webSocket", ["receipt", "refused"]),
            },
        },
    }


def _refs(channel: str, messages: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{message}"} for message in messages]
