"""What happens in one history, made up from its seed: content, interactions, records, circumstances.

Nothing here knows the code under test; what is valid is known by construction.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

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
"""Two of them share an achievement, for its name has no case."""
MOVING_CATEGORIES = ("Moving One", "Moving Two")
"""Of content that moves: an interaction counts under the one in force when it is applied."""
DIFFICULTIES = ("beginner", "intermediate")
MOVING_DIFFICULTIES = ("advanced", "unspecified")
KINDS = {
    "viewed": ("viewed", "view", "VIEWED", "View"),
    "answered": ("answered", "answer", "Answered"),
    "completed": ("completed", "complete", "finish", "finished", "Completed"),
}
DAYS_LATE = 30
MAX_AHEAD_SECONDS = 300
# Days on which clocks change somewhere, and some on which they don't.
PRESENTS = (
    datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, tzinfo=UTC),
    datetime(2025, 11, 2, 6, 1, tzinfo=UTC),
    datetime(2024, 3, 1, 0, 0, tzinfo=UTC),
    datetime(2026, 4, 4, 15, 0, tzinfo=UTC),
    datetime(2026, 1, 3, 23, 59, 59, tzinfo=UTC),
)


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of the `tzdata` package, as the contract says."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


class Record(NamedTuple):
    """What a producer puts on the stream."""

    number: int
    """Names it, whatever else is left out of the history."""
    user: str
    payload: bytes
    arrived_at: int
    """Seconds since 1970."""
    valid: bool
    """Whether the record is one of the contract, its time aside."""


class Row(NamedTuple):
    """A change of the content table, and what the catalog is to make of it."""

    certification: str
    content: str
    image: dict[str, Any] | None
    """As the table's stream shows it; None: the row went."""
    category: str
    difficulty: str
    questions: int

    def stream_record(self) -> dict[str, Any]:
        """As the table's stream delivers it."""
        keys = {"content_id": {"S": self.content}, "certification_type": {"S": self.certification}}
        changed = {"Keys": keys} if self.image is None else {"Keys": keys, "NewImage": self.image}
        return {"dynamodb": changed}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The world that a history takes place in."""

    fault_rate: float = 0.0
    fault_budget: int = 0
    transaction_items: int = 100
    item_bytes: int = 400 * 1024
    batch_get: int = 100
    ordinals_per_part: int = 1000
    page_items: int = 100
    transaction_bytes: int = 4 * 1024 * 1024
    inline_bytes: int = 64 * 1024
    max_races: int = 20
    """How often a learner's or the catalog's writer may lose."""
    max_reads: int = 20
    """How often a read that is left undone, or is overtaken, is made again."""
    hurry_rate: float = 0.0
    """How often an invocation's end is near before a write."""
    misjudged_rate: float = 0.0
    """How often DynamoDB finds too large what was measured and found to fit."""
    knows_tokens: bool = True
    """Whether the store knows a transaction's retry by its token."""
    by_key: bool = True
    """Whether a learner's records are all in one shard."""
    shards: int = 1
    splits: bool = False
    """Resharding: each shard ends midway, and goes on in two."""
    batch_size: int = 10
    bisects: bool = True
    redelivery_rate: float = 0.0
    """How often a batch that succeeded comes again."""
    rival_rate: float = 0.0
    """How often a batch is given to two consumers at once."""
    expiry_rate: float = 0.0
    """How often a batch that failed is given up for its age."""
    catalog_first: bool = False
    """All content is in the catalog before any interaction arrives, and none changes after."""
    moves: bool = False
    freezes: int = 0
    readers: int = 0

    @property
    def may_refuse(self) -> bool:
        """Whether so little fits here that a state or a day can be full."""
        return (
            self.item_bytes < 400 * 1024
            or self.transaction_bytes < 4 * 1024 * 1024
            or self.misjudged_rate > 0
        )


@dataclass(frozen=True, slots=True)
class History:
    """All that a seed decides, but for the order of things and the faults: those come from the seed too."""

    seed: int
    circumstances: Circumstances
    records: tuple[Record, ...]
    rows: tuple[tuple[Row, ...], ...]
    """Batches of the content table's stream."""
    without_faults: frozenset[int] = field(default=frozenset())

    def but(self, **changes: Any) -> "History":
        """The same, changed."""
        return replace(self, **changes)


def history(seed: int) -> History:
    """The history of this seed."""
    random = Random(seed)
    gentle = random.random() < 0.12
    circumstances = _circumstances(random, gentle)
    rows, offered = _content(random, circumstances, gentle)
    records = _records(random, offered, gentle)
    return History(seed, circumstances, tuple(records), rows)


def _circumstances(random: Random, gentle: bool) -> Circumstances:
    chance = random.random
    return Circumstances(
        fault_rate=random.choice((0.0, 0.03, 0.08, 0.15, 0.25)),
        fault_budget=random.choice((3, 8, 16)),
        # The most that one interaction can write here is 10 items (see `_content`): less would refuse it.
        transaction_items=10 if gentle else 100,
        item_bytes=400 * 1024 if gentle or chance() < 0.85 else random.randrange(600, 1600),
        batch_get=random.choice((100, 100, 100, 2, 4)),
        ordinals_per_part=random.choice((1000, 1000, 3, 5)),
        page_items=random.choice((100, 100, 1, 3)),
        transaction_bytes=4 * 1024 * 1024 if gentle or chance() < 0.95 else random.randrange(1500, 6000),
        max_races=random.choice((20, 20, 3, 1)),
        max_reads=random.choice((20, 20, 2)),
        hurry_rate=random.choice((0.0, 0.0, 0.0, 0.03)),
        misjudged_rate=0.0 if gentle or chance() < 0.97 else 0.05,
        inline_bytes=random.choice((64 * 1024, 64 * 1024, 30)),
        knows_tokens=chance() < 0.6,
        by_key=chance() < 0.6,
        shards=random.choice((1, 2, 2, 3)),
        splits=chance() < 0.3,
        batch_size=random.choice((20, 40, 60) if gentle else (3, 8, 16, 30, 60)),
        bisects=chance() < 0.6,
        redelivery_rate=random.choice((0.0, 0.0, 0.1, 0.2)),
        rival_rate=random.choice((0.0, 0.0, 0.2, 0.4)),
        expiry_rate=random.choice((0.0, 0.0, 0.0, 0.1)),
        catalog_first=chance() < 0.4,
        moves=chance() < 0.3,
        freezes=random.choice((0, 0, 1, 2)),
        readers=1 if chance() < 0.15 else 0,
    )


# -- content ---------------------------------------------------------------------------------------


def _content(
    random: Random, circumstances: Circumstances, gentle: bool
) -> tuple[tuple[tuple[Row, ...], ...], list[tuple[str, str]]]:
    """The changes of the content table in batches, and what is offered at any time.

    A gentle history has much content, so that an interaction reaches few achievements at once: at most
    three of its certification, three of streaks, one of hours and one of completed content.
    """
    certifications = random.sample(CERTIFICATIONS, random.choice((1, 1, 2, 2, 3)))
    offered = [
        (code, f"c{number}")
        for code in certifications
        for number in random.sample(range(14), random.randrange(10, 14) if gentle else random.randrange(1, 6))
    ]
    random.shuffle(offered)
    moves = circumstances.moves and not circumstances.catalog_first
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
        # A batch never changes a content before it came; what is done to one content stays in order.
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
    """Both in one list, each in its order, and no change of a content before its first row."""
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


def _records(random: Random, offered: list[tuple[str, str]], gentle: bool) -> list[Record]:
    present = random.choice(PRESENTS) + timedelta(seconds=random.randrange(7200))
    now = int(present.timestamp())
    users = [f"u{number}" for number in range(1 if gentle else random.randrange(1, 5))]
    span = DAYS_LATE if gentle else random.choice((1, 3, 8, DAYS_LATE, DAYS_LATE))
    distinct = random.randrange(16, 30) if gentle else random.choice((7, 8, 8, 9, 10, 12, 20))
    fields = [
        _interaction(random, number, users, offered, present, span, gentle) for number in range(distinct)
    ]
    for earlier, later in pairwise(fields):
        # An event_id may be used again on another day, or by another learner.
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
            # Too far ahead of its arrival at first; the producer's retry is in time.
            records.append(Record(0, interaction["user_id"], payload, occurred - 301 - 60, True))
        records.append(Record(0, interaction["user_id"], payload, arrived_at, True))
    # At least 20 % of all that is valid are duplicates under new positions; redelivered batches come on top.
    for _ in range(random.randrange(len(records) // 3, len(records) // 2) + 1):
        again = random.choice(records[:distinct])
        records.append(again._replace(arrived_at=max(again.arrived_at, now) + random.randrange(86400)))
    for number in range(random.randrange(0, 4)):
        records.append(_poison(random, number, random.choice(users), offered, present))
    if random.random() < 0.8:
        random.shuffle(records)
    return [record._replace(number=number) for number, record in enumerate(records)]


def _hours_apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    def at(fields: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(fields["occurred_at"].upper())

    return abs((at(one) - at(other)).total_seconds()) / 3600


def _make_distinct(fields: list[dict[str, Any]]) -> None:
    """No two of one learner within 50 hours share an event_id, so none can share a local day."""
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
    gentle: bool,
) -> dict[str, Any]:
    code, content = random.choice(offered)
    if random.random() < 0.03:
        content = "never-offered"
    # Some occur within minutes of their arrival, on either side of it.
    seconds = random.randrange(-590, 60) if random.random() < 0.1 else random.randrange(span * 86400)
    instant = present - timedelta(seconds=seconds, microseconds=random.choice((0, 0, 250_000, 1)))
    named = random.choice(ZONES)
    written_in: Any = random.choice((zone(named), zone(named), UTC, _offset(random.choice(OFFSETS))))
    text = instant.astimezone(written_in).isoformat()
    if text.endswith("+00:00") and random.random() < 0.5:
        text = text[:-6] + random.choice("Zz")
    kind = random.choice(("viewed", "answered", "completed"))
    fields: dict[str, Any] = {
        "event_id": f"e{number}",
        "user_id": random.choice(users),
        "content_id": content,
        "interaction_type": random.choice(KINDS[kind]),
        "occurred_at": text,
    }
    if random.random() < 0.5:
        fields["timezone"] = named
    if random.random() < 0.6:
        hundredths = random.choice((random.randrange(7000 if gentle else 10001), 6900 if gentle else 10000))
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


# Each makes a valid interaction one that no retry can make valid.
FAULTY: tuple[dict[str, Any], ...] = (
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


def _poison(
    random: Random, number: int, user: str, offered: list[tuple[str, str]], present: datetime
) -> Record:
    arrived_at = int(present.timestamp()) + random.randrange(3600)
    if random.random() < 0.4:
        return Record(0, user, random.choice(MALFORMED), arrived_at, False)
    fields = _interaction(random, number, [user], offered, present - timedelta(hours=1), 3, False)
    fields |= random.choice(FAULTY)
    fields["event_id"] = fields["event_id"] + "p" if " " not in fields["event_id"] else fields["event_id"]
    return Record(0, user, json.dumps(fields).encode(), arrived_at, False)
