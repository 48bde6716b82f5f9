"""What rules about achievements measure: a learner's standing, and the conditions that it meets or lacks."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from domain.tally import COUNTERS, HasSums, Sums

SCORES_BEFORE_AVERAGE = 10
"""The number of scores before an average can earn an achievement: an average of fewer says little."""
MASTERY_AVERAGE = 85
"""The average, in per cent over a category's scored interactions, that mastery requires."""


class Standing(HasSums, Protocol):
    """The figures that a rule about the learner can use, over everything applied so far."""

    @property
    def longest_streak(self) -> int:
        """The longest streak ever, in study days."""

    @property
    def completed_content(self) -> int:
        """The number of distinct contents completed, summed over certifications."""


class CertificationStanding(NamedTuple):
    """The figures that a rule about a certification can use."""

    completed: int
    """The number of distinct contents completed, active or not."""
    completed_active: int
    active: int
    """The number of contents in the catalog as it is now."""
    sums: Sums
    """The certification's counters."""


class CategoryStanding(NamedTuple):
    """The figures that a rule about a category can use."""

    completed_active: int
    active: int
    sums: Sums
    """The category's counters."""


# -- measures --------------------------------------------------------------------------------------

_SCORED, _SCORE, _SECONDS = (COUNTERS.index(counter) for counter in ("scored", "score", "seconds"))


def streak_days(standing: Standing) -> int:
    """Return the longest streak ever, in study days."""
    return standing.longest_streak


def average_score(standing: HasSums) -> int:
    """Return the average score in whole per cent, rounded down; 0 until there are enough scores."""
    scored = standing.sums[_SCORED]
    return standing.sums[_SCORE] // (scored * 100) if scored >= SCORES_BEFORE_AVERAGE else 0


def completed_content(standing: Standing) -> int:
    """Return the number of distinct contents completed, over all certifications."""
    return standing.completed_content


def study_hours(standing: HasSums) -> int:
    """Return the whole hours of study."""
    return standing.sums[_SECONDS] // 3600


def certification_completed(standing: CertificationStanding) -> int:
    """Return the number of distinct contents of the certification completed."""
    return standing.completed


def certification_percent(standing: CertificationStanding) -> int:
    """Return how much of the active catalog is completed, in per cent rounded down; 0 only if nothing."""
    return _whole_percent(standing.completed_active, standing.active) if standing.active else 0


def category_mastery(standing: CategoryStanding) -> int:
    """Return the progress in whole per cent: of the completion or of the average, whichever is less."""
    scored = standing.sums[_SCORED]
    if not standing.active or not scored:
        return 0
    completed = _whole_percent(standing.completed_active, standing.active)
    return min(completed, _whole_percent(standing.sums[_SCORE], 100 * scored * MASTERY_AVERAGE))


def _whole_percent(part: int, whole: int) -> int:
    return 100 * part // whole or min(part, 1)


# -- conditions ------------------------------------------------------------------------------------

type ConditionKind = Literal[
    "study_days", "scores", "average_score", "contents", "hours", "perfect_scores", "count"
]


class Condition(NamedTuple):
    """One condition of an achievement: `value` must reach `target`."""

    kind: ConditionKind
    value: int | float | None
    """None if there is nothing to measure yet: no average without a score."""
    target: int

    @property
    def is_met(self) -> bool:
        """Whether the value has reached the target."""
        return self.value is not None and self.value >= self.target


type Conditions[S] = Callable[[S, int], tuple[Condition, ...]]
"""Returns the conditions for a measure to reach a target."""


def single[S](kind: ConditionKind, measure: Callable[[S], int]) -> Conditions[S]:
    """Return the conditions of a rule whose measure is its only condition."""
    return lambda standing, target: (Condition(kind, measure(standing), target),)


def _average(sums: Sums, target: int) -> Condition:
    scored = sums[_SCORED]
    return Condition("average_score", sums[_SCORE] // scored / 100 if scored else None, target)


def average_conditions(standing: HasSums, target: int) -> tuple[Condition, ...]:
    """Return the conditions of an average score."""
    scores = Condition("scores", standing.sums[_SCORED], SCORES_BEFORE_AVERAGE)
    return scores, _average(standing.sums, target)


def percent_conditions(standing: CertificationStanding, target: int) -> tuple[Condition, ...]:
    """Return the condition of completing that many per cent of a certification's active contents."""
    needed = -(-standing.active * target // 100)
    # Without active content, nothing can be completed.
    return (Condition("contents", standing.completed_active, max(needed, 1)),)


def mastery_conditions(standing: CategoryStanding, _: int) -> tuple[Condition, ...]:
    """Return the conditions of mastering a category."""
    contents = Condition("contents", standing.completed_active, max(standing.active, 1))
    return contents, _average(standing.sums, MASTERY_AVERAGE)
