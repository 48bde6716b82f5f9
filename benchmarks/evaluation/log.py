"""A log of real practice: its rows, its content, and the state of a learner after some of its rows."""

import csv
import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from domain.catalog import MAX_QUESTIONS, NO_DIFFICULTY, Catalog, Certification, ContentMetadata, assign
from domain.days import FIRST_DAY, day_number, microseconds
from domain.fold import Buckets, fold
from domain.interaction import MAX_SECONDS, Interaction
from domain.learner import Day, Learner, Track
from domain.tally import PERFECT
from tests.factory import buckets_after, make_parsed, needed_of

CODE = "LOG"
"""Code of the certification that a log's items belong to."""

_COLUMNS = {"learner", "time", "item", "topic", "outcome"}
_ANSWERS = {"CORRECT": True, "INCORRECT": False, "STUDY": None}
_EXAMS = {"PASSED": True, "FAILED": False}


class Row(NamedTuple):
    """One row of a log."""

    at: datetime
    """UTC if the log's times have an offset, else the wall clock; without a zone in both cases."""
    item: str
    topic: str
    difficulty: str
    right: bool | None
    """None if nothing was answered."""
    seconds: int
    exam: "Taken | None" = None
    """The result of an exam; None if the row is about an item."""
    in_utc: bool = False
    """Whether the time is UTC."""


class Taken(NamedTuple):
    """The result of a real exam. What the log does not say is None."""

    passed: bool
    score: float | None = None
    """Per cent, 0 to 100."""
    pass_mark: float | None = None
    """Per cent that was needed to pass."""
    questions: int | None = None
    """Number of questions."""


type Log = dict[str, list[Row]]
"""The rows of each learner, in order of time."""


class InvalidLog(ValueError):
    """The file is not a log that the evaluation can read."""


