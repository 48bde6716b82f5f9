"""Advice to a learner: how much study time is left, and what to do next and why."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, NamedTuple

from domain.catalog import KNOWN, Certification
from domain.estimate import Area, Prediction, Profile, recall
from domain.exam import ExamCategory
from domain.first_answers import minutes_of
from domain.learner import Track
from domain.rounding import percent_text
from domain.skills import Constants

MAX_ACTIONS = 5

_READY = 0.8
"""Probability of passing from which a mock exam is recommended."""
_FEW_ANSWERS = 5
"""A category with fewer scored answers is recommended as one to start with."""
_FADED = 10.0
"""A category is recommended for a refresh if so many percentage points fewer of its practised questions are
expected right now than just after practice."""

_PACE_COVERAGE = 0.1
_PACE_SECONDS = 2 * 3600
"""The learner's own pace is used from this share of the content touched and this much time spent."""
_PACE_RANGE = 0.25
"""Relative uncertainty of the learner's own pace, in both directions."""
_PACE_LIMITS = (0.25, 4.0)
"""Limits of the learner's own pace: multiples of the shortest and the longest typical hours."""


class Hours(NamedTuple):
    """A range of study time, in hours."""

    low: float
    high: float


type Confidence = Literal["low", "medium", "high"]
type ActionKind = Literal["diagnostic_quiz", "practise", "start", "refresh", "mock_exam"]


class Action(NamedTuple):
    """Something to do next, and why. At least one of `category` and `content_id` says where."""

    kind: ActionKind
    reason: str
    """A sentence or two for the learner."""
    category: str | None = None
    content_id: str | None = None


def study_time(
    track: Track,
    certification: Certification,
    coverage: float | None,
    estimate: float | None,
    pass_mark: float,
) -> Hours | None:
    """Return the hours still to study, or None if neither typical hours nor the learner's pace are known.

    The remaining content is the content that is not covered, and the covered content as far as the estimate
    falls short of the pass mark. The hours are those that the learner needed for the content touched so far
    if that is enough to judge by, else the certification's typical hours.
    """
    if coverage is None:
        return None
    reached = 0.0
    if estimate is not None:
        reached = min(1.0, estimate / pass_mark) if pass_mark else 1.0
    left = 1 - coverage * reached
    known = KNOWN.get(certification.code)
    pace = _pace(track, certification)
    if pace is not None:
        if known:
            shortest, longest = known.study_hours[0] * _PACE_LIMITS[0], known.study_hours[1] * _PACE_LIMITS[1]
            pace = min(max(pace, shortest), longest)
        return Hours(left * pace * (1 - _PACE_RANGE), left * pace * (1 + _PACE_RANGE))
    return Hours(left * known.study_hours[0], left * known.study_hours[1]) if known else None


def _pace(track: Track, certification: Certification) -> float | None:
    """Return the hours that all active content would take at the learner's pace; None if that is unknown."""
    active = certification.active
    touched = len((track.viewed | track.answered | track.completed) & active) / len(active)
    seconds = sum([tally.seconds for tally in track.tallies.categories.values()])
    if touched < _PACE_COVERAGE or seconds < _PACE_SECONDS:
        return None
    return seconds / 3600 / touched


