"""The items of learners and counters in the views table: keys, sizes, the conversion to the domain and back.

| pk          | sk                  | content                                                  |
|-------------|---------------------|----------------------------------------------------------|
| USER#<id>   | STATE               | `Learner`: version, tracks, exams, latest buckets        |
| USER#<id>   | DAY#2026-11-22      | `Day`: the bucket of a closed local day                  |
| USER#<id>   | APPLIED#2026-11-22  | `Applied`: the bucket of a closed UTC day                |
| USER#<id>   | EARNED#<id>         | `Award`                                                  |
| USER#<id>   | COUNTED             | a mark: the count of all learners includes this one      |
| RARITY      | LEARNERS#<shard>    | a part of the number of learners                         |
| RARITY      | HELD#<id>#<shard>   | a part of the number of learners who have an achievement |

The catalog's items are in `functions/catalog_items.py`.

A dashboard reads all sort keys from a DAY# on, and so no APPLIED# item. Equal values make equal items: keys
are sorted, and there are no trailing zeros and no empty attributes.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from struct import error as struct_error
from struct import pack, unpack
from typing import Any, get_type_hints

from pydantic_core import from_json

from domain.achievements import Award
from domain.days import day_date, day_number, instant
from domain.exam_results import Exam, Exams
from domain.interaction import MAX_HUNDREDTHS
from domain.learner import Applied, Day, Learner, Track, Zone
from domain.streaks import StudyCalendar
from functions.breakdowns import SUMS, breakdown_fields, breakdown_of, dumps, latest_fields, latest_of
from functions.errors import LaterFormat, TooLarge, Unreadable
from functions.packing import pack_lists, unpack_lists
from functions.track_items import track_fields, track_of

type Item = dict[str, Any]
"""An item in DynamoDB's JSON form: `{"version": {"N": "3"}, …}`."""

FORMAT = 2
"""The format of a state item. A later format is a migration."""

TOMBSTONE_KEPT = timedelta(days=30)
"""How long the tombstone of an erased learner stays: longer than the stream (7 days), the quarantine
(14 days) and the rewriting of the event log take together."""

MAX_ITEM_BYTES = 400 * 1024
MAX_TRANSACTION_ITEMS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024

RARITY_PK = "RARITY"
STATE = "STATE"
COUNTED = "COUNTED"
LEARNERS = "LEARNERS"
HELD_PREFIX = "HELD#"
"""The start of the sort keys of counters of awards. An insert under EARNED# would look like an award."""
DAY_PREFIX = "DAY#"
AWARD_PREFIX = "EARNED#"
APPLIED_PREFIX = "APPLIED#"


@dataclass(frozen=True, slots=True)
class NewAward:
    """A newly inserted award. A `silent` award is not announced."""

    user_id: str
    award: Award
    silent: bool


# -- keys ------------------------------------------------------------------------------------------


def key(user_id: str, sk: str) -> Item:
    """Return the key of one item of a learner."""
    return {"pk": {"S": user_pk(user_id)}, "sk": {"S": sk}}


def user_pk(user_id: str) -> str:
    """Return the partition key of a learner."""
    return f"USER#{user_id}"


def user_id_of(item: Item) -> str:
    """Return the learner that an item belongs to."""
    return str(item["pk"]["S"]).removeprefix("USER#")


def day_sk(number: int) -> str:
    """Return the sort key of a closed local day."""
    return f"{DAY_PREFIX}{day_date(number).isoformat()}"


def applied_sk(number: int) -> str:
    """Return the sort key of a closed UTC day."""
    return f"{APPLIED_PREFIX}{day_date(number).isoformat()}"


def is_day_sk(sk: str) -> bool:
    """Return whether this is the sort key of a closed local day. A later release can add longer ones."""
    return re.fullmatch(rf"{DAY_PREFIX}[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}", sk) is not None


def _day_in(sk: str) -> int:
    return day_number(date.fromisoformat(sk.partition("#")[2]))


def award_sk(achievement_id: str) -> str:
    """Return the sort key of an award."""
    return f"{AWARD_PREFIX}{achievement_id}"


