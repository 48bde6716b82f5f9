"""The views table's calls: load and commit states, read views, update the catalog.

This module, `functions/rarity.py`, `functions/refusals.py` and the modules of items are the only ones that
know DynamoDB.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import batched, chain
from typing import TYPE_CHECKING, Any, assert_never

from botocore.exceptions import ClientError

from domain.achievements import Award, Rarity
from domain.catalog import Catalog, Certification
from domain.fold import BucketNumbers, Buckets, Change, applied_on
from domain.learner import Applied, Day, Learner
from functions import catalog_items, items
from functions.errors import TooLarge, Unreadable, is_contention, is_oversize, stored_item
from functions.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_BATCH_GET = 100
STATES_PER_READ = MAX_BATCH_GET - 1
"""Maximum states per read. The catalog's head is read along with them."""
MAX_CATALOG_READS = 20
"""Maximum attempts to read a catalog that other writers keep changing."""
MAX_READ_TRIES = 10
"""Maximum attempts of a batch read that DynamoDB leaves unfinished."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of one Query of a learner."""

    learner: Learner
    days: Mapping[int, Day]
    """Closed days and the latest, by number."""
    awards: tuple[Award, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """The views table."""

    client: "DynamoDBClient"
    table: str

    # -- states, for the consumer ------------------------------------------------------------------

    def load(self, user_ids: Iterable[str]) -> tuple[dict[str, Learner | Unreadable], catalog_items.Head]:
        """Return the states of at most 99 learners, and the catalog's head, in one strongly consistent read.

        A learner that is not stored yet has an empty state. A state that can't be decoded is returned as the
        error that says why, because it concerns that learner alone.
        """
        users = list(user_ids)
        learners: dict[str, Learner | Unreadable] = {user_id: Learner(user_id) for user_id in users}
        head = catalog_items.Head(0, {})
        for item in self._batch_get(
            [catalog_items.HEAD, *(items.key(user_id, "STATE") for user_id in users)]
        ):
            if item["pk"]["S"] == catalog_items.CATALOG_PK:
                head = catalog_items.head_of(item)
            else:
                learners[items.user_id_of(item)] = _decoded(items.learner_of, item)
        return learners, head

    def load_buckets(self, wanted: Mapping[str, BucketNumbers]) -> dict[str, Buckets | Unreadable]:
        """Return closed buckets by learner, in strongly consistent reads. Those without an item are left out.

        Read them after the state that guards them, and again after each failed commit. A learner with an item
        that can't be decoded gets the error that says why.
        """
        keys = [
            items.key(user_id, sk)
            for user_id, numbers in wanted.items()
            for sk in (*map(items.day_sk, numbers.days), *map(items.applied_sk, numbers.applied))
        ]
        found: dict[str, list[Day | Applied | Unreadable]] = {user_id: [] for user_id in wanted}
        for start in range(0, len(keys), MAX_BATCH_GET):
            for item in self._batch_get(keys[start : start + MAX_BATCH_GET]):
                is_day = item["sk"]["S"].startswith(items.DAY_PREFIX)
                found[items.user_id_of(item)].append(
                    _decoded(items.day_of, item) if is_day else _decoded(items.applied_of, item)
                )
        return {user_id: _buckets(of_learner) for user_id, of_learner in found.items()}

    def commit(self, change: Change, *, silent: bool = False) -> Learner | None:
        """Write a change if the stored state is still the one that it was folded onto.

        Return None if it is written. Otherwise return the state that is stored now, to fold onto again: it
        can be this very change if the answer to an earlier attempt was lost. The awards of a `silent` change
        are not announced. Raise TooLarge if DynamoDB can't accept the change.
        """
        learner = change.learner
        state_item, *others = checked_items(change, silent)
        state: Any = {"Item": state_item, "TableName": self.table, **if_version(learner.version - 1)}
        try:
            if others:
                puts: Any = [{"Put": state}, *({"Put": {"Item": i, "TableName": self.table}} for i in others)]
                self.client.transact_write_items(TransactItems=puts)
            else:
                self.client.put_item(**state)
        except ClientError as error:
            if is_oversize(error):
                raise TooLarge(str(error)) from error
            if not is_contention(error):
                raise
            return self._stored_now(learner.user_id, error)
        return None

    def _stored_now(self, user_id: str, error: ClientError) -> Learner:
        item = stored_item(error) or self._get(items.key(user_id, "STATE"))
        return items.learner_of(item) if item else Learner(user_id)

    # -- views, for dashboards ---------------------------------------------------------------------

    def read(self, user_id: str, first_day: int) -> Stored | None:
        """Return a learner's state, awards, and days from `first_day` on, in one Query.

        Return None if the learner is unknown or erased.
        """
        learner: Learner | None = None
        days: dict[int, Day] = {}
        awards: list[Award] = []
        for item in self._query(items.user_pk(user_id), items.day_sk(first_day)):
            sk = item["sk"]["S"]
            if sk == "STATE":
                learner = items.learner_of(item)
            elif items.is_day_sk(sk):
                day = items.day_of(item)
                days[day.number] = day
            elif sk.startswith(items.AWARD_PREFIX):
                awards.append(items.award_of(item))
        if learner is None or learner.erased_at is not None:
            return None
        # A Query is not a snapshot. The item of a closed day is never older than the state's bucket of it.
        if learner.latest and learner.latest.number >= first_day:
            days.setdefault(learner.latest.number, learner.latest)
        missing = [n for n in learner.calendar if n >= first_day and n not in days]
        if missing:
            days |= self._readable_buckets(user_id, BucketNumbers(frozenset(missing), frozenset())).days
            if not days.keys() >= set(missing):
                now = self.erased([user_id]).get(user_id)
                if now is not None and now.erased_at is not None:
                    return None  # Erased between the reads.
                raise Unreadable(f"a study day of {user_id} is missing")
        awards.sort(key=lambda award: (award.earned_at, award.achievement_id))
        return Stored(learner, dict(sorted(days.items())), tuple(awards))

    def _readable_buckets(self, user_id: str, wanted: BucketNumbers) -> Buckets:
        buckets = self.load_buckets({user_id: wanted})[user_id]
        if isinstance(buckets, Unreadable):
            raise buckets
        return buckets

    def read_state(self, user_id: str) -> Learner | None:
        """Return a learner's state alone; None without one."""
        item = self._get(items.key(user_id, "STATE"))
        return items.learner_of(item) if item else None

    def erased(self, user_ids: Iterable[str]) -> dict[str, Learner]:
        """Return the states of those who are erased, or have started again after it."""
        keys = [items.key(user_id, "STATE") for user_id in user_ids]
        found: dict[str, Learner] = {}
        for some in batched(keys, MAX_BATCH_GET):
            for item in self._batch_get(list(some)):
                learner = _decoded(items.learner_of, item)
                if isinstance(learner, Learner) and not (learner.erased_at is learner.starts_at is None):
                    found[learner.user_id] = learner
        return found

    def read_applied(self, user_id: str, utc_days: Iterable[int]) -> dict[int, frozenset[int]]:
        """Return the digests of the interactions that were applied on these UTC days."""
        numbers = frozenset(utc_days)
        learner = self.read_state(user_id) or Learner(user_id)
        buckets = self._readable_buckets(user_id, BucketNumbers(frozenset(), numbers))
        return {number: applied_on(learner, buckets, number) for number in numbers}

    def scan_states(
        self, segment: int, segments: int, after: Item
    ) -> tuple[list[Learner | Unreadable], Item | None]:
        """Return one page of the learners in one of several segments of the table, and where it ended.

        Erased learners are left out.

        `after` is {} for the first page, then the end of the page before. The end is None on the last page.
        """
        start: Any = {"ExclusiveStartKey": after} if after else {}
        answer: Any = self.client.scan(
            TableName=self.table,
            Segment=segment,
            TotalSegments=segments,
            FilterExpression="sk = :state AND attribute_not_exists(erased_at)",
            ExpressionAttributeValues={":state": {"S": "STATE"}},
            ConsistentRead=True,
            **start,
        )
        learners = [_decoded(items.learner_of, item) for item in answer["Items"]]
        return learners, answer.get("LastEvaluatedKey")

    # -- rarity ------------------------------------------------------------------------------------

    def rarity(self) -> Rarity:
        """Return the number of learners, and the number of learners who have each achievement.

        `functions/rarity.py` counts them.
        """
        counts: dict[str, int] = {}
        for item in self._query(items.RARITY_PK, items.HELD_PREFIX):
            counter = items.counter_in(item["sk"]["S"])
            counts[counter] = counts.get(counter, 0) + int(item["learners"]["N"])
        learners = counts.pop(items.LEARNERS, 0)
        return Rarity(learners, {name.removeprefix(items.HELD_PREFIX): n for name, n in counts.items()})

    # -- the catalog -------------------------------------------------------------------------------

    def head(self) -> catalog_items.Head:
        """Return the catalog's head."""
        item = self._get(catalog_items.HEAD)
        return catalog_items.head_of(item) if item else catalog_items.Head(0, {})

    def catalog(self, known: Catalog, head: catalog_items.Head) -> Catalog:
        """Return the catalog as of this head or a later one. Only the parts that changed are read.

        Raise TimeoutError if the catalog keeps changing.
        """
        for _ in range(MAX_CATALOG_READS):
            changed = [
                code
                for code in head.certifications
                if _known_version(known.certifications.get(code)) != head.version_of(code)
            ]
            if not changed and head.certifications.keys() == known.certifications.keys():
                return known
            kept = {code: known.certifications[code] for code in head.certifications if code not in changed}
            certifications = {**kept, **self._certifications(known.certifications, head, changed)}
            # These parts can be newer than the head, and then miss a certification that was added meanwhile.
            # An interaction without a certification would count for the wrong one. The catalog belongs to one
            # moment only if the head is still the same.
            known, read, head = Catalog(certifications), head, self.head()
            if head.version == read.version:
                return known
        raise TimeoutError("the catalog changes faster than it can be read")

    def full_catalog(self) -> Catalog:
        """Return the catalog as it is now."""
        return self.catalog(Catalog(), self.head())

    def certification(
        self, code: str, known: Certification | None, head: catalog_items.Head
    ) -> Certification:
        """Return a certification's catalog, with each of its parts as of this head or later."""
        if known is not None and known.version == head.version_of(code):
            return known
        if code not in head.certifications:
            return Certification(code)
        return self._certifications({} if known is None else {code: known}, head, {code})[code]

    def _certifications(
        self, known: Mapping[str, Certification], head: catalog_items.Head, codes: Iterable[str]
    ) -> dict[str, Certification]:
        """Return these certifications' catalogs. Only parts that are newer than the known ones are read."""
        wanted = {
            (code, number): version
            for code in codes
            for number, version in enumerate(head.certifications[code])
            if version > _known_version(known.get(code))
        }
        read = self._parts(wanted)
        found = {}
        for code in codes:
            before = known.get(code, Certification(code)).contents
            contents = (
                read[code, number].contents
                if (code, number) in read
                else catalog_items.part_of(before, number)
                for number in range(len(head.certifications[code]))
            )
            # Some parts can be newer than this version. They are read again when the head says so.
            found[code] = Certification(code, head.version_of(code), tuple(chain.from_iterable(contents)))
        return found

    def _parts(self, wanted: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], catalog_items.Part]:
        """Return parts of the catalog by certification and number, each in the wanted version or a later one.

        An eventually consistent read costs half. Only parts that it returns too old are read consistently,
        and again if need be: items that were written together become visible one after the other.
        """
        found: dict[tuple[str, int], catalog_items.Part] = {}
        for attempt in range(MAX_READ_TRIES):
            if attempt > 1:
                time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))
            for keys in batched([key for key in wanted if key not in found], MAX_BATCH_GET):
                read = self._batch_get([catalog_items.part_key(*key) for key in keys], consistent=attempt > 0)
                for part in map(catalog_items.stored_part, read):
                    if part.version >= wanted[part.code, part.number]:
                        found[part.code, part.number] = part
            if len(found) == len(wanted):
                return found
        raise TimeoutError(f"{len(wanted) - len(found)} parts of the catalog are older than its head")

    def commit_catalog(self, head: catalog_items.Head, before: Certification, after: Certification) -> bool:
        """Write a certification's catalog if the stored head is still this one. Return whether it did.

        Raise TooLarge if one transaction can't hold all parts that changed.
        """
        versions = list(head.certifications.get(after.code, ()))
        parts = []
        for number in range(-(-len(after.contents) // catalog_items.ORDINALS_PER_PART)):
            if catalog_items.part_of(after.contents, number) != catalog_items.part_of(
                before.contents, number
            ):
                parts.append(catalog_items.part_item(after, number))
                versions[number : number + 1] = [after.version]
        assigned = [content.assigned_at for content in after.contents[len(before.contents) :]]
        moved = catalog_items.Head(
            head.version + 1,
            {**head.certifications, after.code: tuple(versions)},
            max([head.newest, *assigned]),
        )
        items.check_size([catalog_items.head_item(moved), *parts])
        updates = [
            catalog_items.update_of(catalog_items.head_item(moved), if_version(head.version)),
            *map(catalog_items.update_of, parts),
        ]
        entries: list[Any] = [{"Update": {"TableName": self.table, **update}} for update in updates]
        try:
            self.client.transact_write_items(TransactItems=entries)
        except ClientError as error:
            if not is_contention(error):
                raise
            return False
        return True

    def stored_catalog(self, keys: Iterable[Item]) -> list[Item]:
        """Return items of the catalog as they are stored, in strongly consistent reads."""
        return [item for batch in batched(keys, MAX_BATCH_GET) for item in self._batch_get(list(batch))]

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

    def _batch_get(self, keys: list[Item], *, consistent: bool = True) -> Iterator[Item]:
        request: Any = {self.table: {"Keys": keys, "ConsistentRead": consistent}}
        for attempt in range(MAX_READ_TRIES):
            answer: Any = self.client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self.table, [])
            request = answer.get("UnprocessedKeys")
            if not request:
                return
            # botocore retries failed calls, but not the keys that a successful call left unprocessed.
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))
        raise TimeoutError(f"DynamoDB left {len(request[self.table]['Keys'])} keys unread")


