"""Erase learners in the views, and let them start again.

The state is replaced by a tombstone under the same key. The consumer reads it, and every write of a learner's
items has the state's version as its condition, so no write that was under way brings anything back. All
other items are deleted after it.

An erasure is listed (functions/erasure_list.py) before anything is deleted, so that the next pass
(functions/erasure_pass.py) ends one that was interrupted.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from domain.announcements import learner_erased
from domain.days import instant, microseconds
from domain.erasure import Erasure
from domain.learner import Learner
from functions import aws, items
from functions.announce import put_events
from functions.erasure_list import ErasureList
from functions.errors import (
    MAX_RACES,
    Contended,
    Unreadable,
    cancellation_reasons,
    is_contention,
    is_throttled,
)
from functions.export_jobs import ExportJobs
from functions.generations import tables
from functions.items import Item
from functions.rarity import Insert, LearnerCounter, max_pause
from functions.refold import unchanged
from functions.refusals import refused_pk

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class NotErased(Exception):
    """The learner is not erased, so there is nothing to start again."""


class ErasureGoesOn(Exception):
    """Items of the learner are still there. The erasure must end first."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases learners in one generation of the views."""

    client: "DynamoDBClient"
    table: str
    pause: Callable[[float], None] = time.sleep

    def erase(self, user_id: str, erased_at: int) -> None:
        """Replace a learner's state by a tombstone, and delete everything else. Safe to repeat.

        A learner without a state gets a tombstone, too: records can be on their way. A learner who has
        started again since stays. Raise Contended if other writers keep winning.
        """
        if not self._bury(user_id, erased_at):
            return
        for attempt in range(MAX_RACES):
            found = self._others(user_id)
            if not found or not self._delete(user_id, found):
                return
            if attempt:
                self.pause(random.uniform(0, max_pause(attempt)))
        raise Contended("items of an erased learner keep coming back")

    def _bury(self, user_id: str, erased_at: int) -> bool:
        """Return whether the state is a tombstone now. It is none if the learner has started again since."""
        for attempt in range(MAX_RACES):
            stored = self._state(user_id)
            if stored is not None and _erased_at(stored) == erased_at:
                return True
            if _starts_at(stored) > erased_at:
                return False
            version = _version(stored)
            if stored is not None and not version:
                # It may have been any. This one is higher than every count of writes.
                version = erased_at
            tombstone = items.state_item(Learner(user_id, version + 1, erased_at=erased_at))
            try:
                self.client.put_item(TableName=self.table, Item=tombstone, **unchanged(stored))
            except ClientError as error:
                if not is_contention(error):
                    raise
                self.pause(random.uniform(0, max_pause(attempt)))
            else:
                return True
        raise Contended(f"lost {MAX_RACES} write races for the state of a learner to be erased")

    def earliest(self, user_id: str, now: int) -> int:
        """Return the time of an erasure that is asked for now: later than the start of the learner."""
        return max(now, _starts_at(self._state(user_id)) + 1)

    def _state(self, user_id: str) -> Item | None:
        key = items.key(user_id, items.STATE)
        answer: Any = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        state: Item | None = answer.get("Item")
        return state

    def _others(self, user_id: str) -> list[Item]:
        """Return keys and marks of everything stored about a learner beside the state."""
        found = [*self._query(items.user_pk(user_id)), *self._query(refused_pk(user_id))]
        return [item for item in found if item["sk"]["S"] != items.STATE]

    def _query(self, pk: str) -> Iterator[Item]:
        pages: Any = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ProjectionExpression="pk, sk, counted",
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _delete(self, user_id: str, found: Sequence[Item]) -> bool:
        """Delete items. Return False if the learner has started again since they were read: they may be new.

        What could not be deleted, because it is counted meanwhile or somebody else writes it, is left to the
        next round.
        """
        counted = [item for item in found if "counted" in item]
        LearnerCounter(self.client, self.table, self.pause).uncount(map(_insert, counted))
        others = [item for item in found if "counted" not in item]
        for some in batched(others, items.MAX_TRANSACTION_ITEMS - 1):
            check = {
                "Key": items.key(user_id, items.STATE),
                "TableName": self.table,
                "ConditionExpression": "attribute_exists(erased_at)",
            }
            writes: Any = [{"ConditionCheck": check}, *({"Delete": self._deletion(item)} for item in some)]
            try:
                self.client.transact_write_items(TransactItems=writes)
            except ClientError as error:
                if not is_contention(error) and not is_throttled(error):
                    raise
                if cancellation_reasons(error)[0].get("Code") == "ConditionalCheckFailed":
                    return False
        return True

    def _deletion(self, item: Item) -> Any:
        uncounted = {"ConditionExpression": "attribute_not_exists(counted)"}
        return {"Key": {"pk": item["pk"], "sk": item["sk"]}, "TableName": self.table, **uncounted}

    def keep(self, user_id: str, now: datetime) -> None:
        """Let a tombstone live on, because its erasure is not over yet. A learner without one stays as is."""
        expires_at = int((now + items.TOMBSTONE_KEPT).timestamp())
        try:
            self.client.update_item(
                TableName=self.table,
                Key=items.key(user_id, items.STATE),
                UpdateExpression="SET expires_at = :later",
                ConditionExpression="attribute_exists(erased_at)",
                ExpressionAttributeValues={":later": {"N": str(expires_at)}},
            )
        except ClientError as error:
            if not is_contention(error):
                raise

    # -- starting again ----------------------------------------------------------------------------

    def check_erased(self, user_id: str) -> None:
        """Raise NotErased if the learner is not erased, ErasureGoesOn if something of them is left."""
        if _erased_at(self._state(user_id) or {}) is None:
            raise NotErased(user_id)
        if self._others(user_id):
            raise ErasureGoesOn(user_id)

    def restart(self, user_id: str, starts_at: int) -> None:
        """Replace a tombstone by an empty state, and count the learner.

        Events that occurred before the start stay dropped. The state is no insert, so nobody else counts the
        learner. Raise NotErased, ErasureGoesOn or Contended.
        """
        for attempt in range(MAX_RACES):
            self.check_erased(user_id)
            tombstone = self._state(user_id)
            state = items.state_item(Learner(user_id, _version(tombstone) + 1, starts_at=starts_at))
            marks = LearnerCounter(self.client, self.table, self.pause).marks(
                [Insert(items.user_pk(user_id), items.STATE)]
            )
            writes: Any = [
                {"Put": {"TableName": self.table, "Item": state, **unchanged(tombstone)}},
                *(mark.entry for mark in marks),
            ]
            try:
                self.client.transact_write_items(TransactItems=writes)
            except ClientError as error:
                if not is_contention(error):
                    raise
                stored = self._state(user_id)
                if stored is not None and stored.get("starts_at") == state["starts_at"]:
                    return  # The answer to an earlier attempt was lost.
                self.pause(random.uniform(0, max_pause(attempt)))
            else:
                return
        raise Contended(f"lost {MAX_RACES} write races for the state of a learner who starts again")


