import json

import pytest

from tests.bench.wire import MARK, SMALLEST_RECORD_BYTES, SendFrames, SendRequests, request


def split(wire: bytes) -> tuple[bytes, bytes]:
    head, _, body = wire.partition(b"\r\n\r\n")
    return head, body


def test_a_send_carries_number_and_due_moment_in_data_of_the_size_asked_for() -> None:
    requests = SendRequests("127.0.0.1:80", "secret", ["first", "second"], record_bytes=100)

    head, body = split(requests.bytes_for(1, 42, 123_456_789))

    data = json.loads(body)["data"]
    assert len(json.dumps(data)) == 100
    assert data.startswith("~0000000042 0000000123456789~x")
    assert head.startswith(b"POST /stream/second/send HTTP/1.1\r\nHost: 127.0.0.1:80\r\n")
    assert b"x-api-key: secret" in head
    assert f"Content-Length: {len(body)}".encode() in head


def test_a_batch_is_an_array_of_numbered_records() -> None:
    requests = SendRequests("localhost:80", "k", ["s"], record_bytes=40, batch=3)

    head, body = split(requests.bytes_for(0, 7, 5))

    numbers = [MARK.search(json.dumps(each["data"]).encode()) for each in json.loads(body)]
    assert [mark and int(mark[1]) for mark in numbers] == [7, 8, 9]
    assert f"Content-Length: {len(body)}".encode() in head


def test_the_mark_is_found_in_a_result() -> None:
    requests = SendRequests("localhost:80", "k", ["s"], SMALLEST_RECORD_BYTES)
    data = json.loads(split(requests.bytes_for(0, 9_999_999_999, 8_888_888_888_888_888))[1])["data"]

    mark = MARK.search(json.dumps({"id": "1.a~b", "data": data}).encode())

    assert mark
    assert (int(mark[1]), int(mark[2])) == (9_999_999_999, 8_888_888_888_888_888)


def test_a_request_without_a_body_has_no_length() -> None:
    wire = request("GET", "/stream/s/results", "localhost:80", {"Accept": "text/event-stream"})

    assert wire == (
        b"GET /stream/s/results HTTP/1.1\r\nHost: localhost:80\r\nAccept: text/event-stream\r\n\r\n"
    )


@pytest.mark.parametrize(("record_bytes", "head_bytes"), [(31, 6), (200, 8), (70_000, 14)])
def test_a_frame_is_masked_with_zeros_so_its_text_stays_readable(
    record_bytes: int, head_bytes: int
) -> None:
    frame = SendFrames(record_bytes).bytes_for(0, 3, 4)

    text = json.loads(frame[head_bytes:])
    assert frame[0] == 0x81
    assert frame[1] & 0x80
    assert frame[head_bytes - 4 : head_bytes] == bytes(4)
    assert (text["type"], text["ref"]) == ("send", "0000000003")
    assert len(json.dumps(text["data"])) == record_bytes