def read_log(path: Path) -> Log:
    """Read a log, compressed or not. Raise InvalidLog or OSError if that is impossible.

    Rows with an unknown outcome are left out. Times with an offset become UTC. All times of a log must have
    one, or none.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    log: Log = defaultdict(list)
    with (
        gzip.open(path, "rt", encoding="utf-8-sig")
        if compressed
        else path.open(encoding="utf-8-sig") as lines
    ):
        for learner, row in _rows(lines):
            log[learner].append(row)
    if len({row.in_utc for history in log.values() for row in history}) > 1:
        raise InvalidLog("some of its times have an offset and others have none")
    for history in log.values():
        history.sort(key=lambda row: row.at)
    return dict(log)


def _rows(lines: Iterable[str]) -> Iterator[tuple[str, Row]]:
    reader = csv.DictReader(lines, restval="")
    try:
        missing = _COLUMNS - set(reader.fieldnames or ())
        if missing:
            raise InvalidLog(f"it has no column {', '.join(sorted(missing))}")
        for fields in reader:
            outcome = fields["outcome"].upper()
            if outcome in _ANSWERS or outcome in _EXAMS:
                yield fields["learner"], _row(fields, outcome, reader.line_num)
    except (EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise InvalidLog(f"after line {reader.line_num}: {error}") from error


def _row(fields: dict[str, str], outcome: str, line: int) -> Row:
    try:
        time = datetime.fromisoformat(fields["time"])
        in_utc = time.tzinfo is not None
        at = (time.astimezone(UTC) if in_utc else time).replace(tzinfo=None)
        seconds = round(float(fields.get("duration_seconds") or 0))
    except (ValueError, OverflowError) as error:
        raise InvalidLog(f"line {line}: {error}") from error
    if at.date() < FIRST_DAY:
        raise InvalidLog(f"line {line}: the time is before {FIRST_DAY}")
    return Row(
        at,
        fields["item"],
        fields["topic"],
        fields.get("difficulty_level") or NO_DIFFICULTY,
        _ANSWERS.get(outcome),
        min(MAX_SECONDS, max(0, seconds)),
        _taken(fields, _EXAMS[outcome], line) if outcome in _EXAMS else None,
        in_utc,
    )


def _taken(fields: dict[str, str], passed: bool, line: int) -> Taken:
    score, mark, questions = (
        _number(fields, *limits, line)
        for limits in (("score", 0, 100), ("pass_mark", 0, 100), ("questions", 1, MAX_QUESTIONS))
    )
    if questions is not None and questions != int(questions):
        raise InvalidLog(f"line {line}: questions: {questions:g} is no whole number")
    return Taken(passed, score, mark, None if questions is None else int(questions))


def _number(fields: dict[str, str], column: str, least: float, most: float, line: int) -> float | None:
    """Return the number in a column; None if the column is empty or missing."""
    text = fields.get(column)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidLog(f"line {line}: {column}: {error}") from error
    if not least <= number <= most:
        raise InvalidLog(f"line {line}: {column}: {text} is not between {least} and {most:,}")
    return number


def require_answers(log: Log) -> None:
    """Raise InvalidLog if no row of a log is an answer: nothing can be predicted then."""
    if all(row.right is None for history in log.values() for row in history):
        raise InvalidLog("it has no answer")


def with_exams(log: Log, exams: Log) -> Log:
    """Return a log with the results that its learners have in `exams`. Other rows of `exams` are left out."""
    return {
        learner: sorted(
            [*history, *(row for row in exams.get(learner, ()) if row.exam)], key=lambda row: row.at
        )
        for learner, history in log.items()
    }


def left_out_of(log: Log, exams: Log, compared: int, reported: Log) -> str:
    """Return how many results of exams were compared with what was told before, and why others were not."""
    numbers = {name: sum(row.exam is not None for row in rows) for name, rows in exams.items()}
    unknown = sum(number for name, number in numbers.items() if name not in log)
    tuning = sum(number for name, number in numbers.items() if name in log and name not in reported)
    before = sum(numbers.values()) - unknown - tuning - compared
    parts = (
        (unknown, "of learners without rows in the log"),
        (tuning, "of tuning learners"),
        (before, "before any answer"),
    )
    reasons = "".join(f", {number} {reason}" for number, reason in parts if number)
    return f"{sum(numbers.values())} results of exams: {compared} compared{reasons}"


def times_differ(log: Log, exams: Log) -> bool:
    """Return whether the times of only one of the two are UTC."""
    kinds = [{row.in_utc for rows in each.values() for row in rows} for each in (log, exams)]
    return all(kinds) and kinds[0] != kinds[1]


def is_held_out(learner: str) -> bool:
    """Return whether no constant was chosen on this learner. That is about every second one, by a hash."""
    return sha256(learner.encode()).digest()[0] >= 128


def is_second_half(learner: str) -> bool:
    """Return whether a learner is in the second half of a set of learners, by another hash."""
    return sha256(learner.encode()).digest()[1] >= 128


type Histories = list[list[Row]]


def groups_of(log: Log, tuning: Log, reported: Log) -> list[tuple[Histories, Histories]]:
    """Return the histories to report, with those of the learners whose rates are known meanwhile.

    Nobody is in both. If tuning learners are reported as well, the rates of each half come from the other.
    """
    if not tuning.keys() & reported.keys():
        return [(list(reported.values()), [tuning[name] for name in sorted(tuning)])]
    return [
        (
            [rows for name, rows in reported.items() if is_second_half(name) == second],
            [log[name] for name in sorted(log) if is_second_half(name) != second],
        )
        for second in (False, True)
    ]


def certification_of(log: Log) -> Certification:
    """Return all items of a log as one certification, with the topics as categories."""
    rows = (row for history in log.values() for row in history if row.exam is None)
    items = {row.item: ContentMetadata(row.item, row.topic, row.difficulty) for row in rows}
    return assign(Certification(CODE), (items[item] for item in sorted(items)), 0)


def with_rates(certification: Certification, population: Iterable[Sequence[Row]]) -> Certification:
    """Return the certification with the rates of right first answers of these learners."""
    first: dict[str, list[bool]] = defaultdict(list)
    for history in population:
        seen: set[str] = set()
        for row in history:
            if row.right is not None and row.item not in seen:
                seen.add(row.item)
                first[row.item].append(row.right)
    contents = tuple(
        content._replace(correct_rate=fmean(right), answered_by=len(right))
        if (right := first.get(content.content_id))
        else content
        for content in certification.contents
    )
    return Certification(certification.code, certification.version + 1, contents)


class LearnerState:
    """The state of one learner, kept in memory by the product's own fold."""

    def __init__(self, learner: str, certification: Certification) -> None:
        self.learner = Learner(learner)
        self._buckets = Buckets()
        self._catalog = Catalog({certification.code: certification})
        self._count = 0

    def apply(self, *rows: Row) -> None:
        """Fold in rows, as one batch."""
        batch = [self._interaction(row) for row in rows if row.exam is None]
        needed = needed_of(self._buckets, self.learner, batch)
        change = fold(self.learner, needed, batch, self._catalog)
        self.learner = change.learner
        self._buckets = buckets_after(self._buckets, change)

    def _interaction(self, row: Row) -> Interaction:
        self._count += 1
        return make_parsed(
            event_id=f"{self._count}",
            user_id=self.learner.user_id,
            content_id=row.item,
            kind="viewed" if row.right is None else "answered",
            at=microseconds(row.at.replace(tzinfo=UTC)),
            day=day_number(row.at.date()),
            score=None if row.right is None else PERFECT * row.right,
            seconds=row.seconds,
            certification=CODE,
        )

    @property
    def days(self) -> dict[int, Day]:
        """All days, by number."""
        latest = self.learner.latest
        return {**self._buckets.days, **({latest.number: latest} if latest else {})}

    @property
    def track(self) -> Track:
        """What the learner has done so far."""
        return self.learner.tracks.get(CODE, Track())
