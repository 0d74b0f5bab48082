"""What stands around a request: blanks, trailers, and the end of what a client has to say."""

from __future__ import annotations

from ..case import each
from ..client.api import Api
from ..client.wire import request

GOOD = b'{"data":"good"}'


@each(
    {
        "a key": ("x-api-key: {key}", 401, False),
        "a second key": ("x-api-key: wrong", 202, True),
        "an Idempotency-Key": ("Idempotency-Key: one", 202, True),
        "a type": ("Content-Type: application/x-ndjson", 202, True),
        "a wish to wait": ("Prefer: wait=5", 202, True),
    }
)
async def trailers_are_no_fields_of_the_head(
    api: Api, trailer: str, status: int, has_key: bool
) -> None:
    """they come behind the body, where no proxy has looked at them; whole or in two pieces"""
    stream = await api.start()
    fields = {**(api.credential if has_key else {}), "Transfer-Encoding": "chunked"}
    head = request("POST", f"{stream.path}/send", fields)
    line = trailer.format(key=api.credential.get("x-api-key", "")).encode()
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(GOOD), GOOD, line)
    for pieces in ((head + chunks,), (head, chunks)):
        async with api.wire() as wire:
            for piece in pieces:
                await wire.say(piece)
            answer = await wire.hear()

        assert answer.status == status
        assert "idempotent-replayed" not in answer.headers


async def blanks_around_a_value_are_no_part_of_it(api: Api) -> None:
    stream = await api.shared()
    padded = {name: f"\t {value} \t" for name, value in api.credential.items()}
    async with api.wire() as wire:
        for fields in (padded, {**padded, "X-Other": "1"}):
            sent = request("POST", f"{stream.path}/send", fields, GOOD)
            assert (await wire.ask(sent)).status == 202
        assert (await wire.ask(request("GET", stream.path, padded))).status == 200


@each({"a send": 1, "three sends ahead": 3})
async def who_has_said_all_is_answered_and_closed(api: Api, count: int) -> None:
    stream = await api.start()
    sent = request("POST", f"{stream.path}/send", api.credential, GOOD)
    async with api.wire() as wire:
        await wire.say(sent * count)
        await wire.say_no_more()
        answers = [await wire.hear() for _ in range(count)]
        assert await wire.is_closed()

    assert [answer.status for answer in answers] == [202] * count
    assert len(await stream.results(count)) == count


async def what_follows_a_request_and_is_none_takes_nothing_from_its_answer(api: Api) -> None:
    stream = await api.start()
    sent = request("POST", f"{stream.path}/send", api.credential, GOOD)
    async with api.wire() as wire:
        answer = await wire.ask(sent + b"\0\0 no request\r\n\r\n")
        behind = await wire.hear_all()

    assert answer.status == 202
    assert not behind or behind.startswith(b"HTTP/1.1 400 ")
