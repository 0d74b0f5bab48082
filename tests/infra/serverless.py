"""What AWS makes of template.yaml before it creates anything: SAM's transformation."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any
from unittest import mock

from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

from tests.infra.templates import REGION, SAM, Resolver, Template, parameters, template

CODE = "s3://bucket/key"


def transformed() -> Template:
    """Return plain CloudFormation; where code would be uploaded to is made up.

    The transformation knows no parameters: conditions and references are left as they are.
    """
    found: Template = json.loads(_transformed())
    return found


@cache
def _transformed() -> str:
    source = template(SAM)
    for one in source["Resources"].values():
        if one["Type"] == "AWS::Serverless::Function":
            one["Properties"]["CodeUri"] = CODE
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION}):
        return json.dumps(Translator({}, Parser()).translate(source, parameters(SAM)))


def made(**given: str) -> dict[str, dict[str, Any]]:
    """Return the resources that a deployment would have, worked out."""
    return Resolver(transformed(), parameters(SAM, **given)).resources()
