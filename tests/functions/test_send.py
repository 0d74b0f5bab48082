"""POST /stream/{id}/send with one record."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.functions.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def stored_record(api: Api, receipt: dict[str, Any]) -> Any:
    """Return the record of a receipt as it stands in Kafka."""
    settings = api.kafka.settings
    place = TopicPartition(settings.input_topic, receipt["partition"])
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker)
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, receipt["offset"])
        async with asyncio.timeout(10):
            return await consumer.getone(place)
    finally:
        await consumer.stop()


async def test_a_receipt_names_where_the_record_is(api: Api) -> None:
    stream_id = await api.start(processor="uppercase")

    answer = await api.client.post(f"/stream/{stream_id}/send", content=b'{"data":"sample data"}')

    receipt = answer.json()
    record = await stored_record(api, receipt)
    assert answer.status_code == 202
    assert receipt == {
        "stream_id": stream_id,
        "record_id": f"{record.partition}-{record.offset}",
        "partition": record.partition,
        "offset": record.offset,
    }
    assert (record.key, record.value) == (stream_id.encode(), b'"sample data"')


async def test_the_record_carries_the_headers_of_the_kafka_contract(api: Api) -> None:
    stream_id = await api.start(processor={"name": "jmespath", "expression": "a"})

    answer = await api.client.post(
        f"/stream/{stream_id}/send",
        content=b'{"data":{"a":1}}',
        headers={"traceparent": TRACEPARENT},
    )

    headers = dict((await stored_record(api, answer.json())).headers)
    assert headers["kind"] == b"record"
    assert json.loads(headers["processor"]) == {"name": "jmespath", "expression": "a"}
    assert headers["sent-at"].isdigit()
    assert headers["traceparent"] == TRACEPARENT.encode()


@pytest.mark.parametrize(
    "traceparent",
    [
        "x",
        "",
        TRACEPARENT + "-more",
        TRACEPARENT.upper(),
        "ff" + TRACEPARENT[2:],
        "00-" + "0" * 32 + TRACEPARENT[35:],
    ],
)
async def test_a_traceparent_that_is_none_is_not_passed_on(api: Api, traceparent: str) -> None:
    stream_id = await api.start()

    answer = await api.client.post(
        f"/stream/{stream_id}/send", content=b'{"data":1}', headers={"traceparent": traceparent}
    )

    headers = dict((await stored_record(api, answer.json())).headers)
    assert answer.status_code == 202
    assert "traceparent" not in headers


async def test_data_comes_back_token_for_token(api: Api) -> None:
    stream_id = await api.start()
    data = '{"n":9007199254740993,"e":1.0E+2,"d":0.10,"u":"\\u00e9\\/","k":{"b":1,"a":2}}'

    await api.client.post(f"/stream/{stream_id}/send", content=f'{{ "data" : {data} }}')
    await api.results(stream_id, 1)
    page = await api.client.get(
        f"/stream/{stream_id}/results", headers={"accept": "application/json"}
    )

    assert f'"data":{data},' in page.text


async def test_a_record_of_256_kib_arrives(api: Api) -> None:
    stream_id = await api.start()
    text = "x" * ((256 << 10) - 2)

    answer = await api.client.post(f"/stream/{stream_id}/send", json={"data": text})

    (result,) = await api.results(stream_id, 1)
    assert answer.status_code == 202
    assert result["data"] == text


async def test_records_of_one_client_keep_their_order(api: Api) -> None:
    stream_id = await api.start()

    for number in range(10):
        await api.client.post(f"/stream/{stream_id}/send", json={"data": number})

    assert [one["data"] for one in await api.results(stream_id, 10)] == list(range(10))


async def test_another_tenants_stream_is_like_none(api: Api) -> None:
    from tests.functions.api import OTHER_KEY

    stream_id = await api.start()
    for method, path in (
        ("POST", "send"),
        ("POST", "end"),
        ("GET", "results"),
    ):
        theirs = await api.client.request(
            method, f"/stream/{stream_id}/{path}", headers={"x-api-key": OTHER_KEY}
        )
        nobodys = await api.client.request(method, f"/stream/{'A' * 22}/{path}")

        ours, none = theirs.json(), nobodys.json()
        assert theirs.status_code == nobodys.status_code == 404
        assert ours.pop("request_id") != none.pop("request_id")
        assert ours == none
