"""The cursor: opaque, sealed, and the same on every form."""

from __future__ import annotations

import random
import re
import string

from ..case import each
from ..client.api import EVENT_STREAM, JSON, NDJSON, Api
from ..client.stream import Stream

ALPHABET = string.ascii_letters + string.digits + "._-"
FORMS = {"events": EVENT_STREAM, "lines": NDJSON, "pages": JSON, "socket": "websocket"}


async def _cursors(stream: Stream) -> list[str]:
    """Return cursors as every form gives them."""
    await stream.send(1)
    found = [str((await stream.results(1))[0]["id"]), str((await stream.page())["cursor"])]
    async with stream.events(limit=5, until="now") as events:
        found += [event.id for event in await events.rest()]
    async with stream.lines() as lines:
        found += [str((await lines.must())["cursor"])]
    return found


async def a_cursor_has_at_most_128_bytes_of_a_safe_alphabet(api: Api) -> None:
    for cursor in await _cursors(await api.start()):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", cursor)


@each(FORMS)
async def a_cursor_of_each_form_works_on_all_forms(api: Api, form: str) -> None:
    """The same cursor works on SSE, WebSocket, NDJSON, JSON."""
    stream = await api.start()
    await stream.send_all("a", "b")
    await stream.results(2)
    if form == EVENT_STREAM:
        async with stream.events() as events:
            at = str((await events.results(1))[0]["id"])
    elif form == NDJSON:
        async with stream.lines() as lines:
            at = str((await lines.results(1))[0]["id"])
    elif form == JSON:
        at = str((await stream.page(limit=1))["cursor"])
    else:
        async with stream.socket() as socket:
            at = str((await socket.results(1))[0]["id"])

    async with stream.events(at=at) as events, stream.lines(cursor=at) as lines:
        found = [*await events.results(1), *await lines.results(1)]
    found += await stream.results(1, cursor=at)
    if "websocket" not in api.target.without:
        async with stream.socket(cursor=at) as socket:
            found += await socket.results(1)
    assert {result["data"] for result in found} == {"b"}


async def a_cursor_can_be_used_again_and_again(api: Api) -> None:
    stream = await api.start()
    await stream.send_all("a", "b")
    at = await stream.cursor(behind=1)

    for _ in range(3):
        assert [result["data"] for result in await stream.results(1, cursor=at)] == ["b"]


async def any_changed_character_is_refused(api: Api) -> None:
    """decoded strictly: any changed character is refused"""
    stream = await api.start()
    await stream.send(1)
    cursor, chance = await stream.cursor(behind=1), random.Random(7)

    for place, character in enumerate(cursor):
        other = chance.choice(ALPHABET.replace(character, ""))
        changed = cursor[:place] + other + cursor[place + 1 :]
        (await stream.ask_page(cursor=changed)).refused("invalid-cursor")


async def the_last_character_has_one_spelling(api: Api) -> None:
    """Base64 has spare bits at its end; whoever does not look at them takes several texts."""
    stream = await api.start()
    cursor = await stream.cursor()

    for character in ALPHABET.replace(cursor[-1], ""):
        (await stream.ask_page(cursor=cursor[:-1] + character)).refused("invalid-cursor")


