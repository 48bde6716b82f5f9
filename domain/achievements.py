"""Achievements: rules as data. Once earned, they stay.

A rule measures how far a learner is and names the target; adding an achievement is one line here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import NamedTuple, Protocol

SCORES_BEFORE_AVERAGE = 10
"""An average of fewer scores says little: score achievements wait for so many."""
MASTERY_AVERAGE = 85
"""Per cent, over a category's scored interactions."""


class Standing(Protocol):
    """What a rule about the learner may look at, over everything applied so far."""

    @property
    def longest_streak(self) -> int:
        """Study days."""

    @property
    def completed_content(self) -> int:
        """Distinct contents completed, by certification."""

    @property
    def seconds(self) -> int:
        """Time spent."""

    @property
    def scored(self) -> int:
        """Interactions with a score."""

    @property
    def score(self) -> int:
        """Sum of scores, in hundredths."""


class CertificationStanding(NamedTuple):
    """What a rule about a certification may look at."""

    completed: int
    """Distinct contents completed, active or not."""
    completed_active: int
    active: int
    """Contents of the catalog as it is now."""
    perfect: int
    """Interactions with a score of 100."""


class CategoryStanding(NamedTuple):
    """What a rule about a category may look at."""

    completed_active: int
    active: int
    scored: int
    score: int
    """Sum of scores, in hundredths."""


@dataclass(frozen=True, slots=True)
class Achievement[S]:
    """One rule: earned when `measure` reaches `target`.

    In a rule about each certification or category, `id` is that of one of them once it is `of` it, and
    titles and descriptions name it in braces.
    """

    id: str
    type: str
    title: str
    description: str
    icon: str
    points: int
    measure: Callable[[S], int]
    target: int
    certification: str | None = None

    def of(self, certification: str, category: str | None = None) -> "Achievement[S]":
        """The rule for one certification, or one category of it."""
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
    """A name in letters, digits and hyphens; with a digest of it where that loses more than its case."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain.replace("-", " ") == name.lower():
        return plain
    return f"{plain}-{sha256(name.encode()).hexdigest()[:6]}".strip("-")


# -- measures --------------------------------------------------------------------------------------


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


def certification_completed(standing: CertificationStanding) -> int:
    """Distinct contents of the certification completed."""
    return standing.completed


def certification_percent(standing: CertificationStanding) -> int:
    """How much of the active catalog is completed, in whole per cent, rounded down."""
    return 100 * standing.completed_active // standing.active if standing.active else 0


def certification_perfect(standing: CertificationStanding) -> int:
    """Interactions with a score of 100."""
    return standing.perfect


def category_mastery(standing: CategoryStanding) -> int:
    """How much of the category is completed, in whole per cent; 99 at most while the average is too low."""
    if not standing.active:
        return 0
    percent = 100 * standing.completed_active // standing.active
    mastered = standing.scored and standing.score >= MASTERY_AVERAGE * 100 * standing.scored
    return percent if mastered else min(percent, 99)


# -- rules -----------------------------------------------------------------------------------------


def _streak(days: int, title: str) -> Achievement[Standing]:
    return Achievement(
        f"streak-{days}", "streak", title, f"Study {days} days in a row", "🔥", days * 10, streak_days, days
    )


def _score(percent: int, title: str, points: int) -> Achievement[Standing]:
    description = f"Average {percent} % or more over at least {SCORES_BEFORE_AVERAGE} scores"
    return Achievement(f"score-{percent}", "score", title, description, "🎯", points, average_score, percent)


def _completed(count: int, title: str, points: int) -> Achievement[Standing]:
    description = f"Complete {count} different contents"
    return Achievement(
        f"completed-{count}", "completion", title, description, "✅", points, completed_content, count
    )


def _hours(hours: int, title: str, points: int) -> Achievement[Standing]:
    return Achievement(
        f"hours-{hours}", "time", title, f"Study for {hours} hours", "⏱️", points, study_hours, hours
    )


ACHIEVEMENTS: tuple[Achievement[Standing], ...] = (
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
"""About the learner."""

COMPLETE_CERTIFICATION: Achievement[CertificationStanding] = Achievement(
    id="all",
    type="certification",
    title="{certification}: Complete",
    description="Complete all contents of {certification}",
    icon="🏆",
    points=1000,
    measure=certification_percent,
    target=100,
)
"""Announced also as `certification.completed`."""

CERTIFICATION_ACHIEVEMENTS: tuple[Achievement[CertificationStanding], ...] = (
    Achievement(
        id="first",
        type="certification",
        title="{certification}: First Step",
        description="Complete a first content of {certification}",
        icon="🌱",
        points=20,
        measure=certification_completed,
        target=1,
    ),
    Achievement(
        id="perfect-5",
        type="certification",
        title="{certification}: Five Times Perfect",
        description="Score 100 five times in {certification}",
        icon="💯",
        points=100,
        measure=certification_perfect,
        target=5,
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
    ),
    COMPLETE_CERTIFICATION,
)
"""About each certification."""

CATEGORY_ACHIEVEMENTS: tuple[Achievement[CategoryStanding], ...] = (
    Achievement(
        id="mastered",
        type="category",
        title="{category} Mastered",
        description=f"Complete all of {{category}} in {{certification}}, {MASTERY_AVERAGE} % on average",
        icon="🎓",
        points=300,
        measure=category_mastery,
        target=100,
    ),
)
"""About each category of a certification."""


@cache
def certification_rules(certification: str) -> tuple[Achievement[CertificationStanding], ...]:
    """The rules of one certification."""
    return tuple(rule.of(certification) for rule in CERTIFICATION_ACHIEVEMENTS)


@cache
def category_rules(certification: str, category: str) -> tuple[Achievement[CategoryStanding], ...]:
    """The rules of one category of a certification."""
    return tuple(rule.of(certification, category) for rule in CATEGORY_ACHIEVEMENTS)


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


def award[S](achievement: Achievement[S], earned_at: int) -> Award:
    """The achievement, earned."""
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
    """How many learners there are, and how many have each achievement, by its id."""

    learners: int = 0
    earned: Mapping[str, int] = field(default_factory=dict)

    def share(self, achievement_id: str) -> float | None:
        """The share of learners who have it, 0 to 1; None where nobody was counted yet."""
        if not self.learners:
            return None
        # A learner may be counted a moment after their first award.
        return min(1.0, round(self.earned.get(achievement_id, 0) / self.learners, 4))


@dataclass(slots=True)
class Waiting[S]:
    """Rules yet to be fulfilled, by what they measure, the nearest target last.

    So that a measure is taken once for all its rules, and one comparison mostly suffices.
    """

    rules: dict[Callable[[S], int], list[Achievement[S]]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Iterable[Achievement[S]], earned: frozenset[str]) -> "Waiting[S]":
        """The rules that are not earned."""
        groups: dict[Callable[[S], int], list[Achievement[S]]] = {}
        for rule in sorted(rules, key=lambda r: -r.target):
            if rule.id not in earned:
                groups.setdefault(rule.measure, []).append(rule)
        return cls(groups)

    def take(self, standing: S) -> Iterator[Achievement[S]]:
        """What this standing fulfils, taken out."""
        for measure, rules in self.rules.items():
            if rules and (value := measure(standing)) >= rules[-1].target:
                while rules and rules[-1].target <= value:
                    yield rules.pop()