def _insert(counted: Item) -> Insert:
    sk = counted["sk"]["S"]
    return Insert(counted["pk"]["S"], items.STATE if sk == items.COUNTED else sk)


def _erased_at(state: Item) -> int | None:
    """Return when a tombstone's learner was erased; None for any other state, readable or not."""
    if "erased_at" not in state:
        return None
    try:
        return items.learner_of(state).erased_at
    except Unreadable:
        return None


def _starts_at(state: Item | None) -> int:
    """Return when a learner started again; 0 without such a time."""
    try:
        return int((state or {})["starts_at"]["N"])
    except (KeyError, TypeError, ValueError):
        return 0


def _version(state: Item | None) -> int:
    """Return the version of a state; 0 if there is none that can be read."""
    if state is None:
        return 0
    try:
        return max(0, int(state["version"]["N"]))
    except (KeyError, TypeError, ValueError):
        return 0


# -- erasing in a whole stack ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Erasing:
    """What an erasure needs of a stack."""

    erasers: Sequence[Eraser]
    """Of each generation that exists."""
    listed: ErasureList
    announce: Callable[[str, datetime], None]
    """Tells others that a learner was erased at a time."""
    forget: Callable[[str], None]
    """Deletes what a learner has exported."""

    def erase(self, user_id: str, now: datetime) -> Erasure:
        """Erase a learner in all views, tell others, and list the erasure for the next pass.

        Safe to repeat.
        """
        erased_at = microseconds(now)
        for eraser in self.erasers:
            erased_at = eraser.earliest(user_id, erased_at)
        return self.erase_in_views(self.listed.add(user_id, erased_at))

    def erase_in_views(self, erasure: Erasure) -> Erasure:
        """Erase a listed learner in all views, and tell others. Return the erasure as it is listed then."""
        if erasure.starts_at is not None:
            return erasure
        for eraser in self.erasers:
            eraser.erase(erasure.user_id, erasure.erased_at)
        self.forget(erasure.user_id)
        if erasure.is_out_of_views:
            return erasure
        self.announce(erasure.user_id, instant(erasure.erased_at))
        done = erasure._replace(is_out_of_views=True)
        self.listed.change(erasure, done)
        return done

    def restart(self, user_id: str, now: datetime) -> None:
        """Let an erased learner start again, in all views. What occurred before now stays dropped.

        Raise NotErased or ErasureGoesOn.
        """
        for eraser in self.erasers:
            eraser.check_erased(user_id)
        starts_at = microseconds(now)
        listed = self.listed.find(user_id)
        # Listed first: the next pass must not erase what comes after the new start.
        if listed is not None and not self.listed.change(listed, listed._replace(starts_at=starts_at)):
            raise ErasureGoesOn(user_id)
        for eraser in self.erasers:
            eraser.restart(user_id, starts_at)


def announcer(bus: str, client: Any) -> Callable[[str, datetime], None]:
    """Return a function that announces an erasure on a bus. It raises TimeoutError if the bus refuses it."""

    def announce(user_id: str, erased_at: datetime) -> None:
        try:
            put_events(client, bus, [learner_erased(user_id, erased_at)])
        except RuntimeError as error:
            raise TimeoutError(str(error)) from error

    return announce


def erasing() -> Erasing:
    """Return what an erasure needs of this process's stack, from its environment."""
    client, control = aws.dynamodb(), os.environ["CONTROL_TABLE"]
    return Erasing(
        [Eraser(client, table) for table in tables().values()],
        ErasureList(client, control),
        announcer(os.environ["BUS_NAME"], aws.eventbridge()),
        ExportJobs(client, control, aws.s3(), os.environ["EVENT_LOG_BUCKET"]).forget,
    )
