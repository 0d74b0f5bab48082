from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from streaming_runtime.processing import processes
from streaming_runtime.processing.catalog import Catalog
from streaming_runtime.processing.processes import Processes
from streaming_runtime.processing.processor import Process, Processor, Unprocessable


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    n: int = 0


def counting() -> tuple[Processes, Callable[[], int]]:
    """Give a cache, and how often it has made a function."""
    made: list[int] = []

    def make(parameters: Parameters) -> Process:
        made.append(parameters.n)
        return lambda data: data

    catalog = Catalog([Processor("counting", Parameters, make)])
    return Processes(catalog), lambda: len(made)


def header(n: int) -> bytes:
    return b'{"name":"counting","n":%d}' % n


def test_a_function_is_made_once_for_all_records_with_its_header() -> None:
    cache, made = counting()

    functions = {cache.of(header(1)) for _ in range(100)}

    assert len(functions) == 1
    assert made() == 1


def test_what_is_kept_is_bounded_by_the_bytes_of_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MAX_CACHED_BYTES", 100)
    cache, made = counting()

    for n in range(50):
        cache.of(header(n))
        cache.of(header(n))
    cache.of(header(1) + b" " * 200)
    cache.of(header(1) + b" " * 200)

    assert made() == 52
    assert sum(map(len, cache._made)) <= 100


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (None, "missing"),
        (b"", "not a JSON object with a name"),
        (b"{", "not a JSON object with a name"),
        (b"\xff", "not a JSON object with a name"),
        (b'["identity"]', "not a JSON object with a name"),
        (b'{"expression":"a"}', "not a JSON object with a name"),
        (b'{"a":' * 100_000, "not a JSON object with a name"),
        (b'{"name":5}', "no processor '5'"),
        (b'{"name":"nobody"}', "no processor 'nobody'"),
        (b'{"name":"jmespath","expression":"a["}', "expression: "),
    ],
)
def test_a_header_that_names_nothing_usable_makes_its_record_unprocessable(
    header: bytes | None, complaint: str
) -> None:
    with pytest.raises(Unprocessable, match=complaint):
        Processes(Catalog()).of(header)
