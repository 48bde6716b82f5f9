"""The views table: keys, items to domain and back, load and commit. The only module that knows DynamoDB.

| pk          | sk                  | what                                                     |
|-------------|---------------------|----------------------------------------------------------|
| USER#<id>   | STATE               | `Learner`: version, tracks, calendar, latest day         |
| USER#<id>   | DAY#2026-11-22      | `Day`: a closed day's bucket                             |
| USER#<id>   | EARNED#<id>         | `Award`                                                  |
| USER#<id>   | COUNTED             | that the learner is in the count of all learners         |
| RARITY      | LEARNERS            | how many learners there are                              |
| RARITY      | HELD#<id>           | how many of them have an achievement                     |
| CATALOG     | HEAD                | the version of each certification's catalog              |
| CATALOG     | CERT#<code>#<part>  | 1,000 ordinals of a certification                        |
"""

import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from struct import pack, unpack
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from domain.achievements import Award, Rarity
from domain.catalog import Catalog, Certification, Content, ContentSet
from domain.interaction import day_date, day_number
from domain.learner import Change, Day, Learner, Track, Zone
from domain.streaks import StudyCalendar
from domain.tally import Breakdown, Tally, values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]
"""An item as DynamoDB's JSON has it: `{"version": {"N": "3"}, …}`."""

FORMAT = 1
"""Of a state's item. A later one is a migration."""

MAX_ITEM_BYTES = 400 * 1024
MAX_TRANSACTION_ITEMS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_BATCH_GET = 100
STATES_PER_READ = MAX_BATCH_GET - 1
"""The catalog's head rides along in every read of states."""
ORDINALS_PER_PART = 1000
MAX_CATALOG_READS = 20
"""That other writers of the catalog may come between."""
MAX_READ_TRIES = 10
"""Of a batch read that DynamoDB leaves undone."""

MAX_COUNT_TRIES = 20

_CATALOG_PK = "CATALOG"
_RARITY_PK = "RARITY"
_HEAD: Item = {"pk": {"S": _CATALOG_PK}, "sk": {"S": "HEAD"}}


class LaterFormat(Exception):
    """A state that a later release has written; this one can't read it."""


class TooLarge(Exception):
    """A change that DynamoDB can't accept: an item over 400 KB, or too much for one transaction."""


@dataclass(frozen=True, slots=True)
class Head:
    """The catalog's head: its own version, and that of each certification's catalog."""

    version: int
    certifications: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """What one Query of a learner finds."""

    learner: Learner
    days: Mapping[int, Day]
    """Closed days and the latest, by number."""
    awards: tuple[Award, ...]


@dataclass(frozen=True, slots=True)
class NewLearner:
    """An insert into the table that makes one learner more."""

    user_id: str


@dataclass(frozen=True, slots=True)
class NewAward:
    """An insert into the table that is an award. `silent`: it is not to be announced."""

    user_id: str
    award: Award
    silent: bool


