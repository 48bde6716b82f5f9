"""Achievements: rules as data. An earned achievement stays earned.

A rule measures a learner's standing and names the target. Adding an achievement is one line here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import sha256
from typing import NamedTuple

from domain.rounding import round_within
from domain.standing import (
    MASTERY_AVERAGE,
    SCORES_BEFORE_AVERAGE,
    CategoryStanding,
    CertificationStanding,
    Condition,
    Conditions,
    Standing,
    average_conditions,
    average_score,
    category_mastery,
    certification_completed,
    certification_percent,
    completed_content,
    mastery_conditions,
    percent_conditions,
    single,
    streak_days,
    study_hours,
)
from domain.tally import sum_of


@dataclass(frozen=True, slots=True)
class Achievement[S]:
    """One rule: a learner earns it when `measure` reaches `target`, and so all its conditions are met.

    A rule about certifications or categories is a pattern. Its title and description name the certification
    or category in braces, and `of` turns it into the rule of one certification or category.
    """

    id: str
    type: str
    title: str
    description: str
    icon: str
    points: int
    measure: Callable[[S], int]
    target: int
    conditions: Conditions[S] | None = None
    """None if the measure itself is the only condition."""
    certification: str | None = None

    def missing(self, standing: S) -> tuple[Condition, ...]:
        """Return the conditions that are not met; none if the achievement is reached."""
        if self.conditions is None:
            found: tuple[Condition, ...] = (Condition("count", self.measure(standing), self.target),)
        else:
            found = self.conditions(standing, self.target)
        return tuple(condition for condition in found if not condition.is_met)

    def of(self, certification: str, category: str | None = None) -> "Achievement[S]":
        """Return the rule for one certification, or for one category of it."""
        names = {"certification": certification, "category": category}
        parts = [certification, self.id] + ([slug(category)] if category is not None else [])
        return replace(
            self,
            id=":".join(parts),
            title=self.title.format(**names),
            description=self.description.format(**names),
            certification=certification,
        )


def slug(name: str) -> str:
    """Return a name in letters, digits and hyphens, with a digest if that loses more than upper case."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain.replace("-", " ") == name.lower():
        return plain
    return f"{plain}-{sha256(name.encode()).hexdigest()[:6]}".strip("-")


class _Ladder[S](NamedTuple):
    """The rules with the same measure that are not fulfilled, by ascending target."""

    measure: Callable[[S], int]
    target: int
    """The target of the first rule."""
    rules: tuple[Achievement[S], ...]


@dataclass(frozen=True)
class Rules[S]:
    """Rules about the same kind of standing. Their order has no meaning."""

    rules: tuple[Achievement[S], ...]

    def __iter__(self) -> Iterator[Achievement[S]]:
        return iter(self.rules)

    @cached_property
    def ladders(self) -> tuple[_Ladder[S], ...]:
        """The rules by their measure."""
        groups: dict[Callable[[S], int], list[Achievement[S]]] = {}
        for rule in sorted(self.rules, key=lambda rule: rule.target):
            groups.setdefault(rule.measure, []).append(rule)
        return tuple(_Ladder(measure, found[0].target, tuple(found)) for measure, found in groups.items())


# -- rules -----------------------------------------------------------------------------------------


def _streak(days: int, title: str) -> Achievement[Standing]:
    return Achievement(
        f"streak-{days}",
        "streak",
        title,
        f"Study {days} days in a row",
        "🔥",
        days * 10,
        streak_days,
        days,
        single("study_days", streak_days),
    )


def _score(percent: int, title: str, points: int) -> Achievement[Standing]:
    description = f"Average {percent} % or more over at least {SCORES_BEFORE_AVERAGE} scores"
    return Achievement(
        f"score-{percent}",
        "score",
        title,
        description,
        "🎯",
        points,
        average_score,
        percent,
        average_conditions,
    )


def _completed(count: int, title: str, points: int) -> Achievement[Standing]:
    description = f"Complete {count} different contents"
    return Achievement(
        f"completed-{count}",
        "completion",
        title,
        description,
        "✅",
        points,
        completed_content,
        count,
        single("contents", completed_content),
    )


def _hours(hours: int, title: str, points: int) -> Achievement[Standing]:
    return Achievement(
        f"hours-{hours}",
        "time",
        title,
        f"Study for {hours} hours",
        "⏱️",
        points,
        study_hours,
        hours,
        single("hours", study_hours),
    )


