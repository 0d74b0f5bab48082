"""Which form an Accept header chooses."""

import pytest

from functions.results.negotiation import chosen_form, names_event_stream
from streaming_runtime.core.errors import NotAcceptable

EVENTS, LINES, PAGE = "text/event-stream", "application/x-ndjson", "application/json"


@pytest.mark.parametrize(
    "accept, form",
    [
        ("", EVENTS),
        ("*/*", EVENTS),
        ("text/*", EVENTS),
        (EVENTS, EVENTS),
        ("Text/Event-Stream", EVENTS),
        (LINES, LINES),
        (PAGE, PAGE),
        ("application/json; charset=utf-8", PAGE),
        ("application/*", PAGE),
        # What browsers' address bars, axios, Java's client and MCP clients send.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", EVENTS),
        ("application/json, text/plain, */*", PAGE),
        ("text/html, image/gif, *; q=.2, */*; q=.2", EVENTS),
        ("application/json, text/event-stream", PAGE),
        ("text/event-stream, application/json", EVENTS),
        # The quality decides before the order does, and the exact range before the wildcard.
        ("text/event-stream;q=0.5, application/json;q=0.9", PAGE),
        ("*/*;q=0.1, application/x-ndjson;q=0.2", LINES),
        ("application/*;q=0.5, text/event-stream;q=0.4", PAGE),
        ("text/event-stream;q=0, */*", PAGE),
        ("application/json;q=0, application/*", LINES),
        ("image/png, application/json;q=0.1", PAGE),
        ("garbage, application/json", PAGE),
    ],
)
def test_the_form_that_a_client_likes_best_is_chosen(accept: str, form: str) -> None:
    assert chosen_form(accept) == form


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "text/html",
        "application/json;q=0",
        "*/*;q=0",
        "application/json;q=2",
        "application/json;q=x",
        "application/json;q=0.5;q=x",
        "*/json",
        "garbage",
        "/",
        ",",
        ";",
        "application/json" * 500,
    ],
)
def test_what_fits_no_form_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="text/event-stream"):
        chosen_form(accept)


def test_only_who_names_event_streams_is_taken_for_an_event_source() -> None:
    assert names_event_stream("text/event-stream")
    assert not names_event_stream("*/*")
