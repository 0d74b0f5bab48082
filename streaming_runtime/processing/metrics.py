"""What processing shows to Prometheus: counted with plain additions, put in form when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.processing.lag import Lag

KINDS = ("result", "failed", "end")
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000)


class Tally:
    """Counts what the pipeline wrote; only its thread adds."""

    def __init__(self) -> None:
        self.kinds = dict.fromkeys(KINDS, 0)
        self.dead_letters = 0
        self.repeats = 0
        self.restarts = 0
        self.total_ms = 0
        self.buckets = [0] * (len(BUCKETS_MS) + 1)

    def add(self, kind: str, age_ms: int) -> None:
        """Count what was written, and of a result the time from its sending."""
        if kind == "dead-letter":
            self.dead_letters += 1
            return
        self.kinds[kind] += 1
        self.total_ms += age_ms
        self.buckets[bisect_left(BUCKETS_MS, age_ms)] += 1


class Page(Collector):
    """The families of one processing process."""

    def __init__(self, tally: Tally, lag: Lag) -> None:
        self._tally = tally
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        tally = self._tally
        yield GaugeMetricFamily(
            "millrace_processing_lag_records",
            "Input records of this process's partitions that are not processed yet.",
            value=self._lag.records(),
        )
        yield GaugeMetricFamily(
            "millrace_processing_partitions",
            "Partitions that this process has now.",
            value=self._lag.partitions,
        )
        processed = CounterMetricFamily(
            "millrace_processed", "Results written, by kind.", labels=["kind"]
        )
        for kind, count in tally.kinds.items():
            processed.add_metric([kind], count)
        yield processed
        yield CounterMetricFamily(
            "millrace_dead_letters",
            "Records that could not be processed.",
            value=tally.dead_letters,
        )
        yield CounterMetricFamily(
            "millrace_repeats_dropped",
            "Records without a result of their own: their stream has had their Idempotency-Key.",
            value=tally.repeats,
        )
        yield CounterMetricFamily(
            "millrace_processing_restarts",
            "New starts from the last commit after a failure.",
            value=tally.restarts,
        )
        yield self._latency()

    def _latency(self) -> Metric:
        bounds = [str(bound / 1000) for bound in BUCKETS_MS] + ["+Inf"]
        counts = accumulate(self._tally.buckets)
        return HistogramMetricFamily(
            "millrace_processing_seconds",
            "From sending a record to processing it.",
            buckets=list(zip(bounds, counts, strict=True)),
            sum_value=self._tally.total_ms / 1000,
        )


def serve_metrics(page: Page, host: str, port: int) -> int:
    """Serve the page and the ``process_*`` family from a thread; return the port.

    Raises:  ConfigurationInvalid if nothing can listen there.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(page)
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as exc:
        raise ConfigurationInvalid(
            f"PROCESSING_PROMETHEUS_PORT ({port}) cannot be listened on at HOST ({host}):"
            f" {exc.strerror or 'no such address'}; stop what is there, or choose another"
        ) from exc
    return int(server.server_port)
