"""What the alarms and the dashboard watch: in the template, and in a stack with some parameters."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from tests.integration.template import deployed, template

PROGRESS_TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/progress/stream/2026-01-01"
_CHOICES = {
    "Views": ("blue", "green", "both"),
    "ProgressTableStreamArn": ("", PROGRESS_TABLE),
    "EventLog": ("on", "off", "without-firehose"),
    "AlarmsOnExpressions": ("on", "off"),
    "GradualDeployment": ("false", "true"),
}
STACKS = [dict(zip(_CHOICES, values, strict=True)) for values in product(*_CHOICES.values())]
"""The parameters of stacks: each combination of those that decide what there is to watch."""


class Watched(NamedTuple):
    """A metric that an alarm or a widget reads. Its dimensions have logical ids of the template as values."""

    by: str
    namespace: str
    name: str
    dimensions: dict[str, str]


@cache
def alarms() -> dict[str, dict[str, Any]]:
    """Return the template's alarms by their logical ids, under whatever condition."""
    resources = template()["Resources"].items()
    return {name: one for name, one in resources if one["Type"] == "AWS::CloudWatch::Alarm"}


def queries(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the expression and the metrics of an alarm of the template, those under conditions too."""
    found = alarm["Properties"].get("Metrics", [])
    return [one if isinstance(one, dict) else one[1] for one in found]


def alarms_of(stack: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the properties of a stack's alarms by their logical ids."""
    resources = deployed(**stack).items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == "AWS::CloudWatch::Alarm"}


def watched_by_alarms(stack: Mapping[str, str]) -> Iterator[Watched]:
    """Yield every metric of every alarm of a stack."""
    for name, alarm in alarms_of(stack).items():
        metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        for metric in metrics or [alarm]:
            dimensions = {one["Name"]: _bare(one["Value"]) for one in metric["Dimensions"]}
            yield Watched(name, metric["Namespace"], metric["MetricName"], dimensions)


def dashboard(stack: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of a stack's dashboard, in which `<NAME>` stands for what CloudFormation puts there."""
    loaded: dict[str, Any] = json.loads(deployed(**stack)["Dashboard"]["Properties"]["DashboardBody"])
    return loaded


def metric_widgets(stack: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the properties of the dashboard's widgets of metrics."""
    for widget in dashboard(stack)["widgets"]:
        if widget["type"] == "metric":
            yield widget["properties"]


def expressions(widget: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the expressions of a widget."""
    return [one[0] for one in widget["metrics"] if isinstance(one[0], dict)]


def watched_by_dashboard(stack: Mapping[str, str]) -> Iterator[Watched]:
    """Yield every metric of every widget of a stack."""
    for widget in metric_widgets(stack):
        for metric in widget["metrics"]:
            if not isinstance(metric[0], dict):
                namespace, name, *dimensions = [part for part in metric if isinstance(part, str)]
                values = map(_bare, dimensions[1::2])
                yield Watched(
                    widget["title"], namespace, name, dict(zip(dimensions[::2], values, strict=True))
                )


def _bare(value: str) -> str:
    """Return what a dimension's value refers to, without the angle brackets."""
    return value.replace("<", "").replace(">", "")
