from __future__ import annotations

import socket
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.processing.lag import Lag
from streaming_runtime.processing.metrics import Page, Tally, serve_metrics
from tests.processing.traffic import metric


class StillLag:
    partitions = 3

    def records(self) -> int:
        return 42


def page(tally: Tally) -> Page:
    return Page(tally, cast(Lag, StillLag()))


def test_the_page_shows_what_was_counted() -> None:
    tally = Tally()
    for kind, age_ms in [("result", 3), ("result", 700), ("failed", 90_000), ("dead-letter", 0)]:
        tally.add(kind, age_ms)
    registry = CollectorRegistry()
    registry.register(page(tally))

    shown = generate_latest(registry).decode().splitlines()

    for line in (
        "millrace_processing_lag_records 42.0",
        "millrace_processing_partitions 3.0",
        'millrace_processed_total{kind="result"} 2.0',
        'millrace_processed_total{kind="failed"} 1.0',
        'millrace_processed_total{kind="end"} 0.0',
        "millrace_dead_letters_total 1.0",
        "millrace_processing_restarts_total 0.0",
        'millrace_processing_seconds_bucket{le="0.002"} 0.0',
        'millrace_processing_seconds_bucket{le="0.005"} 1.0',
        'millrace_processing_seconds_bucket{le="1.0"} 2.0',
        'millrace_processing_seconds_bucket{le="60.0"} 2.0',
        'millrace_processing_seconds_bucket{le="+Inf"} 3.0',
        "millrace_processing_seconds_count 3.0",
        "millrace_processing_seconds_sum 90.703",
    ):
        assert line in shown


def test_an_age_on_a_bound_is_within_it() -> None:
    tally = Tally()

    tally.add("result", 5)

    assert tally.buckets[2] == 1


def test_it_is_served_with_the_figures_of_the_process() -> None:
    port = serve_metrics(page(Tally()), "127.0.0.1", 0)

    assert metric(port, "millrace_processing_lag_records") == 42
    assert metric(port, "process_open_fds") > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "no such host"])
def test_where_nothing_can_listen_the_variables_are_named(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigurationInvalid) as caught:
            serve_metrics(page(Tally()), host, port)

    assert f"PROCESSING_PROMETHEUS_PORT ({port})" in str(caught.value)
    assert f"HOST ({host})" in str(caught.value)
