"""POST /stream/start."""

from __future__ import annotations

import base64
import json
import re

from ..case import each
from ..client.api import Api
from ..client.strict_json import Json

MEMBERS = {"stream_id", "processor", "created_at", "send_url", "results_url", "websocket_url"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def _start(api: Api, body: object = None, **headers: str) -> Json:
    text = b"" if body is None else json.dumps(body).encode()
    return (await api.post("/stream/start", text, **headers)).ok(201)


async def an_empty_body_means_all_defaults(api: Api) -> None:
    assert (await _start(api)).keys() == MEMBERS


async def white_space_is_an_empty_body(api: Api) -> None:
    answer = await api.post("/stream/start", b" \r\n\t")

    assert answer.ok(201).keys() == MEMBERS


async def an_empty_object_means_all_defaults(api: Api) -> None:
    assert (await _start(api, {})).keys() == MEMBERS


async def a_request_without_any_body_means_all_defaults(api: Api) -> None:
    answer = await api.ask("POST", "/stream/start")

    assert answer.ok(201).keys() == MEMBERS


async def members_that_are_null_are_defaults_or_refused_in_words(api: Api) -> None:
    answer = await api.post("/stream/start", b'{"processor":null,"label":null,"ttl_seconds":null}')

    assert answer.status == 201 or answer.refused("invalid-body")


async def the_stream_id_is_128_random_bits_and_url_safe(api: Api) -> None:
    ids = {str((await _start(api))["stream_id"]) for _ in range(8)}

    assert len(ids) == 8
    for stream_id in ids:
        assert re.fullmatch(r"[A-Za-z0-9_-]{22,64}", stream_id)
    decoded = [base64.urlsafe_b64decode(f"{stream_id[:22]}==") for stream_id in ids]
    # Not one byte of it is the same in eight of them: nothing in it counts or tells the time.
    assert all(len(set(column)) > 1 for column in zip(*decoded, strict=True))


async def the_urls_are_absolute_paths_of_the_stream(api: Api) -> None:
    started = await _start(api)

    path = f"/stream/{started['stream_id']}"
    assert started["send_url"] == f"{path}/send"
    assert started["results_url"] == f"{path}/results"


async def the_websocket_url_is_the_path_of_results(api: Api) -> None:
    started = await _start(api)

    assert started["websocket_url"] == started["results_url"]


async def created_at_is_rfc_3339_in_utc_with_milliseconds(api: Api) -> None:
    assert TIME.fullmatch(str((await _start(api))["created_at"]))


async def a_processor_can_be_named(api: Api) -> None:
    stream = await api.start(processor="uppercase")

    await stream.send({"text": ["small", 1, None], "key": "über"})

    [result] = await stream.results(1)
    assert result["data"] == {"text": ["SMALL", 1, None], "key": "ÜBER"}


async def a_processor_can_have_parameters(api: Api) -> None:
    stream = await api.start(processor={"name": "jmespath", "expression": "order.total"})

    await stream.send({"order": {"total": 12.5}})

    [result] = await stream.results(1)
    assert result["data"] == 12.5


async def the_processor_of_a_stream_is_told(api: Api) -> None:
    named = await _start(api, {"processor": "uppercase"})

    assert "uppercase" in json.dumps(named["processor"])
    looked = (await api.get(f"/stream/{named['stream_id']}")).ok()
    assert looked["processor"] == named["processor"]


async def the_default_processor_is_told(api: Api) -> None:
    assert (await _start(api))["processor"]


@each(
    {
        "an unknown processor": {"processor": "no-such-processor"},
        "an unknown processor as an object": {"processor": {"name": "no-such-processor"}},
        "an unknown parameter": {"processor": {"name": "uppercase", "speed": 9}},
        "a missing parameter": {"processor": {"name": "jmespath"}},
        "a missing parameter of a name": {"processor": "jmespath"},
        "a parameter of another type": {"processor": {"name": "jmespath", "expression": 5}},
        "an expression that is none": {"processor": {"name": "jmespath", "expression": "a[["}},
        "a condition that is none": {"processor": {"name": "reject", "when": "&&"}},
        "no name": {"processor": {"expression": "a"}},
        "an empty name": {"processor": ""},
        "a number": {"processor": 5},
        "a list": {"processor": ["uppercase"]},
    }
)
async def a_processor_that_cannot_work_is_refused_at_the_start(api: Api, body: Json) -> None:
    """An unknown processor or parameter is 400 invalid-body."""
    answer = await api.post("/stream/start", json.dumps(body).encode())

    answer.refused("invalid-body")


async def a_label_has_up_to_200_characters(api: Api) -> None:
    label = "ä€😀 " * 50

    stream = await api.start(label=label)

    assert (await stream.look())["label"] == label


@each({"201": "x" * 201, "10,000": "x" * 10_000})
async def a_label_of_more_characters_is_refused(api: Api, label: str) -> None:
    answer = await api.post("/stream/start", json.dumps({"label": label}).encode())

    answer.refused("invalid-body")


@each(
    {
        "a number as label": b'{"label":5}',
        "a text as ttl": b'{"ttl_seconds":"60"}',
        "a ttl of true": b'{"ttl_seconds":true}',
        "a ttl of 0": b'{"ttl_seconds":0}',
        "a ttl below 0": b'{"ttl_seconds":-1}',
        "a ttl without end": b'{"ttl_seconds":1e400}',
        "a ttl of a million digits": b'{"ttl_seconds":%b}' % (b"9" * 4_000),
        "NaN": b'{"ttl_seconds":NaN}',
        "half a surrogate pair in a label": b'{"label":"\\ud800"}',
    }
)
async def a_member_of_another_type_or_range_is_refused(api: Api, body: bytes) -> None:
    (await api.post("/stream/start", body)).refused("invalid-body")


@each(
    {
        "in the body": b'{"colour":"red"}',
        "beside a known one": b'{"label":"a","Label":"b"}',
        "an empty name": b'{"":1}',
    }
)
async def an_unknown_field_is_refused(api: Api, body: bytes) -> None:
    """Unknown fields are refused in every JSON body."""
    (await api.post("/stream/start", body)).refused("invalid-body")


@each(
    {
        "a list": b"[]",
        "null": b"null",
        "a text": b'"uppercase"',
        "a number": b"1",
        "half an object": b'{"label":',
        "two objects": b"{}{}",
        "no JSON": b"processor=uppercase",
        "bad UTF-8": b'{"label":"\xff"}',
        "100,000 brackets": b'{"processor":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    }
)
async def a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    (await api.post("/stream/start", body)).refused("invalid-body")


@each(
    {
        "form": "application/x-www-form-urlencoded",
        "plain text": "text/plain",
        "json": "application/json",
        "json with a parameter": "application/json; charset=utf-8",
        "xml": "application/xml",
        "nonsense": ";;;",
    }
)
async def a_json_body_is_accepted_whatever_its_content_type(api: Api, content_type: str) -> None:
    """plain `curl -d` sends a form type."""
    started = await _start(api, {"label": "by type"}, content_type=content_type)

    looked = (await api.get(f"/stream/{started['stream_id']}")).ok()
    assert looked["label"] == "by type"


async def a_refused_start_starts_nothing(api: Api) -> None:
    label = "never to be seen"

    await api.post("/stream/start", json.dumps({"label": label, "colour": "red"}).encode())

    streams: list[Json] = []
    after: str | None = None
    while True:
        page = (await api.get("/streams", limit=1000, **({"after": after} if after else {}))).ok()
        streams, after = streams + page["streams"], page["after"]
        if after is None:
            break
    assert label not in [stream["label"] for stream in streams]


async def a_stream_with_a_ttl_tells_it(api: Api) -> None:
    stream = await api.start(ttl_seconds=86_400)

    assert (await stream.look())["ttl_seconds"] == 86_400