@dataclass(frozen=True, slots=True)
class Store:
    """The views table."""

    client: "DynamoDBClient"
    table: str

    # -- states, for the consumer ------------------------------------------------------------------

    def load(self, user_ids: Iterable[str]) -> tuple[dict[str, Learner], Head]:
        """The states of at most 99 learners, and the catalog's head: one strongly consistent read.

        A learner that is not stored yet is an empty one.
        """
        users = list(user_ids)
        learners = {user_id: Learner(user_id) for user_id in users}
        head = Head(0, {})
        for item in self._batch_get([_HEAD, *(_key(user_id, "STATE") for user_id in users)]):
            if item["pk"]["S"] == _CATALOG_PK:
                head = _head(item)
            else:
                learner = _learner(item)
                learners[learner.user_id] = learner
        return learners, head

    def load_days(self, wanted: Mapping[str, Iterable[int]]) -> dict[str, dict[int, Day]]:
        """Closed days by learner and number, strongly consistent.

        To be read after the state that guards them, and again after each failed commit.
        """
        keys = [_key(user_id, _day_sk(number)) for user_id, numbers in wanted.items() for number in numbers]
        days: dict[str, dict[int, Day]] = {user_id: {} for user_id in wanted}
        for start in range(0, len(keys), MAX_BATCH_GET):
            for item in self._batch_get(keys[start : start + MAX_BATCH_GET]):
                day = _day(item)
                days[_user_id(item)][day.number] = day
        return days

    def commit(self, change: Change, *, silent: bool = False) -> Learner | None:
        """Write a change if the learner's state is still the one that was folded onto.

        None: it is written. A learner: the state that stands there now; fold again onto that one. It may
        be this very change, where the answer to an earlier try was lost. `silent`: the awards are not to
        be announced. Raises TooLarge.
        """
        learner = change.learner
        state: Any = {
            "Item": _state_item(learner),
            "TableName": self.table,
            **_if_version(learner.version - 1),
        }
        others = [_day_item(learner.user_id, day) for day in change.days]
        others += [_award_item(learner.user_id, award, silent) for award in change.awards]
        _check_size([state["Item"], *others])
        try:
            if others:
                puts: Any = [{"Put": state}, *({"Put": {"Item": i, "TableName": self.table}} for i in others)]
                self.client.transact_write_items(TransactItems=puts)
            else:
                self.client.put_item(**state)
        except ClientError as error:
            if _is_oversize(error):
                raise TooLarge(str(error)) from error
            if not _is_contention(error):
                raise
            return self._standing(learner.user_id, error)
        return None

    def _standing(self, user_id: str, error: ClientError) -> Learner:
        item = _standing_item(error) or self._get(_key(user_id, "STATE"))
        return _learner(item) if item else Learner(user_id)

    # -- views, for dashboards ---------------------------------------------------------------------

    def read(self, user_id: str, first_day: int) -> Stored | None:
        """A learner's state, awards, and days from `first_day` on: one Query; None where there is none."""
        learner: Learner | None = None
        days: dict[int, Day] = {}
        awards: list[Award] = []
        for item in self._query(f"USER#{user_id}", _day_sk(first_day)):
            sk = item["sk"]["S"]
            if sk == "STATE":
                learner = _learner(item)
            elif sk.startswith("DAY#"):
                day = _day(item)
                days[day.number] = day
            else:
                awards.append(_award(item))
        if learner is None:
            return None
        # A Query is no snapshot. A closed day's item is as new as the state's bucket of it or newer.
        if learner.latest and learner.latest.number >= first_day:
            days.setdefault(learner.latest.number, learner.latest)
        missing = [n for n in learner.calendar if n >= first_day and n not in days]
        if missing:
            days |= self.load_days({user_id: missing})[user_id]
        awards.sort(key=lambda award: (award.earned_at, award.achievement_id))
        return Stored(learner, dict(sorted(days.items())), tuple(awards))

    def read_state(self, user_id: str) -> Learner | None:
        """A learner's state alone; None where there is none."""
        item = self._get(_key(user_id, "STATE"))
        return _learner(item) if item else None

    def scan_states(self, segment: int, segments: int, after: Item) -> tuple[list[Learner], Item | None]:
        """One page of all learners, in one of several segments that are gone through apart.

        `after`: {} at first, then what the page before gave; None: there is no further page.
        """
        start: Any = {"ExclusiveStartKey": after} if after else {}
        answer: Any = self.client.scan(
            TableName=self.table,
            Segment=segment,
            TotalSegments=segments,
            FilterExpression="sk = :state",
            ExpressionAttributeValues={":state": {"S": "STATE"}},
            ConsistentRead=True,
            **start,
        )
        return [_learner(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")

    # -- rarity ------------------------------------------------------------------------------------

    def count(self, insert: NewLearner | NewAward) -> None:
        """Count a new learner, or an award, once however often this is called for it."""
        if isinstance(insert, NewLearner):
            key, counter = _key(insert.user_id, "COUNTED"), "LEARNERS"
            condition = "attribute_not_exists(pk)"
        else:
            # No EARNED#: its insert would be taken for an award.
            counter = f"HELD#{insert.award.achievement_id}"
            key = _key(insert.user_id, f"EARNED#{insert.award.achievement_id}")
            condition = "attribute_exists(pk) AND attribute_not_exists(counted)"
        mark: Any = {
            "Key": key,
            "TableName": self.table,
            "UpdateExpression": "SET counted = :yes",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":yes": {"BOOL": True}},
        }
        add: Any = {
            "Key": {"pk": {"S": _RARITY_PK}, "sk": {"S": counter}},
            "TableName": self.table,
            # Not a bare one: it is made with the mark or not at all.
            "UpdateExpression": "ADD learners :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        for attempt in range(MAX_COUNT_TRIES):
            try:
                self.client.transact_write_items(TransactItems=[{"Update": mark}, {"Update": add}])
            except ClientError as error:
                if not _is_contention(error):
                    raise
                if _reasons(error)[0].get("Code") == "ConditionalCheckFailed":
                    return
                # Many learners earn the same at once.
                time.sleep(random.uniform(0, min(0.5, 0.01 * 2**attempt)))
            else:
                return
        raise TimeoutError(f"the counter of {counter} is contended")

    def rarity(self) -> Rarity:
        """How many learners there are, and how many have each achievement."""
        counts = {item["sk"]["S"]: int(item["learners"]["N"]) for item in self._query(_RARITY_PK, "HELD#")}
        learners = counts.pop("LEARNERS", 0)
        return Rarity(learners, {sk.removeprefix("HELD#"): count for sk, count in counts.items()})

    # -- the catalog -------------------------------------------------------------------------------

    def head(self) -> Head:
        """The catalog's head."""
        item = self._get(_HEAD)
        return _head(item) if item else Head(0, {})

    def catalog(self, known: Catalog, head: Head) -> Catalog:
        """The catalog as of the head, or a later one: certifications whose version moved are read again.

        Raises TimeoutError where it keeps changing.
        """
        for _ in range(MAX_CATALOG_READS):
            certifications = {
                code: certification
                for code, certification in known.certifications.items()
                if head.certifications.get(code) == certification.version
            }
            if certifications.keys() == head.certifications.keys() == known.certifications.keys():
                return known
            for code, version in head.certifications.items():
                if code not in certifications:
                    certifications[code] = self._certification(code, version)
            # What was just read can be newer than its head, and lack the certification that came between:
            # content without a certification named would count for the wrong one. It is all of one moment
            # only if the head still stands.
            known, read, head = Catalog(certifications), head, self.head()
            if head.version == read.version:
                return known
        raise TimeoutError("the catalog changes faster than it can be read")

    def full_catalog(self) -> Catalog:
        """The catalog as it is now."""
        return self.catalog(Catalog(), self.head())

    def _certification(self, code: str, version: int) -> Certification:
        query = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :part)",
            ExpressionAttributeValues={":pk": {"S": _CATALOG_PK}, ":part": {"S": f"CERT#{code}#"}},
            ConsistentRead=True,
        )
        contents = [
            Content(ordinal, *fields)
            for page in query
            for item in page["Items"]
            for ordinal, fields in enumerate(
                json.loads(item["contents"]["S"]), int(item["sk"]["S"].rpartition("#")[2]) * ORDINALS_PER_PART
            )
        ]
        return Certification(code, version, tuple(contents))

    def commit_catalog(self, head: Head, before: Certification, after: Certification) -> bool:
        """Write a certification's catalog if the head is still the one that was read; whether it was."""
        parts = [
            _part_item(after, start)
            for start in range(0, len(after.contents), ORDINALS_PER_PART)
            if after.contents[start : start + ORDINALS_PER_PART]
            != before.contents[start : start + ORDINALS_PER_PART]
        ]
        moved = Head(head.version + 1, {**head.certifications, after.code: after.version})
        puts: list[Any] = [
            {"Put": {"Item": _head_item(moved), "TableName": self.table, **_if_version(head.version)}},
            *({"Put": {"Item": part, "TableName": self.table}} for part in parts),
        ]
        try:
            self.client.transact_write_items(TransactItems=puts)
        except ClientError as error:
            if not _is_contention(error):
                raise
            return False
        return True

    # -- calls -------------------------------------------------------------------------------------

    def _get(self, key: Item) -> Item | None:
        answer: Any = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def _query(self, pk: str, from_sk: str) -> Iterator[Item]:
        pages: Any = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND sk >= :from",
            ExpressionAttributeValues={":pk": {"S": pk}, ":from": {"S": from_sk}},
            ScanIndexForward=False,
        )
        for page in pages:
            yield from page["Items"]

    def _batch_get(self, keys: list[Item]) -> Iterator[Item]:
        request: Any = {self.table: {"Keys": keys, "ConsistentRead": True}}
        for attempt in range(MAX_READ_TRIES):
            answer: Any = self.client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self.table, [])
            request = answer.get("UnprocessedKeys")
            if not request:
                return
            # botocore retries calls, not what a call left undone.
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))
        raise TimeoutError(f"DynamoDB leaves {len(request[self.table]['Keys'])} keys unread")


