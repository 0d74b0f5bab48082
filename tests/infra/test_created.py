"""The stacks can be created one after another, each with the outputs of those before it.

On moto, which makes only part of them: CREATED is what really stood afterwards, and CHECKED_ONLY of
``emulated.py`` what was only held against the code. Together they are all there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.infra.emulated import (
    CHECKED_ONLY,
    INTERFACE,
    ORDER,
    Made,
    client,
    deployed,
    kind_of,
    path_of,
    whole,
)
from tests.infra.templates import ALL, SAM, template

CREATED = {
    "AWS::ApiGateway::RestApi": 1,
    "AWS::CloudWatch::Dashboard": 1,
    "AWS::DynamoDB::Table": 1,
    "AWS::EC2::FlowLog": 1,
    "AWS::EC2::InternetGateway": 1,
    "AWS::EC2::Route": 1,
    "AWS::EC2::RouteTable": 2,
    "AWS::EC2::SecurityGroup": 7,
    "AWS::EC2::Subnet": 6,
    "AWS::EC2::SubnetRouteTableAssociation": 6,
    "AWS::EC2::VPC": 1,
    "AWS::EC2::VPCEndpoint": 2,
    "AWS::EC2::VPCGatewayAttachment": 1,
    "AWS::ECR::Repository": 2,
    "AWS::ECS::Cluster": 1,
    "AWS::ECS::Service": 2,
    "AWS::ECS::TaskDefinition": 2,
    "AWS::ElasticLoadBalancingV2::Listener": 1,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 1,
    "AWS::ElasticLoadBalancingV2::TargetGroup": 1,
    "AWS::IAM::ManagedPolicy": 1,
    "AWS::IAM::Role": 11,
    "AWS::KMS::Alias": 1,
    "AWS::KMS::Key": 1,
    "AWS::Lambda::Function": 4,
    "AWS::Logs::LogGroup": 12,
    "AWS::SNS::Topic": 1,
}


@pytest.fixture(scope="module")
def made() -> Iterator[list[Made]]:
    with deployed() as found:
        yield found


def test_what_was_created_is_known_to_a_piece(made: list[Made]) -> None:
    counts: dict[str, int] = {}
    for one in made:
        counts[one.kind] = counts.get(one.kind, 0) + 1

    assert counts == CREATED
    assert [one for one in made if not one.id] == []


def test_each_kind_of_resource_was_created_or_is_known_to_be_checked_only() -> None:
    kinds = {kind_of(one) for stack in ORDER for one in whole(stack)["Resources"].values()}

    assert kinds == CREATED.keys() | CHECKED_ONLY | {INTERFACE} | {"AWS::SNS::Subscription"}
    assert sorted(path_of(stack) for stack in ORDER) == sorted(ALL)


def test_the_functions_stand_with_their_settings(made: list[Made]) -> None:
    listed = client("lambda").list_functions()["Functions"]
    handlers = {one["FunctionName"]: one["Handler"] for one in listed}

    assert handlers == {
        f"millrace-prod-{name}": f"functions.{name}.handler.handler"
        for name in ("start", "send", "results", "streams")
    }
    table = next(one.id for one in made if one.kind == "AWS::DynamoDB::Table")
    for one in listed:
        variables = one["Environment"]["Variables"]
        assert variables["DYNAMODB_TABLE"] == table
        assert (
            variables.keys()
            == template(SAM)["Globals"]["Function"]["Environment"]["Variables"].keys()
        )


@pytest.mark.usefixtures("made")
def test_the_table_has_the_keys_that_the_code_uses() -> None:
    database = client("dynamodb")
    (name,) = database.list_tables()["TableNames"]
    table = database.describe_table(TableName=name)["Table"]

    assert {one["AttributeName"]: one["KeyType"] for one in table["KeySchema"]} == {
        "pk": "HASH",
        "sk": "RANGE",
    }
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is True


@pytest.mark.usefixtures("made")
def test_the_services_stand_and_are_asked_whether_they_are_ready() -> None:
    balancing, tasks = client("elbv2"), client("ecs")
    (targets,) = balancing.describe_target_groups()["TargetGroups"]
    names = ["millrace-prod-live", "millrace-prod-processing"]
    services = tasks.describe_services(cluster="millrace-prod", services=names)["services"]

    assert (targets["HealthCheckPath"], targets["Port"]) == ("/health/ready", 8080)
    assert [one["serviceName"] for one in services] == names
    assert [one["taskDefinition"].split("/")[1] for one in services] == [f"{n}:1" for n in names]


@pytest.mark.usefixtures("made")
def test_every_role_stands_with_the_policies_that_were_written() -> None:
    identity = client("iam")
    roles = [one["RoleName"] for one in identity.list_roles()["Roles"]]
    without = [
        role for role in roles if not identity.list_role_policies(RoleName=role)["PolicyNames"]
    ]

    assert len(roles) == CREATED["AWS::IAM::Role"]
    assert without == []


@pytest.mark.usefixtures("made")
def test_the_dashboard_is_one_that_can_be_drawn() -> None:
    told = client("cloudwatch").get_dashboard(DashboardName="millrace-prod")
    widgets = json.loads(told["DashboardBody"])["widgets"]

    assert len({(one["x"], one["y"]) for one in widgets}) == len(widgets) == 15
    assert {one["properties"]["region"] for one in widgets} == {"eu-central-1"}
