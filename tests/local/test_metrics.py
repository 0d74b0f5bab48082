import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from local.http_get import get
from local.metrics import MetricsPage
from local.ports import free_port, is_free


def child_page(requests: int) -> bytes:
    registry = CollectorRegistry()
    counter = Counter("millrace_requests", 'A "quoted"\nhelp.', ["route"], registry=registry)
    counter.labels('/stream/"x"\\').inc(requests)
    Gauge("millrace_readers", "Readers.", registry=registry).set(requests)
    seconds = Histogram("millrace_request_seconds", "Time.", buckets=(0.1, 1), registry=registry)
    seconds.observe(0.05)
    seconds.observe(5)
    return generate_latest(registry)


@pytest.fixture
async def children() -> AsyncIterator[dict[str, tuple[str, int]]]:
    """Give where two processes have their metrics, and one that is down."""
    addresses, servers = {"down": ("127.0.0.1", free_port())}, []
    for name, requests in (("api", 1), ("processing", 2)):
        body = child_page(requests)

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes = body
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        addresses[name] = server.sockets[0].getsockname()
    yield addresses
    for server in servers:
        server.close()


@pytest.fixture
async def page(children: dict[str, tuple[str, int]]) -> AsyncIterator[int]:
    """Give the port of a page over ``children`` and a broker, this very process."""
    metrics = MetricsPage(lambda: children, lambda: {"broker": os.getpid()})
    yield await metrics.start("127.0.0.1", 0)
    await metrics.stop()


async def test_all_processes_are_on_one_page_told_apart_by_a_label(page: int) -> None:
    _, body = await get("127.0.0.1", page, "/metrics", 10)

    samples = {
        (sample.name, sample.labels["process"]): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name in {"millrace_requests_total", "millrace_readers", "millrace_up"}
    }
    assert samples == {
        ("millrace_requests_total", "api"): 1,
        ("millrace_requests_total", "processing"): 2,
        ("millrace_readers", "api"): 1,
        ("millrace_readers", "processing"): 2,
        ("millrace_up", "api"): 1,
        ("millrace_up", "processing"): 1,
        ("millrace_up", "down"): 0,
    }


async def test_names_types_and_texts_are_those_of_the_children(page: int) -> None:
    _, body = await get("127.0.0.1", page, "/metrics", 10)

    lines = body.decode().splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert "# TYPE millrace_requests_total counter" in types
    assert "# TYPE millrace_request_seconds histogram" in types
    assert '# HELP millrace_requests_total A "quoted"\\nhelp.' in lines
    for line in (
        'millrace_requests_total{process="api",route="/stream/\\"x\\"\\\\"} 1.0',
        'millrace_request_seconds_bucket{le="0.1",process="api"} 1.0',
        'millrace_request_seconds_bucket{le="+Inf",process="processing"} 2.0',
        'millrace_request_seconds_count{process="processing"} 2.0',
        'millrace_request_seconds_sum{process="api"} 5.05',
    ):
        assert line in lines


async def test_samples_of_a_family_stand_together_under_its_type(page: int) -> None:
    _, body = await get("127.0.0.1", page, "/metrics", 10)

    family, seen = "", set()
    for line in body.decode().splitlines():
        if line.startswith("# TYPE"):
            family = line.split()[2]
            assert family not in seen
            seen.add(family)
        elif not line.startswith("#"):
            assert line.startswith(family)


async def test_broker_and_supervisor_show_their_own_memory(page: int) -> None:
    _, body = await get("127.0.0.1", page, "/metrics", 10)

    for process in ("broker", "local"):
        assert f'process_resident_memory_bytes{{process="{process}"}}' in body.decode()


async def test_another_path_is_404_and_says_where_to_look(page: int) -> None:
    assert await get("127.0.0.1", page, "/favicon.ico", 5) == (404, b"see /metrics\n")


async def test_a_scraper_that_hangs_up_harms_nobody(page: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", page)
    writer.write(b"GET /met")
    writer.close()
    await writer.wait_closed()

    status, _ = await get("127.0.0.1", page, "/metrics", 10)

    assert status == 200


async def test_a_stopped_page_leaves_its_port() -> None:
    metrics = MetricsPage(dict, dict)
    port = await metrics.start("127.0.0.1", 0)

    await metrics.stop()

    assert is_free(port)


async def test_without_an_embedded_broker_none_is_shown() -> None:
    metrics = MetricsPage(dict, dict)

    assert b'process="broker"' not in await metrics.render()
