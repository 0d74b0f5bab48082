"""Canaries: texts that stand nowhere else, carried wherever a request has room, and looked for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.security.credentials import KINDS, OURS, Carried, Kind, World
from tests.security.documented import Asked, document_of, requests_of
from tests.stories.wire import Heard, Wire, request, wire

# Where a client could put a credential, and where it puts what is its own.
CREDENTIALS = (
    "key",
    "issued key",
    "bearer",
    "basic",
    "cookie",
    "ticket",
    "query key",
    "first key",
    "first token",
    "first ticket",
    "broken key",
)
# Which stream was asked for is logged, whatever it is.
LOGGED = ("path",)
OWN = ("data", "label", "cursor", "last event", "idempotency", "trace", "header", "origin", "ref")


class Canaries:
    """One text for each place; a test looks for what makes it unlike any other."""

    def __init__(self) -> None:
        self.marks = {place: secrets.token_hex(12) for place in (*CREDENTIALS, *LOGGED, *OWN)}

    def __getitem__(self, place: str) -> str:
        return self.forms[place]

    @property
    def forms(self) -> dict[str, str]:
        """Return what is sent: some have the form that a real one has."""
        plain = {place: f"canary-{mark}" for place, mark in self.marks.items()}
        issued = f"millrace_{self.marks['issued key'][:12]}_{self.marks['issued key'] * 2}_000000"
        token = f"eyJhbGciOiJub25lIn0.eyJ{self.marks['bearer']}.c2ln"
        return plain | {"issued key": issued, "bearer": token}

    def found_in(self, text: str, places: tuple[str, ...]) -> set[str]:
        return {place for place in places if self.marks[place] in text}

    def carriers(self) -> Iterator[Carried]:
        """Give each way to carry a credential in a head or a query."""
        yield Carried({"x-api-key": self["key"]})
        yield Carried({"x-api-key": self["issued key"]})
        yield Carried({"Authorization": f"Bearer {self['bearer']}"})
        yield Carried({"Authorization": f"Basic {self['basic']}"})
        yield Carried({"Cookie": f"session={self['cookie']}"})
        yield Carried(query=f"ticket={self['ticket']}")
        yield Carried(query=f"api_key={self['query key']}&x-api-key={self['query key']}")

    def own_fields(self) -> dict[str, str]:
        """Return fields of a request whose values are its client's own."""
        return {
            "Last-Event-ID": self["last event"],
            "Idempotency-Key": self["idempotency"],
            "traceparent": self["trace"],
            "Origin": f"https://{self['origin']}.example",
            "X-Anything": self["header"],
            "User-Agent": self["header"],
            "Referer": f"https://x.example/?{self['header']}",
        }


async def ask_everything(world: World, canaries: Canaries) -> list[Heard]:
    """Send every documented request with each canary; return the answers."""
    document = await document_of(world.api.url)
    asked = [one for flag in (True, False) for one in requests_of(document, is_about_a_stream=flag)]
    good = {"x-api-key": world.keys[OURS], **canaries.own_fields()}
    answers = []
    async with wire(world.api.url) as peer:
        for one in asked:
            for carried in canaries.carriers():
                answers.append(await peer.ask(one.bytes_for(world.streams[OURS], carried)))
            own = Carried(good, f"cursor={canaries['cursor']}&since={canaries['cursor']}")
            answers.append(await peer.ask(one.bytes_for(world.streams[OURS], own)))
        for kind in KINDS:
            # The good ones too: whoever is let in must not be shown either.
            answers += await _as_it_is_meant(world, kind, peer)
        for path in (canaries["path"], canaries["issued key"]):
            answers.append(await peer.ask(request("GET", f"/stream/{path}")))
        answers.append(await peer.ask(request("GET", f"/nowhere/{canaries['key']}")))
        for path in ("/", "/nowhere", "/stream/x/results", "/schema", "/health/ready"):
            for carried in canaries.carriers():
                target = f"{path}?{carried.query}"
                answers.append(await peer.ask(request("GET", target, carried.headers)))
    return answers


async def _as_it_is_meant(world: World, kind: Kind, peer: Wire) -> list[Heard]:
    carried = await kind.carried(world, OURS)
    asked = (
        Asked("GET", "/stream/{stream_id}"),
        Asked("GET", "/stream/{stream_id}/results", accept="application/json"),
        Asked("POST", "/stream/{stream_id}/send", body=b"nonsense"),
    )
    return [await peer.ask(one.bytes_for(world.streams[OURS], carried)) for one in asked]


async def ask_brokenly(world: World, canaries: Canaries) -> list[bytes]:
    """Send what is no request; return what was answered before the connection was closed."""
    key = f"x-api-key: {canaries['broken key']}\r\n".encode()
    broken = (
        b"GET / HTTP/1.1\r\n" + key + b"no field\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + key + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n"
        + key
        + b"Transfer-Encoding: x\r\nContent-Length: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + key + b"x: " + b"a" * 17_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + key * 80 + b"\r\n",
        b"NONSENSE " + key + b"\r\n\r\n",
        b"GET /?ticket=" + canaries["ticket"].encode() + b"\x00 HTTP/1.1\r\n" + key + b"\r\n",
        b"\x16\x03\x01" + key,
        b"GET /stream/x/results HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        + b"Connection: upgrade\r\n"
        + key
        + b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 1\r\n\r\n",
    )
    heard = []
    for sent in broken:
        async with wire(world.api.url) as peer:
            await peer.say(sent)
            heard.append(await peer.hear_some())
    return heard


async def open_sockets(world: World, canaries: Canaries) -> list[str]:
    """Open sockets with every canary, in the head, the query and frames; return what was told."""
    address = f"{world.api.url.replace('http', 'ws', 1)}/stream/{world.streams[OURS]}/results"
    heard: list[str] = []
    for carried in canaries.carriers():
        heard += await _spoken(f"{address}?{carried.query}", dict(carried.headers), ())
    for name in ("key", "token", "ticket"):
        first = json.dumps({"type": "authenticate", name: canaries[f"first {name}"]})
        heard += await _spoken(f"{address}?authenticate=first", {}, (first,))
        heard += await _spoken(f"{address}?authenticate=first", {}, (first[:-1],))
    good = {"x-api-key": world.keys[OURS]}
    for frame in (
        {"type": "send", "data": canaries["data"], "ref": canaries["ref"]},
        {"type": "send", "data": canaries["data"], "key": canaries["first key"]},
        {"type": "authenticate", "key": canaries["first key"]},
        {"type": canaries["first token"]},
    ):
        heard += await _spoken(f"{address}?from=now", good, (json.dumps(frame),))
    heard += await _spoken(f"{address}?cursor={quote(canaries['cursor'])}", good, ())
    return heard


async def _spoken(address: str, headers: dict[str, str], said: tuple[str, ...]) -> list[str]:
    """Say some frames and return those that come: a position or a refusal, and one for each."""
    heard: list[str] = []
    opening = connect(address, additional_headers=headers, proxy=None, open_timeout=10)
    with suppress(ConnectionClosed):
        async with opening as socket:
            for text in said:
                await socket.send(text)
            for _ in range(len(said) + 1):
                heard.append(str(await socket.recv()))
    return heard
