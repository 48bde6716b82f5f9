"""Copy from the live generation of the views into another one what the event log does not have.

These are awards, what masteries cover, retractions, and the tombstones of erased learners. Everything is
written under the version that was read, because the other generation's consumer writes at the same time.
Copying again changes nothing.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from domain.carrying import Carried, carried_from, carry, needed_days, retracted_in
from domain.fold import BucketNumbers, Change
from domain.learner import Learner
from functions import catalog_items, items
from functions.erasure import Eraser
from functions.errors import MAX_RACES, Contended, Unreadable, is_contention
from functions.items import Item
from functions.store import Store, checked_items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_AWARDS = 24
"""Maximum awards that are copied in one transaction: with its other items it stays below 100."""
MAX_TRIES = 10
"""Maximum attempts of a call that DynamoDB leaves unfinished."""
PAUSE_SECONDS = 1.0
"""Maximum seconds to pause after a lost race, or before an attempt to finish."""


class Copied(NamedTuple):
    """What was copied of one learner."""

    awards: int = 0
    tombstones: int = 0
    is_reset: bool = False
    """Whether the learner's views were emptied, because they were erased and started again."""
    must_reset: bool = False
    """Whether they should have been, and the log was folded already."""


@dataclass(frozen=True, slots=True)
class LiveLearner:
    """What a page of the live table has of one learner."""

    user_id: str
    taken: Carried
    awards: tuple[Item, ...] = ()
    """The items of awards."""


@dataclass(slots=True)
class GenerationCopy:
    """Copies from one table of views to another."""

    client: "DynamoDBClient"
    live: str
    built: str
    guard: Callable[[], None]
    """Raises an error if the generation that is built must not be written to any more."""
    pause: Callable[[float], None] = time.sleep
    _store: Store = field(init=False)

    def __post_init__(self) -> None:
        self._store = Store(self.client, self.built)

    # -- learners ----------------------------------------------------------------------------------

    def live_learners(
        self, segment: int, segments: int, after: Item
    ) -> tuple[list[LiveLearner], list[str], Item | None]:
        """Return what one page of the live table has to be taken along, and where the page ends.

        The end is None on the last page. The texts say which items can't be decoded. A learner can be on two
        pages, each with a part.
        """
        start: Any = {"ExclusiveStartKey": after} if after else {}
        answer: Any = self.client.scan(
            TableName=self.live,
            Segment=segment,
            TotalSegments=segments,
            FilterExpression="sk = :state OR begins_with(sk, :award) OR attribute_exists(retracted)",
            ExpressionAttributeValues={":state": {"S": items.STATE}, ":award": {"S": items.AWARD_PREFIX}},
            ConsistentRead=True,
            **start,
        )
        by_learner: dict[str, list[Item]] = {}
        for item in answer["Items"]:
            if item["pk"]["S"].startswith(items.user_pk("")):
                by_learner.setdefault(items.user_id_of(item), []).append(item)
        faults: list[str] = []
        learners = [_live_learner(user_id, found, faults) for user_id, found in by_learner.items()]
        return learners, faults, answer.get("LastEvaluatedKey")

    def copy_learner(self, live: LiveLearner, *, is_folded: bool) -> Copied:
        """Copy what a learner takes along. Raise Contended if other writers are always faster.

        `is_folded` says that the log is folded already. Then views from before a new start are not emptied,
        because nobody would fold what came after it.
        """
        if live.taken.starts_at is not None:
            # Nothing of what is copied may come before the views are emptied.
            live = self._whole(live.user_id)
        for _ in range(MAX_RACES):
            self.guard()
            learner = self._store.read_state(live.user_id) or Learner(live.user_id)
            copied = self._copy_onto(learner, live, is_folded)
            if copied is not None:
                return copied
            self.pause(random.uniform(0, PAUSE_SECONDS / 10))
        raise Contended(f"lost {MAX_RACES} races for the state of one learner")

    def _copy_onto(self, learner: Learner, live: LiveLearner, is_folded: bool) -> Copied | None:
        """Copy onto this state; None if it is no longer the stored one."""
        taken = live.taken
        eraser = Eraser(self.client, self.built, self.pause)
        if taken.erased_at is not None:
            # An erasure that is there already may have ended before it deleted everything.
            eraser.erase(live.user_id, taken.erased_at)
            return Copied(tombstones=int(learner.erased_at is None))
        is_reset = False
        if taken.starts_at is not None and learner.starts_at != taken.starts_at and learner.version:
            if is_folded:
                return Copied(must_reset=True)
            eraser.erase(live.user_id, learner.erased_at or taken.starts_at)
            eraser.restart(live.user_id, taken.starts_at)
            learner, is_reset = self._store.read_state(live.user_id) or learner, True
        elif learner.erased_at is not None:
            # Erased since the live table was read.
            return Copied()
        wanted = BucketNumbers(frozenset(), needed_days(learner, taken))
        buckets = self._store.load_buckets({learner.user_id: wanted})[learner.user_id]
        if isinstance(buckets, Unreadable):
            raise buckets
        awards = self._different(live)
        if not self._write(carry(learner, buckets, taken, is_folded=is_folded), learner, awards):
            return None
        return Copied(len(awards), 0, is_reset)

    def _different(self, live: LiveLearner) -> list[Item]:
        """Return the awards that this generation lacks, or has from another time."""
        found: dict[str, Item] = {}
        keys = [_key(item) for item in live.awards]
        for some in batched(keys, MAX_AWARDS):
            for item in self._batch_get(list(some)):
                found[item["sk"]["S"]] = item
        return [item for item in live.awards if found.get(item["sk"]["S"], {}).get("award") != item["award"]]

    def _write(self, change: Change | None, learner: Learner, awards: list[Item]) -> bool:
        """Write the change of a state, and awards with it, in as many transactions as needed."""
        while change is not None or awards:
            if change is None:
                change = Change(learner._replace(version=learner.version + 1), (), (), 0, 0, ())
            some, awards = awards[:MAX_AWARDS], awards[MAX_AWARDS:]
            if not self._transact(change, some):
                return False
            learner, change = change.learner, None
        return True

    def _transact(self, change: Change, awards: list[Item]) -> bool:
        state, *others = checked_items(change)
        version = change.learner.version - 1
        writes: list[Any] = [{"Put": {"TableName": self.built, "Item": state, **_if_version(version)}}]
        writes += [{"Put": {"TableName": self.built, "Item": item}} for item in others]
        writes += [{"Update": {"TableName": self.built, **_silent(item)}} for item in awards]
        try:
            self.client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if not is_contention(error):
                raise
            return False
        return True

    def _whole(self, user_id: str) -> LiveLearner:
        return _live_learner(user_id, list(self._items_of(self.live, user_id)), [])

    def _items_of(self, table: str, user_id: str) -> Iterator[Item]:
        start: Any = {}
        while True:
            answer: Any = self.client.query(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": items.user_pk(user_id)}},
                ConsistentRead=True,
                **start,
            )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _batch_get(self, keys: list[Item]) -> Iterator[Item]:
        request: Any = {self.built: {"Keys": keys}}
        for _ in range(MAX_TRIES):
            answer: Any = self.client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self.built, [])
            request = answer.get("UnprocessedKeys")
            if not request:
                return
            self.pause(random.uniform(0, PAUSE_SECONDS))
        raise TimeoutError("DynamoDB left keys unread")


