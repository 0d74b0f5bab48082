"""The figures of the API process, and the port that shows them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Gauge,
    Metric,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client import Counter as SharedCounter
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from streaming_runtime.core.audit import DENIALS, FORBIDDEN, ORIGIN
from streaming_runtime.core.errors import ConfigurationInvalid
from streaming_runtime.core.reading import Delivery
from streaming_runtime.core.settings import HttpSettings
from streaming_runtime.live.distribution import Distribution

# From 0.5 ms, because a good run has its median below 5 ms, to what a client calls broken.
SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STOP_SECONDS = 2.0


class LiveMetrics:
    """Implements http.services.Observer; every label comes from a closed set."""

    def __init__(self) -> None:
        # When a series was made is of use to nobody here, and would double their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            self.registry.register(collector)
        self._errors = SharedCounter(
            "millrace_errors_total", "Refusals and faults.", ("code",), registry=self.registry
        )
        self._denials = SharedCounter(
            "millrace_denials_total",
            "Refusals for want of a right, as in the audit log.",
            ("reason",),
            registry=self.registry,
        )
        for reason in DENIALS:
            self._denials.labels(reason)  # Shown from the start: a rate needs a first value.
        self._readers = Gauge(
            "millrace_readers", "Readers that are connected now.", registry=self.registry
        )
        self._slow_readers = SharedCounter(
            "millrace_readers_slow_total",
            "Readers closed with their position, because they did not keep up.",
            registry=self.registry,
        )
        self._often = OftenCounted()
        self.registry.register(self._often)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._often.answered(route, method, status, seconds)

    def refused(self, code: str) -> None:
        if code in DENIALS:
            self._denials.labels(code).inc()
        # A socket for a foreign page is refused without a problem, so without a code of its own.
        self._errors.labels(FORBIDDEN if code == ORIGIN else code).inc()

    def readers(self, count: int) -> None:
        self._readers.set(count)

    def slow_reader(self) -> None:
        self._slow_readers.inc()

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        now_ms = time.time() * 1000
        for delivery in deliveries:
            age = now_ms - delivery.result.entry.sent_at
            self._often.send_to_deliver.observe(max(0.0, age / 1000))


class OftenCounted(Collector):
    """The figures that each request and each delivered result moves."""

    def __init__(self) -> None:
        self.send_to_deliver = Distribution(SECONDS)
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Distribution] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests[route, method, status] += 1
        taken = self._seconds.get(route)
        if taken is None:
            taken = self._seconds[route] = Distribution(SECONDS)
        taken.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "millrace_requests", "Requests answered.", labels=("route", "method", "status")
        )
        # Copies: the loop goes on counting meanwhile.
        for (route, method, status), count in list(self._requests.items()):
            requests.add_metric((route, method, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            "millrace_request_seconds",
            "From the request's head to the end of its answer; to its first byte for streams.",
            labels=("route",),
        )
        for route, taken in list(self._seconds.items()):
            seconds.add_metric((route,), taken.buckets(), taken.total)
        yield seconds
        yield CounterMetricFamily(
            "millrace_results_delivered",
            "Results handed to the connections of readers.",
            self.send_to_deliver.count,
        )
        yield HistogramMetricFamily(
            "millrace_send_to_deliver_seconds",
            "From the acceptance of a record to the delivery of its result.",
            self.send_to_deliver.buckets(),
            self.send_to_deliver.total,
        )


@contextmanager
def metrics_served(metrics: LiveMetrics, settings: HttpSettings) -> Iterator[None]:
    """Serve ``/metrics`` from a thread, so that a busy loop does not hide its own figures.

    Raises:  ConfigurationInvalid if the port cannot be had.
    """
    port = settings.prometheus_port
    try:
        server, thread = start_http_server(port, settings.host, metrics.registry)
    except OSError as exc:
        raise ConfigurationInvalid(
            f"PROMETHEUS_PORT ({port}) cannot be listened on: {exc.strerror}"
        ) from exc
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(STOP_SECONDS)
