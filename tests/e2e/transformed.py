"""The template after SAM's transform, and what it becomes with the values of parameters."""

import json
import os
import re
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


def defaults(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters' defaults as CloudFormation passes them on: as strings."""
    return {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()}


def resolved(template: Mapping[str, Any], value: Any, parameters: Mapping[str, str]) -> Any:
    """Return a value of the template with intrinsic functions applied, given all parameters.

    A resource, or an attribute of it, becomes its name in angle brackets. The template's own values are its
    parameters, and there are no others that could change it.
    """

    def of(inner: Any) -> Any:
        return resolved(template, inner, parameters)

    match value:
        case {"Ref": str(name)}:
            return parameters.get(name, f"<{name}>")
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Sub": [text, names]}:
            return _substituted(text, {**parameters, **{name: of(one) for name, one in names.items()}})
        case {"Fn::Sub": str(text)}:
            return _substituted(text, parameters)
        case {"Fn::If": [condition, then, otherwise]}:
            return of(then if of(template["Conditions"][condition]) else otherwise)
        case {"Condition": str(condition)}:
            return of(template["Conditions"][condition])
        case {"Fn::Equals": [left, right]}:
            return str(of(left)) == str(of(right))
        case {"Fn::Not": [inner]}:
            return not of(inner)
        case {"Fn::And": parts}:
            return all(of(part) for part in parts)
        case {"Fn::Or": parts}:
            return any(of(part) for part in parts)
        case {"Fn::Join": [between, parts]}:
            listed = of(parts)
            return between.join(map(str, listed)) if isinstance(listed, list) else str(listed)
        case {"Fn::Split": [between, text]}:
            return of(text).split(between)
        case {"Fn::Select": [number, parts]}:
            listed = of(parts)
            return listed[int(number)] if int(number) < len(listed) else ""
        case dict():
            assert not [name for name in value if name.startswith("Fn::")], value
            return {name: of(inner) for name, inner in value.items() if of(inner) != "<AWS::NoValue>"}
        case list():
            return [one for one in map(of, value) if one != "<AWS::NoValue>"]
        case _:
            return value


def _substituted(text: str, values: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{([\w.:]+)\}", lambda found: str(values.get(found[1], f"<{found[1]}>")), text)
