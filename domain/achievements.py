"""Achievements: rules as data. Once earned, they stay.

A rule measures how far a learner is and names the target; adding an achievement is one line here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

SCORES_BEFORE_AVERAGE = 10
"""An average of fewer scores says little: score achievements wait for so many."""


class Standing(Protocol):
    """What a rule may look at, over everything applied so far."""

    @property
    def longest_streak(self) -> int:
        """Study days."""

    @property
    def completed_content(self) -> int:
        """Distinct contents completed."""

    @property
    def seconds(self) -> int:
        """Time spent."""

    @property
    def scored(self) -> int:
        """Interactions with a score."""

    @property
    def score(self) -> int:
        """Sum of scores, in hundredths."""


type Measure = Callable[[Standing], int]


def streak_days(standing: Standing) -> int:
    """The longest streak ever, in study days."""
    return standing.longest_streak


def average_score(standing: Standing) -> int:
    """The average score in whole per cent, rounded down; 0 before there are enough scores."""
    if standing.scored < SCORES_BEFORE_AVERAGE:
        return 0
    return standing.score // (standing.scored * 100)


def completed_content(standing: Standing) -> int:
    """Distinct contents completed, over all certifications."""
    return standing.completed_content


def study_hours(standing: Standing) -> int:
    """Whole hours of study."""
    return standing.seconds // 3600


@dataclass(frozen=True, slots=True)
class Achievement:
    """One rule: earned when `measure` reaches `target`."""

    id: str
    type: str
    title: str
    description: str
    icon: str
    points: int
    measure: Measure
    target: int


def _streak(days: int, title: str) -> Achievement:
    return Achievement(
        f"streak-{days}", "streak", title, f"Study {days} days in a row", "🔥", days * 10, streak_days, days
    )


def _score(percent: int, title: str, points: int) -> Achievement:
    description = f"Average {percent} % or more over at least {SCORES_BEFORE_AVERAGE} scores"
    return Achievement(f"score-{percent}", "score", title, description, "🎯", points, average_score, percent)


def _completed(count: int, title: str, points: int) -> Achievement:
    description = f"Complete {count} different contents"
    return Achievement(
        f"completed-{count}", "completion", title, description, "✅", points, completed_content, count
    )


def _hours(hours: int, title: str, points: int) -> Achievement:
    return Achievement(
        f"hours-{hours}", "time", title, f"Study for {hours} hours", "⏱️", points, study_hours, hours
    )


ACHIEVEMENTS: tuple[Achievement, ...] = (
    _streak(3, "3 Day Streak"),
    _streak(7, "7 Day Streak"),
    _streak(14, "14 Day Streak"),
    _streak(30, "30 Day Streak"),
    _streak(60, "60 Day Streak"),
    _streak(100, "100 Day Streak"),
    _score(70, "Good Student", 100),
    _score(80, "Great Student", 200),
    _score(90, "Excellent Student", 500),
    _score(95, "Master Student", 1000),
    _completed(10, "Getting Started", 50),
    _completed(50, "Making Progress", 250),
    _completed(100, "Dedicated Learner", 500),
    _completed(250, "Content Master", 1000),
    _hours(10, "Time Invested", 100),
    _hours(50, "Serious Student", 300),
    _hours(100, "Dedicated Scholar", 600),
    _hours(200, "Study Champion", 1200),
)


class Award(NamedTuple):
    """An achievement as it was earned: complete in itself, so that a retired rule keeps its awards."""

    achievement_id: str
    achievement_type: str
    title: str
    description: str
    badge_icon: str
    points: int
    earned_at: int
    """occurred_at of the interaction that reached it, in microseconds since 1970."""
    certification_type: str | None = None


def award(achievement: Achievement, earned_at: int) -> Award:
    """The achievement, earned."""
    return Award(
        achievement.id,
        achievement.type,
        achievement.title,
        achievement.description,
        achievement.icon,
        achievement.points,
        earned_at,
    )


def pending(earned: frozenset[str]) -> dict[Measure, list[Achievement]]:
    """The achievements yet to earn, by what they measure, the nearest target last.

    So that a measure is taken once for all its rules, and one comparison mostly suffices.
    """
    groups: dict[Measure, list[Achievement]] = {}
    for achievement in sorted(ACHIEVEMENTS, key=lambda a: -a.target):
        if achievement.id not in earned:
            groups.setdefault(achievement.measure, []).append(achievement)
    return groups


def newly_earned(waiting: dict[Measure, list[Achievement]], standing: Standing) -> Iterable[Achievement]:
    """Take from `waiting` what the standing has reached now."""
    for measure, rules in waiting.items():
        if not rules:
            continue
        value = measure(standing)
        while rules and rules[-1].target <= value:
            yield rules.pop()
