"""The metrics that the functions wrote to their output, in CloudWatch's embedded metric format."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class Emitted(NamedTuple):
    """One value of a metric. The dimensions have their values."""

    name: str
    unit: str
    value: float
    dimensions: dict[str, str]


def emitted(output: str) -> list[Emitted]:
    """Return all values of metrics in the output of a function, as CloudWatch would read them."""
    return [one for line in output.splitlines() if line.startswith("{") for one in _values(json.loads(line))]


def _values(line: dict[str, Any]) -> Iterator[Emitted]:
    for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
        assert directive["Namespace"] == "Streakline"
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                assert len(values) <= 100
                named = {name: line[name] for name in dimensions}
                yield from (Emitted(metric["Name"], metric["Unit"], value, named) for value in values)
