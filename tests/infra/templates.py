"""The templates as data, and what CloudFormation would make of their functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
SAM = ROOT / "template.yaml"
INFRA = tuple(sorted((ROOT / "infra").glob("*.yaml")))
ALL = (SAM, *INFRA)

REGION, ACCOUNT = "eu-central-1", "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/millrace-prod"
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/millrace-prod/5f1a"
# What a deployment would say, in the words of every template; none of it exists.
EXAMPLE: dict[str, str] = {
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:millrace-prod-alarms",
    "ApiKeysArn": f"{SECRET}:millrace/prod/api-keys-AbCdEf",
    "ApiStageArn": f"arn:aws:apigateway:{REGION}::/restapis/abc123/stages/prod",
    "BalancerSecurityGroupId": "sg-00000001",
    "BalancerSubnetIds": "subnet-00000001,subnet-00000002",
    "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0a1b-2c3d",
    "ClusterName": "millrace-prod",
    "CollectorImage": f"{IMAGE}-collector:1",
    "FunctionsSecurityGroupId": "sg-00000002",
    "Image": f"{IMAGE}:1",
    "KafkaBroker": "b-1.example:9098,b-2.example:9098",
    "KafkaCluster": "millrace-prod/0a1b2c3d-4e5f",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-4e5f",
    "LiveSecurityGroupId": "sg-00000003",
    "LoadBalancerArn": BALANCER,
    "LoadBalancerFullName": "app/millrace-prod/5f1a",
    "ProcessingSecurityGroupId": "sg-00000004",
    "SecurityGroupIds": "sg-00000002",
    "SigningSecretArn": f"{SECRET}:millrace/prod/signing-AbCdEf",
    "SubnetIds": "subnet-00000003,subnet-00000004,subnet-00000005",
    "TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/millrace",
    "TableName": "millrace",
    "VpcId": "vpc-00000001",
}
NOTHING = object()
PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")

Template = dict[str, Any]


@cache
def _written_out(path: Path) -> str:
    """Return a template as JSON, which is read a hundred times faster than YAML."""
    return json.dumps(yaml_parse(path.read_text(encoding="utf-8")))


def template(path: Path) -> Template:
    """Return a template with its short forms written out; a copy that may be changed."""
    found: Template = json.loads(_written_out(path))
    return found


def parameters(path: Path, **given: str) -> dict[str, str]:
    """Return a value for each parameter: given, by default, or of EXAMPLE.

    Raises:  KeyError for one that nobody has named.
    """
    values = {}
    for name, about in template(path).get("Parameters", {}).items():
        default = about.get("Default")
        chosen = given.get(name) or EXAMPLE.get(name)
        values[name] = chosen if chosen is not None else str(_required(name, default))
    return values


def _required(name: str, default: object) -> object:
    if default is None:
        raise KeyError(name)
    return default


def resources(path: Path, kind: str = "") -> dict[str, dict[str, Any]]:
    """Return the resources of a template by their names, those of one type if it is given."""
    found = template(path)["Resources"]
    return {name: one for name, one in found.items() if kind in ("", one["Type"])}


class Resolver:
    """Works out a template's functions for one set of parameters.

    Shape:  what only AWS could know becomes a text that names it: ``@Table`` for a reference,
            ``@Table.Arn`` for an attribute.
    """

    def __init__(self, source: Template, values: Mapping[str, str]) -> None:
        self._source = source
        self._values = values

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources that would be made, worked out."""
        return {
            name: self.of(one)
            for name, one in self._source["Resources"].items()
            if "Condition" not in one or self.holds(one["Condition"])
        }

    def holds(self, condition: str) -> bool:
        return bool(self.of(self._source["Conditions"][condition]))

    def of(self, node: Any) -> Any:
        if isinstance(node, list):
            return [found for one in node if (found := self.of(one)) is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            method = self._methods().get(function)
            if method is not None:
                return method(argument)
        worked_out = ((name, self.of(one)) for name, one in node.items())
        return {name: one for name, one in worked_out if one is not NOTHING}

    def _methods(self) -> dict[str, Any]:
        return {
            "Ref": self._ref,
            "Fn::Sub": self._sub,
            "Fn::GetAtt": self._attribute,
            "Fn::If": lambda a: self.of(a[1] if self.holds(a[0]) else a[2]),
            "Fn::Equals": lambda a: self.of(a[0]) == self.of(a[1]),
            "Fn::Not": lambda a: not self.of(a[0]),
            "Fn::Join": lambda a: a[0].join(self.of(a[1])),
            "Fn::FindInMap": self._in_map,
        }

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name in self._values:
            kind = self._source["Parameters"][name]["Type"]
            value = self._values[name]
            return value.split(",") if kind.startswith("List<") else value
        return PSEUDO.get(name, f"@{name}")

    def _sub(self, argument: str | list[Any]) -> str:
        text, extra = (argument, {}) if isinstance(argument, str) else argument

        def found(match: re.Match[str]) -> str:
            literal, name = match[1], match[2]
            if literal:
                return f"${{{name}}}"
            return str(self.of(extra[name]) if name in extra else self._ref(name))

        return PLACEHOLDER.sub(found, text)

    def _attribute(self, argument: str | list[str]) -> str:
        return f"@{argument if isinstance(argument, str) else '.'.join(argument)}"

    def _in_map(self, argument: list[Any]) -> Any:
        table, first, second = (self.of(one) for one in argument)
        return self._source["Mappings"][table][first][second]


def resolved(path: Path, **given: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a template worked out, with EXAMPLE for what is not given."""
    return Resolver(template(path), parameters(path, **given)).resources()


def walk(node: Any) -> Iterator[Any]:
    """Return every part of a template, itself first."""
    yield node
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for part in parts:
        yield from walk(part)


def name_of(path: Path) -> str:
    """Return a template's name for a test's own."""
    return str(path.relative_to(ROOT))
