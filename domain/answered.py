"""What a learner answered of an exam's content: the first answers and the repeats of each category."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import unpack
from typing import NamedTuple

from domain.content_set import SCORE_BYTES, ContentSet
from domain.days import days_since_epoch
from domain.exam import Exam
from domain.first_answers import ANSWER_BYTES, MINUTES_PER_DAY, minutes_of
from domain.learner import Track
from domain.practice import LEFT
from domain.skills import Answers
from domain.tally import PERFECT, Tally

_NO_TALLY = Tally()


type PractisedCell = tuple[float, int, float, int, float]
"""The contents of one cell of an exam that the learner has a score of.

It has how hard they are (e to the power of minus their mean easiness), the number of questions of each, the
share of these that guessing gets right (0 to 1; 0 if that is unknown), the number of contents, and the sum of
their best scores in hundredths.
"""


class Practised(NamedTuple):
    """The contents of one category that the exam asks and the learner has a score of."""

    cells: Sequence[PractisedCell]
    questions: int
    """Number of questions of all its contents; at least 1."""
    left: float
    """What is left of the memory of the first answers, 0 to 1, on average over these questions. It is 1 for
    first answers that are unknown."""


class Answered(NamedTuple):
    """What a learner answered of an exam's content."""

    contents: ContentSet
    """The contents that have a score."""
    practised: Mapping[str, Practised]
    """By category, without the categories that have none."""
    answers: Mapping[str, Answers]
    """The evidence of the learner's skills, by category, without the categories that have none."""


class _LeftByDay(dict[int, float]):
    """What is left today of the memory of an answer, 0 to 1, by the answer's UTC day since 1970."""

    def __init__(self, today: int) -> None:
        self.today = today
        super().__init__((today - age, left) for age, left in enumerate(LEFT))

    def __missing__(self, day: int) -> float:
        # A learner's today can be the day before the UTC day.
        return LEFT[0] if day > self.today else LEFT[-1]


# All learners whose readiness is assessed on one day share these.
_left_by_day = lru_cache(maxsize=8)(_LeftByDay)


def left_of_answer(minute: int, today: int) -> float:
    """Return what is left today of the memory of an answer, 0 to 1. `minute`: the answer's, since 1970."""
    return _left_by_day(days_since_epoch(today))[minute // MINUTES_PER_DAY]


def answered_of(exam: Exam, track: Track, today: int) -> Answered:
    """Return what a learner answered of an exam's content."""
    # The catalog that was read can lack content.
    scored = ContentSet(track.scored.bits & (1 << len(exam.cell_of)) - 1)
    known = track.first_of & scored
    sums, left = _sums(exam, track, scored, known, today)
    exam_cells, known_bits, scored_bits = exam.cells, known.bits, scored.bits
    all_known = known_bits == scored_bits
    practised: dict[str, Practised] = {}
    answers: dict[str, Answers] = {}
    for category in exam.categories:
        firsts: list[tuple[float, float]] = []
        cells: list[PractisedCell] = []
        number = summed = questions = 0
        remembered = 0.0
        for position in category.cells:
            harder, each, _, chance, members = exam_cells[position]
            count = (members & known_bits).bit_count()
            of_cell = sums[position]
            summed += of_cell
            if count:
                firsts.append((count, harder))
                number += count
            if not all_known:
                count = (members & scored_bits).bit_count()
            if count and each:
                cells.append((harder, each, chance, count, of_cell & _BEST))
                questions += each * count
                remembered += each * left[position]
        score = summed >> _BEST_BITS
        if questions:
            practised[category.name] = Practised(cells, questions, remembered / questions)
        tally = track.tallies.categories.get(category.name, _NO_TALLY)
        # Content that has moved to another category can leave fewer answers there than first answers.
        repeats = max(0, tally.scored - number)
        if number or repeats:
            repeats_score = min(max(0, tally.score - score) / PERFECT, repeats)
            answers[category.name] = Answers(
                firsts, number, score / PERFECT, repeats, repeats_score, category.harder
            )
    return Answered(scored, practised, answers)


def _sums(
    exam: Exam, track: Track, scored: ContentSet, known: ContentSet, today: int
) -> tuple[Sequence[int], Sequence[float]]:
    """Return the sums over the contents of each cell: of `_both` scores, and of what is left of the memory.

    `scored`: the contents with a score. `known`: those of them whose first answer is known. It is not in
    states that were last written before first answers were kept.
    """
    first = _only(known, track.first_of, track.first, ANSWER_BYTES)
    best = _only(known, track.scored, track.best, SCORE_BYTES)
    cell_of = exam.cell_of
    sums = [0] * len(exam.cells)
    left = [0.0] * len(exam.cells)
    left_by_day = _left_by_day(days_since_epoch(today))
    for ordinal, scores, minute in zip(known, _both(first, best), minutes_of(first), strict=True):
        cell = cell_of[ordinal]
        sums[cell] += scores
        left[cell] += left_by_day[minute // MINUTES_PER_DAY]
    if known.bits != scored.bits:
        others = ContentSet(scored.bits & ~known.bits)
        best = _only(others, track.scored, track.best, SCORE_BYTES)
        for ordinal, score in zip(others, unpack(f">{len(others)}H", best), strict=True):
            cell = cell_of[ordinal]
            sums[cell] += score
            left[cell] += LEFT[0]
    return sums, left


def _only(wanted: ContentSet, contents: ContentSet, data: bytes, size: int) -> bytes:
    """Return the part of `data` that belongs to the wanted contents. It has `size` bytes for each of all."""
    if wanted.bits == contents.bits:
        return data
    return b"".join(
        [data[size * n : size * (n + 1)] for n, ordinal in enumerate(contents) if ordinal in wanted]
    )


_BEST_BITS = 32
_BEST = (1 << _BEST_BITS) - 1


def _both(first: bytes, best: bytes) -> Sequence[int]:
    """Return the first score of each content times 2 to the power of 32, plus its best score.

    Both are summed at once, because these sums take the longest of an assessment.
    """
    both = bytearray(8 * (len(best) // SCORE_BYTES))
    both[2::8], both[3::8] = first[4::ANSWER_BYTES], first[5::ANSWER_BYTES]
    both[6::8], both[7::8] = best[0::SCORE_BYTES], best[1::SCORE_BYTES]
    return unpack(f">{len(both) // 8}Q", both)