def _live_learner(user_id: str, found: list[Item], faults: list[str]) -> LiveLearner:
    """Return what a learner's items have to be taken along. Add those that can't be decoded to `faults`."""
    taken = Carried()
    awards: list[Item] = []
    for item in found:
        try:
            taken = taken.plus(_taken_of(item))
        except Unreadable as error:
            faults.append(str(error))
            continue
        if item["sk"]["S"].startswith(items.AWARD_PREFIX):
            awards.append(item)
    return LiveLearner(user_id, taken, tuple(awards))


def _taken_of(item: Item) -> Carried:
    sk = item["sk"]["S"]
    if sk == items.STATE:
        return carried_from(items.learner_of(item))
    if sk.startswith(items.AWARD_PREFIX):
        return Carried(frozenset({items.award_of(item).achievement_id}))
    if sk.startswith(items.APPLIED_PREFIX):
        return Carried(retracted=retracted_in(items.applied_of(item)))
    return Carried()


def _key(item: Item) -> Item:
    return {name: item[name] for name in ("pk", "sk")}


def _silent(award: Item) -> Item:
    """Return the update that writes an award, and keeps whether it was counted here."""
    kept = {name: value for name, value in award.items() if name not in ("counted", "silent")}
    return catalog_items.update_of({**kept, "silent": {"BOOL": True}})


def _if_version(version: int) -> Item:
    """Return the condition that the stored state is still the one that was read."""
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "version = :read",
        "ExpressionAttributeValues": {":read": {"N": str(version)}},
    }
