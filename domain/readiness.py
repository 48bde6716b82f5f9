"""How ready a learner is for a certification's exam: a first honest estimate, from tallies alone.

The share right in each category leans on the learner's other categories, and those on an even prior: the
fewer the answers, the more. There are no real pass or fail labels behind it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import erf, sqrt

from domain.catalog import KNOWN, Certification
from domain.learner import Track
from domain.tally import Tally

PASS_MARKS = {"foundational": 70, "associate": 72, "professional": 75, "specialty": 75}
"""Per cent, by level (AWS's published scaled scores of 700, 720 and 750 of 1,000)."""
PASS_MARK = 70
"""Of a certification of whose level nothing is known."""

_PRIOR_SHARE, _PRIOR_ANSWERS = 0.5, 6.0
"""What is believed of a learner with no answers, and how many answers it takes to outweigh that."""
_POOLING_ANSWERS = 8.0
"""How many answers in a category weigh as much as all that is known of the learner elsewhere."""
_Z80 = 1.2816
"""An 80 % interval of a normal distribution, in standard deviations to each side."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of an exam that would be right, 0 to 1, with an 80 % interval."""

    mean: float
    low: float
    high: float
    answers: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """An estimate for the whole exam and by category; None where nothing was answered."""

    overall: Estimate | None
    categories: Mapping[str, Estimate]
    pass_mark: int
    pass_probability: float | None
    """Strictly between 0 and 1."""
    coverage: float
    """Share of the catalog's categories, by content, with at least one scored answer."""


def pass_mark(code: str) -> int:
    """The per cent that passes a certification's exam."""
    return PASS_MARKS[KNOWN[code].level] if code in KNOWN else PASS_MARK


def assess(track: Track, certification: Certification) -> Readiness:
    """Estimate a learner's readiness for a certification from what they answered."""
    mark = pass_mark(certification.code)
    tallies = {name: tally for name, tally in track.tallies.categories.items() if tally.scored}
    weights = {name: len(contents) for name, contents in certification.categories.items()}
    if not tallies or not weights:
        return Readiness(None, {}, mark, None, 0.0)
    answers = sum(tally.scored for tally in tallies.values())
    right = sum(tally.score for tally in tallies.values()) / 10_000
    pooled = (right + _PRIOR_SHARE * _PRIOR_ANSWERS) / (answers + _PRIOR_ANSWERS)
    everywhere = min(_POOLING_ANSWERS, answers + _PRIOR_ANSWERS)
    categories = {name: _estimate(tallies.get(name), pooled, everywhere) for name in weights}
    whole = sum(weights.values())
    mean = sum(weights[name] * found.mean for name, found in categories.items()) / whole
    variance = sum(
        (weights[name] / whole) ** 2 * ((found.high - found.low) / 2 / _Z80) ** 2
        for name, found in categories.items()
    ) + mean * (1 - mean) / (answers + _PRIOR_ANSWERS)
    deviation = sqrt(variance)
    probability = 0.5 * (1 + erf((mean - mark / 100) / deviation / sqrt(2)))
    return Readiness(
        _interval(mean, deviation, answers),
        categories,
        mark,
        min(max(probability, 0.001), 0.999),
        sum(weights[name] for name in weights if name in tallies) / whole,
    )


def _estimate(tally: Tally | None, pooled: float, weight: float) -> Estimate:
    answers = tally.scored if tally else 0
    right = tally.score / 10_000 if tally else 0.0
    mean = (right + pooled * weight) / (answers + weight)
    return _interval(mean, sqrt(mean * (1 - mean) / (answers + weight + 1)), answers)


def _interval(mean: float, deviation: float, answers: int) -> Estimate:
    return Estimate(mean, max(0.0, mean - _Z80 * deviation), min(1.0, mean + _Z80 * deviation), answers)
