"""What a cluster decides before it starts anything; tests/cluster has it running."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from local.broker_data import BrokerFailed
from local.cluster import Cluster
from tests.local.processes import product

PORTS_OF_ALL = 9


def ports(cluster: Cluster) -> list[int]:
    nodes = cluster._seats().values()
    return [port for n in nodes for port in (n.port, n.controller_port, n.internal_port)]


def test_every_listener_has_a_port_of_its_own_and_each_node_knows_all_voters(
    tmp_path: Path,
) -> None:
    nodes = Cluster(tmp_path)._seats()

    chosen = [p for n in nodes.values() for p in (n.port, n.controller_port, n.internal_port)]
    assert len(set(chosen)) == PORTS_OF_ALL
    voters = tuple((number, node.controller_port) for number, node in nodes.items())
    assert all(node.voters == voters for node in nodes.values())


def test_the_ports_stay_while_they_are_free(tmp_path: Path) -> None:
    first = ports(Cluster(tmp_path))

    with socket.create_server(("127.0.0.1", first[0])):
        second = ports(Cluster(tmp_path))

    assert second[0] != first[0]
    assert second[1:] == first[1:]


def test_a_file_of_ports_that_nobody_can_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(json.dumps({"1": "9092"}), encoding="utf-8")

    assert len(set(ports(Cluster(tmp_path)))) == PORTS_OF_ALL


async def test_brokers_that_lost_what_they_began_from_are_refused_and_not_made_anew(
    tmp_path: Path,
) -> None:
    (tmp_path / "2" / "data").mkdir(parents=True)

    with pytest.raises(BrokerFailed, match="template"):
        await Cluster(tmp_path).start()


@pytest.mark.soak
async def test_a_run_on_three_brokers_starts_a_killed_one_again(tmp_path: Path) -> None:
    async with product(tmp_path, "--brokers", "3") as run:
        await run.prints("Ctrl-C stops everything.")
        remembered = tmp_path / "kafka-3" / "2" / "broker.json"
        killed = json.loads(remembered.read_text(encoding="utf-8"))["pid"]

        os.kill(killed, signal.SIGKILL)

        await run.prints("Broker 2 ended by itself: killed by SIGKILL; it starts again")
        async with asyncio.timeout(30):
            while json.loads(remembered.read_text(encoding="utf-8"))["pid"] == killed:
                await asyncio.sleep(0.1)
        run.process.send_signal(signal.SIGINT)
        assert await run.ended() == 0