# -- keys ------------------------------------------------------------------------------------------


def _key(user_id: str, sk: str) -> Item:
    return {"pk": {"S": f"USER#{user_id}"}, "sk": {"S": sk}}


def _day_sk(number: int) -> str:
    return f"DAY#{day_date(number).isoformat()}"


def _user_id(item: Item) -> str:
    return str(item["pk"]["S"]).removeprefix("USER#")


def _if_version(version: int) -> Item:
    """The guard of every write: what was read still stands there."""
    guard: Item = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)", **guard}
    return {
        "ConditionExpression": "version = :read",
        "ExpressionAttributeValues": {":read": {"N": str(version)}},
        **guard,
    }


# -- what a refused write says ---------------------------------------------------------------------

_CONTENTION = {
    "ConditionalCheckFailedException",
    "TransactionConflictException",
    "ConditionalCheckFailed",
    "TransactionConflict",
}

_INVALID = {"ValidationException", "ValidationError"}


def _reasons(error: ClientError) -> list[Item]:
    response: Any = error.response
    reasons: list[Item] = response.get("CancellationReasons", [])
    return reasons


def _codes(error: ClientError) -> set[str | None]:
    return {error.response["Error"]["Code"], *(reason.get("Code") for reason in _reasons(error))}


def _is_contention(error: ClientError) -> bool:
    """Whether another writer was faster, or is at it: nothing was written, and a new fold may pass."""
    return bool(_codes(error) & _CONTENTION)


