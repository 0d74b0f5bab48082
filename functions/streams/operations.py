"""What the API document says of looking at streams, listing and ending them."""

from __future__ import annotations

from streaming_runtime.core.errors import InvalidBody, OutcomeUnknown, Overloaded, UnknownStream
from streaming_runtime.core.streams import DEFAULT_PAGE, MAX_PAGE
from streaming_runtime.http.answers import JSON
from streaming_runtime.http.examples import STREAM as EXAMPLE
from streaming_runtime.http.examples import STREAM_ID
from streaming_runtime.http.examples import TICKET as TICKET_EXAMPLE
from streaming_runtime.http.operations import Content, Operation, Parameter, Reply
from streaming_runtime.http.schemas import STREAM, ref

OF_STREAM = Parameter("stream_id", "path", "The stream.", STREAM, STREAM_ID)
ENDED = {**EXAMPLE, "ended_at": "2026-01-31T12:30:00.000Z"}

GET = Operation(
    operation_id="getStream",
    scope="read",
    tag="streams",
    summary="Look at a stream",
    description="Another client's stream is answered like one that does not exist.",
    parameters=(OF_STREAM,),
    replies={200: Reply("The stream.", (Content(JSON, ref("Stream"), {"running": EXAMPLE}),))},
    refusals=(UnknownStream,),
)

LIST = Operation(
    operation_id="listStreams",
    scope="read",
    tag="streams",
    summary="List your streams",
    description="By `created_at`, the oldest first; `after` is the token of the next page.",
    parameters=(
        Parameter(
            "limit",
            "query",
            "How many streams a page holds at most.",
            {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
        ),
        Parameter("after", "query", "The token of the page before.", {"type": "string"}),
    ),
    replies={
        200: Reply(
            "A page of streams.",
            (
                Content(
                    JSON, ref("StreamPage"), {"last page": {"streams": [EXAMPLE], "after": None}}
                ),
            ),
        )
    },
)

END = Operation(
    operation_id="endStream",
    scope="send",
    tag="streams",
    summary="End a stream",
    description=(
        "Later sends are refused, and readers get a result of kind `end` behind all others. "
        "Ending a stream again is no error."
    ),
    parameters=(OF_STREAM,),
    body=(Content(JSON, ref("EndBody"), {"empty": {}}),),
    replies={
        202: Reply("It has ended.", (Content(JSON, ref("Stream"), {"ended": ENDED}),)),
    },
    refusals=(InvalidBody, UnknownStream, OutcomeUnknown, Overloaded),
)

TICKET = Operation(
    operation_id="makeTicket",
    scope="read",
    tag="streams",
    summary="Open a stream to a browser",
    description=(
        "A browser cannot send a key with an EventSource or a WebSocket: it passes a ticket as "
        "`?ticket=` on results. One for `eventsource` (the default) opens this stream's events, "
        "lines and pages any number of times until it ends; `credential-expiring` comes 60 s "
        "before. One for `websocket` opens one socket, within 30 s. A request with an Origin binds "
        "the ticket to it."
    ),
    parameters=(OF_STREAM,),
    body=(
        Content(
            JSON,
            ref("TicketBody"),
            {"for events": {"ttl_seconds": 900}, "for a socket": {"use": "websocket"}},
        ),
    ),
    replies={
        201: Reply("The ticket.", (Content(JSON, ref("Ticket"), {"for events": TICKET_EXAMPLE}),)),
    },
    refusals=(InvalidBody, UnknownStream),
)
