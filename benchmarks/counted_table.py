"""An in-memory DynamoDB table that counts capacity units and calls by AWS's published rules.

The rules, from the DynamoDB developer guide ("Read and write operations", "Item sizes and formats",
"Transactions"): a write costs one unit for each KB, rounded up, of the larger of the item before and after
it. In a transaction it costs twice that. A strongly consistent read costs one unit for each 4 KB of an item,
rounded up, and one for an item that is absent; an eventually consistent one half of that. A Query adds the
items' sizes up before it rounds. A write whose condition fails costs as much as one that succeeds.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

type Item = dict[str, Any]
type Key = tuple[str, str]


def value_bytes(value: Item) -> int:
    """Return the bytes that DynamoDB counts for a value."""
    kind: str
    content: Any
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = content.lstrip("-").replace(".", "").strip("0") or "0"
            return 1 + (len(digits) + 1) // 2 + (1 if content.startswith("-") else 0)
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_bytes(inner) for name, inner in content.items())
        case "L":
            return 3 + sum(1 + value_bytes(inner) for inner in content)
        case _:
            raise ValueError(f"the counted table has no {kind}")


def item_bytes(item: Item) -> int:
    """Return the bytes that DynamoDB counts for an item."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


@dataclass
class CountedTable:
    """One table with the calls of boto3's client that the functions make."""

    items: dict[Key, Item] = field(default_factory=dict)
    sizes: dict[Key, int] = field(default_factory=dict)
    sort_keys: dict[str, list[str]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    write_units: float = 0
    read_units: float = 0
    bytes_read: int = 0
    written: Counter[str] = field(default_factory=Counter)
    """Write units by kind of item: the sort key up to its first #."""

    # -- reads -------------------------------------------------------------------------------------

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> Item:
        """Return one item."""
        self.calls["GetItem"] += 1
        item = self._read(key_of(Key), ConsistentRead)
        return {"Item": item} if item else {}

    def batch_get_item(self, *, RequestItems: dict[str, Item]) -> Item:
        """Return up to 100 items."""
        self.calls["BatchGetItem"] += 1
        [(table, request)] = RequestItems.items()
        found = [self._read(key_of(key), request.get("ConsistentRead", False)) for key in request["Keys"]]
        return {"Responses": {table: [item for item in found if item]}, "UnprocessedKeys": {}}

    def get_paginator(self, operation: str) -> "CountedTable":
        """Return the paginator of queries."""
        assert operation == "query"
        return self

    def paginate(self, **request: Any) -> Iterator[Item]:
        """Yield the answer of a Query, in one page."""
        yield self.query(**request)

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool = False,
        ScanIndexForward: bool = True,
    ) -> Item:
        """Return the items under a partition key from a sort key on, or with a prefix."""
        self.calls["Query"] += 1
        pk = ExpressionAttributeValues[":pk"]["S"]
        keys = self.sort_keys.get(pk, [])
        [bound] = [value["S"] for name, value in ExpressionAttributeValues.items() if name != ":pk"]
        found = keys[bisect_left(keys, bound) :]
        if "begins_with" in KeyConditionExpression:
            found = [sk for sk in found if sk.startswith(bound)]
        elif KeyConditionExpression != "pk = :pk AND sk >= :from":
            raise ValueError(f"the counted table does not know the query {KeyConditionExpression!r}")
        size = sum(self.sizes[pk, sk] for sk in found)
        self._count_read(size, ConsistentRead)
        items = [self.items[pk, sk] for sk in found]
        return {"Items": items if ScanIndexForward else items[::-1]}

    def _read(self, key: Key, consistent: bool) -> Item | None:
        self._count_read(self.sizes.get(key, 0), consistent)
        return self.items.get(key)

    def _count_read(self, size: int, consistent: bool) -> None:
        self.bytes_read += size
        self.read_units += max(1, -(-size // 4096)) / (1 if consistent else 2)

    # -- writes ------------------------------------------------------------------------------------

    def put_item(self, *, TableName: str, Item: Item, **guard: Any) -> Item:
        """Write one item if its condition holds."""
        self.calls["PutItem"] += 1
        if not self._holds(key_of(Item), guard):
            raise _failed("PutItem", "ConditionalCheckFailedException")
        self._write(Item, 1)
        return {}

    def transact_write_items(self, *, TransactItems: list[Item]) -> Item:
        """Write several items if all their conditions hold."""
        self.calls["TransactWriteItems"] += 1
        entries = [next(iter(entry.items())) for entry in TransactItems]
        if not all(
            self._holds(key_of(entry["Item"] if kind == "Put" else entry["Key"]), entry)
            for kind, entry in entries
        ):
            raise _failed("TransactWriteItems", "TransactionCanceledException")
        for kind, entry in entries:
            self._write(entry["Item"] if kind == "Put" else self._updated(entry), 2)
        return {}

    def _holds(self, key: Key, guard: Item) -> bool:
        stored = self.items.get(key)
        match guard.get("ConditionExpression"):
            case None:
                return True
            case "attribute_not_exists(pk)":
                return stored is None
            case "version = :read":
                return stored is not None and stored["version"] == guard["ExpressionAttributeValues"][":read"]
            case other:
                raise ValueError(f"the counted table does not know the condition {other!r}")

    def _updated(self, update: Item) -> Item:
        """Return the item after an update: `ADD name :value, name :value` or `SET name = :value, ...`."""
        item = {**update["Key"], **self.items.get(key_of(update["Key"]), {})}
        if update["UpdateExpression"].startswith("SET "):
            for change in update["UpdateExpression"].removeprefix("SET ").split(", "):
                name, value = change.split(" = ")
                item[name] = update["ExpressionAttributeValues"][value]
            return item
        for change in update["UpdateExpression"].removeprefix("ADD ").split(", "):
            name, value = change.split(" ")
            added = int(update["ExpressionAttributeValues"][value]["N"])
            item[name] = {"N": str(int(item.get(name, {"N": "0"})["N"]) + added)}
        return item

    def _write(self, item: Item, factor: int) -> None:
        key = key_of(item)
        size = item_bytes(item)
        units = factor * max(1, -(-max(size, self.sizes.get(key, 0)) // 1024))
        self.write_units += units
        self.written[key[1].partition("#")[0]] += units
        if key not in self.items:
            insort(self.sort_keys.setdefault(key[0], []), key[1])
        self.items[key] = item
        self.sizes[key] = size


class UncountedTable(CountedTable):
    """The same table without the counting, for measuring CPU."""

    def _count_read(self, size: int, consistent: bool) -> None:
        pass

    def _write(self, item: Item, factor: int) -> None:
        key = key_of(item)
        if key not in self.items:
            insort(self.sort_keys.setdefault(key[0], []), key[1])
            self.sizes[key] = 0
        self.items[key] = item


def key_of(item: Item) -> Key:
    """Return the key in an item."""
    return item["pk"]["S"], item["sk"]["S"]


def _failed(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "The conditional request failed"}}, operation)
