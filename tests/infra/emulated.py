"""All stacks, one after another, on an emulated AWS: as far as it can make what they ask for."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from moto import mock_aws

from tests.infra.serverless import transformed
from tests.infra.templates import (
    EXAMPLE,
    REGION,
    ROOT,
    SAM,
    Template,
    parameters,
    template,
)

# In this order, since each is given what those before it say.
ORDER = (
    "secrets",
    "network",
    "kafka",
    "account",
    "template",
    "cluster",
    "live",
    "processing",
    "dashboard",
    "waf",
)
# Which output a parameter is given, where the two have not the same name.
GIVEN = {
    "KmsKeyArn": "KeyArn",
    "SubnetIds": "PrivateSubnetIds",
    "BalancerSubnetIds": "PublicSubnetIds",
}
GROUPS = {
    "template": "FunctionsSecurityGroupId",
    "live": "LiveSecurityGroupId",
    "processing": "ProcessingSecurityGroupId",
}
# moto passes over these without a word, or fails; what they say is held against the code instead.
CHECKED_ONLY = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGateway::Deployment",  # moto does not read the routes, and will not deploy none.
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGatewayV2::VpcLink",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::MSK::Cluster",
    "AWS::MSK::Configuration",
    "AWS::SecretsManager::Secret",
    "AWS::SNS::TopicPolicy",
    "AWS::WAFv2::LoggingConfiguration",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
}
INTERFACE = "AWS::EC2::VPCEndpoint (interface)"


class Made(NamedTuple):
    """One resource that stands: where it was asked for, what it is, and its name in AWS."""

    stack: str
    name: str
    kind: str
    id: str


def kind_of(resource: Mapping[str, Any]) -> str:
    """Return a resource's type; endpoints are two kinds, of which moto can make one."""
    kind: str = resource["Type"]
    is_interface = resource.get("Properties", {}).get("VpcEndpointType") == "Interface"
    return f"{kind} (interface)" if is_interface else kind


def is_checked_only(resource: Mapping[str, Any]) -> bool:
    return kind_of(resource) in CHECKED_ONLY | {INTERFACE}


def path_of(stack: str) -> Path:
    return SAM if stack == "template" else ROOT / "infra" / f"{stack}.yaml"


def whole(stack: str) -> Template:
    """Return a stack's template as CloudFormation gets it."""
    return transformed() if stack == "template" else template(path_of(stack))


def creatable(stack: str) -> Template:
    """Return what of a template moto can make; a text stands where it refers to the rest."""
    source = whole(stack)
    left_out = {name for name, one in source["Resources"].items() if is_checked_only(one)}
    kept = {name: one for name, one in source["Resources"].items() if name not in left_out}
    for one in kept.values():
        if one.get("DependsOn") in left_out:
            del one["DependsOn"]
    source["Resources"] = kept
    outputs = source.get("Outputs", {}).items()
    source["Outputs"] = {name: one for name, one in outputs if not _names(one, left_out)}
    found: Template = _replaced(source, left_out)
    return found


def _names(node: Any, names: set[str]) -> bool:
    return any(re.search(rf'"{name}"|\$\{{{name}[.}}]', json.dumps(node)) for name in names)


def _replaced(node: Any, names: set[str]) -> Any:
    if isinstance(node, list):
        return [_replaced(one, names) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("Ref") in names:
        return f"left-out-{node['Ref']}"
    attribute = node.get("Fn::GetAtt")
    if isinstance(attribute, list) and attribute[0] in names:
        return f"left-out-{attribute[0]}"
    return {name: _replaced(one, names) for name, one in node.items()}


@contextmanager
def deployed() -> Iterator[list[Made]]:
    """Create every stack, each with the outputs of those before it, and give what stands."""
    with mock_aws(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moto's own, about what it passes over.
        _upload_code()
        told = {"CertificateArn": _certificate()}
        yield [one for stack in ORDER for one in _created(stack, told)]


def _upload_code() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("functions/__init__.py", "")
    store = client("s3")
    store.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    store.put_object(Bucket="bucket", Key="key", Body=archive.getvalue())


def _certificate() -> str:
    asked = client("acm").request_certificate(DomainName="live.example")
    arn: str = asked["CertificateArn"]
    return arn


def _created(stack: str, told: dict[str, str]) -> list[Made]:
    """Create a stack and add its outputs to ``told``."""
    formation = client("cloudformation")
    values = {name: _value(stack, name, value, told) for name, value in _asked(stack)}
    formation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(creatable(stack)),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (answer,) = formation.describe_stacks(StackName=stack)["Stacks"]
    assert answer["StackStatus"] == "CREATE_COMPLETE", answer
    told.update((one["OutputKey"], one["OutputValue"]) for one in answer.get("Outputs", []))
    listed = formation.describe_stack_resources(StackName=stack)["StackResources"]
    return [
        Made(stack, one["LogicalResourceId"], one["ResourceType"], one["PhysicalResourceId"])
        for one in listed
        if "PhysicalResourceId" in one  # Else its condition does not hold.
    ]


def _asked(stack: str) -> list[tuple[str, str]]:
    return list(parameters(path_of(stack), Source="msk", MakesVpcLink="yes").items())


def _value(stack: str, name: str, value: str, told: Mapping[str, str]) -> str:
    output = GROUPS[stack] if name == "SecurityGroupIds" else GIVEN.get(name, name)
    # What moto did not make has told nobody anything: then the example stands for it.
    return told.get(output, value) if name in EXAMPLE else value


def client(service: str) -> Any:
    """Return a client of the emulated AWS."""
    return boto3.client(
        service, region_name=REGION, aws_access_key_id="none", aws_secret_access_key="none"
    )
