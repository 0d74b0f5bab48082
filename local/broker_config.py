"""What the embedded broker is told: properties, logging, command line. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HOST = (
    "127.0.0.1"  # The embedded broker has no passwords, so nothing but this machine may reach it.
)
MAX_RECORD_BYTES = (
    2 * 1024 * 1024
)  # A batch of the HTTP contract is 1 MiB; its envelope comes on top.
RETENTION_HOURS = 7 * 24
INTERNAL_PARTITIONS = (
    4  # Kafka's 50 cost a second of start on a laptop and serve no purpose on one node.
)
LOG_FILE_BYTES = 4 * 1024 * 1024
HEAP_MEGABYTES = 512
MEMBER_HEAP_MEGABYTES = 256  # Three of them share the machine.
# Kafka's 128 MB are taken at start, for logs that are never that long here.
CLEANER_BYTES = 16 * 1024 * 1024
# Each partition of a member has a log of four files, and a follower looks after it: threads of a
# small machine, not Kafka's 8 and 3 for each of three brokers.
MEMBER_THREADS = {"num.io.threads": 3, "num.network.threads": 2, "background.threads": 2}
# A killed broker may register again only when its last session has run out: 9 s by default.
SESSION_MILLISECONDS = 3_000
HEARTBEAT_MILLISECONDS = 500
LISTENERS = ("PLAINTEXT", "CONTROLLER", "INTERNAL")
MARK = "-Dmillrace.directory="  # Shows in the process list which directory a broker works on.


@dataclass(frozen=True)
class Node:
    """One broker, controller as well.

    ``voters`` holds node id and controller port of every node of its cluster; empty: it is alone.
    ``internal_port`` is where the brokers of a cluster speak to each other, so that what happens
    between clients and ``port`` does not touch replication; clients are told ``advertised_port``.
    """

    port: int
    controller_port: int
    node_id: int = 1
    voters: tuple[tuple[int, int], ...] = ()
    internal_port: int = 0
    advertised_port: int = 0

    def listeners(self, client_port: int) -> str:
        """Return its listeners, with this port for clients."""
        ports = {"PLAINTEXT": client_port, "CONTROLLER": self.controller_port}
        if self.internal_port:
            ports["INTERNAL"] = self.internal_port
        return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())

    def quorum(self) -> dict[str, object]:
        """Return how it finds the controllers.

        Voters by configuration, not in the log: so each start may use other ports.
        """
        if not self.voters:
            return {"controller.quorum.bootstrap.servers": f"{HOST}:{self.controller_port}"}
        voters = ",".join(f"{number}@{HOST}:{port}" for number, port in self.voters)
        return {"controller.quorum.voters": voters}


def server_properties(node: Node, log_directory: str = "data") -> str:
    """Return Kafka's configuration file for one node.

    Shape:   ``name=value`` lines; the log directory is relative to the broker's working directory,
             so no path needs escaping.
    """
    replicas = min(3, len(node.voters)) or 1
    in_sync = 2 if replicas > 2 else 1
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node.node_id,
        **node.quorum(),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL" if node.internal_port else "PLAINTEXT",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in LISTENERS),
        "listeners": node.listeners(node.port),
        "advertised.listeners": node.listeners(node.advertised_port or node.port),
        "log.dirs": log_directory,
        "auto.create.topics.enable": "false",  # aiokafka always asks for creation.
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": INTERNAL_PARTITIONS,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": INTERNAL_PARTITIONS,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        "broker.session.timeout.ms": SESSION_MILLISECONDS,
        "broker.heartbeat.interval.ms": HEARTBEAT_MILLISECONDS,
        "message.max.bytes": MAX_RECORD_BYTES,
        "replica.fetch.max.bytes": MAX_RECORD_BYTES,
        "log.retention.hours": RETENTION_HOURS,
        "log.cleaner.dedupe.buffer.size": CLEANER_BYTES,
        **(MEMBER_THREADS if node.voters else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def logging_properties() -> str:
    """Return the log4j 2 configuration: one small rolling file, ``broker.log``."""
    settings = {
        "appender.file.type": "RollingFile",
        "appender.file.name": "file",
        "appender.file.fileName": "broker.log",
        "appender.file.filePattern": "broker.log.%i",
        "appender.file.layout.type": "PatternLayout",
        "appender.file.layout.pattern": "%d{ISO8601} %-5p %c{1} %m%n",
        "appender.file.policies.type": "SizeBasedTriggeringPolicy",
        "appender.file.policies.size": str(LOG_FILE_BYTES),
        "appender.file.strategy.type": "DefaultRolloverStrategy",
        "appender.file.strategy.max": "2",
        "rootLogger.level": "info",
        "rootLogger.appenderRef.file.ref": "file",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java_command(
    java: Path,
    jars: Iterable[Path],
    directory: Path,
    arguments: Iterable[str],
    flags: Iterable[str] = (),
    heap_megabytes: int | None = None,
) -> list[str]:
    """Return the command that runs one of Kafka's classes in ``directory``.

    C1 alone halves the CPU of a start (1.3 s against 1.7 s on 2 cores), and the broker is never
    the bottleneck here.
    """
    return [
        str(java),
        f"-Xmx{HEAP_MEGABYTES if heap_megabytes is None else heap_megabytes}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *flags,
        "-Djava.awt.headless=true",
        "-Dlog4j2.configurationFile=log4j2.properties",
        f"{MARK}{directory}",
        "-cp",
        ":".join(str(jar) for jar in jars),
        *arguments,
    ]
