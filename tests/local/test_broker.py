import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local import broker as broker_module
from local import broker_config
from local.broker import Broker
from local.broker_data import BrokerFailed
from local.broker_probe import serving_cluster
from local.children import command_line
from local.ports import free_port, is_free
from tests.eventually import eventually
from tests.local.processes import started

TOPIC = "kept"


@contextlib.asynccontextmanager
async def running(directory: Path, port: int = 0) -> AsyncIterator[Broker]:
    broker = Broker(directory, port)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.fixture(scope="module")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory that has been formatted and used, with a topic."""

    async def use(directory: Path) -> None:
        async with running(directory) as broker:
            await make_topic(broker.bootstrap)

    directory = tmp_path_factory.mktemp("formatted")
    asyncio.run(use(directory))
    return directory


@pytest.fixture
def directory(formatted: Path, tmp_path: Path) -> Path:
    """Give a copy of it: formatting takes as long as starting."""
    shutil.copytree(formatted / "data", tmp_path / "data")
    shutil.copyfile(formatted / "meta.properties", tmp_path / "meta.properties")
    return tmp_path


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


async def test_records_are_kept_over_a_stop_and_a_kill_at_the_same_address(
    directory: Path,
) -> None:
    async with running(directory) as broker:
        await write(broker.bootstrap, b"before the stop")
        first_address = broker.bootstrap
    async with running(directory) as broker:
        await write(broker.bootstrap, b"before the kill")
        broker.kill()
        assert await broker.wait() == "killed by SIGKILL"

    # Its copy of the identity is enough, too.
    (directory / "data" / "meta.properties").write_bytes(b"")
    async with running(directory) as broker:
        assert broker.bootstrap == first_address
        assert await read(broker.bootstrap) == [b"before the stop", b"before the kill"]


@pytest.mark.soak
async def test_what_a_kill_while_formatting_left_heals_by_itself(tmp_path: Path) -> None:
    (tmp_path / "data.new" / "__cluster_metadata-0").mkdir(parents=True)
    (tmp_path / "data.new" / "meta.properties").write_text("version=1\n", encoding="utf-8")
    (tmp_path / "data").mkdir()

    async with running(tmp_path) as broker:
        assert await serving_cluster("127.0.0.1", broker.port)


async def test_records_without_any_identity_are_never_formatted_over(tmp_path: Path) -> None:
    log = tmp_path / "data" / "kept-0" / "00000000000000000000.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"records")

    with pytest.raises(BrokerFailed, match=r"no meta\.properties"):
        await Broker(tmp_path).start()

    assert log.read_bytes() == b"records"


async def test_data_that_lost_its_metadata_is_refused_and_not_waited_for(directory: Path) -> None:
    shutil.rmtree(directory / "data" / "__cluster_metadata-0")

    with pytest.raises(BrokerFailed, match="lost __cluster_metadata-0"):
        await Broker(directory).start()


@pytest.mark.soak
async def test_a_broker_left_behind_is_stopped_first_and_a_taken_port_passed_over(
    directory: Path,
) -> None:
    async with running(directory) as left_behind:
        # As if its supervisor were gone: nobody holds the directory, but the process lives.
        assert left_behind._lock is not None
        left_behind._lock.close()

        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            (directory / "broker.json").write_text(
                json.dumps({"pid": left_behind.pid, "port": port}), encoding="utf-8"
            )
            async with running(directory, port) as broker:
                assert await left_behind.wait() in {"exit code 143", "killed by SIGTERM"}
                assert broker.port != port
                assert await serving_cluster("127.0.0.1", broker.port)


@pytest.mark.soak
async def test_somebody_elses_broker_that_took_the_port_meanwhile_is_not_taken_for_ours(
    directory: Path, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(broker.rpartition(":")[2])
    # As if it had still been free when we looked.
    ports = iter([taken, free_port(), free_port(), free_port()])
    monkeypatch.setattr(broker_module, "free_port", lambda *_: next(ports))

    async with running(directory) as ours:
        assert ours.port != taken
        assert await serving_cluster("127.0.0.1", ours.port) != (
            await serving_cluster("127.0.0.1", taken)
        )


async def test_a_port_that_was_insisted_on_and_is_taken_is_refused(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(BrokerFailed, match=f"port {port} is taken"):
            await Broker(directory, port, insist=True).start()


async def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(BrokerFailed, match="another run is using"):
            await Broker(tmp_path).start()


async def test_a_foreign_process_with_the_remembered_id_lives_on_and_the_broker_dies_with_its_own(
    directory: Path,
) -> None:
    (directory / "broker.json").write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
    port = str(free_port())
    command = (sys.executable, "-m", "local.broker", "--data", str(directory), "--port", port)
    async with started(*command, cwd=directory) as runner:
        await runner.prints(f"Kafka is ready on 127.0.0.1:{port}")
        pid = json.loads((directory / "broker.json").read_text(encoding="utf-8"))["pid"]

        runner.process.kill()

        await eventually(lambda: not command_line(pid) and is_free(int(port)))


async def test_a_broker_that_cannot_start_says_why_and_leaves_nothing_running(
    directory: Path,
) -> None:
    identity = directory / "data" / "meta.properties"
    identity.write_text(identity.read_text().replace("node.id=1", "node.id=7"))
    broker = Broker(directory)

    with pytest.raises(BrokerFailed) as caught:
        await broker.start()

    assert "exit code 1" in str(caught.value)
    assert str(directory / "broker.log") in str(caught.value)
    assert "Stored node id 7 doesn't match" in str(caught.value)
    assert broker.pid is None


async def test_a_java_that_does_not_even_start_is_quoted(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "broker.log").write_text("what an earlier run said", encoding="utf-8")
    monkeypatch.setattr(broker_config, "HEAP_MEGABYTES", 0)

    with pytest.raises(BrokerFailed) as caught:
        await Broker(directory).start()

    assert str(directory / "broker.out") in str(caught.value)
    assert "Could not create the Java Virtual Machine" in str(caught.value)
    assert "earlier run" not in str(caught.value)


async def test_the_foreground_broker_ends_on_sigterm_with_success(directory: Path) -> None:
    command = (sys.executable, "-m", "local.broker", "--data", str(directory))
    async with started(*command, cwd=directory) as runner:
        await runner.prints("Kafka is ready")

        runner.process.terminate()

        assert await runner.ended() == 0
