"""The demo's generated log, of learners whose abilities are known."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from statistics import fmean
from typing import assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from cli.logs import CatalogRow, Fields
from domain.days import zone_of
from domain.interaction import Kind

SEED = 20260301
LAST_DAY = date(2026, 3, 1)
"""The last day of the log by default: fixed, so that tests and benchmarks have the same interactions."""
WEEKS = 8
LEARNERS = 40
LATE_SHARE, REPEATED_SHARE = 0.02, 0.02
SITTING: tuple[Kind, ...] = ("viewed", "answered", "completed")
"""How a learner works through one piece of content."""
COMPLETED_SHARE = 0.6
"""The share of answered content that is then completed."""
QUESTIONS = 5
"""The number of questions in each piece of content."""

CERTIFICATIONS: dict[str, tuple[str, ...]] = {
    "SAA": ("Compute", "Storage", "Databases", "Networking", "Security & Identity", "Cost Optimization"),
    "DVA": ("Development", "Deployment", "Security & Identity", "Troubleshooting"),
    "CCP": ("Cloud Concepts", "Security & Identity", "Technology", "Billing & Pricing"),
}
CONTENT_PER_CATEGORY = 12
LEVELS: Mapping[str, float] = {"beginner": -0.5, "intermediate": 0.0, "advanced": 0.5}
"""How hard content of each level is on average, in logits."""
ZONES = ("Europe/Helsinki", "America/Chicago", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo")
NAMES = """
    ada alan alice anita barbara carol claude dennis donald dorothy edsger elena evelyn frances george
    grace guido hedy ida jean john judea katherine ken kristen leslie linus lynn margaret mary maurice
    niklaus radia rear robin rozsa shafi sophie tim yukihiro
""".split()  # noqa: SIM905 (forty quoted names are harder to read)

_MET, _KNOWN = 1.0, 1.6
"""How much easier content is on the day of an answer to it, and in addition if that was right, in logits."""
_GROWTH, _GROWTH_ANSWERS = 0.25, 10
"""How much a skill grows in all, in logits, and the number of answers in which two thirds of it grow."""


def demo_catalog() -> list[CatalogRow]:
    """Return the content of the three certifications, category by category."""
    levels = tuple(LEVELS)
    return [
        CatalogRow(
            content_id(code, area, number),
            code,
            category,
            levels[number % len(levels)],
            f"{category}, part {number + 1}",
        )
        for code, categories in CERTIFICATIONS.items()
        for area, category in enumerate(categories)
        for number in range(CONTENT_PER_CATEGORY)
    ]


def content_id(certification: str, area: int, number: int) -> str:
    """Return the id of a piece of content. `area` and `number` count from 0."""
    return f"{certification.lower()}-{area + 1}-{number + 1:02}"


@dataclass(slots=True)
class _Learner:
    user_id: str
    zone: ZoneInfo
    certification: str
    diligence: float
    """Probability of studying on a workday."""
    skills: list[float]
    """Skill in each category before any practice, in logits."""
    answers: list[int]
    """Number of pieces of content answered in each category."""
    memory: dict[str, tuple[date, float]] = field(default_factory=dict)
    """When each piece of content was last answered, and the share of its questions that were right."""

    def skill(self, area: int) -> float:
        """Return the skill in a category today, in logits."""
        return self.skills[area] + _GROWTH * (1 - math.exp(-self.answers[area] / _GROWTH_ANSWERS))


@dataclass(frozen=True, slots=True)
class DemoLog:
    """The demo's interactions, and the truth behind them."""

    interactions: list[Fields]
    """In order of arrival."""
    expected: Mapping[str, float]
    """The share of new questions, 0 to 1, that each learner can answer on the last day, by user_id."""


