"""A learner's scored answers in one certification, weighted by recency, and how fresh their memory is.

The inputs are sums and maxima, so late and shuffled interactions give the same result.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from math import sumprod
from operator import itemgetter
from struct import iter_unpack
from typing import NamedTuple

from domain.learner import Day, Track
from domain.tally import PERFECT, Breakdown, Tally

RECENT_DAYS = 90
"""Number of days, today included, whose buckets are read. Older answers count through the overall sums."""
HALF_LIFE_DAYS = 30
"""Days after which the weight of an answer, and the memory of a content, has halved."""
RESIDUAL_WEIGHT = 0.125
"""Weight of an answer older than `RECENT_DAYS`: the weight of an answer 90 days ago."""

# Weights are integers in units of 1/1024: a sum of integers is the same in any order, a sum of floats is not.
_ONE = 1 << 10
_RESIDUAL = round(_ONE * RESIDUAL_WEIGHT)
_WEIGHTS = tuple(
    round(_ONE * max(RESIDUAL_WEIGHT, 0.5 ** (age / HALF_LIFE_DAYS))) for age in range(RECENT_DAYS)
)
_ONE_RIGHT = _ONE * PERFECT
_AGE = itemgetter(0)
_NO_TALLY = Tally()


class CategoryPractice(NamedTuple):
    """The scored answers in one category, each weighted by recency."""

    scored: int
    """Number of scored answers, ever, without weights."""
    answers: float
    """Sum of the weights."""
    right: float
    """Weighted sum of the scores, where a perfect score is 1."""
    memory: float
    """The remaining memory of its contents, 0 to 1: the weight of the most recent answer."""


class Practice(NamedTuple):
    """The scored answers in one certification."""

    categories: Mapping[str, CategoryPractice]
    """Only categories with a scored answer, by name."""
    days: int
    """Number of days with a scored answer within the last `RECENT_DAYS`."""

    def memory(self, category: str) -> float:
        """Return how much is left of the memory of a category's contents, 0 to 1."""
        practice = self.categories.get(category)
        return practice.memory if practice else RESIDUAL_WEIGHT


type RecentDay = tuple[int, Breakdown]
"""Age of a day in days (0 is today), and what the learner did on it in one certification."""


def recent_days(code: str, days: Iterable[Day], today: int) -> list[RecentDay]:
    """Return the last `RECENT_DAYS` up to `today` with activity in a certification, newest first."""
    aged = sorted(
        (
            (today - day.number, day.tallies[code])
            for day in days
            if code in day.tallies and day.number <= today
        ),
        key=_AGE,
    )
    return aged[: bisect_left(aged, RECENT_DAYS, key=_AGE)]


def practice_of(tallies: Breakdown, recent: Sequence[RecentDay]) -> Practice:
    """Return the scored answers by category.

    `tallies`: the overall sums, which include the recent days. `recent`: as `recent_days` returns them.
    """
    weights = [_WEIGHTS[age] for age, _ in recent]
    # The overall sums already give every recent answer the residual weight; only the rest is added here.
    extra = [weight - _RESIDUAL for weight in weights]
    by_day = [of_day.categories for _, of_day in recent]
    categories: dict[str, CategoryPractice] = {}
    answered: list[list[int]] = []
    for name in sorted(tallies.categories):
        tally = tallies.categories[name]
        if not tally.scored:
            continue
        of_days = [of_day.get(name, _NO_TALLY) for of_day in by_day]
        counts = [of_day.scored for of_day in of_days]
        answered.append(counts)
        answers = _RESIDUAL * tally.scored + sumprod(extra, counts)
        score = _RESIDUAL * tally.score + sumprod(extra, [of_day.score for of_day in of_days])
        # Days are sorted newest first, so the first day with a scored answer is the most recent one.
        memory = next(compress(weights, counts), _RESIDUAL)
        categories[name] = CategoryPractice(tally.scored, answers / _ONE, score / _ONE_RIGHT, memory / _ONE)
    return Practice(categories, sum(map(any, zip(*answered, strict=True))))


def right_by_difficulty(tallies: Breakdown, recent: Sequence[RecentDay]) -> dict[str, float]:
    """Return the weighted sum of the scores by difficulty, where a perfect score is 1.

    The arguments are those of `practice_of`.
    """
    right = {name: _RESIDUAL * tally.score for name, tally in tallies.difficulties.items()}
    for age, of_day in recent:
        extra = _WEIGHTS[age] - _RESIDUAL
        for name, tally in of_day.difficulties.items():
            if name in right:
                right[name] += extra * tally.score
    return {name: score / _ONE_RIGHT for name, score in right.items()}


def best_scores(track: Track, length: int) -> Sequence[int]:
    """Return the best score of each content, by ordinal: hundredths + 1, or 0 if it was never scored.

    The result has at least `length` entries.
    """
    best = [0] * max(length, track.scored.bits.bit_length())
    for ordinal, (score,) in zip(track.scored, iter_unpack(">H", track.best), strict=True):
        best[ordinal] = score + 1
    return best
