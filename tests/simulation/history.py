"""Generate one history from its seed: circumstances, changes of content, interactions, records.

Nothing here runs code under test. The generator knows which records are valid because it made them so.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from tests.simulation.circumstances import Circumstances, draw_circumstances, with_erasures
from tests.simulation.exams import exam, exam_variant, invalid_exam, is_exam, respelled_exam
from tests.simulation.framing import framed
from tests.simulation.interactions import (
    HOMES,
    MALFORMED,
    Fields,
    Place,
    Setting,
    interaction,
    invalid,
    moment,
    respelled,
    utc_day_of,
    variant,
)

CERTIFICATIONS = ("SAA", "CCP", "GENERAL", "Own-1")
CATEGORIES = ("Compute", "Storage", "storage", "Data Stores")
"""Two of them differ only in case, so they share an achievement."""
MOVING_CATEGORIES = ("Moving One", "Moving Two")
"""Categories of content that moves. An interaction counts under the category in force when it is applied."""
DIFFICULTIES = ("beginner", "intermediate")
MOVING_DIFFICULTIES = ("advanced", "unspecified")
DAYS_LATE = 30
MAX_AHEAD_SECONDS = 300
MAX_TROUBLES = 3
"""More learners in trouble at once are the release's fault. A batch has too few learners for the share."""
# Some of these are days on which clocks change somewhere.
PRESENTS = (
    datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, tzinfo=UTC),
    datetime(2025, 11, 2, 6, 1, tzinfo=UTC),
    datetime(2024, 3, 1, 0, 0, tzinfo=UTC),
    datetime(2026, 4, 4, 15, 0, tzinfo=UTC),
    datetime(2026, 1, 3, 23, 59, 59, tzinfo=UTC),
)


class Record(NamedTuple):
    """A record that a producer puts on the stream."""

    number: int
    """Identifies the record, even after shrinking has removed others from the history."""
    user: str
    payload: bytes
    arrived_at: int
    """Seconds since 1970."""
    valid: bool
    """Whether the record fulfils the contract, apart from its time of arrival."""
    frame: str = ""
    parts: "tuple[Record, ...]" = ()
    """The records inside, if the record is a frame."""

    def numbered(self, number: int) -> "Record":
        """Return the same record with another number."""
        return self._replace(number=number, parts=tuple(part.numbered(number) for part in self.parts))

    def arriving(self, at: int) -> "Record":
        """Return the same record at another time of arrival."""
        return self._replace(arrived_at=at, parts=tuple(part.arriving(at) for part in self.parts))


type Known = tuple[float | None, int | None, int | None, str | None]
"""What is known of a content: share of right first answers, learners behind it, number of choices, title."""


class Row(NamedTuple):
    """A change of the content table, and the values that the catalog must derive from it."""

    certification: str
    content: str
    image: dict[str, Any] | None
    """The row's new image in the table's stream; None if the row was deleted."""
    category: str
    difficulty: str
    questions: int
    known: Known = (None, None, None, None)

    def stream_record(self) -> dict[str, Any]:
        """Return the change as the table's stream delivers it."""
        keys = {"content_id": {"S": self.content}, "certification_type": {"S": self.certification}}
        if self.image is None:
            return {"eventName": "REMOVE", "dynamodb": {"Keys": keys}}
        return {"eventName": "MODIFY", "dynamodb": {"Keys": keys, "NewImage": self.image}}


@dataclass(frozen=True, slots=True)
class History:
    """The input of one run. The same seed also decides the order of events and the faults, during the run."""

    seed: int
    circumstances: Circumstances
    records: tuple[Record, ...]
    rows: tuple[tuple[Row, ...], ...]
    """Batches of the content table's stream."""
    without_faults: frozenset[int] = field(default=frozenset())
    """Numbers of the faults to leave out, so that shrinking can find out which faults matter."""

    @property
    def sent(self) -> "Iterator[Record]":
        """The records without their frames. Each is to be judged alone."""
        for record in self.records:
            yield from record.parts or (record,)

    def but(self, **changes: Any) -> "History":
        """Return a copy with these fields changed."""
        return replace(self, **changes)


def history(seed: int) -> History:
    """Generate the history of a seed.

    A sparse history has small transactions, and so few awards per interaction that they still fit.
    """
    random = Random(seed)
    sparse = random.random() < 0.12
    circumstances = draw_circumstances(random, sparse)
    rows, offered = _content(random, circumstances, sparse)
    records = _records(random, offered, sparse, circumstances)
    circumstances = with_erasures(circumstances, Random(f"erasures of {seed}"))
    return History(seed, circumstances, tuple(records), rows)


