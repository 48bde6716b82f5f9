"""How ready a learner is for an exam drawn from the catalog today: an estimate, how sure it is, and why.

The model is one page in docs/readiness.md; benchmarks/readiness.py measures it. Everything it takes in is
a sum, a set or a maximum, so late and shuffled interactions change nothing.
"""

import math
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from math import sumprod
from operator import itemgetter, mul
from statistics import NormalDist
from typing import Literal, NamedTuple

from domain.catalog import KNOWN, Certification, Content
from domain.learner import Day, Track
from domain.tally import PERFECT, Breakdown, Tally

PASS_MARKS: Mapping[str, float] = {
    "foundational": 70.0,
    "associate": 72.0,
    "professional": 75.0,
    "specialty": 75.0,
}
"""Percent needed to pass, by a certification's level."""
PASS_MARK = 70.0
"""Percent needed to pass, where no level is known."""
EXAM_QUESTIONS = 65
"""How many questions the exam has that the interval and the probability are about."""
RECENT_DAYS = 90
"""Days, counted to today, whose buckets are looked at; older answers count by the overall sums."""
HALF_LIFE_DAYS = 30
"""After how many days an answer, and the memory of a content, weighs half."""
RESIDUAL_WEIGHT = 0.125
"""What an answer older than `RECENT_DAYS` still weighs: as much as one of 90 days ago."""
HARDER: Mapping[str, float] = {"intermediate": 0.5, "advanced": 1.0}
"""How much harder than beginner content, in logits, as long as nothing at that level was answered right."""
CERTAIN = 0.99
"""No probability is nearer to 1 than this, or to 0 than its complement: so far no exam was observed."""

_Z = NormalDist().inv_cdf(0.9)
_SHOWN = 5.0
"""Right answers at a level, or above, that halve what `HARDER` takes off."""
_LEVELS = ("beginner", "intermediate", "advanced")
# In fixed point, for sums of integers are the same in any order; those of floats are not.
_ONE = 1 << 10
_RESIDUAL = round(_ONE * RESIDUAL_WEIGHT)
_WEIGHTS = tuple(round(_ONE * max(RESIDUAL_WEIGHT, 0.5 ** (n / HALF_LIFE_DAYS))) for n in range(RECENT_DAYS))
_PERFECT = _ONE * PERFECT
_AGE = itemgetter(0)
_NO_TALLY = Tally()


class Constants(NamedTuple):
    """The model's constants, in logits and their squares; chosen on the tuning learners, and rounded."""

    prior: float = -0.5
    """What a learner is expected to know of content that they never met, before any answer."""
    between_learners: float = 2.0
    """Variance of learners around `prior`."""
    between_categories: float = 0.25
    """Variance of a learner's categories around the learner."""
    met: float = 1.0
    """How much easier content is that was answered before, right or wrong."""
    known: float = 2.5
    """How much easier content is that was once answered right; at least `met`."""
    drift: float = 0.015
    """Variance that no number of answers removes (learning and forgetting until the exam, and the model's own
    error), as a multiple of p(1-p)."""


CONSTANTS = Constants()

_INFORMATION = 0.2
"""What one answer tells, in inverse squared logits: p(1-p) for shares from 28 to 72 %. A constant, so that
how sure an estimate is depends on how much was answered and never on how."""

type Confidence = Literal["low", "medium", "high"]


