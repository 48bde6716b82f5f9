"""Read records and the stored catalog, without any code of the parser, the store or the fold."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.exams import is_exam
from tests.simulation.history import MAX_AHEAD_SECONDS, Record
from tests.simulation.interactions import KINDS, NO_OFFSETS, moment, spellings, zone

if TYPE_CHECKING:
    from domain.interaction import Kind

type Item = dict[str, Any]
type Key = tuple[str, str]
type Identity = tuple[str, date, str]
"""(user_id, UTC day, event_id): the identity of an event."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY = date(2000, 1, 1)
_KIND_OF: "dict[str, Kind]" = {spelling.lower(): kind for kind in KINDS for spelling in spellings(kind)}


@dataclass(slots=True, kw_only=True)
class Occurrence:
    """The fields that an interaction and the result of an exam share."""

    user: str
    event_id: str
    at: int
    """Microseconds since 1970."""
    utc_day: date
    score: int | None
    """Hundredths."""

    @property
    def identity(self) -> Identity:
        return self.user, self.utc_day, self.event_id

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.event_id.encode()).digest()[:8]


@dataclass(slots=True, kw_only=True)
class Interaction(Occurrence):
    """A valid interaction, read from its record. Two spellings of the same interaction are equal."""

    content: str
    certification: str | None
    kind: "Kind"
    day: date
    """The learner's local day."""
    named_zone: str | None
    plain_offset: str | None
    """The offset, if it is not zero and no zone is named."""
    seconds: int


@dataclass(slots=True, kw_only=True)
class Exam(Occurrence):
    """The valid result of an exam, read from its record."""

    certification: str
    passed: bool


type Event = Interaction | Exam


def day_number(day: date) -> int:
    """Return the days since 2000-01-01."""
    return (day - FIRST_DAY).days


def read(record: Record) -> Event | None:
    """Read a record. Return None if it does not fulfil the contract."""
    if not record.valid:
        return None
    raw = json.loads(record.payload)
    text = raw["occurred_at"]
    occurred = moment(text)
    since = occurred - EPOCH
    if since.total_seconds() - record.arrived_at > MAX_AHEAD_SECONDS:
        return None
    at = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    utc_day = occurred.astimezone(UTC).date()
    score = None if raw.get("score") is None else int(f"{raw['score']:.2f}".replace(".", ""))
    if is_exam(raw):
        return Exam(
            user=raw["user_id"],
            event_id=raw["event_id"],
            at=at,
            utc_day=utc_day,
            score=score,
            certification=raw["certification_type"],
            passed=raw["passed"],
        )
    named = raw.get("timezone")
    says_no_place = named or text.endswith(NO_OFFSETS)
    return Interaction(
        user=raw["user_id"],
        event_id=raw["event_id"],
        content=raw["content_id"],
        certification=raw.get("certification_type"),
        kind=_KIND_OF[raw["interaction_type"].lower()],
        at=at,
        utc_day=utc_day,
        day=(occurred.astimezone(zone(named)) if named else occurred).date(),
        named_zone=named,
        plain_offset=None if says_no_place else text[-6:],
        score=score,
        seconds=int(raw.get("time_spent") or 0),
    )


def digests_of(sk: str, item: Item, field: str = "digests") -> list[tuple[int, bytes]]:
    """Return the digests in an item, each with the number of its UTC day.

    `field` is `digests` for what was applied, or `retracted`.
    """
    if sk == "STATE" and "applied" in item:
        bucket = item["applied"]["M"]
        number = int(bucket["day"]["N"])
    elif sk.startswith("APPLIED#"):
        bucket = item
        number = day_number(date.fromisoformat(sk.removeprefix("APPLIED#")))
    else:
        return []
    data = bucket.get(field, {}).get("B", b"")
    return [(number, data[n : n + 8]) for n in range(0, len(data), 8)]


@dataclass(frozen=True, slots=True)
class Content:
    """A content of the stored catalog."""

    certification: str
    ordinal: int
    known: tuple[float | None, int | None, int | None, str | None]
    """The share of right first answers, the number of learners behind it, and the number of choices."""
    content: str
    category: str
    difficulty: str
    active: bool
    assigned_at: int
    questions: int


@dataclass(slots=True)
class StoredCatalog:
    """The catalog as it is stored when the history ends."""

    contents: list[Content]
    by_name: dict[str, list[Content]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for content in self.contents:
            self.by_name.setdefault(content.content, []).append(content)

    @classmethod
    def of(cls, items: Mapping[Key, Item], ordinals_per_part: int) -> "StoredCatalog":
        """Read the catalog from the table's items."""
        contents = []
        for (pk, sk), item in sorted(items.items()):
            if pk == "CATALOG" and sk != "HEAD":
                _, code, part = sk.split("#")
                first = int(part) * ordinals_per_part
                for ordinal, row in enumerate(json.loads(item["contents"]["S"]), first):
                    # Fields without a value are left out at the end.
                    rate, answered_by, choices, title = (*row[7:11], None, None, None, None)[:4]
                    known = rate, answered_by, choices, title
                    contents.append(Content(code, ordinal, known, *row[:6]))
        return cls(contents)

    def place(self, interaction: Interaction) -> Content | None:
        """Return the content that an interaction counts for; None if the catalog does not know it."""
        found = self.by_name.get(interaction.content, [])
        if interaction.certification is not None:
            found = [content for content in found if content.certification == interaction.certification]
        return min(found, key=lambda content: (content.assigned_at, content.certification), default=None)

    def knows(self, event: Event) -> bool:
        """Return whether the catalog has what an event is about."""
        if isinstance(event, Exam):
            return any(content.certification == event.certification for content in self.contents)
        return self.place(event) is not None

    def active(self, certification: str) -> list[Content]:
        """Return the active contents of a certification."""
        return [c for c in self.contents if c.certification == certification and c.active]


def ordinals(stored: bytes) -> set[int]:
    """Return the ordinals in a stored set: a bitmap, or the gaps between them."""
    form, *data = stored
    if form == 0:
        return {8 * place + bit for place, byte in enumerate(data) for bit in range(8) if byte >> bit & 1}
    found: set[int] = set()
    last, gap, shift = -1, 0, 0
    for byte in data:
        gap += (byte % 128) << shift
        shift += 7
        if byte < 128:
            last += gap + 1
            found.add(last)
            gap = shift = 0
    return found
