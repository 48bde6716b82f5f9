"""A certification's catalog as an exam: its categories, how many questions each has, and the pass mark."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.catalog import KNOWN, Certification, Content
from domain.content_set import ContentSet
from domain.difficulty import POPULATION, SHRINKAGE, easiness, learners_behind, logistic, logit
from domain.skills import CONSTANTS

PASS_MARKS: Mapping[str, float] = {
    "foundational": 70.0,
    "associate": 72.0,
    "professional": 75.0,
    "specialty": 75.0,
}
"""Percentage needed to pass, by level of certification."""
DEFAULT_PASS_MARK = 70.0
"""Percentage needed to pass a certification of unknown level."""
EXAM_QUESTIONS = 65
"""Default number of questions in the exam that is predicted."""
PULL_UP = 1.0
"""How far the skill expected of a learner goes from the population's rates up to `POPULATION`, 0 to 1, if
content is hard as a whole. Rates are of first answers, and practised learners are better than these say."""
PULL_DOWN = 0.25
"""The same down to `POPULATION` if content is easy as a whole."""
PULLED_BELOW = (60, 200)
"""Up to the first number of learners behind the average rate, the skill goes so far, and from the second on
nowhere: so many learners have practised themselves. The logs have 1 and 50 of them, and a simulation 200."""
RATED_CONTENT = 3
"""So many contents count for one whose difficulty is known."""
_MOST_BY_FIRST_REPEAT = 0.145
"""The slope of a category's expected share times how far a right repeat is above the expected one, at most.
The first right repeat of a category raises its skill by 0.067 logits at most, and so its share by a point."""
_SKILLS = [half / 2 for half in range(-16, 17)]
"""Skills to check this for, in logits."""
_LEARNERS_OF_RATED = 15
"""Number of learners behind a rate from which on the difficulty is known. Fewer count in proportion."""


class Cell(NamedTuple):
    """Contents of one category that are about equally easy, and have equally many choices and questions.

    Inactive contents have cells of their own: the exam does not ask them, but learners may have answered
    them.
    """

    harder: float
    """How hard its contents are: e to the power of minus their mean easiness."""
    questions: int
    """Number of questions of each content; 0 if it is inactive."""
    total: int
    """Number of questions of all its contents."""
    chance: float
    """Share of them that guessing gets right, 0 to 1; 0 if that is unknown."""
    contents: int
    """The bitmap of its contents, as `ContentSet.bits`."""


class ExamCategory(NamedTuple):
    """One category of an exam."""

    name: str
    ordinals: tuple[int, ...]
    """Ordinals of the active contents, ascending."""
    contents: int
    """The bitmap of the active contents, as `ContentSet.bits`."""
    cells: range
    """The positions of its cells among those of the exam."""
    total: int
    """Number of questions of all active contents."""
    harder: float
    """How hard its questions are: e to the power of minus their mean easiness."""
    unknown: float
    """How little is known of its difficulty: 1 if nobody's answers are known, towards 0 with many."""


@dataclass(frozen=True, slots=True)
class Exam:
    """A certification's catalog, indexed for assessment."""

    categories: tuple[ExamCategory, ...]
    """By name. A category without active content has a total of 0."""
    cells: Sequence[Cell]
    """By category."""
    total: int
    """Number of questions of all active contents."""
    cell_of: Sequence[int]
    """The position of each content's cell, by ordinal."""
    prior: float
    """Where to expect the skill of a learner who has practised enough, in logits."""
    unknown: float
    """How little is known of the catalog's difficulty: 1 if nobody's answers are known, towards 0 with
    many."""
    largest: int
    """The most questions that one active content has; 0 without any."""
    counts_for: Mapping[float, int]
    """How many contents without a rate a content counts for, 1 to `RATED_CONTENT`. By each such number: the
    bitmap of the contents, as `ContentSet.bits`."""

    def evidence(self, contents: ContentSet) -> float:
        """Return the number of contents without a rate that say as much as these contents do."""
        bits = contents.bits
        return sum([count * (of_count & bits).bit_count() for count, of_count in self.counts_for.items()])


# The cache holds each certification beside its exam: the identity check below would be unsafe if a
# certification could be freed and its id given to another one.
_EXAMS: dict[int, tuple[Certification, Exam]] = {}
_MAX_EXAMS = 64


def exam_of(certification: Certification) -> Exam:
    """Return the exam that asks the certification's active content."""
    # A catalog is large, immutable, and assessed against thousands of times, so it is indexed only once.
    # functools.lru_cache would hash every content at each call.
    cached = _EXAMS.get(id(certification))
    if cached is not None and cached[0] is certification:
        return cached[1]
    exam = _index(certification.contents)
    if len(_EXAMS) >= _MAX_EXAMS:
        _EXAMS.clear()
    _EXAMS[id(certification)] = (certification, exam)
    return exam