class Interval(NamedTuple):
    """Where, with a probability of 80 %, the share lies; percent, 0 to 100."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """In percentage points."""
        return self.high - self.low


class Area(NamedTuple):
    """What is known of one category."""

    category: str
    weight: float
    """Its share of the exam, 0 to 1: of the questions of active content."""
    answers: int
    """Scored answers in it, ever."""
    coverage: float
    """Share of its questions, 0 to 1, whose content was scored at least once."""
    estimate: float | None
    """Expected share right today, percent; None where nothing at all was answered."""
    interval: Interval
    """Of the expected share: the whole range where nothing at all was answered."""


class Hours(NamedTuple):
    """A range of study time, in hours."""

    low: float
    high: float


class Action(NamedTuple):
    """Something to do next, and why. At least one of `category` and `content_id` says where."""

    kind: Literal["diagnostic_quiz", "practise", "start", "refresh", "mock_exam"]
    reason: str
    category: str | None = None
    content_id: str | None = None


class Evidence(NamedTuple):
    """What an assessment rests on."""

    answers: int
    """Scored answers, ever."""
    effective_answers: float
    """Scored answers, each by its recency."""
    days: int
    """Days with a scored answer within the last `RECENT_DAYS`."""
    coverage: float | None
    """Share of the exam's questions, 0 to 1, whose content was scored at least once; None: no content."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """An assessment. Shares are percent, 0 to 100; None is what can't be told, and never a guess."""

    certification: str
    pass_mark: float
    estimate: float | None
    """Expected percentage on an exam drawn from the catalog today."""
    interval: Interval
    """Of the percentage on such an exam of `EXAM_QUESTIONS`; the whole range where there is no estimate."""
    pass_probability: float | None
    """Of reaching the pass mark; strictly between 0 and 1."""
    confidence: Confidence
    areas: tuple[Area, ...]
    """Every category of the exam, by name."""
    weak: tuple[Area, ...]
    """Categories with answers whose interval lies under the pass mark, the weakest first."""
    strong: tuple[Area, ...]
    """Categories with answers whose interval reaches from the pass mark up, the strongest first."""
    study_time: Hours | None
    """What is left to study, in hours; None where neither typical hours nor the learner's pace are known."""
    actions: tuple[Action, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class _Topic:
    """A category of the catalog, as the exam sees it."""

    name: str
    contents: tuple[int, ...]
    """Ordinals of what is active."""
    pick: Callable[[Sequence[int]], tuple[int, ...]]
    """The entries of a sequence at these ordinals."""
    questions: tuple[int, ...] | None
    """By content; None where each holds one."""
    retired: tuple[int, ...]
    """Ordinals of what is no longer active, but was answered perhaps."""
    total: int
    """Questions of all that is active."""
    levels: tuple[float, ...]
    """Share of its questions by `_LEVELS`; what has no level is none of them."""


@dataclass(frozen=True, slots=True)
class _Exam:
    """A catalog, indexed for assessment."""

    topics: tuple[_Topic, ...]
    total: int
    easiest: float
    """The least of `HARDER` among active content: where all is alike, nothing has to be shown first."""
    hardest: float


# What `_exam` made of a catalog, beside the catalog itself, so that no other can pass for it.
_EXAMS: dict[int, tuple[Certification, _Exam]] = {}
_MAX_EXAMS = 64


def _exam(certification: Certification) -> _Exam:
    # A catalog is large, never changes, and is assessed against thousands of times: index it once. Not
    # lru_cache, for that would hash every content at each call.
    found = _EXAMS.get(id(certification))
    if found is not None and found[0] is certification:
        return found[1]
    groups: dict[str, list[Content]] = {}
    for content in certification.contents:
        groups.setdefault(content.category, []).append(content)
    topics = tuple(_topic(name, contents) for name, contents in sorted(groups.items()))
    levels = [HARDER.get(c.difficulty, 0.0) for c in certification.contents if c.active]
    exam = _Exam(
        topics, sum(topic.total for topic in topics), min(levels, default=0.0), max(levels, default=0.0)
    )
    if len(_EXAMS) >= _MAX_EXAMS:
        _EXAMS.clear()
    _EXAMS[id(certification)] = (certification, exam)
    return exam


def _topic(name: str, contents: Iterable[Content]) -> _Topic:
    contents = list(contents)
    active = [c for c in contents if c.active]
    questions = tuple(c.questions for c in active)
    total = sum(questions)
    by_level = {level: sum(c.questions for c in active if c.difficulty == level) for level in _LEVELS}
    return _Topic(
        name,
        ordinals := tuple(c.ordinal for c in active),
        _picker(ordinals),
        None if total == len(active) else questions,
        tuple(c.ordinal for c in contents if not c.active),
        total,
        tuple(by_level[level] / total for level in _LEVELS) if total else (0.0,) * len(_LEVELS),
    )


def _picker(ordinals: tuple[int, ...]) -> Callable[[Sequence[int]], tuple[int, ...]]:
    if len(ordinals) > 1:
        return itemgetter(*ordinals)
    return lambda marks: tuple(marks[n] for n in ordinals)


def _marks(track: Track, length: int) -> Sequence[int]:
    """The best scores by ordinal, in hundredths and one more; 0: never scored."""
    marks = array("H", track.best)
    if sys.byteorder == "little":
        marks.byteswap()
    if len(marks) < length:
        marks.frombytes(bytes(2 * (length - len(marks))))
    return marks


class _Practice(NamedTuple):
    """The scored answers of one category, each by its recency."""

    answers: float
    right: float
    """Sum of their scores, a perfect one being 1."""
    memory: float
    """What is left of the memory of its contents: the weight of the most recent answer."""


def _practice(
    tallies: Breakdown, code: str, days: Iterable[Day], today: int, levels: bool
) -> tuple[dict[str, _Practice], dict[str, float], int]:
    """Answers by category, and (`levels`) right answers by difficulty, by recency; and the recent days."""
    # The newest first, so that a category's first day with a scored answer is its most recent one.
    recent = sorted(
        (
            (today - day.number, day.tallies[code])
            for day in days
            if code in day.tallies and day.number <= today
        ),
        key=_AGE,
    )
    recent = recent[: bisect_left(recent, RECENT_DAYS, key=_AGE)]
    weights = [_WEIGHTS[age] for age, _ in recent]
    # The overall sums hold the recent days too: those come on top with what they weigh beyond the residual.
    more = [weight - _RESIDUAL for weight in weights]
    by_day = [breakdown.categories for _, breakdown in recent]
    practice: dict[str, _Practice] = {}
    answered: list[list[int]] = []
    for name, tally in sorted(tallies.categories.items()):
        if not tally.scored:
            continue
        column = [day.get(name, _NO_TALLY) for day in by_day]
        counts = [of_day.scored for of_day in column]
        answered.append(counts)
        scored = _RESIDUAL * tally.scored + sumprod(more, counts)
        score = _RESIDUAL * tally.score + sumprod(more, [of_day.score for of_day in column])
        memory = next(compress(weights, counts), _RESIDUAL)
        practice[name] = _Practice(scored / _ONE, score / _PERFECT, memory / _ONE)
    shown = {name: _RESIDUAL * tally.score for name, tally in tallies.difficulties.items()}
    if levels:
        for weight, (_, breakdown) in zip(more, recent, strict=True):
            for name, tally in breakdown.difficulties.items():
                if name in shown:
                    shown[name] += weight * tally.score
    studied = sum(map(any, zip(*answered, strict=True)))
    return practice, {name: score / _PERFECT for name, score in shown.items()}, studied


def _harder(shown: Mapping[str, float], easiest: float) -> tuple[float, ...]:
    """By `_LEVELS`: what to take off content of that level, in logits, for want of right answers to such."""
    off: list[float] = []
    right = 0.0
    for level in reversed(_LEVELS):
        right += shown.get(level, 0.0)
        off.append(max(0.0, HARDER.get(level, 0.0) - easiest) * _SHOWN / (_SHOWN + right))
    return tuple(reversed(off))


_NOTHING_OFF = (0.0,) * len(_LEVELS)


def _share(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


_SMALL_STEP = 1e-4
"""Of a logit: Newton's steps square their error, so the one after it would change nothing that shows."""
_LONGEST_STEP = 2.0


def _skills(
    counts: Mapping[str, tuple[float, float, float]], constants: Constants
) -> tuple[dict[str, float], float]:
    """The most probable logits of a learner's categories, and of the learner, by partial pooling.

    `counts`: by category the sum of its scores, and its answers, those to content never met before and the
    others. The learner's logit is drawn from the prior, each category's from the learner's.

    That is concave, and its second derivatives across categories are positive, so a right answer (which adds
    a slope of at least 0) lowers none of the logits.
    """
    prior, learners, categories, met = constants[:4]
    easier = math.exp(-met)
    names = list(counts)
    sums = list(counts.values())
    answers = sum(first + again for _, first, again in sums)
    right = sum(score for score, _, _ in sums)
    learner = prior + (math.log((right + 1) / (answers - right + 1)) - prior) * answers / (answers + 10)
    own = [0.0] * len(sums)
    exp = math.exp
    for _ in range(50):
        slope = (prior - learner) / learners
        curve = 1 / learners
        slopes = []
        for (score, first, again), offset in zip(sums, own, strict=True):
            odds = exp(-learner - offset)
            p = 1 / (1 + odds)
            expected = first * p
            s = score - expected
            c = expected - expected * p
            if again:
                p = 1 / (1 + odds * easier)
                expected = again * p
                s -= expected
                c += expected - expected * p
            # The category's own step, given the learner's, leaves this much for the learner's.
            stiff = c * categories + 1
            slope += (s + c * offset) / stiff
            curve += c / stiff
            slopes.append((s * categories - offset, c * categories, stiff))
        step = max(-_LONGEST_STEP, min(_LONGEST_STEP, slope / curve))
        learner += step
        largest = abs(step)
        for n, (s, c, stiff) in enumerate(slopes):
            move = (s - c * step) / stiff
            size = abs(move)
            if size > largest:
                largest = size
            if size > _LONGEST_STEP:
                move *= _LONGEST_STEP / size
            own[n] += move
        if largest < _SMALL_STEP:
            break
    return {name: learner + offset for name, offset in zip(names, own, strict=True)}, learner


def _spread(p: float) -> float:
    """p(1-p), but never less than at 1/2 for a lower p: learning alone must not widen an interval."""
    return 0.25 if p < 0.5 else p * (1 - p)


def _interval(p: float, deviation: float) -> Interval:
    """The central 80 % of shares around p. At the lower end it is moved up rather than cut off, so that
    it gets no wider as a low p rises.
    """
    low = max(0.0, p - _Z * deviation)
    return Interval(100 * low, 100 * min(1.0, low + 2 * _Z * deviation))


_EVERYTHING = Interval(0.0, 100.0)


class _Evidence(NamedTuple):
    """All that is taken from a learner's state, and the logits that come of it."""

    exam: _Exam
    marks: Sequence[int]
    """Best scores by ordinal, as in `_marks`."""
    scores: Sequence[tuple[int, ...]]
    """Those of the active content of each of the exam's topics."""
    practice: Mapping[str, _Practice]
    days: int
    """With a scored answer, within the last `RECENT_DAYS`."""
    logits: Mapping[str, float]
    """By category with answers: the share right of content never met."""
    logit: float
    """The learner's, for all other categories."""
    off: tuple[float, ...]
    """As of `_harder`."""


def _evidence(
    track: Track, days: Iterable[Day], certification: Certification, today: int, constants: Constants
) -> _Evidence:
    exam = _exam(certification)
    marks = _marks(track, len(certification.contents))
    levels = exam.hardest > exam.easiest
    practice, shown, studied = _practice(track.tallies, certification.code, days, today, levels)
    counts: dict[str, tuple[float, float, float]] = {
        name: (of.right, 0.0, of.answers) for name, of in practice.items()
    }
    scores = [topic.pick(marks) for topic in exam.topics]
    for topic, best in zip(exam.topics, scores, strict=True):
        of = practice.get(topic.name)
        if of is not None:
            scored = len(best) - best.count(0)
            if topic.retired:
                scored += sum(marks[n] > 0 for n in topic.retired)
            # Which answers were the first to their content is not known by day: the most recent ones, as
            # far as they go. (Not their share of all answers, which a further answer would change.)
            first = min(of.answers, scored)
            counts[topic.name] = (of.right, first, of.answers - first)
    logits, logit = _skills(counts, constants)
    off = _harder(shown, exam.easiest) if levels else _NOTHING_OFF
    return _Evidence(exam, marks, scores, practice, studied, logits, logit, off)


def content_share(
    content: Content,
    track: Track,
    days: Iterable[Day],
    certification: Certification,
    today: int,
    constants: Constants = CONSTANTS,
) -> float:
    """The share that the learner is expected to get right of one content of the catalog today, 0 to 1.

    The arguments are as for `assess`; with no answers at all, it is the prior's.
    """
    of = _evidence(track, days, certification, today, constants)
    practice = of.practice.get(content.category)
    logit = of.logits.get(content.category, of.logit)
    if content.difficulty in _LEVELS:
        logit -= of.off[_LEVELS.index(content.difficulty)]
    mark = of.marks[content.ordinal]
    if not mark:
        return _share(logit)
    memory = practice.memory if practice else RESIDUAL_WEIGHT
    met, known = _share(logit + memory * constants.met), _share(logit + memory * constants.known)
    return met + (known - met) * (mark - 1) / PERFECT


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
    """How ready a learner is for an exam drawn from the certification's active content today.

    `track`: what they did towards it. `days`: the buckets, at least of the last `RECENT_DAYS`, the latest day
    included (others do no harm; later days than `today` count by the overall sums). `today`: a day number.
    `pass_mark`: percent; default: what the catalog says, else what is usual for the certification's level.
    `questions`: of the exam that the interval and the probability are about, at least 1.
    """
    if isinstance(days, Mapping):
        days = days.values()
    if pass_mark is None:
        pass_mark = _pass_mark(certification)
    of = _evidence(track, days, certification, today, constants)
    answers = sum([tally.scored for tally in track.tallies.categories.values()])
    whole = of.exam.total
    known = bool(answers and whole)

    between = constants.between_categories
    # What is known of the learner's own logit, and by it of categories without answers.
    precision = 1 / constants.between_learners
    for practice in of.practice.values():
        information = _INFORMATION * practice.answers
        precision += information / (1 + information * between)
    learners = 1 / precision

    tallies = track.tallies.categories
    areas: list[Area] = []
    share = shared = apart = met_questions = 0.0
    for topic, scores in zip(of.exam.topics, of.scores, strict=True):
        if not topic.total:
            continue
        weight = topic.total / whole
        if topic.questions is None:
            met = topic.total - scores.count(0)
            best = sum(scores) - met
        else:
            met = sum(compress(topic.questions, scores))
            best = sum(map(mul, topic.questions, scores)) - met
        met_questions += met
        mine = of.practice.get(topic.name)
        p = _topic_share(topic, met, best / PERFECT, mine, of, constants)
        pull = 1 / (1 + _INFORMATION * mine.answers * between) if mine else 1.0
        variance = between * pull + pull * pull * learners
        share += weight * p
        apart += weight * weight * between * pull
        shared += weight * pull
        deviation = math.sqrt(_spread(p) * (_INFORMATION * variance + constants.drift))
        tally = tallies.get(topic.name)
        areas.append(
            Area(
                topic.name,
                weight,
                tally.scored if tally else 0,
                met / topic.total,
                100 * p if known else None,
                _interval(p, deviation) if known else _EVERYTHING,
            )
        )

    coverage = met_questions / whole if whole else None
    estimate = probability = None
    interval = _EVERYTHING
    if known:
        estimate = 100 * share
        variance = _INFORMATION * (apart + shared * shared * learners) + constants.drift + 1 / questions
        deviation = math.sqrt(_spread(share) * variance)
        interval = _interval(share, deviation)
        # An exam's share is a step function of its questions; between steps, half a step is nearest.
        z = (share - pass_mark / 100 + 0.5 / questions) / deviation if deviation else math.inf
        probability = min(CERTAIN, max(1 - CERTAIN, 0.5 * math.erfc(-z / math.sqrt(2))))
    tested = [area for area in areas if area.answers and area.estimate is not None]
    weak = sorted((a for a in tested if a.interval.high < pass_mark), key=_by_estimate)
    strong = sorted((a for a in tested if a.interval.low >= pass_mark), key=_by_estimate, reverse=True)
    return Readiness(
        certification=certification.code,
        pass_mark=pass_mark,
        estimate=estimate,
        interval=interval,
        pass_probability=probability,
        confidence=_confidence(interval, coverage),
        areas=tuple(areas),
        weak=tuple(weak),
        strong=tuple(strong),
        study_time=_study_time(track, certification, coverage, estimate, pass_mark),
        actions=_actions(areas, of, certification, pass_mark, probability),
        evidence=Evidence(
            answers,
            sum(practice.answers for practice in of.practice.values()),
            of.days,
            coverage,
        ),
    )


def _pass_mark(certification: Certification) -> float:
    if certification.pass_mark is not None:
        return certification.pass_mark
    known = KNOWN.get(certification.code)
    return PASS_MARKS.get(known.level, PASS_MARK) if known else PASS_MARK


def _topic_share(
    topic: _Topic,
    met: float,
    best: float,
    practice: _Practice | None,
    of: _Evidence,
    constants: Constants,
) -> float:
    """The expected share of a category's questions. `met` of them were scored; `best`: their best scores'
    sum, a perfect one being 1.
    """
    logit = of.logits.get(topic.name, of.logit)
    if of.off is not _NOTHING_OFF:
        logit -= sum(map(mul, topic.levels, of.off))
    odds = math.exp(-logit)
    new = 1 / (1 + odds)
    if not met:
        return new
    memory = practice.memory if practice else RESIDUAL_WEIGHT
    tried = 1 / (1 + odds * math.exp(-memory * constants.met))
    known = 1 / (1 + odds * math.exp(-memory * constants.known))
    return ((topic.total - met) * new + (met - best) * tried + best * known) / topic.total


def _by_estimate(area: Area) -> tuple[float, str]:
    return (area.estimate or 0.0, area.category)


_SURE: Mapping[Confidence, tuple[float, float]] = {"high": (25.0, 0.5), "medium": (35.0, 0.2)}
"""By level: the interval is at most so wide, and at least so much of the exam is covered."""


def _confidence(interval: Interval, coverage: float | None) -> Confidence:
    for level, (width, covered) in _SURE.items():
        if coverage is not None and interval.width <= width and coverage >= covered:
            return level
    return "low"


_PACE_COVERAGE = 0.1
_PACE_SECONDS = 2 * 3600
"""From so much of the content, and so much time, on there is enough to tell a learner's pace."""
_PACE_RANGE = 0.25
"""How far a learner's own pace goes to either side."""
_TYPICAL_PACE = (0.25, 4.0)
"""A learner's pace, as a multiple of the typical one, is taken to lie in between."""


def _study_time(
    track: Track,
    certification: Certification,
    coverage: float | None,
    estimate: float | None,
    pass_mark: float,
) -> Hours | None:
    """Hours for what is left: what is not covered, and what is covered as far as it falls short of the mark.

    The learner's own hours for what they have touched so far, where there is enough of them, else the
    certification's typical hours.
    """
    if coverage is None:
        return None
    reached = 0.0 if estimate is None else min(1.0, estimate / pass_mark) if pass_mark else 1.0
    left = 1 - coverage * reached
    known = KNOWN.get(certification.code)
    active = certification.active
    touched = len((track.viewed | track.answered | track.completed) & active) / len(active)
    seconds = sum([tally.seconds for tally in track.tallies.categories.values()])
    if touched >= _PACE_COVERAGE and seconds >= _PACE_SECONDS:
        hours = seconds / 3600 / touched
        if known:
            slowest = [known.study_hours[0] * _TYPICAL_PACE[0], known.study_hours[1] * _TYPICAL_PACE[1]]
            hours = min(max(hours, slowest[0]), slowest[1])
        return Hours(left * hours * (1 - _PACE_RANGE), left * hours * (1 + _PACE_RANGE))
    return Hours(left * known.study_hours[0], left * known.study_hours[1]) if known else None


_MAX_ACTIONS = 5
_FADED = 0.5
_READY = 0.8
_FEW_ANSWERS = 5


def _actions(
    areas: Sequence[Area],
    of: _Evidence,
    certification: Certification,
    pass_mark: float,
    probability: float | None,
) -> tuple[Action, ...]:
    """What to do next, what moves the estimate most first: a category's weight times what it lacks."""
    if not areas:
        return ()
    by_weight = sorted(areas, key=lambda area: (-area.weight, area.category))
    if probability is None:
        largest = by_weight[0].category
        reason = "No scored answer yet: a diagnostic quiz shows where you stand."
        return (Action("diagnostic_quiz", reason, largest, _next_content(largest, of, certification)),)
    found: list[Action] = []
    if probability >= _READY:
        largest = by_weight[0].category
        reason = f"You would pass with a probability of {probability:.0%}: try a mock exam."
        found.append(Action("mock_exam", reason, largest))
    lacking = sorted(areas, key=lambda a: (-a.weight * (100 - (a.estimate or 0.0)), a.category))
    for area in lacking:
        if len(found) == _MAX_ACTIONS:
            break
        estimate = area.estimate or 0.0
        practice = of.practice.get(area.category)
        memory = practice.memory if practice else RESIDUAL_WEIGHT
        if area.answers < _FEW_ANSWERS:
            said = "not practised yet" if not area.answers else f"only {area.answers} scored answers"
            kind: Literal["start", "practise", "refresh"] = "start"
            reason = f"{area.weight:.0%} of the exam, {said}: nobody can tell how you would do."
        elif estimate < pass_mark:
            kind = "practise"
            reason = f"Expected {estimate:.0f} %, under the pass mark of {pass_mark:.0f} %."
        elif memory < _FADED:
            kind = "refresh"
            reason = f"Not practised for more than {HALF_LIFE_DAYS} days: it may have faded."
        else:
            continue
        content = _next_content(area.category, of, certification)
        found.append(Action(kind, reason, area.category, content))
    return tuple(found)


def _next_content(category: str, of: _Evidence, certification: Certification) -> str:
    """The content of a category to take next: the least known, never met ones first, by ordinal."""
    for topic, scores in zip(of.exam.topics, of.scores, strict=True):
        if topic.name == category:
            return certification.contents[topic.contents[scores.index(min(scores))]].content_id
    raise KeyError(category)
