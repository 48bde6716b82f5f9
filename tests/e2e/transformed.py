"""The template after SAM's transform."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

from cli.local import TOOLS
from cli.stack import ROOT

TRANSFORM = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

template = yaml_parse(open(sys.argv[1]).read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/code"
print(json.dumps(Translator({}, Parser()).translate(template, json.loads(sys.argv[2]))))
"""


@cache
def transformed(**parameters: str) -> dict[str, Any]:
    """Return the template that SAM makes of this one, given some parameters that it reads itself."""
    made = subprocess.run(
        [str(TOOLS / "python"), "-c", TRANSFORM, str(ROOT / "template.yaml"), json.dumps(parameters)],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    template: dict[str, Any] = json.loads(made.stdout)
    return template


def of_type(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }
