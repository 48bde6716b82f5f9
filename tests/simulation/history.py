"""Generate one history from its seed: circumstances, changes of content, interactions, records.

Nothing here runs code under test. The generator knows which records are valid because it made them so.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never
from zoneinfo import ZoneInfo

from tests.simulation.circumstances import Circumstances, draw_circumstances

if TYPE_CHECKING:
    # Only the type: the simulator shares no code with the domain, but must fail mypy if a kind is added.
    from domain.interaction import Kind

ZONES = (
    "Europe/Helsinki",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "UTC",
)
OFFSETS = ("+00:00", "-12:00", "+14:00", "+05:45", "-03:30", "+02:00", "-08:00")
CERTIFICATIONS = ("SAA", "CCP", "GENERAL", "Own-1")
CATEGORIES = ("Compute", "Storage", "storage", "Data Stores")
"""Two of them differ only in case, so they share an achievement."""
MOVING_CATEGORIES = ("Moving One", "Moving Two")
"""Categories of content that moves. An interaction counts under the category in force when it is applied."""
DIFFICULTIES = ("beginner", "intermediate")
MOVING_DIFFICULTIES = ("advanced", "unspecified")
KINDS: "tuple[Kind, ...]" = ("viewed", "answered", "completed")
"""The kinds that histories contain. A test compares them with the domain's."""
DAYS_LATE = 30
MAX_AHEAD_SECONDS = 300
# Some of these are days on which clocks change somewhere.
PRESENTS = (
    datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, tzinfo=UTC),
    datetime(2025, 11, 2, 6, 1, tzinfo=UTC),
    datetime(2024, 3, 1, 0, 0, tzinfo=UTC),
    datetime(2026, 4, 4, 15, 0, tzinfo=UTC),
    datetime(2026, 1, 3, 23, 59, 59, tzinfo=UTC),
)


def spellings(kind: "Kind") -> tuple[str, ...]:
    """Return the accepted spellings of a kind that histories use."""
    match kind:
        case "viewed":
            return ("viewed", "view", "VIEWED", "View")
        case "answered":
            return ("answered", "answer", "Answered")
        case "completed":
            return ("completed", "complete", "finish", "finished", "Completed")
        case _:
            assert_never(kind)


@cache
def zone(name: str) -> ZoneInfo:
    """Return a zone of the `tzdata` package, as the contract requires."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


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


class Row(NamedTuple):
    """A change of the content table, and the values that the catalog must derive from it."""

    certification: str
    content: str
    image: dict[str, Any] | None
    """The row's new image in the table's stream; None if the row was deleted."""
    category: str
    difficulty: str
    questions: int

    def stream_record(self) -> dict[str, Any]:
        """Return the change as the table's stream delivers it."""
        keys = {"content_id": {"S": self.content}, "certification_type": {"S": self.certification}}
        changed = {"Keys": keys} if self.image is None else {"Keys": keys, "NewImage": self.image}
        return {"dynamodb": changed}


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
    records = _records(random, offered, sparse)
    return History(seed, circumstances, tuple(records), rows)


# -- content ---------------------------------------------------------------------------------------


def _content(
    random: Random, circumstances: Circumstances, sparse: bool
) -> tuple[tuple[tuple[Row, ...], ...], list[tuple[str, str]]]:
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


def _row(random: Random, place: tuple[str, str], moving: bool, like: Row | None = None) -> Row:
    code, content = place
    if like and not moving:
        return like
    category = random.choice(MOVING_CATEGORIES if moving else CATEGORIES)
    difficulty = random.choice(MOVING_DIFFICULTIES if moving else DIFFICULTIES)
    questions = random.randrange(1, 30)
    image: dict[str, Any] = {
        "content_id": {"S": content},
        "certification_type": {"S": code},
        "title": {"S": "Something to learn"},
        "category": {"S": f" {category}" if random.random() < 0.1 else category},
        "question_count": {"N": str(questions)},
    }
    if difficulty != "unspecified":
        image["difficulty_level"] = {"S": difficulty.upper() if random.random() < 0.1 else difficulty}
    if not moving and random.random() < 0.1:
        del image["category"]
        category = "Uncategorized"
    return Row(code, content, image, category, difficulty, questions)


# -- interactions ----------------------------------------------------------------------------------


def _records(random: Random, offered: list[tuple[str, str]], sparse: bool) -> list[Record]:
    present = random.choice(PRESENTS) + timedelta(seconds=random.randrange(7200))
    now = int(present.timestamp())
    users = [f"u{number}" for number in range(1 if sparse else random.randrange(1, 5))]
    span = DAYS_LATE if sparse else random.choice((1, 3, 8, DAYS_LATE, DAYS_LATE))
    distinct = random.randrange(16, 30) if sparse else random.choice((7, 8, 8, 9, 10, 12, 20))
    fields = [
        _interaction(random, number, users, offered, present, span, sparse) for number in range(distinct)
    ]
    for earlier, later in pairwise(fields):
        # The contract allows an event_id again on another day, or for another learner.
        if random.random() < 0.1 and (
            earlier["user_id"] != later["user_id"] or _hours_apart(earlier, later) > 50
        ):
            later["event_id"] = earlier["event_id"]
    _make_distinct(fields)
    records: list[Record] = []
    for interaction in fields:
        payload = json.dumps(interaction, ensure_ascii=random.random() < 0.5).encode()
        occurred = int(datetime.fromisoformat(interaction["occurred_at"].upper()).timestamp())
        arrived_at = max(now, occurred - MAX_AHEAD_SECONDS + 1)
        if occurred > now and random.random() < 0.5:
            # The first attempt arrives too early for its time; the producer's retry is accepted.
            records.append(
                Record(0, interaction["user_id"], payload, occurred - MAX_AHEAD_SECONDS - 61, True)
            )
        records.append(Record(0, interaction["user_id"], payload, arrived_at, True))
    # At least 20 % of the valid records are duplicates at new positions, besides redelivered batches.
    for _ in range(random.randrange(len(records) // 3, len(records) // 2) + 1):
        again = random.choice(records[:distinct])
        records.append(again._replace(arrived_at=max(again.arrived_at, now) + random.randrange(86400)))
    for number in range(random.randrange(0, 4)):
        records.append(_invalid_record(random, number, random.choice(users), offered, present))
    if random.random() < 0.8:
        random.shuffle(records)
    return [record._replace(number=number) for number, record in enumerate(records)]


def _hours_apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    def at(fields: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(fields["occurred_at"].upper())

    return abs((at(one) - at(other)).total_seconds()) / 3600


def _make_distinct(fields: list[dict[str, Any]]) -> None:
    """Rename event_ids that a learner uses twice within 50 hours, so that none repeats on a local day."""
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, interaction in enumerate(fields):
        same = seen.setdefault((interaction["user_id"], interaction["event_id"]), [])
        if any(_hours_apart(interaction, other) <= 50 for other in same):
            interaction["event_id"] = f"e{number}-distinct"
        same.append(interaction)


def _interaction(
    random: Random,
    number: int,
    users: list[str],
    offered: list[tuple[str, str]],
    present: datetime,
    span: int,
    sparse: bool,
) -> dict[str, Any]:
    code, content = random.choice(offered)
    if random.random() < 0.03:
        content = "never-offered"
    # Some interactions occur within minutes of their arrival, before or after it.
    seconds = random.randrange(-590, 60) if random.random() < 0.1 else random.randrange(span * 86400)
    instant = present - timedelta(seconds=seconds, microseconds=random.choice((0, 0, 250_000, 1)))
    named = random.choice(ZONES)
    written_in: Any = random.choice((zone(named), zone(named), UTC, _offset(random.choice(OFFSETS))))
    text = instant.astimezone(written_in).isoformat()
    if text.endswith("+00:00") and random.random() < 0.5:
        text = text[:-6] + random.choice("Zz")
    kind = random.choice(KINDS)
    fields: dict[str, Any] = {
        "event_id": f"e{number}",
        "user_id": random.choice(users),
        "content_id": content,
        "interaction_type": random.choice(spellings(kind)),
        "occurred_at": text,
    }
    if random.random() < 0.5:
        fields["timezone"] = named
    if random.random() < 0.6:
        hundredths = random.choice((random.randrange(7000 if sparse else 10001), 6900 if sparse else 10000))
        fields["score"] = hundredths // 100 if hundredths % 100 == 0 else hundredths / 100
    if random.random() < 0.7:
        fields["time_spent"] = random.choice((random.randrange(3600), random.randrange(86401)))
    if random.random() < 0.5:
        fields["certification_type"] = code
    if random.random() < 0.1:
        fields["additional_data"] = {"device": "phone", "ä": [1, {"b": None}]}
    return fields


@cache
def _offset(text: str) -> timezone:
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


# Each of these changes makes a valid interaction invalid for good.
INVALID_FIELDS: tuple[dict[str, Any], ...] = (
    {"event_id": "no spaces, please"},
    {"user_id": "me"},
    {"interaction_type": "slept"},
    {"occurred_at": "2026-11-22T09:30:00"},
    {"occurred_at": "1999-12-31T23:59:59Z"},
    {"occurred_at": "2026-02-30T09:30:00Z"},
    {"occurred_at": "2026-01-01T09:30:00+14:30"},
    {"occurred_at": "2031-01-01T00:00:00Z"},
    {"timezone": "Europe/Atlantis"},
    {"score": 100.01},
    {"score": "80"},
    {"time_spent": 86401},
    {"time_spent": -1},
    {"content_id": None},
    {"additional_data": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}},
)
MALFORMED = (
    b"",
    b"\xff\xfe\x00",
    b"[]",
    b'"text"',
    b"{",
    b'{"event_id": "x", "score": NaN}',
    b'{"a": "\\ud800"}',
    b"null",
    bytes(range(256)),
)


def _invalid_record(
    random: Random, number: int, user: str, offered: list[tuple[str, str]], present: datetime
) -> Record:
    arrived_at = int(present.timestamp()) + random.randrange(3600)
    if random.random() < 0.4:
        return Record(0, user, random.choice(MALFORMED), arrived_at, False)
    fields = _interaction(random, number, [user], offered, present - timedelta(hours=1), 3, False)
    fields |= random.choice(INVALID_FIELDS)
    fields["event_id"] = fields["event_id"] + "p" if " " not in fields["event_id"] else fields["event_id"]
    return Record(0, user, json.dumps(fields).encode(), arrived_at, False)
