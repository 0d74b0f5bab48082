"""POST /stream/{id}/ticket: browsers need no key in a URL."""

from __future__ import annotations

from ..case import each
from ..client.api import EVENT_STREAM, JSON, NDJSON, UNKNOWN, Api
from ..client.stream import Stream
from ..client.strict_json import Json


async def _stream(api: Api) -> Stream:
    await api.needs_route("post", "/stream/{stream_id}/ticket")
    return await api.start()


async def _ticket(stream: Stream, body: bytes = b"") -> Json:
    return (await stream.api.post(f"{stream.path}/ticket", body)).ok(201)


def _anonymous(stream: Stream) -> Stream:
    return stream.seen_by(stream.api.with_key(""))


async def a_ticket_has_its_text_its_use_and_its_time(api: Api) -> None:
    stream = await _stream(api)

    ticket = await _ticket(stream)

    assert ticket.keys() == {"ticket", "use", "expires_in"}
    assert (ticket["use"], ticket["expires_in"]) == ("eventsource", 900)


@each({"events": EVENT_STREAM, "lines": NDJSON, "pages": JSON})
async def a_ticket_opens_each_form_any_number_of_times(api: Api, accept: str) -> None:
    stream = await _stream(api)
    ticket = await _ticket(stream)
    await stream.send(1)
    await stream.results(1)

    for _ in range(3):
        answer = await api.ask(
            "GET",
            stream.results_path,
            headers={"accept": accept},
            query={"ticket": ticket["ticket"], "until": "now"},
            anonymous=True,
        )
        assert answer.status == 200
        assert b'"data":1' in answer.body


async def a_ticket_for_a_socket_opens_one(api: Api) -> None:
    stream = await _stream(api)
    ticket = await _ticket(stream, b'{"use":"websocket"}')

    assert (ticket["use"], ticket["expires_in"] <= 30) == ("websocket", True)
    async with _anonymous(stream).socket(ticket=ticket["ticket"]) as socket:
        assert (await socket.frame())["type"] == "position"
    async with _anonymous(stream).socket(ticket=ticket["ticket"]) as socket:
        assert await socket.close_code() == 4401


async def a_ticket_for_events_opens_no_socket(api: Api) -> None:
    stream = await _stream(api)
    ticket = await _ticket(stream)

    async with _anonymous(stream).socket(ticket=ticket["ticket"]) as socket:
        assert await socket.close_code() in (4401, 4403)


async def a_ticket_opens_no_other_stream(api: Api) -> None:
    stream, other = await _stream(api), await api.start()
    ticket = await _ticket(stream)

    answer = await _anonymous(other).ask_page(ticket=ticket["ticket"])

    assert answer.status in (401, 403, 404)


async def a_changed_ticket_opens_nothing(api: Api) -> None:
    stream = await _stream(api)
    text = (await _ticket(stream))["ticket"]
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        (await _anonymous(stream).ask_page(ticket=changed)).refused("unauthorized")


async def a_ticket_only_reads(api: Api) -> None:
    stream = await _stream(api)
    query = {"ticket": (await _ticket(stream))["ticket"]}
    for method, path in (("POST", "/send"), ("POST", "/end"), ("GET", ""), ("POST", "/ticket")):
        answer = await api.ask(
            method, stream.path + path, body=b'{"data":1}', query=query, anonymous=True
        )
        answer.refused("unauthorized")


@each(
    {
        "a time of 0": b'{"ttl_seconds":0}',
        "more than an hour": b'{"ttl_seconds":3601}',
        "an unknown use": b'{"use":"anything"}',
        "an unknown field": b'{"colour":"red"}',
    }
)
async def a_ticket_that_cannot_be_is_refused(api: Api, body: bytes) -> None:
    stream = await _stream(api)

    (await api.post(f"{stream.path}/ticket", body)).refused("invalid-body")


async def a_reader_is_warned_before_its_ticket_ends_and_then_closed(api: Api) -> None:
    """`credential-expiring` comes 60 s before the end (at once, if there is less)"""
    stream = await _stream(api)
    ticket = await _ticket(stream, b'{"ttl_seconds":2}')
    async with _anonymous(stream).events(ticket=ticket["ticket"]) as events:
        warned = await events.with_data()
        rest = await events.rest()

    assert warned.name == "credential-expiring"
    assert warned.json()["expires_in"] <= 2
    assert not [event for event in rest if event.data]


async def an_unknown_stream_has_no_tickets(api: Api) -> None:
    await api.needs_route("post", "/stream/{stream_id}/ticket")

    (await api.post(f"/stream/{UNKNOWN}/ticket")).refused("unknown-stream")
