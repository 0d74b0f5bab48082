"""What DESIGN.md, section 7, asks of the templates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.serverless import made
from tests.infra.templates import (
    ALL,
    EXAMPLE,
    INFRA,
    ROOT,
    SAM,
    name_of,
    resolved,
    resources,
    template,
    walk,
)

FUNCTIONS = ("Start", "Send", "Results", "Streams")
LIVE, PROCESSING = ROOT / "infra" / "live.yaml", ROOT / "infra" / "processing.yaml"
ALARM = "AWS::CloudWatch::Alarm"
MOST_SKIPS = 15
HEARTBEAT_SECONDS = 15
IN_THE_CLEAR = re.compile("API_KEYS?|SIGNING_SECRET|KAFKA_(USERNAME|PASSWORD)|.*TOKEN.*")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_bounded_in_time_memory_and_number(name: str) -> None:
    function = made()[f"{name}Function"]["Properties"]

    assert function["Timeout"] <= 29
    assert int(function["MemorySize"]) >= 512
    assert int(function["ReservedConcurrentExecutions"]) > 0
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert function["VpcConfig"]["SubnetIds"] == EXAMPLE["SubnetIds"].split(",")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_built_where_its_code_is_looked_for(name: str) -> None:
    function = resources(SAM)[f"{name}Function"]["Properties"]

    folder = name.lower()
    assert function["CodeUri"] == f"build/{folder}/"
    assert function["Handler"] == f"functions.{folder}.handler.handler"
    assert (ROOT / "functions" / folder / "handler.py").is_file()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_into_a_group_of_its_own_that_forgets(name: str) -> None:
    found = made()
    logging = found[f"{name}Function"]["Properties"]["LoggingConfig"]
    group = found[logging["LogGroup"].removeprefix("@")]

    assert logging["LogFormat"] == "JSON"
    assert group["Properties"]["LogGroupName"] == f"/millrace/prod/{name.lower()}"
    assert int(group["Properties"]["RetentionInDays"]) == 30


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_new_version_gets_a_tenth_first_and_goes_back_on_an_alarm(name: str) -> None:
    found = made()
    group = found[f"{name}FunctionDeploymentGroup"]["Properties"]

    assert group["DeploymentConfigName"].startswith("CodeDeployDefault.LambdaCanary10Percent")
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert [alarm["Name"] for alarm in group["AlarmConfiguration"]["Alarms"]] == [f"@{name}Faults"]


def test_a_reserve_leaves_room_for_others_in_a_new_account() -> None:
    reserved = [
        int(made()[f"{name}Function"]["Properties"]["ReservedConcurrentExecutions"])
        for name in FUNCTIONS
    ]

    assert sum(reserved) <= 1_000 - 100


def test_every_log_group_of_every_template_forgets_and_is_encrypted() -> None:
    groups = [
        (name_of(path), name, one["Properties"])
        for path in ALL
        for name, one in resources(path, "AWS::Logs::LogGroup").items()
    ]
    careless = [
        (path, name)
        for path, name, about in groups
        if not {"RetentionInDays", "KmsKeyId"} <= about.keys()
    ]

    assert careless == []
    assert len(groups) >= 10


def test_a_table_outlives_its_stack_and_every_mistake() -> None:
    tables = resources(SAM, "AWS::DynamoDB::Table")
    kept = [one for one in tables.values() if one["DeletionPolicy"] == "Retain"]
    about = [one["Properties"] for one in kept if one["UpdateReplacePolicy"] == "Retain"]

    assert len(about) == len(tables) == 1
    (table,) = about
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["DeletionProtectionEnabled"] is True


def test_the_table_forgets_by_the_attribute_that_the_code_writes() -> None:
    table = resources(SAM)["Table"]["Properties"]
    living = table["TimeToLiveSpecification"]
    adapters = ROOT / "streaming_runtime" / "aws"
    claims, limits = (
        (adapters / name).read_text(encoding="utf-8") for name in ("claims.py", "limits.py")
    )

    assert living["Enabled"] is True
    assert f'"{living["AttributeName"]}": ' in claims
    assert f" {living['AttributeName']} = :" in limits


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_alarm_tells_somebody_and_knows_what_silence_means(path: Path) -> None:
    alarms = resolved(path)
    for alarm in (one["Properties"] for one in alarms.values() if one["Type"] == ALARM):
        assert alarm["AlarmActions"] == [EXAMPLE["AlarmTopicArn"]], alarm["AlarmName"]
        assert alarm["TreatMissingData"] in ("breaching", "notBreaching"), alarm["AlarmName"]
        assert len(alarm["AlarmDescription"].split()) > 5, alarm["AlarmName"]


def test_there_is_an_alarm_for_each_thing_that_must_not_pass_unseen() -> None:
    told = {
        one["Properties"]["AlarmName"]
        for path in ALL
        for one in resolved(path, Source="msk").values()
        if one["Type"] == ALARM
    }

    assert {
        "millrace-prod-api-5xx",
        "millrace-prod-api-latency",
        "millrace-prod-dead-letters",
        "millrace-prod-live-5xx",
        "millrace-prod-live-balancer-5xx",
        "millrace-prod-live-latency",
        "millrace-prod-live-tasks",
        "millrace-prod-processing-lag",
        "millrace-prod-processing-tasks",
        *(f"millrace-prod-{name.lower()}-faults" for name in FUNCTIONS),
    } <= told


def attributes(resource: dict[str, Any], key: str) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in resource["Properties"][key]}


def test_the_load_balancer_leaves_silent_streams_alone() -> None:
    found = resolved(LIVE)
    about = attributes(found["Balancer"], "LoadBalancerAttributes")
    idle = int(about["idle_timeout.timeout_seconds"])

    assert idle >= 3 * HEARTBEAT_SECONDS
    # Else it would send a request down a connection that the server has just closed.
    assert idle < keep_alive_seconds()


def keep_alive_seconds() -> int:
    text = (ROOT / "streaming_runtime" / "live" / "server.py").read_text(encoding="utf-8")
    found = re.search(r"^KEEP_ALIVE_SECONDS = (\d+)$", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def container(path: Path, name: str) -> dict[str, Any]:
    task = resolved(path)["Task"]["Properties"]
    found: dict[str, Any] = next(c for c in task["ContainerDefinitions"] if c["Name"] == name)
    return found


def test_a_task_has_handed_over_its_readers_before_it_is_killed() -> None:
    stop = int(container(LIVE, "live")["StopTimeout"])
    drain = template(LIVE)["Parameters"]["DrainSeconds"]
    targets = attributes(resolved(LIVE)["Targets"], "TargetGroupAttributes")

    # Drained, and its last answers given, for which the server takes another 10 s.
    assert drain["Default"] <= drain["MaxValue"] < stop - 10
    assert int(targets["deregistration_delay.timeout_seconds"]) <= stop
    assert stop <= 120  # More is more than Fargate gives.


@pytest.mark.parametrize("path", [LIVE, PROCESSING], ids=name_of)
def test_a_deployment_leaves_the_number_of_tasks_alone(path: Path) -> None:
    found = resolved(path)

    assert "DesiredCount" not in found["Service"]["Properties"]
    assert int(found["Scaling"]["Properties"]["MinCapacity"]) >= 2


def test_processing_has_time_to_finish_and_commit() -> None:
    assert int(container(PROCESSING, "processing")["StopTimeout"]) >= 15


def test_processing_is_scaled_by_seconds_behind_and_not_by_records() -> None:
    policy = resolved(PROCESSING)["ScaleByLag"]["Properties"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    metrics = {one["Id"]: one for one in tracking["CustomizedMetricSpecification"]["Metrics"]}

    assert "records / (processed / 60)" in metrics["seconds"]["Expression"]
    assert float(tracking["TargetValue"]) == 10


@pytest.mark.parametrize("path", [LIVE, PROCESSING], ids=name_of)
def test_a_container_writes_nowhere_but_where_it_must(path: Path) -> None:
    for one in resolved(path)["Task"]["Properties"]["ContainerDefinitions"]:
        assert one["ReadonlyRootFilesystem"] is True
        assert one["LinuxParameters"]["Capabilities"]["Drop"] == ["ALL"]


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_no_secret_stands_in_a_variable(path: Path) -> None:
    names = {
        name
        for part in walk(template(path)["Resources"])
        if isinstance(part, dict)
        for name in [*part.get("Variables", {}), part.get("Name")]
        if isinstance(name, str) and name.isupper()
    }

    assert {name for name in names if IN_THE_CLEAR.fullmatch(name)} == set()


def test_each_exception_from_checkov_has_its_reason() -> None:
    lines = (ROOT / ".checkov.yaml").read_text(encoding="utf-8").splitlines()
    skips = [number for number, line in enumerate(lines) if re.fullmatch(r"  - CKV2?_\w+", line)]

    assert 0 < len(skips) <= MOST_SKIPS
    assert [lines[n] for n in skips if not lines[n - 1].startswith("  # ")] == []
    # None hides in a template.
    assert [name_of(path) for path in ALL if "checkov:" in path.read_text(encoding="utf-8")] == []


def test_every_template_is_told_of_where_the_order_stands() -> None:
    told = (ROOT / "infra" / "README.md").read_text(encoding="utf-8")

    assert [path.name for path in INFRA if path.name not in told] == []
