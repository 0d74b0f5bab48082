import pytest

from streaming_runtime.core.errors import Overloaded
from streaming_runtime.kafka.load import Load


def test_records_and_bytes_are_both_bounded_and_a_refusal_counts_nothing() -> None:
    load = Load(max_records=2, max_bytes=10)
    load.take(6)

    with pytest.raises(Overloaded):
        load.take(5)
    load.take(4)
    with pytest.raises(Overloaded):
        load.take(0)

    assert (load.records, load.bytes) == (2, 10)


def test_what_is_released_can_be_taken_again() -> None:
    load = Load(max_records=2, max_bytes=10)
    load.take(6)
    load.take(4)

    load.release(2, 10)
    load.take(10)

    assert (load.records, load.bytes) == (1, 10)
