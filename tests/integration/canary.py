"""A gradual deployment of the consumer, as AWS carries it out: alias, metrics, alarms and CodeDeploy.

The consumer, its metrics and the alarms are the real ones; the alarms are read from the template. What is
modelled is what AWS documents: an alias sends a share of the invocations to a second version, Lambda counts
errors by executed version while there are two, CloudWatch evaluates an alarm at the end of each minute, and
CodeDeploy sends all invocations back to the first version once an alarm rings.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched, count
from random import Random
from typing import Any

import pytest

from functions import project
from functions.project import Projector
from tests.integration.conftest import Context, interaction, stream_event
from tests.integration.template import template
from tests.integration.watched import queries

FUNCTION = "ProjectFunction"
ALARMS = ("ReleaseFails", "ReleaseFailsToAnswer", "ReleaseTroublesLearners")
LEARNERS, BATCHES, BATCH = 20, 8, 3
"""Learners, batches a minute, and interactions of a batch."""

type Plant = Callable[[pytest.MonkeyPatch], None]
type Series = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a metric."""


@dataclass(frozen=True, slots=True)
class Version:
    """A release of the consumer: its number, and how its code differs from the code here."""

    number: str
    plant: Plant


@dataclass(slots=True)
class CloudWatch:
    """The sums of metrics by minute, and the alarms on them."""

    sums: defaultdict[tuple[Series, int], float] = field(default_factory=lambda: defaultdict(float))

    def put(self, minute: int, namespace: str, name: str, dimensions: dict[str, str], value: float) -> None:
        """Add a value to the sum of a minute."""
        self.sums[((namespace, name, frozenset(dimensions.items())), minute)] += value

    def put_lines(self, minute: int, printed: str) -> None:
        """Add what a function prints in CloudWatch's embedded metric format."""
        for line in map(json.loads, printed.splitlines()):
            for given in line.get("_aws", {}).get("CloudWatchMetrics", ()):
                for names in given["Dimensions"]:
                    dimensions = {name: str(line[name]) for name in names}
                    for metric in given["Metrics"]:
                        values = line[metric["Name"]]
                        total = sum(values) if isinstance(values, list) else values
                        self.put(minute, given["Namespace"], metric["Name"], dimensions, total)

    def rings(self, alarm: str, minute: int, newest: str) -> bool:
        """Return whether an alarm of the template rings at the end of a minute.

        `newest` is the version that the template's alarms watch.
        """
        given = template()["Resources"][alarm]["Properties"]
        assert given["ComparisonOperator"] == "GreaterThanThreshold"
        [expression] = [
            one["Expression"] for one in queries(template()["Resources"][alarm]) if "Expression" in one
        ]
        assert expression == "SUM(METRICS())"
        watched = [
            one["MetricStat"] for one in queries(template()["Resources"][alarm]) if "MetricStat" in one
        ]
        assert {(one["Period"], one["Stat"]) for one in watched} == {(60, "Sum")}
        series = [self._series(one["Metric"], newest) for one in watched]
        window = range(minute - given["EvaluationPeriods"] + 1, minute + 1)
        breaching = [
            sum(self.sums.get((each, past), 0) for each in series) > given["Threshold"] for past in window
        ]
        needed: int = given.get("DatapointsToAlarm", given["EvaluationPeriods"])
        return breaching.count(True) >= needed

    def _series(self, metric: dict[str, Any], newest: str) -> Series:
        values = {f"{FUNCTION}.Version.Version": newest, "AWS::StackName": "streakline"}
        dimensions = {
            one["Name"]: values.get(one["Value"], one["Value"]).replace(f"${{{FUNCTION}}}", FUNCTION)
            for one in metric["Dimensions"]
        }
        return metric["Namespace"], metric["MetricName"], frozenset(dimensions.items())


@dataclass(slots=True)
class Deployment:
    """The interactions of a stack's learners while a release goes out."""

    live: Version
    patch: pytest.MonkeyPatch
    printed: Callable[[], str]
    """Returns what has been printed since it was called last."""
    random: Random = field(default_factory=lambda: Random(1))
    cloudwatch: CloudWatch = field(default_factory=CloudWatch)
    sent: list[dict[str, Any]] = field(default_factory=list)
    invoked: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Invocations by version."""
    _numbers: Iterator[int] = field(default_factory=count)
    _projectors: dict[str, Projector] = field(default_factory=dict)
    """By version: no process runs two of them."""

    def run(self, minutes: Iterable[int]) -> None:
        """Let minutes pass without a deployment."""
        for minute in minutes:
            self._minute(minute, None, 0)

    def release(self, version: Version, begin: int) -> str | None:
        """Deploy a version as the template says, and return the alarm that took it back, if any."""
        kind = template()["Globals"]["Function"]["DeploymentPreference"]
        assert kind["Type"] == "Canary10Percent10Minutes"
        assert set(kind["Alarms"]) == set(ALARMS)
        for minute in range(begin, begin + 10):
            self._minute(minute, version, 0.1)
            for alarm in ALARMS:
                if self.cloudwatch.rings(alarm, minute, version.number):
                    return alarm
        self.live = version
        return None

    def deliver(
        self, batch: Sequence[dict[str, Any]], minute: int, canary: Version | None, share: float
    ) -> None:
        """Deliver a batch until an invocation succeeds, each time to the version that the alias draws."""
        while not self._invoke(
            batch, minute, canary if canary and self.random.random() < share else self.live, canary
        ):
            pass

    def _minute(self, minute: int, canary: Version | None, share: float) -> None:
        interactions = [self._interaction() for _ in range(BATCHES * BATCH)]
        self.sent += interactions
        for batch in batched(interactions, BATCH):
            self.deliver(batch, minute, canary, share)

    def _interaction(self) -> dict[str, Any]:
        number = next(self._numbers)
        return interaction(
            f"event-{number}",
            user_id=f"learner-{self.random.randrange(LEARNERS)}",
            content_id=self.random.choice(("saa-1", "saa-2", "saa-3")),
            occurred_at=f"2026-03-01T09:{number // 60 % 60:02}:{number % 60:02}+02:00",
        )

    def _invoke(
        self, batch: Sequence[dict[str, Any]], minute: int, version: Version, canary: Version | None
    ) -> bool:
        self.invoked[version.number] += 1
        with self.patch.context() as patch:
            patch.setenv("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
            patch.setenv("AWS_LAMBDA_FUNCTION_VERSION", version.number)
            if version.number not in self._projectors:
                # One learner at a time: moto loses what is written beside a transaction.
                self._projectors[version.number] = project.projector.__wrapped__()
                self._projectors[version.number].map_learners = map
            patch.setattr(project, "projector", lambda: self._projectors[version.number])
            version.plant(patch)
            self.printed()
            try:
                project.handler(stream_event(*batch), Context())
                failed = False
            except Exception:
                failed = True
        self.cloudwatch.put_lines(minute, self.printed())
        if canary:
            executed = {
                "FunctionName": FUNCTION,
                "Resource": f"{FUNCTION}:live",
                "ExecutedVersion": version.number,
            }
            self.cloudwatch.put(minute, "AWS/Lambda", "Errors", executed, failed)
        return not failed