def demo_log(seed: int = SEED, last_day: date = LAST_DAY, until: datetime | None = None) -> DemoLog:
    """Return eight weeks of 40 learners' practice, up to a time: the same for the same arguments.

    Learners study in sessions, mostly on workdays, and some late in the evening. About 2 % of the
    interactions arrive twice, 2 % arrive days late, as after studying offline, and six are bad, each in a
    different way. A learner has a skill in each category, which grows with practice. A question is answered
    right with the logistic of that skill minus the content's difficulty. Memory of content that was answered
    before makes it easier, and fades.
    """
    rng = random.Random(seed)
    difficulties = {
        row.content_id: LEVELS[row.difficulty_level or "intermediate"] + rng.gauss(0, 0.4)
        for row in demo_catalog()
    }
    learners = [_learner(rng, name) for name in NAMES[:LEARNERS]]
    arrivals: list[tuple[datetime, int, Fields]] = []
    for learner in learners:
        for day in range(7 * WEEKS):
            study_date = last_day - timedelta(days=7 * WEEKS - 1 - day)
            for fields in _session(rng, learner, study_date, day / (7 * WEEKS), difficulties):
                happened = datetime.fromisoformat(fields["occurred_at"])
                if until and happened > until:
                    continue
                late = timedelta(days=rng.uniform(1, 6)) if rng.random() < LATE_SHARE else timedelta()
                arrivals.append((happened + late, len(arrivals), fields))
                if rng.random() < REPEATED_SHARE:
                    arrivals.append((happened + late + timedelta(minutes=2), len(arrivals), fields))
    ordered = [fields for _, _, fields in sorted(arrivals, key=lambda arrival: arrival[:2])]
    for number, bad in enumerate(_bad(ordered[0])):
        ordered.insert((number + 1) * len(ordered) // 12, bad)
    return DemoLog(ordered, {learner.user_id: _expected(learner, difficulties) for learner in learners})


def _learner(rng: random.Random, name: str) -> _Learner:
    certification = rng.choice(list(CERTIFICATIONS))
    categories = len(CERTIFICATIONS[certification])
    overall = rng.gauss(0.2, 0.8) if name != "ada" else 1.0
    return _Learner(
        user_id=f"demo-{name}",
        zone=zone_of(rng.choice(ZONES)),
        certification=certification,
        diligence=rng.uniform(0.2, 0.65) if name != "ada" else 0.97,
        skills=[overall + rng.gauss(0, 0.35) for _ in range(categories)],
        answers=[0] * categories,
    )


def _expected(learner: _Learner, difficulties: Mapping[str, float]) -> float:
    """Return the share of a certification's questions that a learner gets right without knowing any."""
    return fmean(
        _logistic(learner.skill(area) - difficulties[content_id(learner.certification, area, number)])
        for area in range(len(learner.skills))
        for number in range(CONTENT_PER_CATEGORY)
    )


def _session(
    rng: random.Random, learner: _Learner, day: date, progress: float, difficulties: Mapping[str, float]
) -> list[Fields]:
    """Return a day's interactions: a few pieces of content, one after the other. Empty on a day off."""
    weekend = day.weekday() >= 5
    if rng.random() > learner.diligence * (0.55 if weekend and learner.diligence < 0.9 else 1):
        return []
    clock = time(rng.choice((7, 12, 18, 20, 22)), rng.randrange(60))
    moment = datetime.combine(day, clock, learner.zone)
    categories = len(learner.skills)
    interactions: list[Fields] = []
    for _ in range(rng.randrange(1, 4)):
        area = min(int(rng.triangular(0, categories, progress * categories)), categories - 1)
        content = content_id(learner.certification, area, rng.randrange(CONTENT_PER_CATEGORY))
        for kind in SITTING:
            if kind == SITTING[-1] and rng.random() > COMPLETED_SHARE:
                break
            seconds = rng.randrange(20, 400)
            moment += timedelta(seconds=seconds)
            fields: Fields = {
                "event_id": str(UUID(int=rng.getrandbits(128), version=4)),
                "user_id": learner.user_id,
                "content_id": content,
                "interaction_type": kind,
                "occurred_at": moment.isoformat(),
                "timezone": learner.zone.key,
                "time_spent": seconds,
            }
            match kind:
                case "answered":
                    fields["score"] = _answer(rng, learner, area, content, day, difficulties[content])
                case "viewed" | "completed":
                    pass
                case _:
                    assert_never(kind)
            interactions.append(fields)
    return interactions


def _answer(
    rng: random.Random, learner: _Learner, area: int, content: str, day: date, difficulty: float
) -> float:
    """Return the score of an answer, 0 to 100, and note what the learner learns by it and remembers."""
    logit = learner.skill(area) - difficulty
    if content in learner.memory:
        last, share = learner.memory[content]
        logit += (_MET + _KNOWN * share) / math.sqrt(1 + (day - last).days)
    right = sum(rng.random() < _logistic(logit) for _ in range(QUESTIONS))
    learner.memory[content] = (day, right / QUESTIONS)
    learner.answers[area] += 1
    return 100 * right / QUESTIONS


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _bad(good: Fields) -> list[Fields]:
    """Return interactions that end in quarantine, each for a different reason."""
    return [
        {**good, "event_id": "demo-bad-1", "score": 100.5},
        {**good, "event_id": "demo-bad-2", "occurred_at": "2026-02-30T10:00:00Z"},
        {**good, "event_id": "demo-bad-3", "interaction_type": "dreamt"},
        {**good, "event_id": "demo-bad-4", "content_id": "not-in-any-catalog"},
        {**good, "event_id": "demo-bad-5", "timezone": "Mars/Olympus_Mons"},
        {**good, "event_id": "demo bad 6", "time_spent": -5},
    ]
