"""Predictions of the next answers, of exams on items that were never practised, and of real exams."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from benchmarks.evaluation.baselines import Baseline
from benchmarks.evaluation.log import LearnerState, Row, Taken
from benchmarks.evaluation.measures import Outcome
from domain.catalog import Certification
from domain.days import day_number
from domain.estimate import content_share
from domain.exam import EXAM_QUESTIONS
from domain.readiness import Readiness, assess
from domain.skills import CONSTANTS, Constants

MARKS = (30, 40, 50, 60, 70, 80)
"""Pass marks in percent."""
MIN_ITEMS = 8
"""Items that were never practised that a learner's last third must have."""
SHIPPED = "readiness"
RATED = "readiness with rates"


def next_answers(
    histories: Iterable[Sequence[Row]],
    certifications: Mapping[str, Certification],
    baselines: Mapping[str, Baseline],
    constants: Constants = CONSTANTS,
) -> dict[str, list[Outcome]]:
    """Predict each answer from what came before. `certifications`: the catalog by name of the estimate."""
    found: dict[str, list[Outcome]] = {name: [] for name in (*certifications, *baselines)}
    first = next(iter(certifications.values()))
    for history in histories:
        state = LearnerState("learner", first)
        estimates = {name: baseline() for name, baseline in baselines.items()}
        for row in history:
            if row.right is not None:
                today, days = day_number(row.at.date()), state.days
                for name, certification in certifications.items():
                    content = certification.by_id[row.item]
                    share = content_share(content, state.track, days, certification, today, constants)
                    found[name].append(Outcome(share, row.right))
                for name, estimate in estimates.items():
                    found[name].append(Outcome(estimate.share(row.item, row.topic), row.right))
                    estimate.learn(row)
            state.apply(row)
    return found


def days_since_last(histories: Iterable[Sequence[Row]]) -> list[int | None]:
    """Return the days since the last answer to the same item, for each answer that `next_answers` predicts.

    None: the answer is the first one to its item.
    """
    found: list[int | None] = []
    for history in histories:
        last: dict[str, int] = {}
        for row in history:
            if row.right is not None:
                today = day_number(row.at.date())
                found.append(today - last[row.item] if row.item in last else None)
                last[row.item] = today
    return found


@dataclass(frozen=True)
class ExamCase:
    """A learner whose answers to items that they had never practised are taken as an exam."""

    history: Sequence[Row]
    """The first two thirds of the learner's answers, and what was studied meanwhile."""
    state: LearnerState
    """The state after them."""
    items: Mapping[str, Row]
    """The first answer to each item of the last third that was in no earlier row."""

    @property
    def share(self) -> float:
        """The share of right answers, 0 to 1."""
        return fmean(bool(row.right) for row in self.items.values())


def exam_case(history: Sequence[Row], certification: Certification) -> ExamCase | None:
    """Return the exam of a learner; None if the last third has too few items that are new to them."""
    answered = [position for position, row in enumerate(history) if row.right is not None]
    if not answered:
        return None
    cut = answered[len(answered) * 2 // 3]
    seen = {row.item for row in history[:cut]}
    items: dict[str, Row] = {}
    for row in history[cut:]:
        if row.right is not None and row.item not in seen:
            items[row.item] = row
        seen.add(row.item)
    if len(items) < MIN_ITEMS:
        return None
    state = LearnerState("learner", certification)
    for _, rows in groupby(history[:cut], key=lambda row: row.at.date()):
        state.apply(*rows)
    return ExamCase(history[:cut], state, items)


@dataclass(frozen=True)
class Told:
    """What was predicted of one exam, and its result. Shares are 0 to 1."""

    expected: float
    low: float
    high: float
    chances: Mapping[int, float | None]
    """The probability of passing at each of `MARKS`; None if it was not told."""
    share: float
    questions: int

    @property
    def is_covered(self) -> bool:
        """Whether the result lies in the interval."""
        return self.low - 1e-9 <= self.share <= self.high + 1e-9

    def passed(self, mark: int) -> bool:
        """Return whether the result reaches a pass mark."""
        return self.share >= mark / 100 - 1e-9


def told(case: ExamCase, certification: Certification, constants: Constants = CONSTANTS) -> Told:
    """Predict an exam whose questions are known."""
    exam = _exam_of(certification, case.items)
    today = day_number(next(iter(case.items.values())).at.date())

    def assessed(mark: float) -> Readiness:
        return assess(
            case.state.track,
            case.state.days,
            exam,
            today,
            pass_mark=mark,
            questions=len(case.items),
            constants=constants,
        )

    by_mark = {mark: assessed(mark) for mark in MARKS}
    found = by_mark[MARKS[0]]
    return Told(
        (found.estimate or 0.0) / 100,
        found.interval.low / 100,
        found.interval.high / 100,
        {mark: each.pass_probability for mark, each in by_mark.items()},
        case.share,
        len(case.items),
    )


def told_by(case: ExamCase, baseline: Baseline) -> float:
    """Return the share of an exam that a baseline expects."""
    estimate = baseline()
    for row in case.history:
        if row.right is not None:
            estimate.learn(row)
    return fmean(estimate.share(row.item, row.topic) for row in case.items.values())


def _exam_of(certification: Certification, items: Mapping[str, Row]) -> Certification:
    """Return the certification as if its exam asked exactly these items."""
    return Certification(
        certification.code,
        certification.version,
        tuple(content._replace(active=content.content_id in items) for content in certification.contents),
    )


class RealExam(NamedTuple):
    """What was told before a real exam, and its result."""

    told: Readiness
    taken: Taken


def real_exams(histories: Iterable[Sequence[Row]], certification: Certification) -> list[RealExam]:
    """Return what was told before each real exam in the histories, with its result.

    The pass mark and the number of questions are those of the exam if the log has them, else the product's.
    Exams before which nothing was told are left out.
    """
    found: list[RealExam] = []
    for history in histories:
        if all(row.exam is None for row in history):
            continue
        state = LearnerState("learner", certification)
        for row in history:
            if row.exam is None:
                state.apply(row)
                continue
            told = assess(
                state.track,
                state.days,
                certification,
                day_number(row.at.date()),
                pass_mark=row.exam.pass_mark,
                questions=row.exam.questions or EXAM_QUESTIONS,
            )
            if told.estimate is not None:
                found.append(RealExam(told, row.exam))
    return found
