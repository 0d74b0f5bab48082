import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local.broker import Broker, BrokerFailed, serves
from local.children import command_line
from local.ports import free_port, is_free

TOPIC = "kept"


@contextlib.asynccontextmanager
async def running(directory: Path, port: int = 0) -> AsyncIterator[Broker]:
    broker = Broker(directory, port)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def write(bootstrap: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, value, partition=0)
    finally:
        await producer.stop()


async def read(bootstrap: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]
    finally:
        await consumer.stop()


async def make_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def test_records_are_kept_over_a_stop_and_a_kill_at_the_same_address(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await make_topic(broker.bootstrap)
        await write(broker.bootstrap, b"before the stop")
        first_address = broker.bootstrap
    async with running(tmp_path) as broker:
        await write(broker.bootstrap, b"before the kill")
        broker.kill()
        assert await broker.wait() == "killed by SIGKILL"

    async with running(tmp_path) as broker:
        assert broker.bootstrap == first_address
        assert await read(broker.bootstrap) == [b"before the stop", b"before the kill"]


async def test_a_directory_that_lost_its_identity_is_mended_with_its_records(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as broker:
        await make_topic(broker.bootstrap)
        await write(broker.bootstrap, b"kept")
    (tmp_path / "data" / "meta.properties").write_bytes(b"")

    async with running(tmp_path) as broker:
        assert await read(broker.bootstrap) == [b"kept"]


async def test_what_a_kill_while_formatting_left_heals_by_itself(tmp_path: Path) -> None:
    (tmp_path / "data.new" / "__cluster_metadata-0").mkdir(parents=True)
    (tmp_path / "data.new" / "meta.properties").write_text("version=1\n", encoding="utf-8")
    (tmp_path / "data").mkdir()

    async with running(tmp_path) as broker:
        assert await serves("127.0.0.1", broker.port)


async def test_records_without_any_identity_are_never_formatted_over(tmp_path: Path) -> None:
    log = tmp_path / "data" / "kept-0" / "00000000000000000000.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"records")

    with pytest.raises(BrokerFailed, match=r"no meta\.properties"):
        await Broker(tmp_path).start()

    assert log.read_bytes() == b"records"


async def test_a_taken_port_is_passed_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async with running(tmp_path, port) as broker:
            assert broker.port != port


async def test_a_port_that_was_insisted_on_and_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(BrokerFailed, match=f"port {port} is taken"):
            await Broker(tmp_path, port, insist=True).start()


async def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(BrokerFailed, match="another run is using"):
            await Broker(tmp_path).start()


async def test_the_broker_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    port = free_port()
    runner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.broker", "--data", str(tmp_path), "--port", str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert runner.stdout is not None
    async with asyncio.timeout(40):
        while b"Kafka is ready" not in await runner.stdout.readline():
            pass
    pid = json.loads((tmp_path / "broker.json").read_text(encoding="utf-8"))["pid"]

    runner.kill()
    await runner.communicate()

    async with asyncio.timeout(15):
        while command_line(pid) or not is_free(port):
            await asyncio.sleep(0.05)


async def test_a_broker_left_behind_is_stopped_first(tmp_path: Path) -> None:
    async with running(tmp_path) as left_behind:
        # As if its supervisor were gone: nobody holds the directory, but the process lives.
        assert left_behind._lock is not None
        left_behind._lock.close()

        async with running(tmp_path) as broker:
            assert await left_behind.wait() in {"exit code 143", "killed by SIGTERM"}
            assert await serves("127.0.0.1", broker.port)


async def test_a_process_that_only_has_the_remembered_id_is_left_alone(tmp_path: Path) -> None:
    tmp_path.joinpath("broker.json").write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")

    async with running(tmp_path):
        pass  # Reached: this very process was not ended.


async def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    shutil.rmtree(tmp_path / "data" / "__cluster_metadata-0")

    with pytest.raises(BrokerFailed) as caught:
        await Broker(tmp_path).start()

    assert str(tmp_path / "broker.log") in str(caught.value)


async def test_a_port_without_kafka_does_not_serve() -> None:
    assert not await serves("127.0.0.1", free_port())


async def test_the_foreground_broker_ends_on_sigterm_with_success(tmp_path: Path) -> None:
    runner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.broker", "--data", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert runner.stdout is not None
    async with asyncio.timeout(40):
        while b"Kafka is ready" not in await runner.stdout.readline():
            pass

    runner.send_signal(signal.SIGTERM)
    await runner.communicate()

    assert runner.returncode == 0
