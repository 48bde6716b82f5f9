"""What the consumer reports of each batch: one line of the log, and the metrics."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from functions.observability import TROUBLES, count_by_version, count_quarantined, logger, metrics

if TYPE_CHECKING:
    from functions.outcome import Outcome

MAX_LAGS = 100
"""Values of one metric in one line. CloudWatch's embedded metric format takes no more."""


def report(outcome: "Outcome", generation: str | None = None) -> None:
    """Log and count the outcome of a batch, also of one that fails.

    `generation` names a generation of the views that is not live. Its figures have it as a dimension of their
    own, so that they don't add to those of the live one, which the alarms watch.
    """
    if generation:
        metrics.add_dimension("generation", generation)
    codes = Counter(record.code for record in outcome.quarantined)
    logger.info(
        "batch",
        extra={
            "received": outcome.received,
            "learners": outcome.learners,
            "applied": outcome.applied,
            "duplicates": outcome.duplicates,
            "erased": outcome.erased,
            "quarantined": dict(codes),
            "conflicts": outcome.conflicts,
            "awards": outcome.awards,
            "errors": len(outcome.errors),
        },
    )
    troubles = Counter(trouble.code for trouble in outcome.troubles)
    counts = {
        "Received": outcome.received,
        "Applied": outcome.applied,
        "Duplicates": outcome.duplicates,
        "Erased": outcome.erased,
        "Quarantined": len(outcome.quarantined),
        "Learners": outcome.learners,
        "Conflicts": outcome.conflicts,
        "Awards": outcome.awards,
        "LearnersInTrouble": len(outcome.troubles),
        **{name: troubles[code] for code, name in TROUBLES.items()},
        "ArrivedMoreThanTwoDaysLate": outcome.late,
    }
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    for lag in sample(outcome.lags):
        metrics.add_metric("ViewLag", MetricUnit.Milliseconds, lag)
    count_quarantined(codes.items(), generation)
    count_by_version(len(outcome.troubles))


def sample(lags: Iterable[int]) -> list[int]:
    """Return the values, or at most `MAX_LAGS` of them that have about the same percentiles."""
    ordered = sorted(lags)
    number = len(ordered)
    if number <= MAX_LAGS:
        return ordered
    # The middle of each of as many equal parts.
    return [ordered[(2 * part + 1) * number // (2 * MAX_LAGS)] for part in range(MAX_LAGS)]
