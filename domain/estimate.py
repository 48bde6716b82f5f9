"""The share of new questions that a learner is expected to answer right, with its uncertainty.

docs/readiness.md describes the model; benchmarks/readiness.py measures it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from struct import unpack
from typing import NamedTuple

from domain.catalog import Certification, Content
from domain.days import days_since_epoch
from domain.exam import Exam, ExamCategory, exam_of, least_right
from domain.first_answers import MINUTES_PER_DAY, minutes_of, scores_of
from domain.learner import Day, Track
from domain.practice import LEFT, Practice, practice_of, recent_days
from domain.skills import (
    CONSTANTS,
    INFORMATION,
    Answers,
    Constants,
    Skills,
    infer_skills,
    learner_variance,
)
from domain.tally import PERFECT, Tally

HIGHEST = 0.95
"""Highest probability to report; the lowest is its complement. No exam result has been observed so far."""
LEAST_EVIDENCE = 30
"""Number of contents that must have been answered before a probability is reported."""
LEAST_MET = 0.1
"""Share of the exam's questions, 0 to 1, whose category must have been practised, likewise."""

_Z = NormalDist().inv_cdf(0.9)
_NO_TALLY = Tally()


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
    """Expected share of new questions right, in percent; None if the learner has no scored answer at all."""
    interval: Interval
    """Of the expected share; the whole range if there is no estimate."""


class Practised(NamedTuple):
    """Sums over the contents of each cell that the learner has a score of, by cell of the exam."""

    first: Sequence[int]
    """Number of contents whose first answer is known."""
    first_score: Sequence[int]
    """Sum of the scores of these answers, in hundredths."""
    contents: Sequence[int]
    """Number of contents."""
    best_score: Sequence[int]
    """Sum of their best scores, in hundredths."""
    left: Sequence[float]
    """Sum of what is left of the memory of their first answers; 1 for each that is unknown."""


class Profile(NamedTuple):
    """The model's input from a learner's state, and the skills that it infers."""

    exam: Exam
    best: Mapping[int, int]
    """Best scores by ordinal, in hundredths; without the contents that were never scored."""
    practised: Practised
    scored: Mapping[str, int]
    """Number of scored answers, ever, by category; without the categories that have none."""
    answers: Mapping[str, Answers]
    """The evidence, by category."""
    practice: Practice
    variance: float
    """Of the overall skill around the prior, without any answer."""
    skills: Skills
    is_enough: bool
    """Whether enough different contents were answered for a probability of passing."""

    def skill(self, category: str) -> float:
        """Return the skill in a category, in logits."""
        return self.skills.categories.get(category, self.skills.learner)

    def memory(self, category: ExamCategory, first: float) -> float:
        """Return what is left of the memory of a content, 0 to 1, if `first` is left of its first answer.

        Nobody knows which contents were repeated. The more repeats a category has, the more likely it is that
        this one was repeated, and as late as the category was practised last.
        """
        last = self.practice.memory(category.name)
        # A first answer is never later than the last practice, but UTC days differ from the learner's.
        first = min(first, last)
        answers = self.answers.get(category.name)
        if answers is None or not answers.repeats:
            return first
        return first + (last - first) * answers.repeats / (answers.repeats + answers.first_number)

    def mean_memory(self, category: ExamCategory) -> float:
        """Return what is left of the memory of a category's practised questions on average, 0 to 1."""
        contents, left_of, cells = self.practised.contents, self.practised.left, self.exam.cells
        questions = 0
        left = 0.0
        for position in category.cells:
            if contents[position]:
                each = cells[position].questions
                questions += each * contents[position]
                left += each * left_of[position]
        return self.memory(category, left / questions) if questions else 0.0


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
    track: Track, days: Iterable[Day], certification: Certification, today: int, constants: Constants
) -> Profile:
    """Infer a learner's skills. The arguments are those of `domain.readiness.assess`."""
    exam = exam_of(certification)
    scores = zip(track.scored, unpack(f">{len(track.scored)}H", track.best), strict=True)
    best = dict(scores)
    if track.scored.bits >> len(exam.cell_of):
        # The catalog that was read does not have this content yet.
        best = {ordinal: score for ordinal, score in best.items() if ordinal < len(exam.cell_of)}
    practised = _practised(exam, track, best, today)
    answers = _answers(exam, track, practised)
    scored = {name: tally.scored for name, tally in track.tallies.categories.items() if tally.scored}
    practice = practice_of(recent_days(certification.code, days, today), len(scored))
    variance = constants.between_learners + constants.between_catalogs * exam.unknown
    skills = infer_skills(answers, len(best), exam.prior, variance, constants)
    # Parts of contents add up to whole ones but for rounding.
    is_enough = exam.evidence(track.first_of) >= LEAST_EVIDENCE - 1e-9
    return Profile(exam, best, practised, scored, answers, practice, variance, skills, is_enough)


