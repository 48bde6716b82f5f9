"""The template as tests read it, without the transform."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.stacks import defaults, resources_of

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short forms (`!Ref x`) as their arguments: tests need only plain values."""


def _argument(loader: yaml.CSafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_scalar(node)  # type: ignore[arg-type]  # the third kind there is


_Loader.add_multi_constructor("!", _argument)


@cache
def template() -> dict[str, Any]:
    """Return the template, its intrinsic functions replaced by their arguments."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)
    return loaded


class _LongLoader(yaml.CSafeLoader):
    """Reads CloudFormation's short forms as the long ones: `!Ref x` as `{"Ref": "x"}`."""


def _long_form(loader: _LongLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    argument = _argument(loader, name, node)
    if name == "GetAtt":
        argument = argument.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": argument}


_LongLoader.add_multi_constructor("!", _long_form)


@cache
def long_template() -> dict[str, Any]:
    """Return the template with its intrinsic functions in their long form."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _LongLoader)
    return loaded


@cache
def deployed(**parameters: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a stack with some parameters and the defaults of the others, by logical id."""
    template = long_template()
    rule = {"BusToStream.Arn": "arn:aws:events:eu-west-1:111122223333:rule/<Bus>/<BusToStream>"}
    return resources_of(template, {**defaults(template), **rule, **parameters})


@cache
def routes() -> dict[str, dict[str, Any]]:
    """Return the API's routes by their keys, for example `GET /certifications`."""
    return {
        resource["Properties"]["RouteKey"]: resource["Properties"]
        for resource in template()["Resources"].values()
        if resource["Type"] == "AWS::ApiGatewayV2::Route"
    }


def event_sources(function: str) -> list[dict[str, Any]]:
    """Return the event sources of a function that are resources of their own: one of each generation."""
    return [
        resource["Properties"]
        for resource in template()["Resources"].values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
        and resource["Properties"]["FunctionName"].partition(".")[0] == function
    ]
