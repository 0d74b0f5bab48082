"""One metrics page for every process of a run: scraped on demand, merged, a label for each."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from local.http_get import get

SCRAPE_SECONDS = 2.0
REQUEST_SECONDS = 5.0
LABEL = "process"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def merged(pages: Mapping[str, Iterable[Metric]]) -> list[Metric]:
    """Return the families of all processes, each family once, each sample with its process."""
    families: dict[tuple[str, str], Metric] = {}
    for process, page in pages.items():
        for family in page:
            into = families.setdefault(
                (family.name, family.type),
                Metric(family.name, family.documentation, family.type),
            )
            for sample in family.samples:
                labels = {**sample.labels, LABEL: process}
                into.add_sample(
                    sample.name, labels, sample.value, sample.timestamp, sample.exemplar
                )
    return list(families.values())


class _Families:
    """What ``generate_latest`` asks of a registry."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


class MetricsPage:
    """Serves ``/metrics``.

    ``addresses`` gives where each child has its own page now, ``brokers`` the embedded ones'
    processes.
    """

    def __init__(
        self,
        addresses: Callable[[], Mapping[str, tuple[str, int]]],
        brokers: Callable[[], Mapping[str, int]],
    ) -> None:
        self._addresses = addresses
        self._brokers = brokers
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:  OSError if the port is taken.
        """
        self._server = await asyncio.start_server(self._serve, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def render(self) -> bytes:
        """Scrape all children at the same time; one that does not answer is only marked down."""
        addresses = self._addresses()
        pages = await asyncio.gather(*(_scraped(host, port) for host, port in addresses.values()))
        answers = dict(zip(addresses, pages, strict=True))
        up = GaugeMetricFamily("millrace_up", "Whether the process gave its metrics.")
        for process, page in answers.items():
            up.add_sample("millrace_up", {LABEL: process}, float(page is not None))
        brokers = {name: _process(pid) for name, pid in self._brokers().items()}
        known = {process: page for process, page in answers.items() if page is not None}
        families = merged({**known, "local": list(REGISTRY.collect()), **brokers})
        return generate_latest(_Families([up, *families]))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1:2]
                found = path and path[0].split(b"?")[0] in {b"/metrics", b"/"}
                body = await self.render() if found else b"see /metrics\n"
                writer.write(
                    f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\n"
                    f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # The scraper went away or never asked; it comes again.
        finally:
            writer.close()


def _process(pid: int) -> list[Metric]:
    registry = CollectorRegistry()
    ProcessCollector(pid=lambda: pid, registry=registry)
    return list(registry.collect())


async def _scraped(host: str, port: int) -> list[Metric] | None:
    try:
        status, body = await get(host, port, "/metrics", SCRAPE_SECONDS)
        text = body.decode()
        return list(text_string_to_metric_families(text)) if status == 200 else None
    except (OSError, ValueError):
        return None
