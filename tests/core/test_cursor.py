import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core import cursor as cursors
from streaming_runtime.core.cursor import Cursor, CursorSeal
from streaming_runtime.core.errors import InvalidCursor
from streaming_runtime.core.model import Height, Position, new_incarnation, new_stream_id
from tests.core.memory import OTHER_ID, STREAM_ID

SEAL = CursorSeal(b"secret")
ALPHABET = string.ascii_letters + string.digits + "-_"
PLAIN = Cursor("incarn01", Position(42, Height(7, 1)))

offsets = st.integers(0, 2**63)
heights = st.builds(Height, st.integers(-1, 10**18 - 1), st.integers(0, 9_999))
cursors_made = st.builds(
    Cursor,
    st.builds(
        lambda raw: base64.urlsafe_b64encode(raw).decode(), st.binary(min_size=6, max_size=6)
    ),
    st.builds(Position, offsets, heights),
    st.none() | st.integers(0, 10**9),
    st.none() | offsets,
)


@given(cursors_made)
def test_what_is_sealed_is_read_back(cursor: Cursor) -> None:
    text = SEAL.encode(STREAM_ID, cursor)

    assert SEAL.decode(STREAM_ID, text) == cursor


@given(cursors_made)
def test_a_cursor_is_short_and_costs_no_preflight(cursor: Cursor) -> None:
    text = SEAL.encode(STREAM_ID, cursor)

    assert len(text) == 64 <= cursors.MAX_CURSOR_BYTES
    assert set(text) <= set(ALPHABET)


def test_any_other_character_at_any_place_is_refused() -> None:
    text = SEAL.encode(STREAM_ID, PLAIN)

    for place, own in enumerate(text):
        for other in (ALPHABET + ".=+/ \n").replace(own, ""):
            with pytest.raises(InvalidCursor):
                SEAL.decode(STREAM_ID, text[:place] + other + text[place + 1 :])


@given(st.data())
def test_a_character_more_or_less_is_refused(data: st.DataObject) -> None:
    text = SEAL.encode(STREAM_ID, PLAIN)
    place = data.draw(st.integers(0, len(text)))
    more = text[:place] + data.draw(st.sampled_from(ALPHABET + "=\r\n\0 ")) + text[place:]

    for changed in (more, text[:place] + text[place + 1 :] if place < len(text) else text[:-1]):
        with pytest.raises(InvalidCursor):
            SEAL.decode(STREAM_ID, changed)


@given(st.text() | st.text(alphabet=ALPHABET, min_size=60, max_size=68))
def test_nobody_can_make_one_up(text: str) -> None:
    with pytest.raises(InvalidCursor):
        SEAL.decode(STREAM_ID, text)


@pytest.mark.parametrize(
    "text",
    ["A" * 10_000_000, "٣" * 64, "\ud800" * 64, "é" + "A" * 63, "", "A", "AAA", "=" * 64],
    ids=["huge", "other digits", "half a pair", "not ASCII", "empty", "one", "three", "padding"],
)
def test_garbage_of_any_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        SEAL.decode(STREAM_ID, text)


def test_a_cursor_of_another_stream_is_refused() -> None:
    text = SEAL.encode(STREAM_ID, PLAIN)

    with pytest.raises(InvalidCursor):
        SEAL.decode(OTHER_ID, text)


def test_a_cursor_of_another_deployment_is_refused() -> None:
    text = CursorSeal(b"another secret").encode(STREAM_ID, PLAIN)

    with pytest.raises(InvalidCursor):
        SEAL.decode(STREAM_ID, text)


def test_a_cursor_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "VERSION", 2)
    text = SEAL.encode(STREAM_ID, PLAIN)
    monkeypatch.undo()

    with pytest.raises(InvalidCursor):
        SEAL.decode(STREAM_ID, text)


def test_replicas_with_one_secret_read_each_others() -> None:
    text = CursorSeal(b"secret").encode(STREAM_ID, PLAIN)

    assert SEAL.decode(STREAM_ID, text) == PLAIN


def test_ids_of_the_model_fit_into_a_cursor() -> None:
    cursor = Cursor(new_incarnation(), Position(0))
    stream_id = new_stream_id()

    assert SEAL.decode(stream_id, SEAL.encode(stream_id, cursor)) == cursor


def test_moving_a_cursor_spends_its_limit_and_keeps_the_rest() -> None:
    bounded = Cursor("incarn01", Position(0), limit=5, until=9)

    moved = bounded.at(Position(4), spent=2)

    assert moved == Cursor("incarn01", Position(4), limit=3, until=9)
    assert PLAIN.at(Position(50), spent=8) == Cursor("incarn01", Position(50))


@pytest.mark.parametrize(
    ("limit", "until", "is_reached"),
    [(None, None, False), (1, None, False), (0, None, True), (None, 43, False), (None, 42, True)],
)
def test_a_reading_is_over_at_its_limit_or_until(
    limit: int | None, until: int | None, is_reached: bool
) -> None:
    cursor = Cursor("incarn01", Position(42), limit, until)

    assert cursor.is_reached() is is_reached
