"""The items that remember which events are in quarantine, and why, so that the API can tell it.

| pk             | sk                   | content                                                     |
|----------------|----------------------|-------------------------------------------------------------|
| REFUSED#<id>   | 2026-11-22#<event>   | code and reason; without a readable time the date is empty  |

They are no part of a learner's state: they are written without a condition, and DynamoDB deletes them when
the quarantine has deleted the record.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from domain.days import day_number, day_text
from domain.events import Event
from domain.refusals import Refusal, refusal_of
from functions.items import Item
from functions.quarantine import Quarantined

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_WRITES = 25
"""Limit of one BatchWriteItem call."""
MAX_TRIES = 8
KEPT = timedelta(days=14)
"""How long the quarantine keeps a record. The template says the same."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refusals in the views table."""

    client: "DynamoDBClient"
    table: str

    def note(self, records: Sequence[Quarantined]) -> None:
        """Remember these records, as far as they name a learner and an event_id.

        Raise TimeoutError if DynamoDB leaves some unwritten.
        """
        noted: dict[tuple[str, str], Item] = {}
        for record in records:
            if refusal := refusal_of(record.payload, record.code, record.reason):
                expires_at = int((record.arrived_at + KEPT).timestamp())
                noted[refusal.user_id, _sk(refusal.event_id, refusal.utc_day)] = {
                    **_key(refusal.user_id, refusal.event_id, refusal.utc_day),
                    "code": {"S": refusal.code},
                    "reason": {"S": refusal.reason},
                    "expires_at": {"N": str(expires_at)},
                }
        for batch in batched(noted.values(), MAX_WRITES):
            self._write(batch)

    def _write(self, items: Iterable[Item]) -> None:
        left: Any = {self.table: [{"PutRequest": {"Item": item}} for item in items]}
        for attempt in range(MAX_TRIES):
            left = self.client.batch_write_item(RequestItems=left).get("UnprocessedItems")
            if not left:
                return
            # botocore retries failed calls, but not the items that a successful call left unprocessed.
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))
        raise TimeoutError(f"DynamoDB left {len(left[self.table])} refusals unwritten")

    def all(self, user_id: str) -> Iterator[Refusal]:
        """Yield all refusals of a learner that are remembered."""
        pages: Any = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": refused_pk(user_id)}},
        )
        for page in pages:
            yield from map(_refusal, page["Items"])

    def find(self, user_id: str, event_id: str, utc_day: int) -> Refusal | None:
        """Return the refusal of an event on a UTC day, or of one with this id whose time can't be read."""
        for day in (utc_day, None):
            key = _key(user_id, event_id, day)
            answer: Any = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
            if item := answer.get("Item"):
                return Refusal(user_id, event_id, day, item["code"]["S"], item["reason"]["S"])
        return None

    def has(self, event: Event) -> bool:
        """Return whether an event has been refused."""
        return self.find(event.user_id, event.event_id, event.utc_day) is not None


def _refusal(item: Item) -> Refusal:
    day, _, event_id = item["sk"]["S"].partition("#")
    user_id = item["pk"]["S"].removeprefix("REFUSED#")
    number = day_number(date.fromisoformat(day)) if day else None
    return Refusal(user_id, event_id, number, item["code"]["S"], item["reason"]["S"])


def refused_pk(user_id: str) -> str:
    """Return the partition key of a learner's refusals."""
    return f"REFUSED#{user_id}"


def _key(user_id: str, event_id: str, utc_day: int | None) -> Item:
    return {"pk": {"S": refused_pk(user_id)}, "sk": {"S": _sk(event_id, utc_day)}}


def _sk(event_id: str, utc_day: int | None) -> str:
    return f"{'' if utc_day is None else day_text(utc_day)}#{event_id}"
