from pathlib import Path

from local.broker_config import Node, java_command, logging_properties, server_properties


def _read(properties: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in properties.splitlines())


def test_one_node_listens_on_loopback_only_and_creates_no_topic_by_itself() -> None:
    settings = _read(server_properties(Node(port=9092, controller_port=9093)))

    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert settings["advertised.listeners"] == settings["listeners"]
    assert settings["auto.create.topics.enable"] == "false"


def test_one_node_needs_no_other_for_its_own_topics() -> None:
    settings = _read(server_properties(Node(port=9092, controller_port=9093)))

    for topic in ("offsets.topic", "transaction.state.log"):
        assert settings[f"{topic}.replication.factor"] == "1"
    assert settings["transaction.state.log.min.isr"] == "1"
    assert settings["min.insync.replicas"] == "1"


def test_three_nodes_keep_every_record_on_two() -> None:
    voters = ((1, 9093), (2, 9095), (3, 9097))
    node = Node(port=9092, controller_port=9095, node_id=2, voters=voters, internal_port=9099)

    settings = _read(server_properties(node))

    assert settings["node.id"] == "2"
    assert settings["default.replication.factor"] == "3"
    assert settings["min.insync.replicas"] == "2"
    for topic in ("offsets.topic", "transaction.state.log"):
        assert settings[f"{topic}.replication.factor"] == "3"
    assert settings["transaction.state.log.min.isr"] == "2"
    assert settings["controller.quorum.voters"] == (
        "1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097"
    )


def test_what_stands_before_a_broker_is_told_to_clients_and_passed_by_the_other_brokers() -> None:
    node = Node(9092, 9093, voters=((1, 9093),), internal_port=9094, advertised_port=7000)

    settings = _read(server_properties(node))

    assert settings["listeners"].startswith("PLAINTEXT://127.0.0.1:9092,")
    assert settings["advertised.listeners"].startswith("PLAINTEXT://127.0.0.1:7000,")
    assert settings["advertised.listeners"].endswith(",INTERNAL://127.0.0.1:9094")
    assert settings["inter.broker.listener.name"] == "INTERNAL"


def test_the_log_is_one_small_rolling_file() -> None:
    settings = _read(logging_properties())

    assert settings["appender.file.fileName"] == "broker.log"
    assert int(settings["appender.file.policies.size"]) <= 8 * 1024 * 1024


def test_the_command_line_shows_which_directory_a_broker_works_on() -> None:
    command = java_command(Path("/j/java"), [Path("/a.jar"), Path("/b.jar")], Path("/d"), ["Main"])

    assert command[0] == "/j/java"
    assert "-Dmillrace.directory=/d" in command
    assert command[-3:] == ["-cp", "/a.jar:/b.jar", "Main"]
    assert "-Xmx512m" in command
