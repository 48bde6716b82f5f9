"""Generate interactions as apps write them: new ones, and other spellings and variants of them.

Nothing here runs code under test.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from functools import cache
from importlib.resources import files
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    # Only the type: the simulator shares no code with the domain, but must fail mypy if a kind is added.
    from domain.interaction import Kind

type Fields = dict[str, Any]
"""An interaction's JSON object."""
type Place = tuple[str, str]
"""A certification, and a content in it."""

ZONES = (
    "Europe/Helsinki",
    "America/New_York",
    "America/St_Johns",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "UTC",
)
HOMES = (
    "Pacific/Pago_Pago",  # -11
    "America/Los_Angeles",  # -8
    "UTC",
    "Europe/Helsinki",  # +2
    "Asia/Tokyo",  # +9
    "Pacific/Kiritimati",  # +14
)
"""Zones in which learners live. Their local days close long before the UTC day, with it, or long after it."""
OFFSETS = ("+00:00", "-12:00", "+14:00", "+05:45", "-03:30", "+02:00", "-08:00", "+09:00", "-11:00")
NO_OFFSETS = ("Z", "z", "+00:00", "-00:00")
"""The spellings of the offset zero."""
KINDS: "tuple[Kind, ...]" = ("viewed", "answered", "completed")
"""The kinds that histories contain. A test compares them with the domain's."""
_NEAR_MIDNIGHT = (
    timedelta(0),
    timedelta(microseconds=-1),
    timedelta(seconds=1),
    timedelta(minutes=-20),
    timedelta(minutes=20),
    timedelta(hours=-2),
    timedelta(hours=2),
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


_SPELLINGS_LIKE = {spelling: spellings(kind) for kind in KINDS for spelling in spellings(kind)}


@cache
def zone(name: str) -> ZoneInfo:
    """Return a zone of the `tzdata` package, as the contract requires."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@cache
def offset(text: str) -> timezone:
    """Return the offset in a text such as `+05:45`."""
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


def moment(text: str) -> datetime:
    """Return the time in an `occurred_at`. A leap second is the last microsecond before the next minute."""
    text = text.upper()
    if text[17:19] != "60":
        return datetime.fromisoformat(text)
    return datetime.fromisoformat(f"{text[:17]}59{text[19:]}").replace(microsecond=999_999)


def utc_day_of(fields: Fields) -> str:
    """Return the UTC date of an interaction."""
    return moment(fields["occurred_at"]).astimezone(UTC).date().isoformat()


class Setting(NamedTuple):
    """What the interactions of one history are drawn from."""

    homes: dict[str, str | None]
    """Each learner's zone; None for a learner who is everywhere."""
    offered: Sequence[Place]
    present: datetime
    span: int
    """Days before the present in which interactions occur."""
    sparse: bool
    diligent: bool
    """Whether learners complete most content with full marks, and so earn many achievements at once."""


# -- new interactions ------------------------------------------------------------------------------


def interaction(random: Random, event_id: str, user: str, setting: Setting) -> Fields:
    """Generate an interaction of a learner."""
    code, content = random.choice(setting.offered)
    if random.random() < 0.03:
        content = "never-offered"
    home = setting.homes[user]
    named = home if home and random.random() < 0.85 else random.choice(ZONES)
    at = instant(random, setting, zone(named))
    written_in = random.choice((zone(named), zone(named), UTC, offset(random.choice(OFFSETS))))
    excels = setting.diligent and random.random() < 0.8
    kind: Kind = "completed" if excels else random.choice(KINDS)
    fields: Fields = {
        "event_id": event_id,
        "user_id": user,
        "content_id": content,
        "interaction_type": random.choice(spellings(kind)),
        "occurred_at": written(random, at, written_in),
    }
    if random.random() < 0.5:
        fields["timezone"] = named
    if excels:
        fields["score"] = 100
    elif random.random() < 0.6:
        sparse = setting.sparse
        hundredths = random.choice((random.randrange(7000 if sparse else 10001), 6900 if sparse else 10000))
        fields["score"] = hundredths // 100 if hundredths % 100 == 0 else hundredths / 100
    if random.random() < 0.7:
        fields["time_spent"] = random.choice((random.randrange(3600), random.randrange(86401)))
    if random.random() < 0.5:
        fields["certification_type"] = code
    if random.random() < 0.1:
        fields["additional_data"] = {"device": "phone", "ä": [1, {"b": None}]}
    return fields


def instant(random: Random, setting: Setting, named: tzinfo) -> datetime:
    """Return a time at which something occurs: often just now, or around midnight."""
    present = setting.present
    # Some interactions occur within minutes of their arrival, before or after it.
    first, last = (-590, 60) if random.random() < 0.1 else (0, setting.span * 86400)
    seconds = random.randrange(first, last)
    at = present - timedelta(seconds=seconds, microseconds=random.choice((0, 0, 250_000, 1)))
    if random.random() < 0.3:
        # Around the midnight at which a UTC day or a local day ends.
        midnights_in = random.choice((UTC, named))
        midnight = datetime.combine(at.astimezone(midnights_in).date(), time(), midnights_in)
        near = midnight.astimezone(UTC) + random.choice(_NEAR_MIDNIGHT)
        at = near if near < present else near - timedelta(days=1)
    return at


def written(random: Random, at: datetime, written_in: tzinfo) -> str:
    """Return one of the spellings of a time in a zone."""
    local = at.astimezone(written_in)
    text = local.isoformat(random.choice("TTTTt "))
    body, written_offset = text[:-6], text[-6:]
    if written_offset == "+00:00":
        written_offset = random.choice(NO_OFFSETS)
    if local.microsecond == 999_999 and at.astimezone(UTC).time() >= time(23, 59, 59):
        body = random.choice((body, f"{body[:17]}60", f"{body[:17]}60.25"))
    elif local.microsecond and random.random() < 0.3:
        body = random.choice((body.rstrip("0"), f"{body}000"))
    return body + written_offset


# -- the same interaction again --------------------------------------------------------------------


def respelled(random: Random, fields: Fields) -> Fields:
    """Return an interaction in another spelling that changes nothing that counts."""
    again = dict(fields)
    again["interaction_type"] = random.choice(_SPELLINGS_LIKE[fields["interaction_type"]])
    at = moment(fields["occurred_at"])
    # If a zone is named, the offset says nothing. Otherwise it decides the local day.
    if fields.get("timezone"):
        somewhere = offset(random.choice(OFFSETS))
        again["occurred_at"] = written(random, at, random.choice((zone(fields["timezone"]), UTC, somewhere)))
    else:
        again["occurred_at"] = written(random, at, at.tzinfo or UTC)
    for name, default in (
        ("time_spent", 0),
        ("score", None),
        ("timezone", None),
        ("certification_type", None),
    ):
        value = fields.get(name)
        if value is None or value == default:
            say_or_omit(random, again, name, (default, None))
        elif isinstance(value, int) and random.random() < 0.3:
            again[name] = float(value)
    # Neither of these counts for anything.
    say_or_omit(random, again, "session_id", (None, "s1", "ä"))
    say_or_omit(random, again, "additional_data", (None, {}, {"attempt": 2}))
    return dict(random.sample(list(again.items()), len(again)))


def say_or_omit(random: Random, fields: Fields, name: str, values: Sequence[Any]) -> None:
    """Set a field to one of some values that mean the same as none, or leave it out."""
    if random.random() < 0.5:
        fields.pop(name, None)
    else:
        fields[name] = random.choice(values)


def variant(random: Random, fields: Fields, setting: Setting) -> Fields:
    """Return an interaction with the same identity as this one that differs in something that counts.

    Now and then it differs in nothing after all.
    """
    again = dict(fields)
    home = setting.homes[fields["user_id"]] or random.choice(ZONES)
    at = moment(fields["occurred_at"])
    match random.choice(("zone", "zone", "offset", "offset", "payload", "other")):
        case "zone":
            # An app adds the device's current zone when it synchronises. Or the learner travels.
            again["timezone"] = home if "timezone" not in fields else random.choice(ZONES)
        case "offset":
            again.pop("timezone", None)
            again["occurred_at"] = written(random, at, random.choice((UTC, offset(random.choice(OFFSETS)))))
        case "payload":
            other = interaction(random, fields["event_id"], fields["user_id"], setting)
            kept = {name: fields[name] for name in ("occurred_at", "timezone") if name in fields}
            other.pop("timezone", None)
            again = other | kept
        case _:
            # The id is used for something else on the same UTC day.
            again = interaction(random, fields["event_id"], fields["user_id"], setting)
            other_time = moment(again["occurred_at"]).astimezone(UTC).time()
            moved = datetime.combine(at.astimezone(UTC).date(), other_time, UTC)
            if moved > max(at, setting.present):
                moved = at
            again["occurred_at"] = written(random, moved, moment(again["occurred_at"]).tzinfo or UTC)
    return again


# -- invalid records -------------------------------------------------------------------------------

# Each of these changes makes a valid interaction invalid for good.
INVALID_FIELDS: tuple[Fields, ...] = (
    {"event_id": "no spaces, please"},
    {"user_id": "me"},
    {"interaction_type": "slept"},
    {"occurred_at": "2026-11-22T09:30:00"},
    {"occurred_at": "1999-12-31T23:59:59Z"},
    {"occurred_at": "2000-01-02T13:59:59+14:00"},
    {"occurred_at": "2026-02-30T09:30:00Z"},
    {"occurred_at": "2026-01-01T12:30:60Z"},
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


def invalid(random: Random, event_id: str, user: str, setting: Setting) -> Fields:
    """Return an interaction that the contract refuses."""
    an_hour_ago = setting._replace(present=setting.present - timedelta(hours=1), span=3)
    return interaction(random, event_id, user, an_hour_ago) | random.choice(INVALID_FIELDS)