def actions(
    prediction: Prediction,
    profile: Profile,
    track: Track,
    certification: Certification,
    pass_mark: float,
    constants: Constants,
    confidence: Confidence,
) -> tuple[Action, ...]:
    """Return what to do next, at most `MAX_ACTIONS`.

    A mock exam comes first if the learner is likely to pass and confidence in that is not low. Then come the
    categories that could raise the estimate most: those whose weight times what they lack is greatest.
    """
    areas = prediction.areas
    if not areas:
        return ()
    categories = {category.name: category for category in profile.exam.categories}

    # Most learners have new content left, and then nobody asks.
    best = cache(track.best_scores)

    def next_content(name: str, kind: ActionKind) -> str:
        category = categories[name]
        if kind == "refresh":
            ordinal = _least_known(category, profile, best(), track)
        else:
            ordinal = _next_content(category, profile, best)
        return certification.contents[ordinal].content_id

    if prediction.estimate is None:
        reason = "You have no scored answers yet. A diagnostic quiz shows where you stand."
        largest = _largest(areas)
        return (Action("diagnostic_quiz", reason, largest, next_content(largest, "diagnostic_quiz")),)
    found: list[Action] = []
    probability = prediction.pass_probability
    if probability is not None and probability >= _READY and confidence != "low":
        expected = percent_text(prediction.estimate, pass_mark)
        reason = (
            f"On new questions we expect {expected}. Your estimated chance of passing is "
            f"{percent_text(100 * probability)}. A mock exam with questions that are new to you can check it."
        )
        found.append(Action("mock_exam", reason, _largest(areas)))
    # The categories that could raise the estimate most come first.
    ranked = sorted(areas, key=lambda a: (-a.weight * (100 - (a.estimate or 0.0)), a.category))
    for area in ranked:
        if len(found) == MAX_ACTIONS:
            break
        advised = _category_advice(area, categories[area.category], profile, pass_mark, constants)
        if advised is not None:
            kind, reason = advised
            content = next_content(area.category, kind)
            found.append(Action(kind, reason, area.category, content))
    if not found:
        area = ranked[0]
        reason = (
            f"On new questions of this category we expect {percent_text(area.estimate or 0.0)}. More of it "
            "would help most."
        )
        found.append(Action("practise", reason, area.category, next_content(area.category, "practise")))
    return tuple(found)


def _largest(areas: Sequence[Area]) -> str:
    return min(areas, key=lambda area: (-area.weight, area.category)).category


def _category_advice(
    area: Area, category: ExamCategory, profile: Profile, pass_mark: float, constants: Constants
) -> tuple[ActionKind, str] | None:
    """Return what to do about a category and why; None if it needs nothing."""
    estimate = area.estimate or 0.0
    if area.answers < _FEW_ANSWERS:
        return "start", (
            f"This category is {percent_text(100 * area.weight)} of the exam, "
            f"and you have {_few(area.answers)} in it. Its estimate is uncertain."
        )
    if estimate < pass_mark:
        return "practise", (
            f"On new questions of this category we expect {percent_text(estimate, pass_mark)}, "
            f"below the pass mark of {pass_mark:g} %."
        )
    if not area.coverage:
        return None
    now, fresh = recall(category.name, profile, constants)
    if fresh - now >= _FADED:
        return "refresh", (
            f"You now get about {percent_text(now)} of the questions of this category right that you have "
            f"practised. Just after practice it would be about {percent_text(fresh)}."
        )
    return None


def _few(answers: int) -> str:
    if answers == 1:
        return "only 1 scored answer"
    return f"only {answers} scored answers" if answers else "no scored answers"


def _next_content(category: ExamCategory, profile: Profile, best: Callable[[], Callable[[int], int]]) -> int:
    """Return the ordinal of a category's content to take next: one never scored, else one to repeat.

    `best`: returns the function from the ordinal of a scored content to its best score.
    """
    new = category.contents & ~profile.answered.contents.bits
    if new:
        return (new & -new).bit_length() - 1
    return min(category.ordinals, key=best())


def _least_known(category: ExamCategory, profile: Profile, best: Callable[[int], int], track: Track) -> int:
    """Return the ordinal of a category's content to repeat. Some content that the exam asks must be scored.

    It is the one with the lowest score. Of equal ones, it is the one whose first answer is the oldest.
    """
    scored = [ordinal for ordinal in category.ordinals if ordinal in profile.answered.contents]
    lowest = min(map(best, scored))
    minutes = dict(zip(track.first_of, minutes_of(track.first), strict=True))
    return min((minutes.get(ordinal, 0), ordinal) for ordinal in scored if best(ordinal) == lowest)[1]
