"""The achievement rules as the contract states them, for comparison with the awards that were given.

Shares no code with `domain/achievements.py`. A new rule is one line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class LearnerFacts(NamedTuple):
    """The facts that rules about a learner depend on."""

    longest_streak: int
    """Study days."""
    completed: int
    """Distinct contents completed, counted per certification."""
    scores: list[int]
    """Hundredths."""
    sums: Mapping[str, int]
    """The learner's counters, by name."""

    def averages(self, percent: int) -> bool:
        """Return whether the average of all scores is at least this high; False for fewer than 10 scores."""
        return len(self.scores) >= 10 and sum(self.scores) >= percent * 100 * len(self.scores)

    def could_average(self, percent: int) -> bool:
        """Return whether some ten scores reach this average: in some order, they are the first ten."""
        return len(self.scores) >= 10 and sum(sorted(self.scores)[-10:]) >= percent * 1000


class CertificationFacts(NamedTuple):
    """The facts that rules about a certification depend on."""

    completed: int
    """Distinct contents completed, active or not."""
    completed_active: int
    active: int
    sums: Mapping[str, int]
    """The learner's counters for this certification, by name."""


class CategoryFacts(NamedTuple):
    """The facts that rules about a category depend on."""

    completed_active: int
    active: int
    sums: Mapping[str, int]
    """The learner's counters for this category, by name."""

    def is_complete(self) -> bool:
        """Return whether all active content of the category is completed."""
        return 0 < self.active == self.completed_active


@dataclass(frozen=True, slots=True)
class Rule[Facts]:
    """An achievement: its points, and when a learner must or may have earned it."""

    points: int
    due: Callable[[Facts], bool]
    """Whether it must be earned, in whichever order the interactions were applied."""
    possible: Callable[[Facts], bool] | None = None
    """Whether some order earns it. None if that is the same: once reached, the rule stays reached."""
    uses_catalog: bool = False
    """Whether a change of the catalog can change the result. Category rules need no flag: all of them do."""

    def is_possible(self, facts: Facts) -> bool:
        """Return whether some order of the interactions earns it."""
        return (self.possible or self.due)(facts)


LEARNER_RULES: dict[str, Rule[LearnerFacts]] = {
    "streak-3": Rule(30, lambda it: it.longest_streak >= 3),
    "streak-7": Rule(70, lambda it: it.longest_streak >= 7),
    "streak-14": Rule(140, lambda it: it.longest_streak >= 14),
    "streak-30": Rule(300, lambda it: it.longest_streak >= 30),
    "streak-60": Rule(600, lambda it: it.longest_streak >= 60),
    "streak-100": Rule(1000, lambda it: it.longest_streak >= 100),
    "score-70": Rule(100, lambda it: it.averages(70), lambda it: it.could_average(70)),
    "score-80": Rule(200, lambda it: it.averages(80), lambda it: it.could_average(80)),
    "score-90": Rule(500, lambda it: it.averages(90), lambda it: it.could_average(90)),
    "score-95": Rule(1000, lambda it: it.averages(95), lambda it: it.could_average(95)),
    "completed-10": Rule(50, lambda it: it.completed >= 10),
    "completed-50": Rule(250, lambda it: it.completed >= 50),
    "completed-100": Rule(500, lambda it: it.completed >= 100),
    "completed-250": Rule(1000, lambda it: it.completed >= 250),
    "hours-10": Rule(100, lambda it: it.sums["seconds"] >= 10 * 3600),
    "hours-50": Rule(300, lambda it: it.sums["seconds"] >= 50 * 3600),
    "hours-100": Rule(600, lambda it: it.sums["seconds"] >= 100 * 3600),
    "hours-200": Rule(1200, lambda it: it.sums["seconds"] >= 200 * 3600),
}

NEXT_LEARNER_RULES: dict[str, Rule[LearnerFacts]] = {
    "minutes-60": Rule(5, lambda it: it.sums["minutes"] >= 60),
}
"""Rules that the next release adds."""

CERTIFICATION_RULES: dict[str, Rule[CertificationFacts]] = {
    "first": Rule(20, lambda it: it.completed >= 1),
    "perfect-5": Rule(100, lambda it: it.sums["perfect"] >= 5),
    "half": Rule(250, lambda it: 0 < it.active <= 2 * it.completed_active, uses_catalog=True),
    "all": Rule(1000, lambda it: 0 < it.active == it.completed_active, uses_catalog=True),
}

CATEGORY_RULES: dict[str, Rule[CategoryFacts]] = {
    "mastered": Rule(
        300,
        lambda it: it.is_complete() and 0 < it.sums["scored"] * 8500 <= it.sums["score"],
        lambda it: it.is_complete() and it.sums["scored"] > 0,
    ),
}
