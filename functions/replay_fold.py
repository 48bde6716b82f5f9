"""Fold the learners of one partition of the log, each of them once, into the generation that is built.

A database on the local disk sorts the lines by learner and time of arrival, so memory does not grow with the
partition. A learner's events are written as the consumer writes them, under the version that was read:
the generation's own consumer may be writing at the same time.
"""

import gzip
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from domain.days import instant, microseconds
from domain.events import Event
from domain.log_line import line_of
from domain.rebuilding import DAYS_PER_FOLD, MAX_LISTED, REPORT, Report, Step, first_of_each, folds
from functions.errors import is_transient
from functions.observability import logger
from functions.outcome import Outcome
from functions.project import Projector
from functions.quarantine import Position, Quarantined
from functions.records import Received, read_data
from functions.run_files import RunFiles
from functions.store import STATES_PER_READ

EVENTS_AT_ONCE = 10_000
"""How many events are in memory before learners are folded. More of one learner are folded in parts."""
MAX_TRIES = 12
"""Maximum attempts to write some learners, while DynamoDB throttles or another writer is faster."""
FIRST_PAUSE, MAX_PAUSE = 0.2, 20.0
"""Maximum seconds to pause after the first failed attempt, and after any."""
SECONDS_NEEDED = 90
"""Seconds to reserve for some more learners, with their retries."""
SECONDS_BETWEEN_NOTES = 15
"""How often an invocation stores how far it is."""
_CACHE = 16 * 1024
"""Kilobytes of the database in memory."""


class NotWritten(Exception):
    """DynamoDB did not take some learners' changes. The partition must be folded again, from there on."""


@dataclass(slots=True)
class Folder:
    """Folds the learners of partitions."""

    files: RunFiles
    projector: Projector
    guard: Callable[[], None]
    """Raises an error if the generation that is built must not be written to any more."""
    pause: Callable[[float], None]
    clock: Callable[[], float]
    """Seconds of a clock that never goes back."""
    _report: Report = field(default_factory=Report)

    def fold(self, step: Step, item: str, lines: str, time_left: Callable[[], float]) -> Report | None:
        """Fold a partition, and return what became of its lines; None if time ran out before its end.

        `lines` is the prefix of its files. What was folded before is left out.
        """
        progress = self.files.progress(step, item) or {"after": "", "report": {}}
        after, self._report = progress["after"], REPORT.validate_python(progress["report"], strict=False)
        with tempfile.TemporaryDirectory() as directory, closing(_database(Path(directory))) as database:
            self._fill(database, lines, after)
            noted = self.clock()
            for group in _groups(database):
                self._fold(group)
                if group.complete != group.learners[-1][0]:
                    continue  # Nothing is noted in the middle of a learner.
                is_short = time_left() < SECONDS_NEEDED
                if is_short or self.clock() - noted > SECONDS_BETWEEN_NOTES:
                    report = REPORT.dump_python(self._report, mode="json")
                    self.files.keep_progress(step, item, {"after": group.complete, "report": report})
                    noted = self.clock()
                if is_short:
                    return None
        return self._report

    def _fill(self, database: sqlite3.Connection, lines: str, after: str) -> None:
        for one in self.files.list(lines):
            with tempfile.TemporaryFile() as content:
                if self.files.download(one.key, content) is None:
                    raise FileNotFoundError(f"{one.key} is gone")
                database.executemany(_INSERT, _rows(content, after))
        database.commit()

    def _fold(self, group: "_Group") -> None:
        """Fold some learners' events: of each learner as many at once as fit into one write."""
        once = [(user_id, first_of_each(events)) for user_id, events in group.learners]
        parts = [list(folds(events, DAYS_PER_FOLD)) for _, events in once]
        troubled: set[str] = set()
        for number in range(max(map(len, parts))):
            self._apply(
                [
                    received
                    for (user_id, _), of_learner in zip(once, parts, strict=True)
                    if number < len(of_learner) and user_id not in troubled
                    for _, received in of_learner[number]
                ],
                troubled,
            )
        given = sum(len(events) for _, events in group.learners)
        repeated = given - sum(len(events) for _, events in once)
        learners = sum(user_id <= (group.complete or "") for user_id, _ in once)
        self._report = self._report.plus(
            Report(learners=learners, duplicates=repeated, refused=dict(group.refused))
        )

    def _apply(self, wave: Sequence[Received], troubled: set[str]) -> None:
        """Apply events, and try again as long as DynamoDB throttles. Raise NotWritten if it does not end.

        Learners who can't be folded are added to `troubled`.
        """
        applied = 0
        for attempt in range(MAX_TRIES):
            self.guard()
            outcome = self.projector.apply(wave)
            applied += outcome.applied
            if not outcome.errors:
                # What an earlier attempt has written is now taken for a duplicate.
                self._note(outcome, applied, outcome.duplicates + outcome.applied - applied)
                troubled.update(trouble.received[0].interaction.user_id for trouble in outcome.troubles)
                return
            if bugs := [error for error in outcome.errors if not is_transient(error)]:
                raise ExceptionGroup("folding failed", bugs)
            logger.warning(
                "a part of the learners will be tried again", extra={"error": repr(outcome.errors[0])}
            )
            self.pause(random.uniform(0, min(MAX_PAUSE, FIRST_PAUSE * 2**attempt)))
        raise NotWritten(f"{len(outcome.errors)} of the learners' parts: {outcome.errors[0]!r}")

    def _note(self, outcome: Outcome, applied: int, duplicates: int) -> None:
        troubled = tuple(
            f"{trouble.received[0].interaction.user_id}: {trouble.error!r}" for trouble in outcome.troubles
        )
        of_wave = Report(
            applied=applied,
            duplicates=duplicates,
            erased=outcome.erased,
            refused=dict(Counter(entry.code for entry in outcome.quarantined)),
            troubled=troubled[:MAX_LISTED],
            learners_in_trouble=len(troubled),
        )
        self._report = self._report.plus(of_wave)


