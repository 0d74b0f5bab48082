"""What the API document says of sending."""

from __future__ import annotations

import json

from functions.send.waiting import MAX_WAIT_SECONDS
from streaming_runtime.core.errors import (
    BatchTooLarge,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InvalidBody,
    OutcomeUnknown,
    Overloaded,
    RecordTooLarge,
    StreamEnded,
    UnknownStream,
)
from streaming_runtime.http.answers import JSON, NDJSON
from streaming_runtime.http.examples import PROBLEM, RECEIPT, RESULT, SAMPLE, STREAM_ID
from streaming_runtime.http.operations import Content, Operation, Parameter, Reply
from streaming_runtime.http.schemas import STREAM, ref

LINES = "".join(json.dumps(line) + "\n" for line in (SAMPLE, {"data": {"n": 1}}))
ANSWERS = "".join(json.dumps(line) + "\n" for line in (RECEIPT, PROBLEM))

SEND = Operation(
    operation_id="sendRecords",
    scope="send",
    tag="records",
    summary="Send one record, or many",
    description=(
        "One object, an array of 1 to 1,000 of them (1 MiB), or lines to any length. Answered "
        "after all in-sync replicas have the record. `data` is any JSON up to 256 KiB, nested up "
        "to 100 levels, and is passed on token for token. Only `application/x-ndjson` selects "
        "lines; any other Content-Type is read as JSON."
    ),
    parameters=(
        Parameter("stream_id", "path", "The stream.", STREAM, STREAM_ID),
        Parameter(
            "Prefer",
            "header",
            f"`wait=SECONDS` (at most {MAX_WAIT_SECONDS}): answer with the result of a single "
            "record, if it is there in time.",
            {"type": "string"},
            "wait=5",
        ),
        Parameter(
            "Idempotency-Key",
            "header",
            "For this stream and for 24 hours: the same key with the same bytes of body gives the "
            "first receipt again, marked `Idempotent-Replayed`, on whichever replica, and no "
            "second result. 1 to 255 ASCII characters that can be seen, once; bare, or quoted as "
            'a string of RFC 9651 (`"abc"` and `abc` are one key). '
            "It covers one record or a whole array; with lines it is refused. A refusal leaves it "
            "unused, and so does a 5xx that certainly stored nothing; after `outcome-unknown` it "
            "stays bound to the body.",
            {"type": "string", "minLength": 1},
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
        ),
        Parameter(
            "traceparent",
            "header",
            "W3C Trace Context; it travels with the record and its results.",
            {"type": "string"},
        ),
    ),
    body=(
        Content(
            JSON,
            {"oneOf": [ref("SendBody"), ref("SendBatch")]},
            {"one record": SAMPLE, "a batch": [SAMPLE, {"data": {"n": 1}}]},
        ),
        Content(NDJSON, {"type": "string", "description": "A SendBody a line."}, {"lines": LINES}),
    ),
    is_body_required=True,
    replies={
        200: Reply(
            "The result, asked for with `Prefer: wait`; or the answers to lines.",
            (
                Content(JSON, ref("Result"), {"result": RESULT}),
                Content(
                    NDJSON,
                    {"type": "string", "description": "A Receipt or a Problem a line, in order."},
                    {"answers": ANSWERS},
                ),
            ),
            ("Preference-Applied", "Idempotent-Replayed"),
        ),
        202: Reply(
            "The record is stored.",
            (Content(JSON, ref("Receipt"), {"one": RECEIPT}),),
            ("Idempotent-Replayed",),
        ),
        207: Reply(
            "Each record of the array is stored or refused by itself.",
            (
                Content(
                    JSON,
                    ref("BatchOutcome"),
                    {"mixed": {"accepted": 1, "failed": 1, "records": [RECEIPT, PROBLEM]}},
                ),
            ),
            ("Idempotent-Replayed",),
        ),
    },
    refusals=(
        InvalidBody,
        UnknownStream,
        StreamEnded,
        IdempotencyInProgress,
        IdempotencyMismatch,
        RecordTooLarge,
        BatchTooLarge,
        OutcomeUnknown,
        Overloaded,
    ),
)
