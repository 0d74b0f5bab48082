"""GET /stream/{id}/results as NDJSON."""

from __future__ import annotations

import time

from ..case import waits
from ..client.api import NDJSON, UNKNOWN, Api

MEMBERS = {"id", "stream_id", "kind", "source", "data", "sent_at", "processed_at"}


async def lines_are_the_answer_to_their_type(api: Api) -> None:
    stream = await api.shared()
    async with stream.lines(from_="now") as lines:
        assert lines.status == 200
        assert lines.headers["content-type"].partition(";")[0] == NDJSON
        assert "content-encoding" not in lines.headers
        assert "no-store" in lines.headers["cache-control"]


async def the_first_line_is_the_position(api: Api) -> None:
    stream = await api.start()
    async with stream.lines() as lines:
        first = await lines.must()

    assert first["control"] == "position"
    assert first["cursor"]


async def a_result_is_a_line(api: Api) -> None:
    stream = await api.start()
    await stream.send({"text": "two\nlines"})

    async with stream.lines() as lines:
        [result] = await lines.results(1)

    assert result.keys() == MEMBERS
    assert result["data"] == {"text": "two\nlines"}


async def a_failed_result_and_the_end_are_lines_of_their_kind(api: Api) -> None:
    stream = await api.start(processor={"name": "reject", "when": "bad"})
    await stream.send_all({"bad": True}, {"bad": False})
    await stream.end()

    async with stream.lines() as lines:
        told = [line for line in await lines.rest() if "control" not in line]

    assert [line["kind"] for line in told] == ["failed", "result", "end"]
    assert told[0]["error"]["code"] == "processing-failed"


async def results_that_come_later_arrive_on_open_lines(api: Api) -> None:
    stream = await api.start()
    async with stream.lines() as lines:
        await lines.must()
        for number in range(5):
            await stream.send(number)
            assert (await lines.results(1))[0]["data"] == number


async def lines_resume_at_a_cursor(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))
    at = await stream.cursor(behind=2)

    async with stream.lines(cursor=at) as lines:
        assert [result["data"] for result in await lines.results(2)] == [2, 3]


async def lines_resume_at_a_last_event_id(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))
    at = await stream.cursor(behind=2)

    async with stream.events(at=at, accept=NDJSON, limit=1) as opened:
        told = (await opened.answer()).lines()

    assert [line["data"] for line in told if "control" not in line] == [2]


async def the_position_of_lines_is_a_cursor(api: Api) -> None:
    stream = await api.start()
    async with stream.lines() as lines:
        first = await lines.must()
    await stream.send("behind it")

    async with stream.lines(cursor=first["cursor"]) as lines:
        assert (await lines.results(1))[0]["data"] == "behind it"


async def limit_ends_lines(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(4))

    async with stream.lines(limit=2) as lines:
        told = [line for line in await lines.rest() if "control" not in line]

    assert [line["data"] for line in told] == [0, 1]
    async with stream.lines(cursor=told[-1]["id"]) as lines:
        assert lines.status == 204


async def until_now_ends_lines(api: Api) -> None:
    stream = await api.start()
    await stream.send_all(*range(3))
    await stream.results(3)

    async with stream.lines(until="now") as lines:
        told = [line for line in await lines.rest() if "control" not in line]

    assert [line["data"] for line in told] == [0, 1, 2]


async def a_reader_of_lines_past_the_end_gets_204(api: Api) -> None:
    stream = await api.start()
    await stream.end()
    at = await stream.cursor(behind=1)

    async with stream.lines(cursor=at) as lines:
        answer = await lines.answer()

    assert (answer.status, answer.body) == (204, b"")


async def lines_of_an_unknown_stream_are_refused(api: Api) -> None:
    (await api.get(f"/stream/{UNKNOWN}/results", NDJSON)).refused("unknown-stream")


async def lines_at_a_bad_cursor_are_refused(api: Api) -> None:
    stream = await api.shared()

    answer = await api.get(stream.results_path, NDJSON, cursor="nonsense")

    answer.refused("invalid-cursor")


@waits
async def the_heartbeat_of_lines_is_an_empty_line(api: Api) -> None:
    stream = await api.start()
    async with stream.events(accept=NDJSON) as opened:
        await opened.piece()
        begun = time.monotonic()
        silence = await opened.piece()
        waited = time.monotonic() - begun

    # The position may have moved meanwhile, and then be told beside it.
    lines = silence.split(b"\n")
    assert b"" in lines[:-1]
    assert all(b'"control":"position"' in line for line in lines if line)
    assert 10 < waited < 25
