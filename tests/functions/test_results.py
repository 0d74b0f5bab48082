"""GET /stream/{id}/results, in each form, over real Kafka."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streaming_runtime.core.errors import BrokerUnavailable, Overloaded
from streaming_runtime.core.reading import Readings
from tests.eventually import eventually
from tests.functions.api import Api, client_of, used_up_after_one

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVENTS, LINES, PAGE = "text/event-stream", "application/x-ndjson", "application/json"


async def read(
    api: Api, stream_id: str, accept: str | None = EVENTS, **query: Any
) -> httpx.Response:
    headers = {} if accept is None else {"accept": accept}
    last_event_id = query.pop("last_event_id", None)
    if last_event_id is not None:
        headers["last-event-id"] = last_event_id
    return await api.client.get(f"/stream/{stream_id}/results", params=query, headers=headers)


async def with_results(api: Api, *data: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return a stream that has results, and these."""
    stream_id = await api.start()
    await api.send(stream_id, *data)
    return stream_id, await api.results(stream_id, len(data))


def events(text: str) -> list[dict[str, str]]:
    """Return the fields of each event."""
    blocks = [block for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def results_in(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the results of an answer, whatever its form."""
    if answer.headers["content-type"] == EVENTS:
        return [json.loads(e["data"]) for e in events(answer.text) if "data" in e]
    if answer.headers["content-type"] == LINES:
        found = [json.loads(line) for line in answer.text.splitlines()]
        return [one for one in found if "control" not in one]
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_every_form_shows_the_same_results(api: Api) -> None:
    stream_id, results = await with_results(api, "a", {"b": [1, None]}, 3)

    answers = [await read(api, stream_id, form) for form in (EVENTS, LINES, PAGE, "*/*", None)]

    types = [answer.headers["content-type"] for answer in answers]
    assert types == [EVENTS, LINES, PAGE, EVENTS, EVENTS]
    assert all(results_in(answer) == results for answer in answers)


async def test_a_result_is_the_contracts_object(api: Api) -> None:
    stream_id, (result,) = await with_results(api, {"n": 1})

    assert list(result) == [
        "id",
        "stream_id",
        "kind",
        "source",
        "data",
        "sent_at",
        "processed_at",
    ]
    assert (result["stream_id"], result["kind"], result["data"]) == (stream_id, "result", {"n": 1})


@pytest.mark.parametrize("form", [EVENTS, LINES, PAGE])
async def test_a_reading_goes_on_at_any_results_id(api: Api, form: str) -> None:
    stream_id, results = await with_results(api, 1, 2, 3)

    for count in (1, 2):
        by_query = await read(api, stream_id, form, cursor=results[count - 1]["id"])
        by_header = await read(
            api, stream_id, form, last_event_id=results[count - 1]["id"], **{"from": "now"}
        )

        assert results_in(by_query) == results_in(by_header) == results[count:]


async def test_a_position_of_one_form_goes_on_in_another(api: Api) -> None:
    stream_id, results = await with_results(api, 1, 2, 3)
    page = await api.page(stream_id, limit=1)
    position = events((await read(api, stream_id, EVENTS, cursor=page["cursor"])).text)[-1]["id"]

    rest = await read(api, stream_id, LINES, cursor=page["cursor"])

    assert results_in(rest) == results[1:]
    assert (await api.page(stream_id, cursor=position))["results"] == []


async def test_the_positions_of_the_contract_each_begin_where_they_say(api: Api) -> None:
    stream_id, results = await with_results(api, 1, 2, 3)
    since = results[1]["processed_at"]

    assert (await api.page(stream_id, **{"from": "start"}))["results"] == results
    assert (await api.page(stream_id, **{"from": "now"}))["results"] == []
    assert (await api.page(stream_id, tail=2))["results"] == results[1:]
    later = [one for one in results if one["processed_at"] >= since]
    assert (await api.page(stream_id, since=since))["results"] == later


async def test_pages_are_as_large_as_asked(api: Api) -> None:
    stream_id, results = await with_results(api, *range(5))

    first = await api.page(stream_id, limit=2)
    rest = await api.page(stream_id, cursor=first["cursor"])

    assert first["results"] + rest["results"] == results
    assert (len(first["results"]), first["end"], rest["end"]) == (2, False, False)
    assert first["cursor"] == first["results"][-1]["id"]


async def test_a_page_that_waits_comes_back_with_the_first_result(api: Api) -> None:
    stream_id = await api.start()

    waiting = asyncio.create_task(api.page(stream_id, wait=20))
    await eventually(api.log._turn.locked)
    begun = time.monotonic()
    await api.send(stream_id, "x")
    page = await waiting

    assert [one["data"] for one in page["results"]] == ["x"]
    assert time.monotonic() - begun < 5


async def test_an_empty_page_waits_as_long_as_asked_and_no_longer(api: Api) -> None:
    stream_id = await api.start()
    begun = time.monotonic()

    page = await api.page(stream_id, wait=1)

    assert page["results"] == [] and not page["end"]
    assert 0.9 < time.monotonic() - begun < 4


async def test_a_finite_stream_comes_back_with_the_first_result(api: Api) -> None:
    stream_id = await api.start()

    waiting = asyncio.create_task(read(api, stream_id))
    await eventually(api.log._turn.locked)
    await api.send(stream_id, "x")
    answer = await asyncio.wait_for(waiting, 10)

    opening, result, position = events(answer.text)
    assert set(opening) == {"retry", "id"}
    assert json.loads(result["data"])["data"] == "x"
    assert position == {"id": result["id"]}


async def test_limit_and_until_are_kept_across_reconnects(api: Api) -> None:
    stream_id, _ = await with_results(api, *range(4))

    first = await read(api, stream_id, EVENTS, limit=3)
    again = await read(api, stream_id, EVENTS, last_event_id=events(first.text)[-1]["id"], limit=3)
    until = await read(api, stream_id, LINES, until="now")
    position = json.loads(until.text.splitlines()[-1])["cursor"]
    await api.send(stream_id, "later")

    assert [one["data"] for one in results_in(first)] == [0, 1, 2]
    assert again.status_code == 204
    assert [one["data"] for one in results_in(until)] == [0, 1, 2, 3]
    assert (await read(api, stream_id, LINES, cursor=position)).status_code == 204
    page = await api.page(stream_id, cursor=position)
    assert (page["results"], page["end"]) == ([], True)


@pytest.mark.parametrize("form", [EVENTS, LINES])
async def test_past_the_end_there_is_a_204_without_a_body(api: Api, form: str) -> None:
    stream_id = await api.start()
    await api.client.post(f"/stream/{stream_id}/end")
    (end,) = await api.results(stream_id, 1)

    whole = await read(api, stream_id, form)
    behind = await read(api, stream_id, form, last_event_id=end["id"])

    assert [one["kind"] for one in results_in(whole)] == ["end"]
    assert (behind.status_code, behind.content) == (204, b"")
    assert "content-type" not in behind.headers


async def test_past_the_end_a_page_is_empty_and_does_not_wait(api: Api) -> None:
    stream_id = await api.start()
    await api.client.post(f"/stream/{stream_id}/end")
    (end,) = await api.results(stream_id, 1)
    begun = time.monotonic()

    page = await api.page(stream_id, cursor=end["id"], wait=20)

    assert (page["results"], page["end"]) == ([], True)
    assert time.monotonic() - begun < 5


async def test_failed_results_have_their_own_event_and_a_problem(api: Api) -> None:
    stream_id = await api.start(processor={"name": "reject", "when": "`true`"})
    await api.send(stream_id, "x")
    (result,) = await api.results(stream_id, 1)

    answer = await read(api, stream_id)

    _, failed, _ = events(answer.text)
    assert failed["event"] == "failed"
    assert json.loads(failed["data"]) == result
    assert set(result["error"]) == {"type", "title", "detail", "code", "retriable"}
    assert "data" not in result


async def forget(api: Api, receipt: dict[str, Any], before: int) -> None:
    """Do what retention does, to the results of a receipt's partition."""
    settings = api.kafka.settings
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        place = TopicPartition(settings.results_topic, receipt["partition"])
        await admin.delete_records({place: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def test_a_position_that_is_gone_is_told_before_what_still_exists(api: Api) -> None:
    stream_id = await api.start()
    receipts = await api.send(stream_id, 1, 2, 3)
    results = await api.results(stream_id, 3)
    partition = receipts[0]["partition"]
    end = (await api.log.bounds(partition)).end
    await forget(api, receipts[0], end - 1)

    page = await read(api, stream_id, PAGE, cursor=results[0]["id"])
    streamed = await read(api, stream_id, EVENTS, last_event_id=results[0]["id"])
    lines = await read(api, stream_id, LINES, cursor=results[0]["id"])
    from_start = await read(api, stream_id, EVENTS)

    opening, gap, result, position = events(streamed.text)
    told = json.loads(gap["data"])
    assert (page.status_code, page.json()["code"]) == (410, "position-gone")
    assert page.json()["earliest"] == told["earliest"] == gap["id"]
    assert set(opening) == {"retry"}
    assert (gap["event"], told["requested"], told["reason"]) == (
        "gap",
        results[0]["id"],
        "retention",
    )
    assert json.loads(result["data"])["data"] == 3
    assert position["id"] == result["id"]
    assert [json.loads(line).get("control") for line in lines.text.splitlines()] == [
        "gap",
        None,
        "position",
    ]
    told_of_start = json.loads(events(from_start.text)[1]["data"])
    assert told_of_start["requested"] is None
    # A page of the start is no position that could be gone: it has what exists, and says so.
    first_page = await api.page(stream_id)
    assert [one["data"] for one in first_page["results"]] == [3]
    assert first_page["gap"] == told_of_start
    after_gap = await api.page(stream_id, cursor=page.json()["earliest"])
    assert [one["data"] for one in after_gap["results"]] == [3]


async def test_an_event_source_over_its_limit_is_sent_away_to_come_back(api: Api) -> None:
    stream_id = await api.start()
    path = f"/stream/{stream_id}/results"
    async with client_of(api.application(used_up_after_one())) as client:
        assert (await client.get("/streams")).status_code == 200
        kind = await client.get(path, headers={"accept": EVENTS})
        strict = await client.get(f"{path}?strict=1", headers={"accept": EVENTS})
        other = await client.get(path, headers={"accept": "*/*"})
        page = await client.get(path, headers={"accept": PAGE})

    (error,) = events(kind.text)
    assert (kind.status_code, kind.headers["content-type"]) == (200, EVENTS)
    assert error["event"] == "error" and "id" not in error
    assert json.loads(error["data"])["code"] == "rate-limited"
    assert int(error["retry"]) > 1_000
    assert {"ratelimit", "ratelimit-policy"} <= set(kind.headers)
    for answer in (strict, other, page):
        assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
        assert {"retry-after", "ratelimit", "ratelimit-policy"} <= set(answer.headers)


@pytest.mark.parametrize("failure", [BrokerUnavailable, Overloaded])
async def test_an_event_source_survives_an_outage(
    api: Api, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise failure

    stream_id = await api.start()
    monkeypatch.setattr(Readings, "begin", fail)

    kind, strict = await read(api, stream_id), await read(api, stream_id, strict=1)

    assert kind.status_code == 200
    assert events(kind.text)[0]["event"] == "error"
    assert strict.status_code == 503
    assert strict.headers["retry-after"]


async def test_an_event_sources_own_fault_keeps_its_status(api: Api) -> None:
    stream_id = await api.start()
    async with client_of(api.app, key="wrong") as stranger:
        wrong_key = await stranger.get(f"/stream/{stream_id}/results", headers={"accept": EVENTS})

    assert wrong_key.status_code == 401
    assert (await read(api, "A" * 22)).status_code == 404
    assert (await read(api, stream_id, cursor="x")).status_code == 400
    assert (await read(api, stream_id, f"{EVENTS};q=0,image/png")).status_code == 406


async def test_a_parameter_nobody_knows_is_passed_over(api: Api) -> None:
    stream_id, results = await with_results(api, 1)

    answer = await read(api, stream_id, PAGE, utm_source="mail", **{"_": "1700000000"})

    assert results_in(answer) == results
