import pytest

from tests.bench.answers import NotHttp
from tests.bench.events import Chunks, Events, id_of

OPENING = b"retry: 1000\nid: 1.first\n\n"
RESULT = b'id: 1.second\ndata: {"data":"a"}\n\n'


def chunked(*bodies: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in bodies)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_come_out_whole_however_the_bytes_were_cut(size: int) -> None:
    wire = chunked(OPENING, RESULT[:10], RESULT[10:] + RESULT, b":\n\n")
    chunks, events = Chunks(), Events()

    found = [
        event
        for at in range(0, len(wire), size)
        for event in events.feed(chunks.feed(wire[at : at + size]))
    ]

    assert found == [OPENING[:-2], RESULT[:-2], RESULT[:-2], b":"]
    assert not chunks.is_over


def test_the_last_chunk_ends_the_body() -> None:
    chunks = Chunks()

    body = chunks.feed(chunked(RESULT, b""))

    assert body == RESULT
    assert chunks.is_over


def test_what_is_no_chunk_is_refused() -> None:
    with pytest.raises(NotHttp, match="chunk"):
        Chunks().feed(b"HTTP/1.1 500\r\n")


@pytest.mark.parametrize(
    ("event", "expected"),
    [(OPENING, "1.first"), (RESULT, "1.second"), (b'data: {"id: 3"}', ""), (b":", "")],
)
def test_the_id_of_an_event_is_its_field(event: bytes, expected: str) -> None:
    assert id_of(event) == expected
