"""Alarms, scaling and dashboard look at figures that somebody really emits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]
from aws_lambda_powertools.metrics.provider.cold_start import reset_cold_start_flag
from prometheus_client.metrics_core import Metric

from streaming_runtime.http.lambda_entry import NAMESPACE, LambdaFigures
from streaming_runtime.live.metrics import LiveMetrics
from streaming_runtime.processing.lag import Lag
from streaming_runtime.processing.metrics import Page, Tally
from tests.infra.templates import ALL, ROOT, name_of, resolved, walk

FUNCTIONS = {"start", "send", "results", "streams"}
SERVICES = {"live": 2112, "processing": 2113}
DASHBOARD = ROOT / "infra" / "dashboard.yaml"
# What AWS counts by itself, as its documents name it, with the dimensions that we ask by.
OF_AWS = {
    ("AWS/ApiGateway", "4XXError"),
    ("AWS/ApiGateway", "5XXError"),
    ("AWS/ApiGateway", "Count"),
    ("AWS/ApiGateway", "Latency"),
    ("AWS/ApplicationELB", "ActiveConnectionCount"),
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"),
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"),
    ("AWS/ApplicationELB", "TargetResponseTime"),
    ("AWS/ApplicationELB", "UnHealthyHostCount"),
    ("AWS/DynamoDB", "ThrottledRequests"),
    ("AWS/ECS", "CPUUtilization"),
    ("AWS/Kafka", "KafkaDataLogsDiskUsed"),
    ("AWS/Kafka", "OfflinePartitionsCount"),
    ("AWS/Lambda", "Errors"),
    ("AWS/Lambda", "Throttles"),
    ("ECS/ContainerInsights", "DesiredTaskCount"),
    ("ECS/ContainerInsights", "RunningTaskCount"),
}


class Figure(NamedTuple):
    """A metric as CloudWatch tells one from another, but for what it is asked of it."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def figure(namespace: str, name: str, dimensions: dict[str, str]) -> Figure:
    return Figure(namespace, name, tuple(sorted(dimensions.items())))


def of_functions(capsys: pytest.CaptureFixture[str]) -> set[Figure]:
    """Return what the functions write into their logs, read as CloudWatch reads it."""
    for name in FUNCTIONS:
        reset_cold_start_flag()  # type: ignore[no-untyped-call] # Each is a process of its own.
        figures = LambdaFigures(name)

        def everything(event: Any, context: Any, figures: LambdaFigures = figures) -> None:
            figures.answered("/streams", "GET", 200, 0.1)
            figures.refused("internal")
            figures.misconfigured()
            figures.foreign()
            figures.pinged()

        context = type("Context", (), {"function_name": f"millrace-prod-{name}"})()
        figures.metrics.log_metrics(everything, capture_cold_start_metric=True)({}, context)
    return {
        figure(directive["Namespace"], metric["Name"], {key: line[key] for key in dimensions})
        for line in map(json.loads, capsys.readouterr().out.splitlines())
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def families(service: str) -> set[str]:
    """Return the names that stand on a service's Prometheus page."""
    nobody: Any = None  # Who has no partitions asks no broker.
    found: Iterator[Metric] = (
        iter(LiveMetrics().registry.collect())
        if service == "live"
        else Page(Tally(), Lag(nobody, "input")).collect()
    )
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in found}


