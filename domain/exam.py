"""A certification's catalog as an exam: its categories, how many questions each has, and the pass mark."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from domain.catalog import DIFFICULTIES, KNOWN, Certification, Content

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


@dataclass(frozen=True, slots=True)
class ExamCategory:
    """One category of an exam."""

    name: str
    ordinals: tuple[int, ...]
    """Ordinals of the active contents."""
    select: Callable[[Sequence[int]], tuple[int, ...]]
    """Return the entries of a sequence at `ordinals`."""
    questions: tuple[int, ...] | None
    """Number of questions of each active content; None if each has exactly one."""
    retired: tuple[int, ...]
    """Ordinals of the inactive contents. The exam does not ask them, but learners may have answered them."""
    total: int
    """Number of questions of all active contents."""
    difficulty_shares: tuple[float, ...]
    """Share of the questions at each of `DIFFICULTIES`. Content without a difficulty is in none of them."""


@dataclass(frozen=True, slots=True)
class Exam:
    """A certification's catalog, indexed for assessment."""

    categories: tuple[ExamCategory, ...]
    """By name. A category without active content has a total of 0."""
    total: int
    """Number of questions of all active contents."""
    difficulties: frozenset[str]
    """The difficulties that occur among active contents."""


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
    groups: dict[str, list[Content]] = {}
    for content in certification.contents:
        groups.setdefault(content.category, []).append(content)
    categories = tuple(_category(name, contents) for name, contents in sorted(groups.items()))
    exam = Exam(
        categories,
        sum(category.total for category in categories),
        frozenset(content.difficulty for content in certification.contents if content.active),
    )
    if len(_EXAMS) >= _MAX_EXAMS:
        _EXAMS.clear()
    _EXAMS[id(certification)] = (certification, exam)
    return exam


def _category(name: str, contents: Iterable[Content]) -> ExamCategory:
    contents = list(contents)
    active = [content for content in contents if content.active]
    ordinals = tuple(content.ordinal for content in active)
    questions = tuple(content.questions for content in active)
    total = sum(questions)
    by_difficulty = [
        sum(content.questions for content in active if content.difficulty == difficulty)
        for difficulty in DIFFICULTIES
    ]
    return ExamCategory(
        name,
        ordinals,
        _selector(ordinals),
        None if total == len(active) else questions,
        tuple(content.ordinal for content in contents if not content.active),
        total,
        tuple(count / total if total else 0.0 for count in by_difficulty),
    )


def _selector(ordinals: tuple[int, ...]) -> Callable[[Sequence[int]], tuple[int, ...]]:
    # With fewer than two keys, itemgetter does not return a tuple.
    if len(ordinals) > 1:
        return itemgetter(*ordinals)
    return lambda entries: tuple(entries[ordinal] for ordinal in ordinals)


def pass_mark_of(certification: Certification) -> float:
    """Return the percentage needed to pass: the catalog's, else the usual one for the level."""
    if certification.pass_mark is not None:
        return certification.pass_mark
    known = KNOWN.get(certification.code)
    return PASS_MARKS.get(known.level, DEFAULT_PASS_MARK) if known else DEFAULT_PASS_MARK