def counter_of(sk: str) -> str:
    """Return the counter that the insert of a `STATE` or `EARNED#` item adds to, without its shard."""
    return LEARNERS if sk == STATE else HELD_PREFIX + sk.removeprefix(AWARD_PREFIX)


def counter_in(sk: str) -> str:
    """Return the counter that a key of it, with its shard, belongs to."""
    return sk.rpartition("#")[0]


# -- sizes -----------------------------------------------------------------------------------------


def item_bytes(item: Item) -> int:
    """Return the bytes that DynamoDB counts for an item, or slightly more."""
    return sum([_text_bytes(name) + _value_bytes(value) for name, value in item.items()])


def _value_bytes(value: Item) -> int:
    [(kind, content)] = value.items()
    if kind == "S":
        return _text_bytes(content)
    if kind == "M":
        return 3 + sum([1 + _text_bytes(name) + _value_bytes(inner) for name, inner in content.items()])
    if kind == "BOOL":
        return 1
    return len(content) + 1


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def check_size(items: list[Item]) -> None:
    """Raise TooLarge if DynamoDB can't write these items together."""
    sizes = [item_bytes(item) for item in items]
    if len(items) > MAX_TRANSACTION_ITEMS:
        raise TooLarge(f"{len(items)} items in one transaction")
    if max(sizes) > MAX_ITEM_BYTES:
        raise TooLarge(f"an item of {max(sizes)} bytes")
    if sum(sizes) > MAX_TRANSACTION_BYTES:
        raise TooLarge(f"{sum(sizes)} bytes in one transaction")


# -- decoding ----------------------------------------------------------------------------------------


_DECODING_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextmanager
def _decoding(item: Item) -> Iterator[None]:
    """Raise Unreadable if decoding an item fails."""
    try:
        yield
    except (*_DECODING_ERRORS, struct_error) as error:
        raise Unreadable(f"the item {name_of(item)} can't be decoded: {error!r}") from error


def name_of(item: Item) -> str:
    """Return an item's key for people, whatever is wrong with the item."""
    return f"{item.get('pk')} {item.get('sk')}"


def _unknown(item: Item, known: frozenset[str]) -> Item:
    return {name: value for name, value in item.items() if name not in known}


_KNOWN_OF_STATE = frozenset({"pk", "sk", "version", "format", "tracks", "calendar_first", "calendar"}) | {
    "named_zone",
    "plain_offset",
    "latest",
    "applied",
    "earned",
    "exams",
    "starts_at",
}
_KNOWN_OF_DAY = frozenset({"pk", "sk", "day", "tallies"})
_KNOWN_OF_APPLIED = frozenset({"pk", "sk", "day", "digests", "retracted"})

# -- items to the domain and back ------------------------------------------------------------------


def _sorted(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(values.items()))


def state_item(learner: Learner) -> Item:
    """Return the item of a learner's state."""
    if learner.erased_at is not None:
        return _tombstone(learner, learner.erased_at)
    item = {
        **learner.unknown,
        **key(learner.user_id, "STATE"),
        "version": {"N": str(learner.version)},
        "format": {"N": str(FORMAT)},
        "tracks": {"M": {code: {"M": track_fields(track)} for code, track in learner.tracks.items()}},
        "calendar_first": {"N": str(learner.calendar.first)},
        "calendar": {"B": learner.calendar.to_bytes()},
        "earned": {"S": dumps(sorted(learner.earned))},
    }
    if learner.named_zone:
        item["named_zone"] = {"S": _zone_json(learner.named_zone)}
    if learner.plain_offset:
        item["plain_offset"] = {"S": _zone_json(learner.plain_offset)}
    if learner.latest:
        latest = learner.latest
        fields = {"day": {"N": str(latest.number)}, "tallies": {"M": latest_fields(latest, learner.tracks)}}
        item["latest"] = {"M": {**latest.unknown, **fields}}
    if learner.applied:
        fields = _applied_fields(learner.applied)
        item["applied"] = {"M": {"day": {"N": str(learner.applied.number)}, **fields}}
    if learner.exams:
        packed = {code: {"B": pack_lists(_exam_rows(exams))} for code, exams in learner.exams.items()}
        item["exams"] = {"M": packed}
    if learner.starts_at is not None:
        item["starts_at"] = {"N": str(learner.starts_at)}
    return item


