from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.errors import InvalidParameter
from streaming_runtime.core.positions import moment, start_of, whole
from streaming_runtime.core.reading import Start

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ({}, Start()),
        ({"from": "start"}, Start("start")),
        ({"from": "now"}, Start("now")),
        ({"cursor": "abc"}, Start("cursor", cursor="abc")),
        ({"tail": "7"}, Start("tail", tail=7)),
        ({"since": "1970-01-01T00:00:01Z"}, Start("since", since_ms=1_000)),
        ({"from": "now", "limit": "5"}, Start("now", limit=5)),
        ({"until": "now"}, Start(until_now=True)),
    ],
)
def test_a_query_names_one_place_and_what_bounds_the_reading(
    query: dict[str, str], start: Start
) -> None:
    assert start_of(query, None, is_page=False) == start


def test_the_header_wins_over_the_query() -> None:
    # EventSource comes back with its first URL, whatever has happened since.
    query = {"from": "now", "limit": "5", "until": "now"}

    start = start_of(query, "abc", is_page=False)

    assert start == Start("cursor", cursor="abc", limit=5, until_now=True)


def test_an_empty_header_is_none() -> None:
    assert start_of({"from": "now"}, "", is_page=False) == Start("now")


def test_an_empty_cursor_is_a_cursor_and_will_be_refused_as_one() -> None:
    assert start_of({"cursor": ""}, None, is_page=False) == Start("cursor", cursor="")


def test_the_limit_of_a_page_is_its_size_and_no_part_of_the_position() -> None:
    assert start_of({"limit": "5"}, None, is_page=True) == Start(limit=None)


@pytest.mark.parametrize(
    "query",
    [
        {"from": "now", "cursor": "abc"},
        {"cursor": "", "from": ""},
        {"from": "now", "cursor": "a", "tail": "1", "since": "x"},
    ],
)
def test_two_places_at_once_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="one of cursor, from"):
        start_of(query, None, is_page=False)


@pytest.mark.parametrize(
    ("name", "text"),
    [("from", ""), ("from", "end"), ("from", "NOW"), ("until", ""), ("until", "later")]
    + [("tail", t) for t in ("0", "-1", "10001", "1.5", "", "one", "1e3", "٣", "+1", " 1")]
    + [("limit", t) for t in ("0", "1000000001", "9" * 5_000, "", "²")]
    + [("since", t) for t in ("", "now", "yesterday")],
)
def test_an_unusable_value_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^{name} must be"):
        start_of({name: text}, None, is_page=False)


@given(st.integers(1, 1_000))
def test_a_whole_number_within_its_bounds_is_read(number: int) -> None:
    assert whole({"limit": str(number)}, "limit", None, 1, 1_000) == number


def test_a_number_that_is_not_given_is_the_default() -> None:
    assert whole({}, "limit", 100, 1, 1_000) == 100


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31)),  # noqa: DTZ001 hypothesis adds it
    st.integers(-1_439, 1_439),
)
def test_any_moment_in_any_offset_is_read_to_the_millisecond(naive: datetime, minutes: int) -> None:
    aware = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    rounded_up = -((EPOCH - aware) // timedelta(milliseconds=1))

    assert moment(aware.isoformat(timespec="microseconds")) == rounded_up


NOON = 1_769_860_800_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T12:00:00+00:00", NOON),
        ("2026-01-31T12:00:00-00:00", NOON),
        ("2026-01-31T13:30:00+01:30", NOON),
        ("2026-01-31T13:30:00 01:30", NOON),
        ("2026-01-31T11:00:00-01:00", NOON),
        ("2026-01-31T12:00:00.5Z", NOON + 500),
        ("2026-01-31T12:00:00.001Z", NOON + 1),
        ("2026-01-31T12:00:00.0001Z", NOON + 1),
        ("2026-01-31T12:00:00.123456789Z", NOON + 124),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T23:59:60.7Z", 1_483_228_800_000),
        ("1969-12-31T23:59:59Z", -1_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
    ],
)
def test_a_date_time_of_rfc_3339_is_read(text: str, milliseconds: int) -> None:
    assert moment(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00",
        "2026-01-31",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+01",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+01:00:30",
        "2026-01-31T12:00:00+24:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "0000-01-01T00:00:00Z",
        "02026-01-31T12:00:00Z",
        "٢٠٢٦-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        " 2026-01-31T12:00:00Z",
        "1769860800",
        "2026-01-31T12:00:00." + "0" * 100_000,
    ],
)
def test_any_other_form_of_a_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="RFC 3339"):
        moment(text)


@given(st.text())
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    try:
        moment(text)
    except InvalidParameter as refusal:
        assert text not in str(refusal) or len(text) < 25
