"""The share of new questions that a learner is expected to answer right, with its uncertainty.

docs/readiness.md describes the model; benchmarks/readiness.py measures it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

from domain.answered import Answered, PractisedCell, answered_of, left_of_answer
from domain.catalog import Certification, Content
from domain.exam import Cell, Exam, ExamCategory, exam_of, least_right
from domain.first_answers import minutes_of
from domain.learner import Day, Track
from domain.practice import Practice, practice_of
from domain.skills import CONSTANTS, INFORMATION, Constants, Skills, infer_skills, learner_variance
from domain.tally import PERFECT

HIGHEST = 0.95
"""Highest probability to report; the lowest is its complement. No exam result has been observed so far."""
LEAST_EVIDENCE = 30
"""Number of contents that must have been answered before a probability is reported."""
LEAST_MET = 0.1
"""Share of the exam's questions, 0 to 1, whose category must have been practised, likewise."""

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
    """Number of scored answers in it, ever. Of content that has moved here from another category, there may
    be only the first answers: the others are counted there."""
    coverage: float
    """Share of its questions, 0 to 1, whose content was scored at least once."""
    estimate: float | None
    """Expected share of new questions right, in percent; None if the learner has no scored answer at all."""
    interval: Interval
    """Of the expected share; the whole range if there is no estimate."""


class Profile(NamedTuple):
    """The model's input from a learner's state, and the skills that it infers."""

    exam: Exam
    answered: Answered
    scored: Mapping[str, int]
    """Number of scored answers, ever, by category; without the categories that have none."""
    practice: Practice
    variance: float
    """Of the overall skill around the prior, without any answer."""
    skills: Skills
    is_enough: bool
    """Whether enough different contents were answered for a probability of passing."""

    def skill(self, category: str) -> float:
        """Return the skill in a category, in logits."""
        return self.skills.categories.get(category, self.skills.learner)

    def memory(self, category: str, first: float) -> float:
        """Return what is left of the memory of a content, 0 to 1, if `first` is left of its first answer.

        Nobody knows which contents were repeated. The more repeats a category has, the more likely it is that
        this one was repeated, and as late as the category was practised last.
        """
        if category not in self.scored:
            # The category got another name after it was practised.
            return first
        last = self.practice.memory(category)
        # A first answer is never later than the last practice, but UTC days differ from the learner's.
        if last <= first:
            return last
        answers = self.answered.answers.get(category)
        if answers is None or not answers.repeats:
            return first
        return first + (last - first) * answers.repeats / (answers.repeats + answers.first_number)


class Prediction(NamedTuple):
    """The expected result of an exam. Percentages are 0 to 100; None means there is no evidence."""

    estimate: float | None
    """Expected percentage of right answers to new questions."""
    interval: Interval
    """Of the percentage in one exam of the given length; the whole range without an estimate."""
    pass_probability: float | None
    """Probability of reaching the pass mark; None also if there is too little evidence."""
    practice: float | None
    """Expected percentage of right answers to the content that was scored at least once."""
    coverage: float | None
    """Share of the questions, 0 to 1, whose content was scored at least once; None without active content."""
    effective_answers: float
    """Number of first answers that say as much as all answers do."""
    areas: tuple[Area, ...]
    """The categories of the exam, by name."""


def profile_of(
    track: Track, days: Mapping[int, Day], certification: Certification, today: int, constants: Constants
) -> Profile:
    """Infer a learner's skills.

    `days`: by number. The other arguments are those of `domain.readiness.assess`.
    """
    exam = exam_of(certification)
    answered = answered_of(exam, track, today)
    scored = {name: tally.scored for name, tally in track.tallies.categories.items() if tally.scored}
    practice = practice_of(certification.code, days, today, len(scored))
    variance = constants.between_learners + constants.between_catalogs * exam.unknown
    skills = infer_skills(answered.answers, len(answered.contents), exam.prior, variance, constants)
    # Parts of contents add up to whole ones but for rounding.
    is_enough = exam.evidence(track.first_of) >= LEAST_EVIDENCE - 1e-9
    return Profile(exam, answered, scored, practice, variance, skills, is_enough)


def content_share(
    content: Content,
    track: Track,
    days: Mapping[int, Day],
    certification: Certification,
    today: int,
    constants: Constants = CONSTANTS,
) -> float:
    """Return the share, 0 to 1, that the learner is expected to get right of one content today.

    This includes their memory of the content. Without any answer, it is the prior's share. The arguments are
    those of `profile_of`.
    """
    profile = profile_of(track, days, certification, today, constants)
    cell = profile.exam.cells[profile.exam.cell_of[content.ordinal]]
    odds = math.exp(-profile.skill(content.category))
    best = track.best_score(content.ordinal)
    if best is None:
        return max(cell.chance, 1 / (1 + odds * cell.harder))
    minutes = dict(zip(track.first_of, minutes_of(track.first), strict=True))
    minute = minutes.get(content.ordinal)
    left = 1.0 if minute is None else left_of_answer(minute, today)
    practised = cell.harder, 1, cell.chance, 1, best
    return _remembered([practised], odds, profile.memory(content.category, left), constants)


def recall(category: str, profile: Profile, constants: Constants) -> tuple[float, float]:
    """Return the percentages expected right of a category's practised questions.

    The first is that of today, and the second that just after they are practised again. At least one content
    of the category that the exam asks must have been scored.
    """
    odds = math.exp(-profile.skill(category))
    cells, questions, left = profile.answered.practised[category]
    now = _remembered(cells, odds, profile.memory(category, left), constants)
    fresh = _remembered(cells, odds, 1.0, constants)
    return 100 * now / questions, 100 * fresh / questions


