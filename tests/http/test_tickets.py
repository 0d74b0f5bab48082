"""Which request a ticket opens, and that a socket's is redeemed once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from streaming_runtime.core.errors import Overloaded, Unauthorized
from streaming_runtime.core.ports import Claim, KeyClaims
from streaming_runtime.core.principals import Principal
from streaming_runtime.core.tickets import TicketSeal, TicketUse, ticket_for
from streaming_runtime.http import tickets
from streaming_runtime.http.credential_kinds import CredentialKinds
from streaming_runtime.http.credentials import ConfiguredKeys
from streaming_runtime.http.tickets import Counts, SignedTickets, always
from tests.core.keys import MemoryClaims, Shared
from tests.core.memory import OTHER_ID, STREAM_ID

SEAL = TicketSeal(b"a secret of these tests")
PAGE, OTHER = "https://page.example", "https://other.example"
MADE_AT = 1_000_000
MAKER = Principal("acme", key_id="KEYID")


class StuckClaims(MemoryClaims):
    """Claims in a log that does not answer."""

    async def find(self, use: bytes) -> Claim | None:
        await asyncio.Event().wait()
        return None


def made(use: TicketUse = "eventsource", origin: str = "", seconds: int = 30) -> str:
    return SEAL.encode(ticket_for(MAKER, STREAM_ID, use, seconds, origin, MADE_AT))


async def judged(
    text: str,
    *,
    is_socket: bool = False,
    headers: Mapping[str, str] | None = None,
    stream_id: str = STREAM_ID,
    now: int = MADE_AT,
    claims: KeyClaims | None = None,
    counts: Counts = always,
) -> Principal:
    judge = SignedTickets(SEAL, claims or MemoryClaims(Shared()), lambda: now, counts)
    return await judge.principal_of(text, stream_id, headers or {}, is_socket=is_socket)


async def test_a_ticket_opens_its_use_of_its_stream_until_it_ends() -> None:
    for use in ("eventsource", "websocket"):
        is_socket = use == "websocket"
        text = made(use)

        assert (await judged(text, is_socket=is_socket, now=MADE_AT + 29_999)).tenant == "acme"
        for refused in (
            judged(text, is_socket=not is_socket),
            judged(text, is_socket=is_socket, stream_id=OTHER_ID),
            judged(text, is_socket=is_socket, now=MADE_AT + 30_000),
            judged(text + "x", is_socket=is_socket),
        ):
            with pytest.raises(Unauthorized) as error:
                await refused
            assert "WWW-Authenticate" in error.value.headers
            assert text not in str(error.value)


@pytest.mark.parametrize(
    ("origin", "use", "headers", "is_let_in"),
    [
        ("", "eventsource", {"origin": OTHER}, True),
        (PAGE, "eventsource", {"origin": PAGE}, True),
        (PAGE, "eventsource", {"origin": OTHER}, False),
        (PAGE, "eventsource", {"origin": ""}, False),
        # A page that reads from its own origin does not name it.
        (PAGE, "eventsource", {"sec-fetch-site": "same-origin"}, True),
        (PAGE, "eventsource", {}, True),
        (PAGE, "eventsource", {"sec-fetch-site": "cross-site"}, False),
        (PAGE, "eventsource", {"sec-fetch-site": "same-site"}, False),
        # But each that opens a socket does.
        (PAGE, "websocket", {"origin": PAGE}, True),
        (PAGE, "websocket", {"origin": OTHER, "sec-fetch-site": "same-origin"}, False),
        (PAGE, "websocket", {}, False),
        ("", "websocket", {}, True),
    ],
)
async def test_a_ticket_of_a_page_is_for_pages_of_its_origin(
    origin: str, use: TicketUse, headers: dict[str, str], is_let_in: bool
) -> None:
    judging = judged(made(use, origin), is_socket=use == "websocket", headers=headers)

    if is_let_in:
        assert await judging
    else:
        with pytest.raises(Unauthorized):
            await judging


async def test_of_many_at_once_one_has_a_socket_and_events_are_for_all() -> None:
    shared = Shared()
    replicas = [MemoryClaims(shared), MemoryClaims(shared)]
    socket, events = made("websocket"), made()

    found = await asyncio.gather(
        *(judged(socket, is_socket=True, claims=replicas[n % 2]) for n in range(50)),
        return_exceptions=True,
    )
    read = [await judged(events, claims=replicas[0]) for _ in range(3)]

    assert sum(isinstance(one, Principal) for one in found) == 1
    assert sum(isinstance(one, Unauthorized) for one in found) == 49
    assert len(read) == 3
    assert len(shared.claims) == 1


async def test_a_ticket_that_is_refused_for_another_reason_is_not_used_up() -> None:
    claims, text = MemoryClaims(Shared()), made("websocket", PAGE)

    with pytest.raises(Unauthorized):
        await judged(text, is_socket=True, claims=claims, headers={"origin": OTHER})

    assert await judged(text, is_socket=True, claims=claims, headers={"origin": PAGE})


async def test_a_ticket_ends_with_the_key_it_was_asked_for_with() -> None:
    asked: list[str] = []

    async def withdrawn(key_id: str) -> bool:
        asked.append(key_id)
        return False

    shared = Shared()
    for use, is_socket in (("eventsource", False), ("websocket", True)):
        with pytest.raises(Unauthorized):
            await judged(
                made(use),  # type: ignore[arg-type]
                is_socket=is_socket,
                claims=MemoryClaims(shared),
                counts=withdrawn,
            )

    assert asked == ["KEYID", "KEYID"]
    assert not shared.claims


async def test_a_redemption_that_takes_too_long_says_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tickets, "REDEEM_SECONDS", 0.01)

    with pytest.raises(Overloaded):
        await judged(made("websocket"), is_socket=True, claims=StuckClaims(Shared()))


async def test_a_key_counts_before_a_ticket_and_a_ticket_only_where_there_is_a_stream() -> None:
    kinds = CredentialKinds(
        ConfiguredKeys([("ours", "a-key")]),
        tickets=SignedTickets(SEAL, MemoryClaims(Shared()), lambda: MADE_AT),
    )
    query = {"ticket": made()}

    assert (await kinds.principal_of({"x-api-key": "a-key"}, query, STREAM_ID)).tenant == "ours"
    assert (await kinds.principal_of({}, query, STREAM_ID)).tenant == "acme"
    for headers, stream_id in (({"x-api-key": "wrong"}, STREAM_ID), ({}, None)):
        with pytest.raises(Unauthorized):
            await kinds.principal_of(headers, query, stream_id)