# -- lines by learner --------------------------------------------------------------------------------

_TABLE = """
    CREATE TABLE lines (
        user_id TEXT, is_fact INTEGER, arrived INTEGER,
        shard TEXT, digits INTEGER, sequence TEXT, part INTEGER, payload BLOB
    )
"""
_INSERT = "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# Retractions come first, and a sequence number is a number of any length.
_SELECT = "SELECT * FROM lines ORDER BY user_id, is_fact, arrived, shard, digits, sequence, part"


def _database(directory: Path) -> sqlite3.Connection:
    database = sqlite3.connect(directory / "lines")
    for pragma in (f"cache_size = -{_CACHE}", "temp_store = FILE", "journal_mode = OFF", "synchronous = OFF"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(_TABLE)
    return database


def _rows(content: Any, after: str) -> Iterator[tuple[Any, ...]]:
    with gzip.GzipFile(fileobj=content) as lines:
        for text in lines:
            line = line_of(text)
            if line.user_id is None or line.arrived_at is None:
                raise ValueError("a line was divided that says nothing about its learner or its arrival")
            if line.user_id > after:
                yield (
                    line.user_id,
                    line.kind != "retraction",
                    microseconds(line.arrived_at),
                    line.shard,
                    len(line.sequence_number),
                    line.sequence_number,
                    line.part,
                    line.payload,
                )


class _Group(NamedTuple):
    """Learners whose events are folded together."""

    learners: list[tuple[str, list[tuple[Event, Received]]]]
    refused: Counter[str]
    """Their records that the consumer would put into quarantine."""
    complete: str | None
    """The last learner all of whose events are in this group or an earlier one."""


def _groups(database: sqlite3.Connection) -> Iterator[_Group]:
    """Yield all learners with their events, in order of their ids: as many as are in memory at once.

    A learner with very many events comes in several groups.
    """
    learners: list[tuple[str, list[tuple[Event, Received]]]] = []
    refused: Counter[str] = Counter()
    count = 0
    complete: str | None = None
    for user_id, rows in groupby(database.execute(_SELECT), key=lambda row: str(row[0])):
        events: list[tuple[Event, Received]] = []
        learners.append((user_id, events))
        for row in rows:
            for one in _events(row):
                if isinstance(one, Received):
                    events.append((one.interaction, one))
                else:
                    refused[one.code] += 1
            if count + len(events) >= EVENTS_AT_ONCE:
                yield _Group(learners, refused, complete)
                events = []
                learners, refused, count = [(user_id, events)], Counter(), 0
        complete = user_id
        count += len(events)
        if len(learners) == STATES_PER_READ:
            yield _Group(learners, refused, complete)
            learners, refused, count = [], Counter(), 0
    if learners:
        yield _Group(learners, refused, complete)


def _events(row: Sequence[Any]) -> list[Received | Quarantined]:
    _, _, arrived, shard, _, sequence, part, payload = row
    return read_data(payload, Position(shard, sequence, part), instant(arrived))
