"""The pieces that the schemas of the contract are made of."""

from __future__ import annotations

from typing import Any

from streaming_runtime.core.model import STREAM_ID

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
ANYTHING: Schema = {"description": "Any JSON, token for token as it was sent."}
MOMENT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
    "description": "RFC 3339, UTC, milliseconds.",
}
STREAM: Schema = {"type": "string", "pattern": f"^{STREAM_ID.pattern}$"}
CURSOR: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._-]{1,128}$",
    "description": "Opaque: where to go on, on any transport.",
}
RECORD_ID: Schema = {"type": "string", "pattern": r"^\d+-\d+$"}
SOURCE: Schema = {
    "type": "string",
    "pattern": r"^\d+-\d+(-\d+)?$",
    "description": "PARTITION-OFFSET of the input record; -N where one gives several results.",
}
PROCESSOR: Schema = {
    "description": "The processor's name, or an object when it has parameters.",
    "oneOf": [
        TEXT,
        {"type": "object", "required": ["name"], "properties": {"name": TEXT}},
    ],
}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
