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
# A killed broker may register again only when its last session has run out: 9 s by default.
SESSION_MILLISECONDS = 3_000
HEARTBEAT_MILLISECONDS = 500
MARK = "-Dmillrace.directory="  # Shows in the process list which directory a broker works on.


@dataclass(frozen=True)
class Node:
    """One broker, controller as well.

    ``controllers`` holds the controller port of every node of the cluster; empty: this node alone.
    """

    port: int
    controller_port: int
    node_id: int = 1
    controllers: tuple[int, ...] = ()


def server_properties(node: Node, log_directory: str = "data") -> str:
    """Return Kafka's configuration file for one node.

    Shape:   ``name=value`` lines; the log directory is relative to the broker's working directory,
             so no path needs escaping.
    """
    controllers = node.controllers or (node.controller_port,)
    replicas = min(3, len(controllers))
    in_sync = 2 if replicas > 2 else 1
    listeners = f"PLAINTEXT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}"
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node.node_id,
        "controller.quorum.bootstrap.servers": ",".join(f"{HOST}:{port}" for port in controllers),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": listeners,
        "advertised.listeners": listeners,
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
) -> list[str]:
    """Return the command that runs one of Kafka's classes in ``directory``.

    C1 alone halves the CPU of a start (1.3 s against 1.7 s on 2 cores), and the broker is never
    the bottleneck here.
    """
    return [
        str(java),
        f"-Xmx{HEAP_MEGABYTES}m",
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
