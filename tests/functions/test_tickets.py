"""POST /stream/{id}/ticket, and what its ticket opens in a function."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.event_stream import read
from tests.functions.api import Api, client_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMS = ("text/event-stream", "application/x-ndjson", "application/json")


async def ticket_of(api: Api, stream_id: str, **body: object) -> str:
    answer = await api.client.post(f"/stream/{stream_id}/ticket", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


@pytest.mark.parametrize(
    ("body", "use", "expires_in"),
    [
        (b"", "eventsource", 900),
        (b" {} ", "eventsource", 900),
        (b'{"ttl_seconds":1}', "eventsource", 1),
        (b'{"use":"eventsource","ttl_seconds":3600}', "eventsource", 3_600),
        (b'{"use":"websocket"}', "websocket", 30),
    ],
)
async def test_a_ticket_says_what_it_is_for_and_how_long_and_nobody_keeps_the_answer(
    api: Api, body: bytes, use: str, expires_in: int
) -> None:
    stream_id = await api.start()

    answer = await api.client.post(f"/stream/{stream_id}/ticket", content=body)

    assert answer.status_code == 201
    assert answer.json() == {
        "ticket": answer.json()["ticket"],
        "use": use,
        "expires_in": expires_in,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_a_ticket_reads_its_stream_in_every_form_and_opens_nothing_else(api: Api) -> None:
    stream_id = await api.start()
    await api.send(stream_id, "one")
    await api.results(stream_id, 1)
    query = {"ticket": await ticket_of(api, stream_id), "until": "now"}

    async with client_of(api.app, key=None) as page:
        for accept in FORMS:
            answer = await page.get(
                f"/stream/{stream_id}/results", params=query, headers={"accept": accept}
            )
            assert (answer.status_code, b'"one"' in answer.content) == (200, True)
        for method, path in (
            ("POST", f"/stream/{stream_id}/send"),
            ("POST", f"/stream/{stream_id}/end"),
            ("POST", f"/stream/{stream_id}/ticket"),
            ("GET", f"/stream/{stream_id}"),
            ("GET", "/streams"),
            ("POST", "/stream/start"),
        ):
            answer = await page.request(method, path, params=query, content=b"{}")
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"]


async def test_a_finite_answer_tells_of_a_tickets_end_and_always_ends_with_a_position(
    api: Api,
) -> None:
    stream_id = await api.start()
    await api.send(stream_id, "one")
    await api.results(stream_id, 1)
    ends = {59: 1, 3_600: 0}

    for seconds, told_times in ends.items():
        ticket = await ticket_of(api, stream_id, ttl_seconds=seconds)
        async with client_of(api.app, key=None) as page:
            answer = await page.get(
                f"/stream/{stream_id}/results",
                params={"ticket": ticket},
                headers={"accept": "text/event-stream"},
            )
        told = read(answer.content)

        assert [event.name for event in told.events].count("credential-expiring") == told_times
        assert told.last_event_id


async def test_a_finite_answer_waits_for_results_no_longer_than_its_ticket_lasts(api: Api) -> None:
    stream_id = await api.start()
    ticket = await ticket_of(api, stream_id, ttl_seconds=1)

    async with asyncio.timeout(10), client_of(api.app, key=None) as page:
        answer = await page.get(
            f"/stream/{stream_id}/results",
            params={"ticket": ticket},
            headers={"accept": "text/event-stream"},
        )

    told = read(answer.content)
    assert [event.name for event in told.events] == ["credential-expiring"]
    assert told.last_event_id
