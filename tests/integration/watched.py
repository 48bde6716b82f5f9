"""What the template's alarms and dashboard watch."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from tests.integration.template import template


class Watched(NamedTuple):
    """A metric that an alarm or a widget reads. Its dimensions have logical ids of the template as values."""

    by: str
    namespace: str
    name: str
    dimensions: dict[str, str]


@cache
def alarms() -> dict[str, dict[str, Any]]:
    """Return the template's alarms by their logical ids."""
    resources = template()["Resources"].items()
    return {name: one for name, one in resources if one["Type"] == "AWS::CloudWatch::Alarm"}


def queries(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the expression and the metrics of an alarm, those under conditions too."""
    found = alarm["Properties"].get("Metrics", [])
    return [one if isinstance(one, dict) else one[1] for one in found]


def watched_by_alarms() -> Iterator[Watched]:
    """Yield every metric of every alarm, except those that watch one version during a deployment.

    tests/e2e/test_versions.py and test_canary.py see to these.
    """
    for name, alarm in alarms().items():
        if alarm.get("Condition") == "Gradual":
            continue
        metrics = [query["MetricStat"]["Metric"] for query in queries(alarm) if "MetricStat" in query]
        for metric in metrics or [alarm["Properties"]]:
            for names in product(*(_names(one["Value"]) for one in metric["Dimensions"])):
                dimensions = dict(zip((one["Name"] for one in metric["Dimensions"]), names, strict=True))
                yield Watched(name, metric["Namespace"], metric["MetricName"], dimensions)


def _names(value: Any) -> list[str]:
    """Return what a dimension's value refers to: two resources if it depends on a condition which of them.

    The rule's name is a part of its ARN.
    """
    match value:
        case str():
            return [value]
        case [int() | "2" as position, list(parts)]:
            return [f"Select {position} of {parts[1]}"]
        case [_, yes, no]:
            return [yes, no]
        case _:
            raise ValueError(f"a dimension of the value {value}")


@cache
def dashboard() -> dict[str, Any]:
    """Return the dashboard's body, in which `${NAME}` stands where CloudFormation puts a value."""
    body, _ = template()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    loaded: dict[str, Any] = json.loads(body)
    return loaded


def metric_widgets() -> Iterator[dict[str, Any]]:
    """Yield the properties of the dashboard's widgets of metrics."""
    for widget in dashboard()["widgets"]:
        if widget["type"] == "metric":
            yield widget["properties"]


def expressions(widget: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the expressions of a widget."""
    return [one[0] for one in widget["metrics"] if isinstance(one[0], dict)]


def watched_by_dashboard() -> Iterator[Watched]:
    """Yield every metric of every widget."""
    for widget in metric_widgets():
        for metric in widget["metrics"]:
            if not isinstance(metric[0], dict):
                namespace, name, *dimensions = [part for part in metric if isinstance(part, str)]
                values = (value.removeprefix("${").removesuffix("}") for value in dimensions[1::2])
                yield Watched(
                    widget["title"], namespace, name, dict(zip(dimensions[::2], values, strict=True))
                )