def collected(service: str) -> tuple[set[str], dict[str, Any]]:
    """Return the families that a task's collector lets through, and its whole configuration."""
    task = resolved(ROOT / "infra" / f"{service}.yaml")["Task"]["Properties"]
    collector = next(c for c in task["ContainerDefinitions"] if c["Name"] == "collector")
    (variable,) = collector["Environment"]
    configuration: dict[str, Any] = yaml.safe_load(variable["Value"])
    (job,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    (keep,) = job["metric_relabel_configs"]
    match = re.fullmatch(r"\(([\w|]+)\)\(_bucket\|_count\|_sum\)\?", keep["regex"])
    assert match is not None
    return set(match[1].split("|")), configuration


def emitted(capsys: pytest.CaptureFixture[str]) -> set[Figure]:
    of_services = {
        figure(NAMESPACE, name, {"service": service})
        for service in SERVICES
        for name in collected(service)[0]
    }
    return of_functions(capsys) | of_services


def asked(path: Path) -> Iterator[Figure]:
    """Return every metric that a template's alarms and scaling ask for."""
    for part in walk(resolved(path, Source="msk")):
        if isinstance(part, dict) and {"MetricName", "Namespace"} <= part.keys():
            dimensions = {one["Name"]: str(one["Value"]) for one in part.get("Dimensions", [])}
            yield figure(part["Namespace"], part["MetricName"], dimensions)


def shown() -> Iterator[Figure]:
    """Return every metric of the dashboard, its short forms written out."""
    body = json.loads(resolved(DASHBOARD)["Dashboard"]["Properties"]["DashboardBody"])
    for widget in body["widgets"]:
        before: list[str] = []
        for shortened in widget["properties"]["metrics"]:
            row = before = _whole(shortened, before)
            yield figure(row[0], row[1], dict(zip(row[2::2], row[3::2], strict=True)))


def _whole(row: list[str], before: list[str]) -> list[str]:
    """Replace CloudWatch's ``.`` and ``...``, which stand for what the row above says there."""
    if row[0] == "...":
        return [*before[: len(before) - len(row) + 1], *row[1:]]
    return [before[place] if one == "." else one for place, one in enumerate(row)]


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_alarms_and_scaling_ask_for_figures_that_are_emitted(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = emitted(capsys)
    unknown = [
        one for one in asked(path) if one not in ours and (one.namespace, one.name) not in OF_AWS
    ]

    assert unknown == []


def test_the_dashboard_shows_figures_that_are_emitted(capsys: pytest.CaptureFixture[str]) -> None:
    ours, on_it = emitted(capsys), set(shown())
    unknown = [one for one in on_it if one not in ours and (one.namespace, one.name) not in OF_AWS]

    assert unknown == []
    assert len(on_it) > 30


def test_all_that_is_emitted_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    looked_at = set(shown()) | {one for path in ALL for one in asked(path)}
    # Nobody pays for a figure that nobody sees, but for what is no trouble by itself.
    unseen = {one.name for one in emitted(capsys) - looked_at}

    assert unseen <= {"Pings", "Refusals"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_collector_takes_what_stands_on_the_page_of_its_service(service: str) -> None:
    taken, configuration = collected(service)

    assert taken <= families(service)
    receiver = configuration["receivers"]["prometheus"]["config"]
    (job,) = receiver["scrape_configs"]
    assert job["static_configs"] == [
        {"targets": [f"127.0.0.1:{SERVICES[service]}"], "labels": {"service": service}}
    ]
    # One sample a minute, as the alarms' periods: a sum over them is a sum over tasks.
    assert receiver["global"]["scrape_interval"] == "60s"
    assert configuration["exporters"]["awsemf"]["namespace"] == NAMESPACE


@pytest.mark.parametrize("service", SERVICES)
def test_a_collector_writes_where_its_task_may(service: str) -> None:
    _, configuration = collected(service)
    found = resolved(ROOT / "infra" / f"{service}.yaml")

    group = configuration["exporters"]["awsemf"]["log_group_name"]
    assert found["FiguresLog"]["Properties"]["LogGroupName"] == group


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_no_figure_is_told_apart_by_what_clients_choose(path: Path) -> None:
    """A stream or a tenant as a dimension would be a metric each, and each is paid for."""
    dimensions = {name for one in asked(path) for name, _ in one.dimensions}

    assert not {name for name in dimensions if re.search("stream|tenant|key", name, re.IGNORECASE)}