ACHIEVEMENTS = Rules[Standing](
    (
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
)
"""Rules about the learner."""

COMPLETE_CERTIFICATION: Achievement[CertificationStanding] = Achievement(
    id="all",
    type="certification",
    title="{certification}: Complete",
    description="Complete all contents of {certification}",
    icon="🏆",
    points=1000,
    measure=certification_percent,
    target=100,
    conditions=percent_conditions,
)
"""Also announced as `certification.completed`."""

CERTIFICATION_ACHIEVEMENTS = Rules[CertificationStanding](
    (
        Achievement(
            id="first",
            type="certification",
            title="{certification}: First Step",
            description="Complete a first content of {certification}",
            icon="🌱",
            points=20,
            measure=certification_completed,
            target=1,
            conditions=single("contents", certification_completed),
        ),
        Achievement(
            id="perfect-5",
            type="certification",
            title="{certification}: Five Times Perfect",
            description="Score 100 five times in {certification}",
            icon="💯",
            points=100,
            measure=sum_of("perfect"),
            target=5,
            conditions=single("perfect_scores", sum_of("perfect")),
        ),
        Achievement(
            id="half",
            type="certification",
            title="{certification}: Halfway",
            description="Complete half of the contents of {certification}",
            icon="⛰️",
            points=250,
            measure=certification_percent,
            target=50,
            conditions=percent_conditions,
        ),
        COMPLETE_CERTIFICATION,
    )
)
"""Rules about each certification."""

CATEGORY_ACHIEVEMENTS = Rules[CategoryStanding](
    (
        Achievement(
            id="mastered",
            type="category",
            title="{category} Mastered",
            description=f"Complete all of {{category}} in {{certification}}, {MASTERY_AVERAGE} % on average",
            icon="🎓",
            points=300,
            measure=category_mastery,
            target=100,
            conditions=mastery_conditions,
        ),
    )
)
"""Rules about each category of a certification."""


def learner_rules() -> Rules[Standing]:
    """Return the rules about a learner."""
    return ACHIEVEMENTS


@cache
def certification_rules(certification: str) -> Rules[CertificationStanding]:
    """Return the rules of one certification."""
    return Rules(tuple(rule.of(certification) for rule in CERTIFICATION_ACHIEVEMENTS))


@cache
def category_rules(certification: str, category: str) -> Rules[CategoryStanding]:
    """Return the rules of one category of a certification."""
    return Rules(tuple(rule.of(certification, category) for rule in CATEGORY_ACHIEVEMENTS))


class Award(NamedTuple):
    """An achievement as it was earned. It is complete in itself, so a retired rule keeps its awards."""

    achievement_id: str
    achievement_type: str
    title: str
    description: str
    badge_icon: str
    points: int
    earned_at: int
    """The occurred_at of the interaction that earned it, in microseconds since 1970."""
    certification_type: str | None = None


def award[S](achievement: Achievement[S], earned_at: int) -> Award:
    """Return the award of an achievement."""
    return Award(
        achievement.id,
        achievement.type,
        achievement.title,
        achievement.description,
        achievement.icon,
        achievement.points,
        earned_at,
        achievement.certification,
    )


@dataclass(frozen=True, slots=True)
class Rarity:
    """The number of learners, and the number of learners who have each achievement, by its id."""

    learners: int = 0
    earned: Mapping[str, int] = field(default_factory=dict)

    def share(self, achievement_id: str) -> float | None:
        """Return the share of learners who have it, 0 to 1; None if nobody has been counted yet."""
        if not self.learners:
            return None
        # A learner can be counted a moment after their first award.
        return round_within(min(1.0, self.earned.get(achievement_id, 0) / self.learners), 0, 1, 4)


class Waiting[S]:
    """The rules that a learner has not fulfilled yet.

    Each measure is taken once for all its rules, and one comparison is usually enough.
    """

    __slots__ = ("_ladders",)

    def __init__(self, rules: Rules[S]) -> None:
        self._ladders = rules.ladders

    def take(self, standing: S) -> Sequence[Achievement[S]]:
        """Return the rules that this standing fulfils, each only the first time."""
        for measure, target, _ in self._ladders:
            if measure(standing) >= target:
                return self._climb(standing)
        return ()

    def _climb(self, standing: S) -> list[Achievement[S]]:
        taken: list[Achievement[S]] = []
        left = []
        for measure, _, rules in self._ladders:
            value = measure(standing)
            count = sum(rule.target <= value for rule in rules)
            taken += rules[:count]
            if count < len(rules):
                left.append(_Ladder(measure, rules[count].target, rules[count:]))
        self._ladders = tuple(left)
        return taken