def _index(contents: Sequence[Content]) -> Exam:
    easy = easiness(contents)
    groups: dict[str, list[Content]] = {}
    for content in contents:
        groups.setdefault(content.category, []).append(content)
    categories: list[ExamCategory] = []
    cells: list[Cell] = []
    cell_of = [0] * len(contents)
    for name, group in sorted(groups.items()):
        # Cells are one logit wide. Narrower ones take longer and change an estimate by less than a point.
        alike: dict[tuple[int, int | None, int], list[int]] = {}
        for content in group:
            questions = content.questions if content.active else 0
            key = round(easy[content.ordinal]), content.choices, questions
            alike.setdefault(key, []).append(content.ordinal)
        start = len(cells)
        for (_, choices, questions), members in alike.items():
            for ordinal in members:
                cell_of[ordinal] = len(cells)
            mean = math.fsum(easy[ordinal] for ordinal in members) / len(members)
            chance = 1 / choices if choices else 0.0
            total, bits = questions * len(members), ContentSet.of(members).bits
            cells.append(Cell(math.exp(-mean), questions, total, chance, bits))
        active = tuple(content.ordinal for content in group if content.active)
        categories.append(
            ExamCategory(
                name,
                active,
                ContentSet.of(active).bits,
                range(start, len(cells)),
                sum(content.questions for content in group if content.active),
                math.exp(-_mean_easiness(group, easy)),
                _unknown(group),
            )
        )
    return Exam(
        tuple(categories),
        cells,
        sum(category.total for category in categories),
        cell_of,
        _prior(contents, easy),
        _unknown(contents),
        max((content.questions for content in contents if content.active), default=0),
        _counts_for(contents),
    )


def _mean_easiness(group: Sequence[Content], easy: Sequence[float]) -> float:
    """Return the mean easiness of a category's questions, or of its contents if the exam asks none.

    Repeats are compared with it. If hard content that the exam hardly asks made the mean too hard, a right
    repeat could raise the estimate by more than a point. So could it if hardly anybody gets some questions
    right and the others are easy. Then the result is easier than the mean.
    """
    questions = [content.questions if content.active else 0 for content in group]
    weights = questions if any(questions) else [1] * len(group)
    whole = sum(weights)
    shares: dict[int, float] = {}
    total = 0.0
    for weight, content in zip(weights, group, strict=True):
        x = easy[content.ordinal]
        total += weight * x
        shares[round(x)] = shares.get(round(x), 0.0) + weight / whole
    found = total / whole
    for skill in _SKILLS:
        # How fast the expected share rises with the skill.
        slope = math.fsum(share * logistic(skill + x) * logistic(-skill - x) for x, share in shares.items())
        if slope > _MOST_BY_FIRST_REPEAT:
            found = max(found, logit(1 - _MOST_BY_FIRST_REPEAT / slope) - skill - CONSTANTS.met)
    return found


def _unknown(contents: Sequence[Content]) -> float:
    return SHRINKAGE / (SHRINKAGE + sum(map(learners_behind, contents)))


def _counts_for(contents: Sequence[Content]) -> dict[float, int]:
    groups: dict[float, list[int]] = {}
    for content in contents:
        known = min(1.0, learners_behind(content) / _LEARNERS_OF_RATED)
        groups.setdefault(1 + (RATED_CONTENT - 1) * known, []).append(content.ordinal)
    return {count: ContentSet.of(ordinals).bits for count, ordinals in groups.items()}


def _prior(contents: Sequence[Content], easy: Sequence[float]) -> float:
    """Return the skill to expect of a learner who has practised enough, given the contents' easiness."""
    if not contents:
        return 0.0
    harder = POPULATION - math.fsum(easy) / len(easy)
    learners = sum(map(learners_behind, contents)) / len(contents)
    whole, none = PULLED_BELOW
    pulled = min(1.0, max(0.0, (none - learners) / (none - whole)))
    return harder * pulled * (PULL_UP if harder > 0 else PULL_DOWN)


def pass_mark_of(certification: Certification) -> float:
    """Return the percentage needed to pass: the catalog's, else the usual one for the level."""
    if certification.pass_mark is not None:
        return certification.pass_mark
    known = KNOWN.get(certification.code)
    return PASS_MARKS.get(known.level, DEFAULT_PASS_MARK) if known else DEFAULT_PASS_MARK


def least_right(pass_mark: float, questions: int) -> int:
    """Return the number of right answers that pass an exam of so many questions. `pass_mark`: in percent."""
    # A mark of 55 % of 100 questions is 55 answers, although the product is slightly more in floating point.
    return math.ceil(round(pass_mark * questions / 100, 9))
