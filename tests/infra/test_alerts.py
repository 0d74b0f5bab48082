"""Alerts watch what the processes really show, under the jobs and the names they really have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml  # type: ignore[import-untyped]
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry, ProcessCollector

from streaming_runtime.core.audit import DENIALS
from streaming_runtime.core.errors import every_error
from streaming_runtime.live.metrics import LiveMetrics
from streaming_runtime.processing.lag import Lag
from streaming_runtime.processing.metrics import Page, Tally
from tests.infra.templates import ROOT

ALERTS = ROOT / "infra" / "alerts.yml"
PROMETHEUS = ROOT / "infra" / "prometheus.yml"
METRIC = re.compile(r"\b(?:millrace|process)_\w+")
SELECTED = re.compile(r"(\w+)\{(\w+)(=~?|!~)\"([^\"]*)\"\}")
# Prometheus makes it of each scrape.
OF_PROMETHEUS = {"up"}
# What has to be watched, and by which metric.
WATCHED = {
    "millrace_requests_total",
    "millrace_request_seconds_bucket",
    "millrace_processing_lag_records",
    "millrace_dead_letters_total",
    "millrace_readers_slow_total",
    "millrace_denials_total",
    "millrace_errors_total",
    "process_start_time_seconds",
    "up",
}


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def names_of(registry: CollectorRegistry) -> Iterator[str]:
    """Return the samples of a registry, and of a family without one yet what its type gives it."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for family in registry.collect():
        yield from (sample.name for sample in family.samples)
        yield from (family.name + ending for ending in endings.get(family.type, ("",)))


def shown() -> set[str]:
    """Return the name of every sample that a process of ours shows."""
    processing = CollectorRegistry()
    ProcessCollector(registry=processing)
    # Without partitions it asks nobody.
    processing.register(Page(Tally(), Lag(cast(AdminClient, None), "input")))
    return {*names_of(LiveMetrics().registry), *names_of(processing)}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_refers_to_what_is_shown(rule: dict[str, Any]) -> None:
    named = set(METRIC.findall(rule["expr"])) | (OF_PROMETHEUS & set(rule["expr"].split("{")))

    assert named
    assert named - OF_PROMETHEUS <= shown()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_where_to_look(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "look_at"}
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}


def test_everything_that_has_to_be_watched_is() -> None:
    whole = " ".join(rule["expr"] for rule in rules())

    assert {name for name in WATCHED if not re.search(rf"\b{name}\b", whole)} == set()
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_the_values_of_labels_are_ones_there_are() -> None:
    jobs = {job["job_name"] for job in yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]}
    known = {
        "job": jobs,
        "reason": set(DENIALS),
        "code": {error.code for error in every_error()} | {"internal"},
    }
    selected = [found for rule in rules() for found in SELECTED.findall(rule["expr"])]

    checked = [(label, value.split("|")) for _, label, _, value in selected if label in known]
    assert len(checked) > 10
    assert [(label, v) for label, values in checked for v in values if v not in known[label]] == []


def test_prometheus_is_told_of_the_alerts_and_given_the_file() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["prometheus"]

    assert yaml.safe_load(PROMETHEUS.read_text())["rule_files"] == [ALERTS.name]
    assert f"./infra/{ALERTS.name}:/etc/prometheus/{ALERTS.name}:ro" in service["volumes"]
