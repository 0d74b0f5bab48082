"""What a ticket holds, and that nobody else can write or change one."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest

from streaming_runtime.core.cursor import CursorSeal
from streaming_runtime.core.errors import InvalidParameter
from streaming_runtime.core.principals import Principal, Scope
from streaming_runtime.core.tickets import (
    MAX_TICKET_CHARACTERS,
    Ticket,
    TicketSeal,
    TicketUse,
    ticket_for,
)
from tests.core.memory import OTHER_ID, STREAM_ID

SEAL = TicketSeal(b"a secret of these tests")
NOW = 1_000_000
MAKER = Principal("acme", key_id="KEYID", per_second=7, burst=9)


def made(use: TicketUse = "eventsource", maker: Principal = MAKER, seconds: int = 900) -> Ticket:
    return ticket_for(maker, STREAM_ID, use, seconds, "https://page.example", NOW)


@pytest.mark.parametrize("use", ["eventsource", "websocket"])
@pytest.mark.parametrize("origin", ["", "https://page.example", "null", "ünïcode"])
def test_a_ticket_is_read_back_as_it_was_made(use: TicketUse, origin: str) -> None:
    ticket = replace(made(use), origin=origin, tenant="a:tenant/ö")

    text = SEAL.encode(ticket)

    assert SEAL.decode(text) == ticket
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert len(text) <= MAX_TICKET_CHARACTERS


def test_any_changed_character_makes_it_nobodys() -> None:
    text = SEAL.encode(made())

    for place, letter in enumerate(text):
        for other in "AB._-=+/ \n":
            changed = text[:place] + other + text[place + 1 :]
            assert (SEAL.decode(changed) is None) is (other != letter), (place, other)
    for changed in (text + "=", text + ".", "." + text, text[:-1], text[1:], text * 2, "", "."):
        assert SEAL.decode(changed) is None


@pytest.mark.parametrize(
    "text",
    ["ü" * 40, "a" * (MAX_TICKET_CHARACTERS + 1), "W10.", "\0.\0", "e30.AAAA", "." * 2_000],
)
def test_what_was_never_a_ticket_is_nobodys(text: str) -> None:
    assert SEAL.decode(text) is None


def test_a_ticket_of_another_secret_or_of_another_use_of_it_is_nobodys() -> None:
    secret = b"a secret of these tests"
    body = SEAL.encode(made()).partition(".")[0]
    other_keys = (secret, hmac.digest(secret, b"millrace cursor", "sha256"), b"")

    assert TicketSeal(b"another").decode(SEAL.encode(made())) is None
    for key in other_keys:
        mac = urlsafe_b64encode(hmac.digest(key, body.encode(), "sha256")[:24]).decode()
        assert SEAL.decode(f"{body}.{mac}") is None
    assert SEAL.decode(CursorSeal(secret)._tag(STREAM_ID, b"").hex()) is None


def test_two_tickets_for_the_same_are_told_apart() -> None:
    assert SEAL.encode(made()) != SEAL.encode(made())


@pytest.mark.parametrize(
    ("use", "scopes", "given"),
    [
        ("eventsource", {"read", "send", "admin", "start"}, {"read"}),
        ("websocket", {"read", "send", "admin", "start"}, {"read", "send"}),
        ("websocket", {"read"}, {"read"}),
    ],
)
def test_a_ticket_can_do_no_more_than_its_use_and_its_maker(
    use: TicketUse, scopes: set[Scope], given: set[Scope]
) -> None:
    principal = made(use, replace(MAKER, scopes=frozenset(scopes))).principal()

    assert principal.scopes == given
    assert principal.may("read", STREAM_ID)
    assert not principal.may("read", OTHER_ID)
    assert (principal.tenant, principal.key_id) == ("acme", "KEYID")
    # Its key's own limits hold for it, too.
    assert (principal.per_second, principal.burst) == (7, 9)


def test_events_end_with_the_ticket_and_a_socket_with_its_makers_credential() -> None:
    assert made().principal().expires_at == NOW + 900_000
    assert made("websocket", seconds=30).principal().expires_at is None
    assert made("websocket", seconds=30).expires_at == NOW + 30_000


def test_a_ticket_is_never_good_for_longer_than_its_makers_credential() -> None:
    maker = replace(MAKER, expires_at=NOW + 10_000)

    for use, seconds in (("eventsource", 900), ("websocket", 30)):
        ticket = ticket_for(maker, STREAM_ID, use, seconds, "", NOW)  # type: ignore[arg-type]

        assert ticket.expires_at == NOW + 10_000
        assert ticket.principal().expires_at == NOW + 10_000


def test_a_ticket_for_an_origin_without_end_is_not_made() -> None:
    with pytest.raises(InvalidParameter):
        SEAL.encode(replace(made(), origin="https://" + "x" * 2_000))