def _tombstone(learner: Learner, erased_at: int) -> Item:
    """Return the item of an erased learner's state: nothing but its version and the times.

    DynamoDB deletes it when the stream and every other place have forgotten the learner's interactions.
    """
    return {
        **key(learner.user_id, STATE),
        "version": {"N": str(learner.version)},
        "erased_at": {"N": str(erased_at)},
        "expires_at": {"N": str(int((instant(erased_at) + TOMBSTONE_KEPT).timestamp()))},
    }


def learner_of(item: Item) -> Learner:
    """Return the state in an item. Raise Unreadable if it can't be decoded, LaterFormat if it is newer."""
    with _decoding(item):
        if "erased_at" in item:
            erased_at = int(item["erased_at"]["N"])
            instant(erased_at)
            return Learner(user_id_of(item), _version(item), erased_at=erased_at)
        if int(item["format"]["N"]) > FORMAT:
            raise LaterFormat(f"the state has format {item['format']['N']}; this release reads {FORMAT}")
        if int(item["format"]["N"]) < FORMAT:
            raise ValueError(f"its format is {item['format']['N']}, and no release has migrated it")
        tracks = {code: track_of(track["M"]) for code, track in sorted(item["tracks"]["M"].items())}
        latest = item["latest"]["M"] if "latest" in item else None
        applied = item["applied"]["M"] if "applied" in item else None
        version = _version(item)
        calendar = _calendar(item)
        latest_day = int(latest["day"]["N"]) if latest else None
        if latest_day != calendar.last:
            raise ValueError(
                f"its latest day is {latest_day}, and the last one in its calendar {calendar.last}"
            )
        return Learner(
            user_id=user_id_of(item),
            version=version,
            tracks=tracks,
            calendar=calendar,
            named_zone=_zone(item.get("named_zone")),
            plain_offset=_offset(item.get("plain_offset")),
            latest=_latest(latest, tracks) if latest else None,
            applied=_applied(int(applied["day"]["N"]), applied) if applied else None,
            earned=_texts(from_json(item["earned"]["S"])),
            unknown=_unknown(item, _KNOWN_OF_STATE),
            exams=_exams(item),
            starts_at=int(item["starts_at"]["N"]) if "starts_at" in item else None,
        )


def _version(item: Item) -> int:
    version = int(item["version"]["N"])
    if version < 1:
        # The condition of a write would never hold.
        raise ValueError(f"its version is {version}")
    return version


def _exam_rows(exams: tuple[Exam, ...]) -> list[list[int]]:
    return [[exam.at, int(exam.passed), exam.score, *exam.unknown] for exam in exams]


def _exams(item: Item) -> Exams:
    if "exams" not in item:
        return {}
    stored = sorted(item["exams"]["M"].items())
    return {code: tuple(map(_exam, unpack_lists(bytes(packed["B"])))) for code, packed in stored}


def _exam(row: list[int]) -> Exam:
    at, passed, score, *unknown = row
    if passed not in (0, 1) or not -1 <= score <= MAX_HUNDREDTHS:
        raise ValueError(f"{row} is not the result of an exam")
    instant(at)
    return Exam(at, passed == 1, score, tuple(unknown))


def _zone_json(zone: Zone) -> str:
    return dumps([zone.at, zone.name, *zone.unknown])


def _latest(item: Item, tracks: Mapping[str, Track]) -> Day:
    breakdowns = latest_of(item["tallies"]["M"], tracks)
    return Day(int(item["day"]["N"]), breakdowns, _unknown(item, _KNOWN_OF_DAY))


def _calendar(item: Item) -> StudyCalendar:
    calendar = StudyCalendar.from_bytes(int(item["calendar_first"]["N"]), bytes(item["calendar"]["B"]))
    if calendar.last is not None:
        # Raises an error if a day is not a date: the next study day would make a bitmap of any size.
        day_date(calendar.first)
        day_date(calendar.last)
    return calendar