def checked_items(change: Change, silent: bool = False) -> list[Item]:
    """Return the items that a change writes, the state first. Raise TooLarge if they can't be written."""
    user_id = change.learner.user_id
    written = [
        items.state_item(change.learner),
        *(items.day_item(user_id, day) for day in change.days),
        *(items.applied_item(user_id, applied) for applied in change.digests),
        *(items.award_item(user_id, award, silent) for award in change.awards),
    ]
    items.check_size(written)
    return written


def _known_version(certification: Certification | None) -> int:
    """Return the version of a certification's catalog in memory; 0 without one."""
    return 0 if certification is None else certification.version


def if_version(version: int) -> Item:
    """Return the condition of a write: the stored version is still the one that was read."""
    guard: Item = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)", **guard}
    return {
        "ConditionExpression": "version = :read",
        "ExpressionAttributeValues": {":read": {"N": str(version)}},
        **guard,
    }


def _decoded[T](decode: Callable[[Item], T], item: Item) -> T | Unreadable:
    try:
        return decode(item)
    except Unreadable as error:
        return error


def _buckets(found: Iterable[Day | Applied | Unreadable]) -> Buckets | Unreadable:
    days: dict[int, Day] = {}
    applied: dict[int, Applied] = {}
    for bucket in found:
        match bucket:
            case Unreadable():
                return bucket
            case Day():
                days[bucket.number] = bucket
            case Applied():
                applied[bucket.number] = bucket
            case _:
                assert_never(bucket)
    return Buckets(days, applied)
