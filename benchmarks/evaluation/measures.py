"""Measures of how well predictions agree with what happened."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random
from statistics import correlation, fmean
from typing import NamedTuple

BINS = 10


class Outcome(NamedTuple):
    """A predicted probability, and whether the event happened."""

    predicted: float
    happened: bool


def log_loss(outcomes: Sequence[Outcome]) -> float:
    """Return the mean negative logarithm of the probability given to what happened."""
    return -fmean(math.log(max(1e-6, o.predicted if o.happened else 1 - o.predicted)) for o in outcomes)


def brier(outcomes: Sequence[Outcome]) -> float:
    """Return the mean squared error of the probability."""
    return fmean((o.predicted - o.happened) ** 2 for o in outcomes)


def auc(outcomes: Sequence[Outcome]) -> float:
    """Return how often an event that happened got a higher probability than one that did not.

    Return nan if all events or none happened.
    """
    positives = sum(o.happened for o in outcomes)
    negatives = len(outcomes) - positives
    if not positives or not negatives:
        return math.nan
    groups: dict[float, list[bool]] = defaultdict(list)
    for o in outcomes:
        groups[o.predicted].append(o.happened)
    negatives_below = 0
    pairs_in_order = 0.0
    for _, group in sorted(groups.items()):
        happened = sum(group)
        not_happened = len(group) - happened
        pairs_in_order += happened * (negatives_below + not_happened / 2)
        negatives_below += not_happened
    return pairs_in_order / positives / negatives


class Bin(NamedTuple):
    """Predictions of similar size."""

    predicted: float
    """Their mean."""
    happened: float
    """Share of the events that happened."""
    size: int
    """Number of predictions."""


def bins(outcomes: Sequence[Outcome]) -> list[Bin]:
    """Return the predictions in bins of equal width, without the empty bins."""
    groups: dict[int, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        groups[min(BINS - 1, int(o.predicted * BINS))].append(o)
    return [
        Bin(fmean(o.predicted for o in group), fmean(o.happened for o in group), len(group))
        for _, group in sorted(groups.items())
    ]


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """Return the expected calibration error: the bins' mean distance from the diagonal, weighted by size."""
    return sum(abs(b.predicted - b.happened) * b.size for b in bins(outcomes)) / len(outcomes)


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return Pearson's correlation; nan if one of the two does not vary."""
    if len(xs) < 2 or max(xs) - min(xs) < 1e-9 or max(ys) - min(ys) < 1e-9:
        return math.nan
    return correlation(xs, ys)


def expected_error(share: float, questions: int) -> float:
    """Return the mean distance between a true share and the share right of so many questions, by chance.

    The share is strictly between 0 and 1.
    """
    all_ways = math.lgamma(questions + 1)

    def probability(right: int) -> float:
        wrong = questions - right
        ways = all_ways - math.lgamma(right + 1) - math.lgamma(wrong + 1)
        return math.exp(ways + right * math.log(share) + wrong * math.log(1 - share))

    return math.fsum(probability(right) * abs(right / questions - share) for right in range(questions + 1))


def bootstrap[T](
    cases: Sequence[T], measure: Callable[[Sequence[T]], float], resamples: int = 1000
) -> tuple[float, float]:
    """Return the interval that holds a measure with a probability of 95%, by resampling the cases."""
    rng = Random(0)
    found = sorted(measure(rng.choices(cases, k=len(cases))) for _ in range(resamples))
    return found[round(0.025 * (resamples - 1))], found[round(0.975 * (resamples - 1))]
