"""The template as tests read it, without the transform."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short forms (`!Ref x`) as their arguments: tests need only plain values."""


def _argument(loader: _Loader, _: str, node: yaml.Node) -> Any:
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
