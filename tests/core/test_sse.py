import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core import sse
from streaming_runtime.core.sse import BadEventField, event
from tests.core.event_stream import Event, read

one_line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))


def _as_httpx_sse_reads_it(stream: bytes) -> list[Event]:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream)
    return [Event(e.event, e.data, e.id) for e in EventSource(response).iter_sse()]


@given(one_line, one_line, one_line, st.integers(0, 10**9))
def test_what_is_written_is_read_back(data: str, event_id: str, name: str, retry: int) -> None:
    stream = event(data.encode(), event_id=event_id, name=name, retry_ms=retry)

    reading = read(stream)

    assert reading.events == [Event(name or "message", data, event_id)]
    assert (reading.last_event_id, reading.retry_ms) == (event_id, retry)


@given(one_line, one_line)
def test_another_client_reads_the_same(data: str, event_id: str) -> None:
    stream = event(data.encode(), event_id=event_id, name="gap") + sse.HEARTBEAT

    assert _as_httpx_sse_reads_it(stream) == read(stream).events


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1e"])
def test_what_ends_a_line_elsewhere_ends_none_here(end: str) -> None:
    data = f'{{"text":"a{end}data: b"}}'
    stream = event(data.encode(), event_id="x")

    assert read(stream).events == [Event("message", data, "x")]
    assert _as_httpx_sse_reads_it(stream) == [Event("message", data, "x")]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\0"])
@pytest.mark.parametrize("place", ["{}x", "x{}", "x{}data: forged", "{}"])
def test_a_line_end_or_nul_in_any_field_is_an_error_of_ours(end: str, place: str) -> None:
    bad = place.format(end)

    with pytest.raises(BadEventField, match="data"):
        event(bad.encode())
    with pytest.raises(BadEventField, match="id"):
        event(event_id=bad)
    with pytest.raises(BadEventField, match="event"):
        event(name=bad)


def test_a_position_moves_a_client_and_shows_nothing() -> None:
    reading = read(event(event_id="abc", retry_ms=1_500))

    assert reading.events == []
    assert (reading.last_event_id, reading.retry_ms) == ("abc", 1_500)


def test_a_heartbeat_does_nothing_at_all() -> None:
    stream = event(event_id="abc") + sse.HEARTBEAT + event(b"1") + sse.HEARTBEAT

    assert read(stream).events == [Event("message", "1", "abc")]


def test_fields_stand_in_one_event_with_its_data_last() -> None:
    stream = event(b"{}", event_id="abc", name="end", retry_ms=5)

    assert stream == b"retry: 5\nid: abc\nevent: end\ndata: {}\n\n"
