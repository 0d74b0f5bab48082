"""Roles say exactly what may be done to what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.infra.serverless import made
from tests.infra.templates import ALL, SAM, name_of, resolved

# Actions for which AWS knows no resource, or none that stands before the action is done. In the
# policy of a key or a topic "*" is that very key; these say so by the sort of policy they are in.
UNBOUND = {
    "cloudwatch:DescribeAlarms",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "ecr:GetAuthorizationToken",
}
POLICIES = {
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::SNS::TopicPolicy",
}
TOPICS = ("input", "results", "dead-letter", "streams", "idempotency", "limits", "processing-state")


class Statement(NamedTuple):
    """One statement of a policy, its actions and resources as lists."""

    owner: str
    kind: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def statements(path: Path) -> Iterator[Statement]:
    """Return every statement of every policy that a template makes, worked out."""
    found = made() if path == SAM else resolved(path, Source="msk")
    for name, one in found.items():
        if one["Type"] in POLICIES:
            for document in _documents(one["Properties"]):
                for about in document["Statement"]:
                    yield Statement(
                        name,
                        one["Type"],
                        about["Effect"],
                        _listed(about["Action"]),
                        _listed(about.get("Resource", [])),
                    )


def _documents(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (policy["PolicyDocument"] for policy in properties.get("Policies", []))
    for name in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy"):
        if name in properties:
            yield properties[name]


def _listed(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_no_action_is_a_wildcard(path: Path) -> None:
    assert [one for one in statements(path) if any("*" in action for action in one.actions)] == []


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_a_resource_is_everything_only_where_aws_knows_nothing_narrower(path: Path) -> None:
    loose = [
        one
        for one in statements(path)
        if "*" in one.resources
        and one.effect == "Allow"
        and one.kind != "AWS::KMS::Key"
        and not set(one.actions) <= UNBOUND
    ]

    assert loose == []


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_topics_are_named_one_by_one(path: Path) -> None:
    topics = {
        resource.rpartition("/")[2]
        for one in statements(path)
        for resource in one.resources
        if ":topic/" in resource
    }

    assert topics <= {f"millrace.{name}" for name in TOPICS}


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_no_managed_policy_of_aws_brings_more_than_is_written_here(path: Path) -> None:
    found = made() if path == SAM else resolved(path)
    roles = [one["Properties"] for one in found.values() if one["Type"] == "AWS::IAM::Role"]
    managed = {arn for role in roles for arn in role.get("ManagedPolicyArns", [])}

    assert managed <= {"@FunctionPolicy"}


def test_only_the_live_service_and_processing_may_make_topics() -> None:
    makers = {
        (name_of(path), one.owner, resource.rpartition("/")[2])
        for path in ALL
        for one in statements(path)
        if "kafka-cluster:CreateTopic" in one.actions
        for resource in one.resources
    }

    assert {topic for path, _, topic in makers if path == "infra/processing.yaml"} == {
        "millrace.processing-state"
    }
    assert {path for path, *_ in makers} == {"infra/live.yaml", "infra/processing.yaml"}
