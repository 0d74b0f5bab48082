"""What is counted for next to nothing is what prometheus_client would have shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families as families

from streaming_runtime.live.distribution import Distribution
from streaming_runtime.live.metrics import SECONDS, LiveMetrics


@given(st.lists(st.sampled_from([0.0, *SECONDS, 0.003, 0.0121, 9.99, 11.0, 1e6])))
def test_it_counts_as_the_library_does(durations: list[float]) -> None:
    registry = CollectorRegistry()
    theirs = Histogram("x", "x", buckets=SECONDS, registry=registry)
    ours = Distribution(SECONDS)
    for seconds in durations:
        theirs.observe(seconds)
        ours.observe(seconds)

    shown = [s for m in registry.collect() for s in m.samples]

    buckets = [(s.labels["le"], s.value) for s in shown if s.name == "x_bucket"]
    assert ours.buckets() == buckets
    assert ours.count == len(durations)
    assert ours.total == next(s.value for s in shown if s.name == "x_sum")


def test_the_page_has_each_series_with_its_labels() -> None:
    metrics = LiveMetrics()
    for status, seconds in ((202, 0.003), (202, 0.004), (429, 0.0001)):
        metrics.answered("/stream/{stream_id}/send", "POST", status, seconds)
    metrics.answered("other", "GET", 404, 20.0)

    page = generate_latest(metrics.registry).decode()

    found = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(page)
        for sample in family.samples
        if family.name.startswith("millrace")
    }
    send = "/stream/{stream_id}/send"
    assert found["millrace_requests_total", "POST", send, "202"] == 2
    assert found["millrace_requests_total", "POST", send, "429"] == 1
    assert found["millrace_requests_total", "GET", "other", "404"] == 1
    assert found["millrace_request_seconds_count", send] == 3
    assert found["millrace_request_seconds_bucket", "0.002", send] == 1
    assert found["millrace_request_seconds_bucket", "10.0", "other"] == 0
    assert found["millrace_request_seconds_bucket", "+Inf", "other"] == 1
    assert found["millrace_results_delivered_total",] == 0
    assert found["millrace_send_to_deliver_seconds_count",] == 0
