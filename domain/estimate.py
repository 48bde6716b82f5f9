"""The share of an exam's questions that a learner is expected to answer right today, with its uncertainty.

docs/readiness.md describes the model; benchmarks/readiness.py measures it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from operator import mul
from statistics import NormalDist
from typing import NamedTuple

from domain.catalog import DIFFICULTIES, Certification, Content
from domain.exam import Exam, ExamCategory, exam_of
from domain.learner import Day, Track
from domain.practice import (
    RESIDUAL_WEIGHT,
    CategoryPractice,
    Practice,
    best_scores,
    practice_of,
    recent_days,
    right_by_difficulty,
)
from domain.skills import (
    CONSTANTS,
    INFORMATION,
    Answers,
    Constants,
    Skills,
    infer_skills,
    learner_variance,
)
from domain.tally import PERFECT

HARDER: Mapping[str, float] = {"intermediate": 0.5, "advanced": 1.0}
"""How much harder than beginner content, in logits, until the learner has answered such content right."""
CERTAIN = 0.99
"""Highest probability to report; the lowest is its complement. No exam result has been observed so far."""

_RIGHT_TO_HALVE = 5.0
"""Number of right answers, at a difficulty or above, that halve the effect of `HARDER`."""
_NOTHING_HARDER = (0.0,) * len(DIFFICULTIES)
_Z = NormalDist().inv_cdf(0.9)


class Interval(NamedTuple):
    """A range that holds a share with a probability of 80%; in percent, 0 to 100."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """The width in percentage points."""
        return self.high - self.low


_WHOLE_RANGE = Interval(0.0, 100.0)


class Area(NamedTuple):
    """The estimate for one category."""

    category: str
    weight: float
    """Its share of the exam's questions, 0 to 1."""
    answers: int
    """Number of scored answers in it, ever."""
    coverage: float
    """Share of its questions, 0 to 1, whose content was scored at least once."""
    estimate: float | None
    """Expected share right today, in percent; None if the learner has no scored answer at all."""
    interval: Interval
    """Of the expected share; the whole range if there is no estimate."""


class Profile(NamedTuple):
    """The model's input from a learner's state, and the skills that it infers."""

    exam: Exam
    best: Sequence[int]
    """Best scores by ordinal, as `best_scores` returns them."""
    best_by_category: Sequence[tuple[int, ...]]
    """Best scores of the active contents, for each of the exam's categories."""
    practice: Practice
    skills: Skills
    harder: tuple[float, ...]
    """How much harder content is at each of `DIFFICULTIES`, in logits."""


class Prediction(NamedTuple):
    """The expected result of an exam. Percentages are 0 to 100; None means there is no evidence."""

    estimate: float | None
    """Expected percentage of right answers."""
    interval: Interval
    """Of the percentage in one exam of the given length; the whole range without an estimate."""
    pass_probability: float | None
    """Probability of reaching the pass mark; strictly between 0 and 1."""
    coverage: float | None
    """Share of the questions, 0 to 1, whose content was scored at least once; None without active content."""
    areas: tuple[Area, ...]
    """The categories of the exam, by name."""


def profile_of(
    track: Track, days: Iterable[Day], certification: Certification, today: int, constants: Constants
) -> Profile:
    """Infer a learner's skills. The arguments are those of `domain.readiness.assess`."""
    exam = exam_of(certification)
    recent = recent_days(certification.code, days, today)
    practice = practice_of(track.tallies, recent)
    best = best_scores(track, len(certification.contents))
    best_by_category = [category.select(best) for category in exam.categories]
    answers = _answers(exam, practice, best, best_by_category)
    # If all content is equally hard, nothing has to be shown first.
    harder = _NOTHING_HARDER
    levels = {HARDER.get(difficulty, 0.0) for difficulty in exam.difficulties}
    if len(levels) > 1:
        harder = _harder(right_by_difficulty(track.tallies, recent), min(levels))
    return Profile(exam, best, best_by_category, practice, infer_skills(answers, constants), harder)


def _answers(
    exam: Exam, practice: Practice, best: Sequence[int], best_by_category: Sequence[tuple[int, ...]]
) -> dict[str, Answers]:
    """Return the answers by category as `infer_skills` needs them: first ones apart from repeated ones."""
    # Answers in a category that the exam does not have all count as repeated.
    answers: dict[str, Answers] = {
        name: (found.right, 0.0, found.answers) for name, found in practice.categories.items()
    }
    for category, scores in zip(exam.categories, best_by_category, strict=True):
        found = practice.categories.get(category.name)
        if found is None:
            continue
        scored = len(scores) - scores.count(0)
        if category.retired:
            scored += sum(best[ordinal] > 0 for ordinal in category.retired)
        # The tallies don't say which answers were the first to their content. The model takes the most
        # recent answers for the first ones, as many as there are scored contents. It does not split them by
        # the share of first answers, because a further answer would change that share.
        first = min(found.answers, scored)
        answers[category.name] = (found.right, first, found.answers - first)
    return answers


def _harder(right: Mapping[str, float], easiest: float) -> tuple[float, ...]:
    """Return how much harder content is at each of `DIFFICULTIES`, given the right answers by difficulty."""
    harder: list[float] = []
    shown = 0.0
    for difficulty in reversed(DIFFICULTIES):
        shown += right.get(difficulty, 0.0)
        excess = max(0.0, HARDER.get(difficulty, 0.0) - easiest)
        harder.append(excess * _RIGHT_TO_HALVE / (_RIGHT_TO_HALVE + shown))
    return tuple(reversed(harder))