def _zone(value: Item | None) -> Zone | None:
    if value is None:
        return None
    at, name, *unknown = from_json(value["S"])
    if type(at) is not int or not isinstance(name, str):
        raise TypeError(f"{value['S']} is not a zone")
    instant(at)
    return Zone(at, name, tuple(unknown))


def _offset(value: Item | None) -> Zone | None:
    zone = _zone(value)
    if zone is not None and not re.fullmatch(r"[+-][0-9]{2}:[0-9]{2}", zone.name):
        raise ValueError(f"{zone.name!r} is not an offset")
    return zone


def _texts(values: Any) -> frozenset[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("it has a list that is not of texts")
    return frozenset(values)


def _day(number: int, item: Item) -> Day:
    tallies = {code: found["M"] for code, found in item["tallies"]["M"].items()}
    unknown_of = {code: unknown for code, of_code in tallies.items() if (unknown := _unknown(of_code, SUMS))}
    breakdowns = {code: breakdown_of(of_code) for code, of_code in tallies.items()}
    return Day(number, breakdowns, _unknown(item, _KNOWN_OF_DAY), unknown_of)


def _applied_fields(applied: Applied) -> Item:
    fields = {**applied.unknown, "digests": {"B": _packed_digests(applied.digests)}}
    if applied.retracted:
        fields["retracted"] = {"B": _packed_digests(applied.retracted)}
    return fields


def _applied(number: int, item: Item) -> Applied:
    digests = _digests_in(item["digests"])
    retracted = _digests_in(item["retracted"]) if "retracted" in item else frozenset[int]()
    return Applied(number, digests, _unknown(item, _KNOWN_OF_APPLIED), retracted)


def _packed_digests(digests: frozenset[int]) -> bytes:
    return pack(f">{len(digests)}Q", *sorted(digests))


def _digests_in(value: Item) -> frozenset[int]:
    data = bytes(value["B"])
    return frozenset(unpack(f">{len(data) // 8}Q", data))


def day_item(user_id: str, day: Day) -> Item:
    """Return the item of a closed local day."""
    tallies = {
        code: {"M": {**day.unknown_of.get(code, {}), **breakdown_fields(breakdown)}}
        for code, breakdown in day.tallies.items()
    }
    return {**day.unknown, **key(user_id, day_sk(day.number)), "tallies": {"M": tallies}}


def day_of(item: Item) -> Day:
    """Return the closed local day in an item. Raise Unreadable if it can't be decoded."""
    with _decoding(item):
        return _day(_day_in(item["sk"]["S"]), item)


def applied_item(user_id: str, applied: Applied) -> Item:
    """Return the item of a closed UTC day."""
    return {**key(user_id, applied_sk(applied.number)), **_applied_fields(applied)}


def applied_of(item: Item) -> Applied:
    """Return the closed UTC day in an item. Raise Unreadable if it can't be decoded."""
    with _decoding(item):
        return _applied(_day_in(item["sk"]["S"]), item)


def award_item(user_id: str, award: Award, silent: bool) -> Item:
    """Return the item of an award."""
    return {
        **key(user_id, award_sk(award.achievement_id)),
        "award": {"S": dumps(_sorted(award._asdict()))},
        **({"silent": {"BOOL": True}} if silent else {}),
    }


def award_of(item: Item) -> Award:
    """Return the award in an item. Raise Unreadable if it can't be decoded."""
    with _decoding(item):
        fields = from_json(item["award"]["S"])
        award = Award(**{name: value for name, value in fields.items() if name in Award._fields})
        for name, kind in _AWARD_TYPES.items():
            value = getattr(award, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{name} of the award is {value!r}")
        instant(award.earned_at)
        return award


_AWARD_TYPES = get_type_hints(Award)


def new_award(item: Item) -> NewAward:
    """Return a newly inserted award. Raise Unreadable if it can't be decoded."""
    return NewAward(user_id_of(item), award_of(item), "silent" in item)
