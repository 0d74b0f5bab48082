import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.composition import Product
from local.http_get import get
from local.options import read
from local.ports import is_free
from tests.eventually import eventually
from tests.local.processes import Run, all_gone, command, product, recorded_pids, started


def port_in(printed: str, label: str) -> int:
    """Return the port of the address that the welcome text gives for ``label``."""
    return int(printed.split(f"  {label}  http://127.0.0.1:")[1].split("/", 1)[0])


async def ready(run: Run) -> None:
    await run.prints("Ctrl-C stops everything.")


def pid_of(data: Path, name: str) -> int:
    return int(json.loads((data / "run.json").read_text(encoding="utf-8"))[name])


async def test_ready_with_commands_to_paste_and_stopped_by_ctrl_c_without_a_trace(
    tmp_path: Path, broker: str
) -> None:
    async with product(tmp_path, "--broker", broker) as run:
        await ready(run)
        port, pids = port_in(run.printed, "console"), recorded_pids(tmp_path)
        told = (tmp_path / "broker").read_text(encoding="utf-8")
        curls = [line for line in run.printed.splitlines() if "curl " in line]

        run.process.send_signal(signal.SIGINT)

        assert await run.ended() == 0
        assert len(pids) == 2
        assert all_gone(pids)
        assert is_free(port)
        assert not (tmp_path / "run.json").exists()
        assert told.strip() == broker
        assert not (tmp_path / "broker").exists()
        assert len(curls) == 3
        assert all(f"http://127.0.0.1:{port}/stream/" in line for line in curls)
        assert "No key is configured" in run.printed
        assert "embedded" not in run.printed
        for line in ("api warning: api began", "Stopping api", "Stopping processing"):
            assert line in run.printed


