"""The erasures of which something is left to do, in the control table.

| pk      | sk   | content                                                                                |
|---------|------|----------------------------------------------------------------------------------------|
| ERASURE | <id> | `erased_at`, `starts_at`, `passed_at`, `taken_at` in microseconds, `is_out_of_views`   |
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from domain.erasure import Erasure
from functions.errors import MAX_RACES, Contended, is_contention
from functions.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIST = "ERASURE"


@dataclass(frozen=True, slots=True)
class ErasureList:
    """The erasures in the control table."""

    client: "DynamoDBClient"
    table: str

    def add(self, user_id: str, now: int) -> Erasure:
        """List an erasure, and return it.

        One that is listed already goes on, unless the learner has started again.
        """
        for _ in range(MAX_RACES):
            listed = self.find(user_id)
            if listed is not None and listed.starts_at is None:
                return listed
            erasure = Erasure(user_id, now)
            if self._put(erasure, listed):
                return erasure
        raise Contended("other writers keep changing the list of erasures")

    def find(self, user_id: str) -> Erasure | None:
        """Return a learner's erasure; None if it is over, or never was."""
        answer: Any = self.client.get_item(TableName=self.table, Key=_list_key(user_id), ConsistentRead=True)
        return _erasure_of(answer["Item"]) if "Item" in answer else None

    def all(self) -> list[Erasure]:
        """Return all erasures that are listed."""
        pages: Any = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": LIST}},
            ConsistentRead=True,
        )
        return [_erasure_of(item) for page in pages for item in page["Items"]]

    def change(self, before: Erasure, after: Erasure) -> bool:
        """Replace an erasure. Return False if it is another one meanwhile, which is left as it is."""
        return self._put(after, before)

    def remove(self, erasure: Erasure) -> bool:
        """Take an erasure off the list. Return False if it is another one meanwhile, which stays."""
        try:
            self.client.delete_item(TableName=self.table, Key=_list_key(erasure.user_id), **_same(erasure))
        except ClientError as error:
            if not is_contention(error):
                raise
            return False
        return True

    def _put(self, erasure: Erasure, before: Erasure | None) -> bool:
        condition = {"ConditionExpression": "attribute_not_exists(pk)"} if before is None else _same(before)
        try:
            self.client.put_item(TableName=self.table, Item=_list_item(erasure), **condition)
        except ClientError as error:
            if not is_contention(error):
                raise
            return False
        return True


def _list_key(user_id: str) -> Item:
    return {"pk": {"S": LIST}, "sk": {"S": user_id}}


def _list_item(erasure: Erasure) -> Item:
    item = {
        **_list_key(erasure.user_id),
        "erased_at": {"N": str(erasure.erased_at)},
        "is_out_of_views": {"BOOL": erasure.is_out_of_views},
    }
    times = {name: getattr(erasure, name) for name in ("starts_at", "passed_at", "taken_at")}
    return item | {name: {"N": str(at)} for name, at in times.items() if at is not None}


def _erasure_of(item: Item) -> Erasure:
    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    return Erasure(
        item["sk"]["S"],
        int(item["erased_at"]["N"]),
        number("starts_at"),
        item["is_out_of_views"]["BOOL"],
        number("passed_at"),
        number("taken_at"),
    )


def _same(erasure: Erasure) -> Any:
    """Return the condition that the listed erasure is still this one, with the same new start."""
    values: Any = {":erased_at": {"N": str(erasure.erased_at)}}
    start = "attribute_not_exists(starts_at)"
    if erasure.starts_at is not None:
        start = "starts_at = :starts_at"
        values[":starts_at"] = {"N": str(erasure.starts_at)}
    return {
        "ConditionExpression": f"erased_at = :erased_at AND {start}",
        "ExpressionAttributeValues": values,
    }