def is_passing(error: Exception) -> bool:
    """Whether what failed so may pass when it is tried again: neither a bug nor an invalid request."""
    if isinstance(error, ClientError):
        return not _codes(error) & _INVALID
    return isinstance(error, BotoCoreError | TimeoutError | LaterFormat)


def _is_oversize(error: ClientError) -> bool:
    """Whether DynamoDB counted more bytes than `item_bytes` did: no retry would pass either."""
    said = [error.response["Error"], *_reasons(error)]
    return any("item size" in str(one.get("Message")).lower() for one in said)


def _standing_item(error: ClientError) -> Item | None:
    """The state that failed the condition, where DynamoDB has sent it along."""
    response: Any = error.response
    items = (refused.get("Item") for refused in (response, *_reasons(error)))
    return next(filter(None, items), None)


# -- sizes -----------------------------------------------------------------------------------------


def item_bytes(item: Item) -> int:
    """What DynamoDB counts for an item, or slightly more."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Item) -> int:
    [(kind, content)] = value.items()
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in content.items())
    if kind == "S":
        return len(content.encode())
    if kind == "BOOL":
        return 1
    return len(content) + 1


def _check_size(items: list[Item]) -> None:
    sizes = [item_bytes(item) for item in items]
    if len(items) > MAX_TRANSACTION_ITEMS:
        raise TooLarge(f"{len(items)} items in one transaction")
    if max(sizes) > MAX_ITEM_BYTES:
        raise TooLarge(f"an item of {max(sizes)} bytes")
    if sum(sizes) > MAX_TRANSACTION_BYTES:
        raise TooLarge(f"{sum(sizes)} bytes in one transaction")


# -- items to domain and back ----------------------------------------------------------------------
#
# Equal values make equal items: keys sorted, no trailing zeros, no empty attribute.


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sums(tally: Tally) -> list[int]:
    sums = values(tally)
    while sums and not sums[-1]:
        sums.pop()
    return sums


def _breakdown_json(breakdown: Breakdown) -> Any:
    return [
        {name: _sums(tally) for name, tally in group.items()}
        for group in (breakdown.categories, breakdown.difficulties)
    ]


def _breakdown(groups: Any) -> Breakdown:
    categories, difficulties = ({name: Tally(*sums) for name, sums in group.items()} for group in groups)
    return Breakdown(categories, difficulties)


def _state_item(learner: Learner) -> Item:
    item = {
        **_key(learner.user_id, "STATE"),
        "version": {"N": str(learner.version)},
        "format": {"N": str(FORMAT)},
        "tracks": {"M": {code: {"M": _track_item(track)} for code, track in learner.tracks.items()}},
        "calendar_first": {"N": str(learner.calendar.first)},
        "calendar": {"B": learner.calendar.to_bytes()},
        "earned": {"S": _dumps(sorted(learner.earned))},
    }
    if learner.zone:
        item["zone"] = {"S": _dumps(learner.zone)}
    if learner.latest:
        item["latest"] = {"M": {"day": {"N": str(learner.latest.number)}, **_bucket_item(learner.latest)}}
    return item


def _learner(item: Item) -> Learner:
    if int(item["format"]["N"]) != FORMAT:
        raise LaterFormat(f"state of format {item['format']['N']}; this release knows {FORMAT}")
    latest = item["latest"]["M"] if "latest" in item else None
    return Learner(
        user_id=_user_id(item),
        version=int(item["version"]["N"]),
        tracks={code: _track(track["M"]) for code, track in sorted(item["tracks"]["M"].items())},
        calendar=StudyCalendar.from_bytes(int(item["calendar_first"]["N"]), item["calendar"]["B"]),
        zone=Zone(*json.loads(item["zone"]["S"])) if "zone" in item else None,
        latest=_bucket(int(latest["day"]["N"]), latest) if latest else None,
        earned=frozenset(json.loads(item["earned"]["S"])),
    )


def _track_item(track: Track) -> Item:
    bitmaps = {
        "viewed": track.viewed.to_bytes(),
        "answered": track.answered.to_bytes(),
        "completed": track.completed.to_bytes(),
        "best": track.best,
    }
    return {
        "tallies": {"S": _dumps(_breakdown_json(track.tallies))},
        **{name: {"B": data} for name, data in bitmaps.items() if data},
    }


def _track(item: Item) -> Track:
    def data(name: str) -> bytes:
        return bytes(item[name]["B"]) if name in item else b""

    return Track(
        tallies=_breakdown(json.loads(item["tallies"]["S"])),
        viewed=ContentSet.from_bytes(data("viewed")),
        answered=ContentSet.from_bytes(data("answered")),
        completed=ContentSet.from_bytes(data("completed")),
        best=data("best"),
    )


def _bucket_item(day: Day) -> Item:
    return {
        "tallies": {"S": _dumps({code: _breakdown_json(b) for code, b in day.tallies.items()})},
        "digests": {"B": pack(f">{len(day.digests)}Q", *sorted(day.digests))},
    }


def _bucket(number: int, item: Item) -> Day:
    data = bytes(item["digests"]["B"])
    return Day(
        number=number,
        tallies={code: _breakdown(groups) for code, groups in json.loads(item["tallies"]["S"]).items()},
        digests=frozenset(unpack(f">{len(data) // 8}Q", data)),
    )


def _day_item(user_id: str, day: Day) -> Item:
    return {**_key(user_id, _day_sk(day.number)), **_bucket_item(day)}


def _day(item: Item) -> Day:
    return _bucket(day_number(date.fromisoformat(item["sk"]["S"].removeprefix("DAY#"))), item)


def _award_item(user_id: str, award: Award, silent: bool) -> Item:
    return {
        **_key(user_id, f"EARNED#{award.achievement_id}"),
        "award": {"S": _dumps(award._asdict())},
        **({"silent": {"BOOL": True}} if silent else {}),
    }


def _award(item: Item) -> Award:
    return Award(**json.loads(item["award"]["S"]))


def inserted(item: Item) -> NewLearner | NewAward:
    """What a newly inserted `STATE` or `EARNED#` item means."""
    if item["sk"]["S"] == "STATE":
        return NewLearner(_user_id(item))
    return NewAward(_user_id(item), _award(item), "silent" in item)


def _head(item: Item) -> Head:
    return Head(int(item["version"]["N"]), json.loads(item["certifications"]["S"]))


def _head_item(head: Head) -> Item:
    return {
        **_HEAD,
        "version": {"N": str(head.version)},
        "certifications": {"S": _dumps(head.certifications)},
    }


def _part_item(certification: Certification, start: int) -> Item:
    contents = certification.contents[start : start + ORDINALS_PER_PART]
    return {
        "pk": {"S": _CATALOG_PK},
        "sk": {"S": f"CERT#{certification.code}#{start // ORDINALS_PER_PART:06}"},
        "contents": {"S": _dumps([content[1:] for content in contents])},
    }
