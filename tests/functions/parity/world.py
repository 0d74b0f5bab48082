"""The streams that the table is about, made once and then only read but for those to be written."""

from __future__ import annotations

from urllib.parse import quote

from tests.functions.api import OTHER_KEY, Api, client_of

RECORDS = ["one", 9007199254740993, {"ä": [1.5, None]}, "four", [True]]
WITHOUT_LIMITS = {
    "RATE_LIMIT_PER_SECOND": "0",
    "RATE_LIMIT_READERS": "0",
}


async def made_world(api: Api) -> dict[str, str]:
    """Make the streams, and return what the rows of the table call them."""
    world = {
        "read": await _stream_of(api, "identity", *RECORDS),
        "upper": await _stream_of(api, "uppercase", "x"),
        "failed": await _stream_of(api, {"name": "reject", "when": "`true`"}, 1, 2),
        "failing": await _stream_of(api, {"name": "reject", "when": "`true`"}, 1),
        "empty": await api.start(),
        "keyed": await _used_keys(api),
        "ended": await _ended_stream(api),
        **await _others_streams(api),
    }
    first = await api.page(world["read"], limit=2)
    end = await api.page(world["ended"])
    changed = first["cursor"][:-1] + ("A" if first["cursor"][-1] != "A" else "B")
    since = quote(first["results"][1]["processed_at"].replace("Z", "+00:00"), safe="")
    return world | {
        "ticket": await _ticket(api, world["read"], "eventsource"),
        "socket_ticket": await _ticket(api, world["read"], "websocket"),
        "cursor": first["cursor"],
        "end": end["cursor"],
        "changed": changed,
        "since": since,
    }


async def _stream_of(api: Api, processor: object, *data: object) -> str:
    stream_id = await api.start(processor=processor)
    await api.send(stream_id, *data)
    await api.results(stream_id, len(data))
    return stream_id


async def _ended_stream(api: Api) -> str:
    stream_id = await _stream_of(api, "identity", "first", "second")
    assert (await api.client.post(f"/stream/{stream_id}/end")).status_code == 202
    await api.results(stream_id, 3)
    return stream_id


async def _used_keys(api: Api) -> str:
    stream_id = await api.start()
    uses = {"used": b'{"data":"once"}', "used for two": b'[{"data":1},{"data":2}]'}
    for key, body in uses.items():
        answer = await api.client.post(
            f"/stream/{stream_id}/send", content=body, headers={"idempotency-key": key}
        )
        assert answer.status_code in (202, 207), answer.text
    return stream_id


async def _ticket(api: Api, stream_id: str, use: str) -> str:
    answer = await api.client.post(f"/stream/{stream_id}/ticket", json={"use": use})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def _others_streams(api: Api) -> dict[str, str]:
    """Make streams of the other tenant, whose list nobody adds to."""
    async with client_of(api.app, OTHER_KEY) as client:
        started = [await client.post("/stream/start", json={"label": f"{n}"}) for n in range(3)]
        listed = await client.get("/streams", params={"limit": 1})
    return {"others": started[0].json()["stream_id"], "after": listed.json()["after"]}