async def test_ctrl_c_while_it_is_still_being_imported_leaves_no_trace(tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "local", "--data", str(tmp_path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert run.stdout is not None
    async with asyncio.timeout(30):
        while b"local." not in await run.stdout.readline():
            pass
        run.send_signal(signal.SIGINT)
        rest = await run.stdout.read()
        await run.wait()

    assert b"Traceback" not in rest
    assert not list(tmp_path.iterdir())


async def test_children_get_the_merged_settings_and_ports_of_their_own(
    tmp_path: Path, broker: str
) -> None:
    (tmp_path / ".env").write_text("API_KEY=mine\nKAFKA_TOPIC_PREFIX=\n", encoding="utf-8")
    variables = {"KAFKA_BROKER": broker, "LOG_LEVEL": "DEBUG", "SIGNING_SECRET": ""}
    async with product(tmp_path, **variables) as run:
        await ready(run)
        port = port_in(run.printed, "console")

        _, body = await get("127.0.0.1", port, "/health/ready", 5)

        child = json.loads(body)
        assert child["API_KEY"] == "mine"
        assert "mine" not in run.printed
        assert child["KAFKA_BROKER"] == broker
        assert child["PORT"] == str(port)
        assert child["LOG_LEVEL"] == "DEBUG"
        assert child["DATA_DIR"] == str(tmp_path)
        assert child["PROMETHEUS_PORT"] != str(port_in(run.printed, "metrics"))
        assert not {"KAFKA_TOPIC_PREFIX", "SIGNING_SECRET"} & set(child)


async def page_of(run: Run) -> bytes:
    _, body = await get("127.0.0.1", port_in(run.printed, "metrics"), "/metrics", 5)
    return body


def up_in(page: bytes) -> dict[str, float]:
    return {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if sample.name == "millrace_up"
    }


async def test_one_page_shows_the_metrics_of_all_and_an_api_that_was_killed_is_back(
    tmp_path: Path, broker: str
) -> None:
    async with product(tmp_path, "--broker", broker) as run:
        await ready(run)
        killed, port = pid_of(tmp_path, "api"), port_in(run.printed, "console")

        os.kill(killed, signal.SIGKILL)
        await run.prints("api ended: killed by SIGKILL")
        await eventually(lambda: pid_of(tmp_path, "api") != killed)
        await eventually(lambda: not is_free(port))

        async with asyncio.timeout(10):  # It opens the port of its figures a moment later.
            while up_in(body := await page_of(run)) != {"api": 1, "processing": 1}:
                await asyncio.sleep(0.05)
        assert b'millrace_requests_total{process="processing",status="200"} 2.0' in body


async def test_after_a_kill_the_next_start_works_and_meanwhile_a_second_is_refused(
    tmp_path: Path, broker: str
) -> None:
    async with product(tmp_path, "--broker", broker) as killed:
        await ready(killed)
        pids = recorded_pids(tmp_path)
        async with started(*command(tmp_path, "--broker", broker), cwd=tmp_path) as second:
            assert await second.ended() == 2

        killed.process.kill()

        await killed.ended()
        await eventually(lambda: all_gone(pids))
    async with product(tmp_path, "--broker", broker) as following:
        await ready(following)

    assert f"Another run (process {killed.process.pid}) is using {tmp_path}" in second.printed


async def test_a_taken_port_is_refused_with_another_to_choose(tmp_path: Path, broker: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with product(tmp_path, "--broker", broker, "--port", str(port)) as run:
            assert await run.ended() == 2

    assert f"Port {port} on 127.0.0.1 is taken" in run.printed
    assert "make run PORT=" in run.printed
    assert "Traceback" not in run.printed


async def test_an_address_of_another_machine_is_refused(tmp_path: Path, broker: str) -> None:
    flags = ("--host", "192.0.2.1", "--port", "8080", "--broker", broker)
    async with product(tmp_path, *flags, API_KEY="k") as run:
        assert await run.ended() == 2

    assert "Port 8080 on 192.0.2.1 (PORT, HOST) cannot be used: " in run.printed


async def test_a_taken_metrics_port_is_passed_over_and_said(tmp_path: Path, broker: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--broker", broker, "--prometheus-port", str(port), "--no-processing")
        async with product(tmp_path, *flags) as run:
            await ready(run)
            other = port_in(run.printed, "metrics")

            run.process.terminate()

            assert await run.ended() == 0
            assert other != port
            assert f"PROMETHEUS_PORT {port} is taken; metrics are on port {other}" in run.printed
            assert "processing" not in run.printed


async def test_a_second_ctrl_c_ends_a_deaf_child_at_once(tmp_path: Path, broker: str) -> None:
    async with product(tmp_path, "--broker", broker, FAKE_API="deaf", DRAIN_SECONDS="600") as run:
        await ready(run)
        pids = recorded_pids(tmp_path)
        run.process.send_signal(signal.SIGINT)
        await run.prints("Stopping api")

        run.process.send_signal(signal.SIGINT)

        assert await run.ended() == 130
        await eventually(lambda: all_gone(pids))


async def test_an_api_that_refuses_its_settings_ends_the_run_with_its_words(
    tmp_path: Path, broker: str
) -> None:
    async with product(tmp_path, "--broker", broker, FAKE_API="exits2") as run:
        assert await run.ended() == 1

    assert "api ended: exit code 2" in run.printed
    assert f"{tmp_path}/logs/api.log ends with" in run.printed
    assert "Stopping processing" in run.printed


async def test_wrong_settings_are_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KAFKA_BROKER=nowhere\n", encoding="utf-8")
    async with product(tmp_path) as run:
        assert await run.ended() == 2

    assert run.printed == "KAFKA_BROKER (nowhere) is not host:port,host:port\n"


async def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with product(tmp_path, "--data", str(tmp_path / "file" / "data")) as run:
        assert await run.ended() == 2

    assert "cannot be written to" in run.printed
    assert "Traceback" not in run.printed


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("localhost", "http://localhost:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_the_address_that_is_shown_can_be_typed_in_a_browser(host: str, url: str) -> None:
    assert Product(read(["--host", host], {"API_KEY": "k"}, {})).url == url


async def test_a_crash_of_the_embedded_broker_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    data = tmp_path / "with spaces"
    with socket.socket() as usual:
        if is_free(9092):
            usual.bind(("127.0.0.1", 9092))
            usual.listen()
        async with product(data) as run:
            await ready(run)
            pids = recorded_pids(data)
            broker = json.loads((data / "kafka" / "broker.json").read_text(encoding="utf-8"))

            os.kill(broker["pid"], signal.SIGKILL)

            assert await run.ended() == 1
            assert all_gone(pids)
            assert broker["port"] != 9092
            assert "taken" not in run.printed
            assert "The broker ended by itself: killed by SIGKILL" in run.printed
            assert f"{data}/kafka/broker.log, ends with" in run.printed


async def test_a_run_that_does_not_get_ready_ends_with_the_parts_that_are_not(
    tmp_path: Path, broker: str
) -> None:
    variables = {"FAKE_API": "unready", "FAKE_READY_SECONDS": "2"}
    async with product(tmp_path, "--broker", broker, **variables) as run:
        assert await run.ended() == 1

    assert "Not ready after 2 s: results: behind; logs are in" in run.printed