def _remembered(cells: Iterable[PractisedCell], odds: float, memory: float, constants: Constants) -> float:
    """Return the number of questions expected right of contents that were scored before.

    `odds`: those of a wrong answer at an easiness of 0. `memory`: what is left of the memory of the contents,
    0 to 1.
    """
    # The odds are less for content that was answered before, and less still if it was answered right.
    met = odds * math.exp(-memory * constants.met)
    known = odds * math.exp(-memory * constants.known)
    of_all = more = 0.0
    # This is the innermost loop of every dashboard, so it compares instead of calling `max`.
    for harder, questions, chance, contents, best in cells:
        of_met, of_known = 1 / (1 + met * harder), 1 / (1 + known * harder)
        if of_met < chance:
            of_met = chance
        if of_known < chance:
            of_known = chance
        of_all += questions * contents * of_met
        more += questions * best * (of_known - of_met)
    return of_all + more / PERFECT


def predict(profile: Profile, pass_mark: float, questions: int, constants: Constants) -> Prediction:
    """Return the expected result of an exam. The arguments are those of `domain.readiness.assess`."""
    total, cells, answered = profile.exam.total, profile.exam.cells, profile.answered
    has_evidence = bool(total and answered.answers)
    between = constants.between_categories
    numbers = {name: found.number for name, found in answered.answers.items()}
    variance_of_learner = learner_variance(list(numbers.values()), profile.variance, constants)
    areas: list[Area] = []
    # Sums over the categories: the expected share, the variance that each adds on its own, how far they
    # all follow the overall skill, the questions whose content was scored, and those of them known by now.
    share = own_variance = follows_learner = practised = 0.0
    scored_questions = met_questions = 0
    for category in profile.exam.categories:
        name, of_category = category.name, category.total
        if not of_category:
            continue
        odds = math.exp(-profile.skill(name))
        p = _expected(category, cells, odds) / of_category
        weight = of_category / total
        met = 0
        found = answered.practised.get(name)
        if found is not None:
            met = found.questions
            scored_questions += met
            practised += _remembered(found.cells, odds, profile.memory(name, found.left), constants)
        # How far the category's skill follows the overall one: 1 without answers, towards 0 with many.
        evidence = answered.answers.get(name)
        number = numbers[name] if evidence else 0.0
        follows = 1 / (1 + INFORMATION * number * between)
        # Without an answer, the category may also be harder than the others, unless rates say how hard it is.
        own = between * follows if number else between + constants.unmet * category.unknown
        if number:
            met_questions += of_category
        share += weight * p
        own_variance += weight * weight * own
        follows_learner += weight * follows
        estimate, interval = None, _WHOLE_RANGE
        if has_evidence:
            variance = own + follows * follows * variance_of_learner
            estimate = 100 * p
            interval = _interval(p, math.sqrt(_spread(p) * (INFORMATION * variance + constants.drift)))
        answers = evidence.first_number + evidence.repeats if evidence else 0
        areas.append(Area(name, weight, answers, met / of_category, estimate, interval))
    coverage = scored_questions / total if total else None
    practice = 100 * practised / scored_questions if scored_questions else None
    effective = sum(numbers.values())
    if not has_evidence:
        return Prediction(None, _WHOLE_RANGE, None, practice, coverage, effective, tuple(areas))
    variance = INFORMATION * (own_variance + follows_learner * follows_learner * variance_of_learner)
    variance += constants.drift + 1 / questions
    deviation = math.sqrt(_spread(share) * variance)
    probability = None
    if profile.is_enough and met_questions >= LEAST_MET * total:
        needed = least_right(pass_mark, questions) / questions
        # The chance may use the variance of a low share: it rises with each right answer all the same.
        deviation_of_result = math.sqrt(share * (1 - share) * variance)
        probability = _pass_probability(share, deviation_of_result, needed, questions)
    interval = _interval(share, deviation)
    return Prediction(100 * share, interval, probability, practice, coverage, effective, tuple(areas))


def _expected(category: ExamCategory, cells: Sequence[Cell], odds: float) -> float:
    """Return how many of a category's questions are expected right if all are new.

    `cells`: those of the exam. `odds`: those of a wrong answer at an easiness of 0.
    """
    right = 0.0
    for position in category.cells:
        harder, _, total, chance, _ = cells[position]
        share = 1 / (1 + odds * harder)
        right += total * (share if share > chance else chance)
    return right


def _spread(p: float) -> float:
    """Return p(1-p), but below 1/2 the value at 1/2: learning alone must not widen an interval."""
    return 0.25 if p < 0.5 else p * (1 - p)


def _interval(p: float, deviation: float) -> Interval:
    """Return the central 80% of shares around p.

    At 0 the interval is moved up rather than cut off, so that it does not get wider as a low p rises.
    """
    low = p - _Z * deviation
    if low < 0:
        low = 0.0
    high = low + 2 * _Z * deviation
    return Interval(100 * low, 100 * high if high < 1 else 100.0)


def _pass_probability(share: float, deviation: float, needed: float, questions: int) -> float:
    """Return the probability that the share right in an exam of so many questions is at least `needed`."""
    # The result moves in steps of one question; half a step corrects for the continuous distribution.
    z = (share - needed + 0.5 / questions) / deviation
    return min(HIGHEST, max(1 - HIGHEST, 0.5 * math.erfc(-z / math.sqrt(2))))