def content_share(
    content: Content,
    track: Track,
    days: Iterable[Day],
    certification: Certification,
    today: int,
    constants: Constants = CONSTANTS,
) -> float:
    """Return the share, 0 to 1, that the learner is expected to get right of one content today.

    Without any answer, it is the prior's share. The arguments are those of `domain.readiness.assess`.
    """
    profile = profile_of(track, days, certification, today, constants)
    skills = profile.skills
    logit = skills.categories.get(content.category, skills.learner)
    if content.difficulty in DIFFICULTIES:
        logit -= profile.harder[DIFFICULTIES.index(content.difficulty)]
    best = profile.best[content.ordinal]
    if not best:
        return _logistic(logit)
    memory = profile.practice.memory(content.category)
    met, known = _logistic(logit + memory * constants.met), _logistic(logit + memory * constants.known)
    return met + (known - met) * (best - 1) / PERFECT


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def predict(profile: Profile, pass_mark: float, questions: int, constants: Constants) -> Prediction:
    """Return the expected result of an exam. The arguments are those of `domain.readiness.assess`."""
    practice = profile.practice.categories
    total = profile.exam.total
    has_evidence = bool(total and practice)
    between = constants.between_categories
    variance_of_learner = learner_variance([found.answers for found in practice.values()], constants)
    areas: list[Area] = []
    # Sums over the categories: the expected share, the variance that each adds on its own, how far they
    # all follow the overall skill, and the questions whose content was scored.
    share = own_variance = follows_learner = scored_questions = 0.0
    for category, best in zip(profile.exam.categories, profile.best_by_category, strict=True):
        if not category.total:
            continue
        found = practice.get(category.name)
        weight = category.total / total
        met, known = _scored_questions(category, best)
        p = _category_share(category, met, known / PERFECT, found, profile, constants)
        # How far the category's skill follows the overall one: 1 without answers, towards 0 with many.
        follows = 1 / (1 + INFORMATION * found.answers * between) if found else 1.0
        share += weight * p
        own_variance += weight * weight * between * follows
        follows_learner += weight * follows
        scored_questions += met
        estimate, interval = None, _WHOLE_RANGE
        if has_evidence:
            variance = between * follows + follows * follows * variance_of_learner
            estimate = 100 * p
            interval = _interval(p, math.sqrt(_spread(p) * (INFORMATION * variance + constants.drift)))
        answers = found.scored if found else 0
        areas.append(Area(category.name, weight, answers, met / category.total, estimate, interval))
    coverage = scored_questions / total if total else None
    if not has_evidence:
        return Prediction(None, _WHOLE_RANGE, None, coverage, tuple(areas))
    variance = INFORMATION * (own_variance + follows_learner * follows_learner * variance_of_learner)
    deviation = math.sqrt(_spread(share) * (variance + constants.drift + 1 / questions))
    probability = _pass_probability(share, deviation, pass_mark / 100, questions)
    return Prediction(100 * share, _interval(share, deviation), probability, coverage, tuple(areas))


def _scored_questions(category: ExamCategory, best: Sequence[int]) -> tuple[int, int]:
    """Return the number of questions whose content was scored, and the sum of their best scores."""
    if category.questions is None:
        met = category.total - best.count(0)
        return met, sum(best) - met
    met = sum(compress(category.questions, best))
    return met, sum(map(mul, category.questions, best)) - met


def _category_share(
    category: ExamCategory,
    met: int,
    known: float,
    practice: CategoryPractice | None,
    profile: Profile,
    constants: Constants,
) -> float:
    """Return the expected share of a category's questions, 0 to 1.

    `met`: number of questions whose content was scored. `known`: the sum of their best scores, where a
    perfect one is 1.
    """
    skills = profile.skills
    logit = skills.categories.get(category.name, skills.learner)
    if profile.harder is not _NOTHING_HARDER:
        logit -= sum(map(mul, category.difficulty_shares, profile.harder))
    odds = math.exp(-logit)
    of_new = 1 / (1 + odds)
    if not met:
        return of_new
    memory = practice.memory if practice else RESIDUAL_WEIGHT
    of_met = 1 / (1 + odds * math.exp(-memory * constants.met))
    of_known = 1 / (1 + odds * math.exp(-memory * constants.known))
    return ((category.total - met) * of_new + (met - known) * of_met + known * of_known) / category.total


def _spread(p: float) -> float:
    """Return p(1-p), but below 1/2 the value at 1/2: learning alone must not widen an interval."""
    return 0.25 if p < 0.5 else p * (1 - p)


def _interval(p: float, deviation: float) -> Interval:
    """Return the central 80% of shares around p.

    At 0 the interval is moved up rather than cut off, so that it does not get wider as a low p rises.
    """
    low = max(0.0, p - _Z * deviation)
    return Interval(100 * low, 100 * min(1.0, low + 2 * _Z * deviation))


def _pass_probability(share: float, deviation: float, pass_mark: float, questions: int) -> float:
    """Return the probability that the share right in an exam of so many questions reaches the pass mark."""
    # That share moves in steps of one question; half a step corrects for the continuous distribution.
    z = (share - pass_mark + 0.5 / questions) / deviation if deviation else math.inf
    return min(CERTAIN, max(1 - CERTAIN, 0.5 * math.erfc(-z / math.sqrt(2))))