@each(
    {
        "a character more": lambda cursor: cursor + "A",
        "a character less": lambda cursor: cursor[:-1],
        "the first character less": lambda cursor: cursor[1:],
        "padding": lambda cursor: cursor + "=",
        "a space before it": lambda cursor: " " + cursor,
        "a space behind it": lambda cursor: cursor + " ",
        "a line end": lambda cursor: cursor + "\n",
        "twice": lambda cursor: cursor * 2,
        "half": lambda cursor: cursor[: len(cursor) // 2],
        "capitals": lambda cursor: cursor.upper(),
        "reversed": lambda cursor: cursor[::-1],
        "the standard alphabet": lambda cursor: cursor.replace("-", "+").replace("_", "/"),
        "quotes": lambda cursor: f'"{cursor}"',
    }
)
async def a_cursor_written_otherwise_is_refused(api: Api, change: object) -> None:
    assert callable(change)
    stream = await api.shared()
    cursor = await stream.cursor()
    changed = change(cursor)
    if changed == cursor:
        return  # This one has neither "-" nor "_", or is all capitals.

    (await stream.ask_page(cursor=changed)).refused("invalid-cursor")


@each(
    {
        "nothing": "",
        "a word": "nonsense",
        "a number": "0",
        "a partition and an offset": "0-0",
        "zeros": "A" * 64,
        "127 characters": "B" * 127,
        "129 characters": "B" * 129,
        "4,096 characters": "A" * 4_096,
        "no ASCII": "ü€😀",
        "NUL": "\x00",
        "other digits": "١٢٣",
        "JSON": '{"offset":0}',
    }
)
async def garbage_is_no_cursor(api: Api, cursor: str) -> None:
    (await (await api.shared()).ask_page(cursor=cursor)).refused("invalid-cursor")


@each({"lines": NDJSON, "events": EVENT_STREAM, "pages": JSON})
async def garbage_as_last_event_id_is_refused_on_every_form(api: Api, accept: str) -> None:
    stream = await api.shared()

    answer = await api.ask(
        "GET", stream.results_path, headers={"accept": accept, "last-event-id": "nonsense"}
    )

    answer.refused("invalid-cursor")


async def a_cursor_of_another_stream_is_refused(api: Api) -> None:
    stream, other = await api.start(), await api.start()
    await stream.send(1)

    answer = await other.ask_page(cursor=await stream.cursor(behind=1))

    answer.refused("invalid-cursor")


async def a_cursor_of_another_tenants_stream_is_refused(api: Api) -> None:
    stream, foreign = await api.start(), await api.other().start()

    answer = await stream.ask_page(cursor=await foreign.cursor())

    answer.refused("invalid-cursor")


async def a_cursor_does_not_open_a_foreign_stream(api: Api) -> None:
    stream = await api.start()
    cursor = await stream.cursor()

    answer = await stream.seen_by(api.other()).ask_page(cursor=cursor)

    answer.refused("unknown-stream")


async def the_cursor_is_the_same_for_every_reader(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(1, 2, 3)
    pages = await stream.results(3)
    async with stream.events() as events, stream.lines() as lines:
        by_event, by_line = await events.results(3), await lines.results(3)

    assert [r["id"] for r in pages] == [r["id"] for r in by_event] == [r["id"] for r in by_line]


async def limit_may_change_the_id_but_nothing_else_of_a_result(api: Api) -> None:
    """the same JSON on every transport (but for what `limit` and `until` add to its id)"""
    stream = await api.start()
    await stream.send_all(1, 2, 3)
    plain = await stream.results(3)
    async with stream.events(limit=3, until="now") as events:
        bounded = await events.results(3)

    for result in (*plain, *bounded):
        result.pop("id")
    assert plain == bounded


@each(FORMS)
async def what_is_left_of_limit_goes_from_form_to_form(api: Api, form: str) -> None:
    stream = await api.start()
    await stream.send_all(*range(6))
    await stream.results(6)
    async with stream.events(limit=4) as events:
        at = (await events.results(2))[-1]["id"]

    if form == EVENT_STREAM:
        async with stream.events(at=at) as events:
            rest = [event.json() for event in await events.rest() if event.data]
    elif form == NDJSON:
        async with stream.lines(cursor=at) as lines:
            rest = [line for line in await lines.rest() if "control" not in line]
    elif form == JSON:
        page = await stream.page(cursor=at)
        rest = page["results"]
        assert page["end"] is True
    else:
        async with stream.socket(cursor=at) as socket:
            rest = await socket.results(2)
            assert await socket.close_code() == 1000
    assert [result["data"] for result in rest] == [2, 3]
