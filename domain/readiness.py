"""The assessment of a learner's readiness for an exam: the estimate, its evidence, and advice.

The parts can be changed independently: what is asked (`exam`), recency and memory (`practice`), what the
answers say about the learner (`skills`), the expected result (`estimate`), and what to do next (`advice`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from domain.advice import Action, Confidence, Hours, actions, study_time
from domain.catalog import Certification
from domain.estimate import Area, Interval, Prediction, Profile, predict, profile_of
from domain.exam import EXAM_QUESTIONS, pass_mark_of
from domain.learner import Day, Track
from domain.practice import RECENT_DAYS
from domain.skills import CONSTANTS, Constants

# Callers of `assess` need no other module of its parts.
__all__ = ["RECENT_DAYS", "Area", "Confidence", "Evidence", "Readiness", "assess"]

_REQUIRED: Mapping[Confidence, tuple[float, float]] = {"high": (32.0, 0.5), "medium": (40.0, 0.2)}
"""Widest interval, in percentage points, and least coverage for a level of confidence."""
_LEAST_ASKED = 10
"""Confidence is low unless as many questions were answered as so many of the exam's largest content have.

So one content is never enough, whatever others are retired and however many questions it has.
"""


class Evidence(NamedTuple):
    """The evidence for an assessment."""

    answers: int
    """Number of scored answers, ever."""
    contents: int
    """Number of contents with a scored answer."""
    effective_answers: float
    """Number of first answers that say as much: a repeated answer counts for less than a first one."""
    days: int
    """Number of days with a scored answer within the last `RECENT_DAYS`."""
    coverage: float | None
    """Share of the exam's questions, 0 to 1, whose content was scored at least once; None without content."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """An assessment. Shares are in percent, 0 to 100. None means that the figure can't be told."""

    certification: str
    pass_mark: float
    estimate: float | None
    """Expected percentage in an exam that asks new questions of the catalog's categories."""
    interval: Interval
    """Of the percentage in one such exam; the whole range if there is no estimate."""
    pass_probability: float | None
    """Probability of reaching the pass mark; strictly between 0 and 1, None also with too little evidence."""
    practice: float | None
    """Expected percentage right of the content that was scored at least once, with the memory of it."""
    confidence: Confidence
    areas: tuple[Area, ...]
    """The categories of the exam, by name."""
    weak: tuple[Area, ...]
    """Categories with answers whose interval is below the pass mark, the weakest first."""
    strong: tuple[Area, ...]
    """Categories with answers whose interval is at or above the pass mark, the strongest first."""
    study_time: Hours | None
    """Study time left; None if neither typical hours nor the learner's pace are known."""
    actions: tuple[Action, ...]
    evidence: Evidence


def assess(
    track: Track,
    days: Mapping[int, Day] | Iterable[Day],
    certification: Certification,
    today: int,
    *,
    pass_mark: float | None = None,
    questions: int = EXAM_QUESTIONS,
    constants: Constants = CONSTANTS,
) -> Readiness:
    """Return how ready a learner is for an exam drawn from the certification's active content today.

    `track`: what the learner did in the certification. `days`: the day buckets, at least those of the last
    `RECENT_DAYS` including the latest day. Other days do no harm; days after `today` count through the
    overall sums. `today`: a day number. `pass_mark`: in percent; by default the catalog's, else the one usual
    at the certification's level. `questions`: number of questions in the exam, at least 1; the interval and
    the probability depend on it.
    """
    if not isinstance(days, Mapping):
        days = {day.number: day for day in days}
    if pass_mark is None:
        pass_mark = pass_mark_of(certification)
    profile = profile_of(track, days, certification, today, constants)
    prediction = predict(profile, pass_mark, questions, constants)
    tested = [area for area in prediction.areas if area.answers and area.estimate is not None]
    confidence = _confidence(profile, prediction)
    weak = sorted((a for a in tested if a.interval.high < pass_mark), key=_by_estimate)
    strong = sorted((a for a in tested if a.interval.low >= pass_mark), key=_by_estimate, reverse=True)
    return Readiness(
        certification=certification.code,
        pass_mark=pass_mark,
        estimate=prediction.estimate,
        interval=prediction.interval,
        pass_probability=prediction.pass_probability,
        practice=prediction.practice,
        confidence=confidence,
        areas=prediction.areas,
        weak=tuple(weak),
        strong=tuple(strong),
        study_time=study_time(track, certification, prediction.coverage, prediction.estimate, pass_mark),
        actions=actions(prediction, profile, track, certification, pass_mark, constants, confidence),
        evidence=Evidence(
            sum(profile.scored.values()),
            len(profile.answered.contents),
            prediction.effective_answers,
            profile.practice.days,
            prediction.coverage,
        ),
    )


def _by_estimate(area: Area) -> tuple[float, str]:
    return (area.estimate or 0.0, area.category)


def _confidence(profile: Profile, prediction: Prediction) -> Confidence:
    coverage = prediction.coverage
    if coverage is None or not profile.is_enough:
        return "low"
    if coverage * profile.exam.total < _LEAST_ASKED * profile.exam.largest:
        return "low"
    for level, (widest, least_coverage) in _REQUIRED.items():
        if prediction.interval.width <= widest and coverage >= least_coverage:
            return level
    return "low"