def _practised(exam: Exam, track: Track, best: Mapping[int, int], today: int) -> Practised:
    cell_of = exam.cell_of
    first, first_score, best_score = ([0] * len(exam.cells) for _ in range(3))
    left = [0.0] * len(exam.cells)
    now, oldest = days_since_epoch(today), len(LEFT) - 1
    ages = [now - minute // MINUTES_PER_DAY for minute in minutes_of(track.first)]
    if ages and (min(ages) < 0 or max(ages) > oldest):
        # A learner's today can be the day before the UTC day.
        ages = [min(max(0, age), oldest) for age in ages]
    others: Iterable[int] = ()
    found: Iterable[tuple[int, int, int, int]]
    if track.first_of.bits == track.scored.bits and len(best) == len(ages):
        found = zip(best, best.values(), scores_of(track.first), ages, strict=True)
    else:
        answers = zip(track.first_of, scores_of(track.first), ages, strict=True)
        found = [(n, best[n], score, age) for n, score, age in answers if n in best]
        others = best.keys() - {n for n, *_ in found}
    for ordinal, highest, score, age in found:
        cell = cell_of[ordinal]
        first[cell] += 1
        first_score[cell] += score
        best_score[cell] += highest
        left[cell] += LEFT[age]
    contents = first.copy()
    for ordinal in others:
        cell = cell_of[ordinal]
        contents[cell] += 1
        best_score[cell] += best[ordinal]
        left[cell] += 1
    return Practised(first, first_score, contents, best_score, left)


def _answers(exam: Exam, track: Track, practised: Practised) -> dict[str, Answers]:
    """Return the evidence by category: the first answers, and the sums of the others."""
    answers: dict[str, Answers] = {}
    for category in exam.categories:
        first = []
        number = first_score = 0
        for cell in category.cells:
            count = practised.first[cell]
            if count:
                score = practised.first_score[cell]
                first.append((count, score / PERFECT, exam.cells[cell].harder))
                number += count
                first_score += score
        tally = track.tallies.categories.get(category.name, _NO_TALLY)
        # Content that has moved to another category can leave fewer answers there than first answers.
        repeats = max(0, tally.scored - number)
        if first or repeats:
            repeats_score = min(max(0, tally.score - first_score) / PERFECT, repeats)
            answers[category.name] = Answers(
                first, number, first_score / PERFECT, repeats, repeats_score, category.harder
            )
    return answers


def content_share(
    content: Content,
    track: Track,
    days: Iterable[Day],
    certification: Certification,
    today: int,
    constants: Constants = CONSTANTS,
) -> float:
    """Return the share, 0 to 1, that the learner is expected to get right of one content today.

    This includes their memory of the content. Without any answer, it is the prior's share. The arguments are
    those of `domain.readiness.assess`.
    """
    profile = profile_of(track, days, certification, today, constants)
    cell = profile.exam.cells[profile.exam.cell_of[content.ordinal]]
    odds = math.exp(-profile.skill(content.category)) * cell.harder
    best = profile.best.get(content.ordinal)
    if best is None:
        return max(cell.chance, 1 / (1 + odds))
    minutes = dict(zip(track.first_of, minutes_of(track.first), strict=True))
    minute = minutes.get(content.ordinal)
    age = 0 if minute is None else max(0, days_since_epoch(today) - minute // MINUTES_PER_DAY)
    category = next(each for each in profile.exam.categories if each.name == content.category)
    met, known = _eased(profile.memory(category, LEFT[min(age, len(LEFT) - 1)]), constants)
    return _remembered(odds, 1, best, cell.chance, met, known)


def recall(category: ExamCategory, profile: Profile, constants: Constants) -> tuple[float, float]:
    """Return the percentages expected right of a category's practised questions.

    The first is that of today, and the second that just after they are practised again. At least one content
    of the category that the exam asks must have been scored.
    """
    odds = math.exp(-profile.skill(category.name))
    now = _eased(profile.mean_memory(category), constants)
    fresh = _eased(1.0, constants)
    right_now = right_fresh = 0.0
    scored = 0
    for position in category.cells:
        cell = profile.exam.cells[position]
        contents = profile.practised.contents[position]
        if contents and cell.questions:
            best_score = profile.practised.best_score[position]
            hard = odds * cell.harder
            scored += cell.questions * contents
            right_now += cell.questions * _remembered(hard, contents, best_score, cell.chance, *now)
            right_fresh += cell.questions * _remembered(hard, contents, best_score, cell.chance, *fresh)
    return 100 * right_now / scored, 100 * right_fresh / scored


def _eased(memory: float, constants: Constants) -> tuple[float, float]:
    """Return the factors by which memory lowers the odds of a wrong answer.

    The first is for content that was answered before, the second for content that was answered right.
    """
    return math.exp(-memory * constants.met), math.exp(-memory * constants.known)


def _remembered(
    odds: float, contents: int, best_score: int, chance: float, met: float, known: float
) -> float:
    """Return the share expected right of contents that were scored before, summed over the contents.

    `best_score`: the sum of their best scores, in hundredths. `met`, `known`: the factors by which the odds
    of a wrong answer are less if a content was answered before, and if it was answered right.
    """
    right = best_score / PERFECT
    of_met, of_known = 1 / (1 + odds * met), 1 / (1 + odds * known)
    if of_met < chance:
        of_met = chance
    if of_known < chance:
        of_known = chance
    return (contents - right) * of_met + right * of_known


def predict(profile: Profile, pass_mark: float, questions: int, constants: Constants) -> Prediction:
    """Return the expected result of an exam. The arguments are those of `domain.readiness.assess`."""
    total = profile.exam.total
    has_evidence = bool(total and profile.answers)
    between = constants.between_categories
    numbers = {name: found.number for name, found in profile.answers.items()}
    variance_of_learner = learner_variance(list(numbers.values()), profile.variance, constants)
    areas: list[Area] = []
    # Sums over the categories: the expected share, the variance that each adds on its own, how far they
    # all follow the overall skill, the questions whose content was scored, and those of them known by now.
    share = own_variance = follows_learner = practised = 0.0
    scored_questions = met_questions = 0
    for category in profile.exam.categories:
        if not category.total:
            continue
        right, met, known = _expected(category, profile, constants)
        p = right / category.total
        weight = category.total / total
        # How far the category's skill follows the overall one: 1 without answers, towards 0 with many.
        number = numbers.get(category.name, 0.0)
        follows = 1 / (1 + INFORMATION * number * between)
        # Without an answer, the category may also be harder than the others, unless rates say how hard it is.
        own = between * follows if number else between + constants.unmet * category.unknown
        if number:
            met_questions += category.total
        share += weight * p
        own_variance += weight * weight * own
        follows_learner += weight * follows
        scored_questions += met
        practised += known
        estimate, interval = None, _WHOLE_RANGE
        if has_evidence:
            variance = own + follows * follows * variance_of_learner
            estimate = 100 * p
            interval = _interval(p, math.sqrt(_spread(p) * (INFORMATION * variance + constants.drift)))
        answers = profile.scored.get(category.name, 0)
        areas.append(Area(category.name, weight, answers, met / category.total, estimate, interval))
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


def _expected(category: ExamCategory, profile: Profile, constants: Constants) -> tuple[float, int, float]:
    """Return how many of a category's questions are expected right, and two figures about practice.

    The first is the number of questions right if all are new. The second is the number of questions whose
    content was scored, and the third the number of these that are expected right with the memory of them.
    """
    odds = math.exp(-profile.skill(category.name))
    met, known = _eased(profile.mean_memory(category), constants)
    cells, contents_of, best_of = profile.exam.cells, profile.practised.contents, profile.practised.best_score
    right = practised = 0.0
    scored = 0
    # This is the innermost loop of every dashboard, so it compares instead of calling `max`.
    for position in category.cells:
        harder, questions, total, chance = cells[position]
        if not total:
            continue
        hard = odds * harder
        share = 1 / (1 + hard)
        right += total * (share if share > chance else chance)
        contents = contents_of[position]
        if contents:
            scored += questions * contents
            practised += questions * _remembered(hard, contents, best_of[position], chance, met, known)
    return right, scored, practised


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