# -- content ---------------------------------------------------------------------------------------


def _content(
    random: Random, circumstances: Circumstances, sparse: bool
) -> tuple[tuple[tuple[Row, ...], ...], list[Place]]:
    """Generate the content table's changes in batches, and the (certification, content) pairs that appear.

    A sparse history has so much content that one interaction reaches few achievements: at most three of its
    certification, three for streaks, one for hours and one for completed content.
    """
    certifications = random.sample(CERTIFICATIONS, random.choice((1, 1, 2, 2, 3)))
    offered = [
        (code, f"c{number}")
        for code in certifications
        for number in random.sample(range(14), random.randrange(10, 14) if sparse else random.randrange(1, 6))
    ]
    random.shuffle(offered)
    moves = circumstances.content_moves and not circumstances.catalog_first
    moving = {place for place in offered if moves and random.random() < 0.4}
    rows = [_row(random, place, place in moving) for place in offered]
    later: list[Row] = []
    if not circumstances.catalog_first:
        for place in offered:
            roll = random.random()
            if roll < 0.3:
                later.append(Row(*place, None, "", "", 0))
                if roll < 0.15:
                    later.append(_row(random, place, place in moving, rows[offered.index(place)]))
            elif place in moving:
                later.append(_row(random, place, True))
        # No change of a content may come before its first row, and its changes must stay in order.
        first = max(1, 2 * len(rows) // 3)
        rows, late_rows = rows[:first], rows[first:]
        later = _merged(random, late_rows, later)
    batches = [tuple(rows)] if rows else []
    while later:
        size = random.randrange(2, 6) + len(later) // 2
        batches.append(tuple(later[:size]))
        later = later[size:]
    return tuple(batches), offered


def _merged(random: Random, first: list[Row], second: list[Row]) -> list[Row]:
    """Interleave both lists in order, with no change of a content before its first row."""
    waiting = {(row.certification, row.content) for row in first}
    merged: list[Row] = []
    while first or second:
        ready = second and (second[0].certification, second[0].content) not in waiting
        if first and (not ready or random.random() < 0.5):
            row = first.pop(0)
            waiting.discard((row.certification, row.content))
        else:
            row = second.pop(0)
        merged.append(row)
    return merged


def _row(random: Random, place: Place, moving: bool, like: Row | None = None) -> Row:
    code, content = place
    if like and not moving:
        return like
    category = random.choice(MOVING_CATEGORIES if moving else CATEGORIES)
    difficulty = random.choice(MOVING_DIFFICULTIES if moving else DIFFICULTIES)
    questions = random.randrange(1, 30)
    image: dict[str, Any] = {
        "content_id": {"S": content},
        "certification_type": {"S": code},
        "title": {"S": f"{content}\t({questions})"},
        "category": {"S": f" {category}" if random.random() < 0.1 else category},
        "question_count": {"N": str(questions)},
    }
    if difficulty != "unspecified":
        image["difficulty_level"] = {"S": difficulty.upper() if random.random() < 0.1 else difficulty}
    if not moving and random.random() < 0.1:
        del image["category"]
        category = "Uncategorized"
    title = f"{content} ({questions})"
    known: Known = (None, None, None, title)
    if random.random() < 0.3:
        # A platform can know any of these without the others.
        known = (
            random.choice([None, 0.0, round(random.random(), 3), 1.0]),
            random.choice([None, random.randrange(0, 10_000)]),
            random.choice([None, random.randrange(2, 9)]),
            title,
        )
        named = zip(("correct_rate", "answered_by", "choices"), known, strict=False)
        image |= {name: {"N": str(value)} for name, value in named if value is not None}
    return Row(code, content, image, category, difficulty, questions, known)


# -- records ---------------------------------------------------------------------------------------


def _records(
    random: Random, offered: list[Place], sparse: bool, circumstances: Circumstances
) -> list[Record]:
    present = random.choice(PRESENTS) + timedelta(seconds=random.randrange(7200))
    now = int(present.timestamp())
    # So many learners in trouble must fail a batch, and others must be in it.
    many = circumstances.damaged_learners > MAX_TROUBLES
    learners = 1 if sparse else random.randrange(6, 9) if many else random.randrange(1, 5)
    users = [f"u{number}" for number in range(learners)]
    homes = {user: random.choice((None, *HOMES)) for user in users}
    span = DAYS_LATE if sparse else random.choice((1, 3, 8, DAYS_LATE, DAYS_LATE))
    setting = Setting(homes, offered, present, span, sparse, diligent=not sparse and random.random() < 0.15)
    distinct = random.randrange(16, 30) if sparse else random.choice((7, 8, 8, 9, 10, 12, 20))
    distinct = max(distinct, 3 * learners if many else 0)
    originals = [
        _event(random, f"e{number}", random.choice(users), setting, circumstances.exam_rate)
        for number in range(distinct)
    ]
    _reuse_event_ids(random, originals)
    records: list[Record] = []
    for fields in originals:
        occurred = moment(fields["occurred_at"]).timestamp()
        if occurred > now and random.random() < 0.5:
            # The first attempt arrives too early for its time; the producer's retry is accepted.
            records.append(_record(random, fields, int(occurred) - MAX_AHEAD_SECONDS - 61))
        records.append(_record(random, fields, _arrival(fields, now)))
    ambiguous = [*originals, *_variants(random, originals, setting)]
    records += (
        _record(random, fields, _arrival(fields, now) + random.randrange(86400))
        for fields in ambiguous[distinct:]
    )
    # At least 20 % of the valid records are duplicates at new positions, besides redelivered batches.
    for _ in range(random.randrange(len(records) // 3, len(records) // 2) + 1):
        again = random.choice(ambiguous)
        if random.random() < 0.5:
            again = respelled_exam(random, again) if is_exam(again) else respelled(random, again)
        records.append(_record(random, again, _arrival(again, now) + random.randrange(86400)))
    for number in range(random.randrange(0, 4)):
        user = random.choice(users)
        records.append(_invalid_record(random, number, user, setting, circumstances.exam_rate))
    if random.random() < 0.8:
        random.shuffle(records)
    if circumstances.framed_rate:
        records = framed(random, records, circumstances.framed_rate)
    return [record.numbered(number) for number, record in enumerate(records)]


def _event(random: Random, event_id: str, user: str, setting: Setting, exam_rate: float) -> Fields:
    if exam_rate and random.random() < exam_rate:
        return exam(random, event_id, user, setting)
    return interaction(random, event_id, user, setting)


def _variant(random: Random, fields: Fields, setting: Setting) -> Fields:
    return exam_variant(random, fields, setting) if is_exam(fields) else variant(random, fields, setting)


def _record(random: Random, fields: Fields, arrived_at: int) -> Record:
    payload = json.dumps(fields, ensure_ascii=random.random() < 0.5).encode()
    return Record(0, fields["user_id"], payload, arrived_at, True)


def _arrival(fields: Fields, now: int) -> int:
    """Return a time at which an interaction is not too early."""
    return max(now, int(moment(fields["occurred_at"]).timestamp()) - MAX_AHEAD_SECONDS + 1)


def _reuse_event_ids(random: Random, originals: Iterable[Fields]) -> None:
    """Give some interactions the event_id of another one.

    The contract allows it for another learner, or on another UTC day.
    """
    taken: set[tuple[str, str, str]] = set()
    for earlier, later in pairwise(originals):
        taken.add((earlier["user_id"], utc_day_of(earlier), earlier["event_id"]))
        place = later["user_id"], utc_day_of(later), earlier["event_id"]
        if random.random() < 0.2 and place not in taken:
            later["event_id"] = earlier["event_id"]


def _variants(random: Random, originals: list[Fields], setting: Setting) -> Iterator[Fields]:
    """Generate further variants of a few identities. Whichever is applied first decides.

    A learner's ambiguous identities have at most 16 combinations of variants: the final checks try them all.
    """
    count = random.choice((0, 0, 0, 1, 1, 2, 3, 4))
    for number, fields in enumerate(random.sample(originals, count)):
        yield _variant(random, fields, setting)
        if number == 0 and count < 4 and random.random() < 0.3:
            yield _variant(random, fields, setting)


def _invalid_record(random: Random, number: int, user: str, setting: Setting, exam_rate: float) -> Record:
    arrived_at = int(setting.present.timestamp()) + random.randrange(3600)
    if random.random() < 0.4:
        return Record(0, user, random.choice(MALFORMED), arrived_at, False)
    make = invalid_exam if random.random() < exam_rate else invalid
    fields = make(random, f"e{number}p", user, setting)
    return Record(0, user, json.dumps(fields).encode(), arrived_at, False)
