"""A simulated DynamoDB with exactly the operations, conditions and errors that the code under test uses.

Any other request raises a Violation, because the simulator must not guess what DynamoDB would do.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

import functions.erasure
import functions.generation_copy
import functions.items
import functions.rarity
import functions.refold
import functions.store
from tests.simulation.aws_errors import cancelled, client_error, throttled, timeout, write_conflict
from tests.simulation.faults import (
    BATCH_READ_FAULTS,
    CONFLICT,
    CRASH_AFTER,
    CRASH_BEFORE,
    DELAYED,
    INTERNAL,
    LATE,
    LOST,
    READ_FAULTS,
    RETRIED,
    THROTTLED,
    UNPROCESSED,
    WRITE_FAULTS,
    Crash,
    Violation,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

type Item = dict[str, Any]
type Key = tuple[str, str]
type Written = tuple[Key, Item | None, Item]
"""A key, the item before the write, and the item after it."""

TABLE = "views"
TOO_LARGE = "Item size has exceeded the maximum allowed size"
_CALLERS = {
    module.__file__
    for module in (
        functions.store,
        functions.erasure,
        functions.generation_copy,
        functions.rarity,
        functions.refold,
    )
}


def call_site(operation: str) -> str:
    """Return "<method>: <operation>", where the method is the outermost one of a caller on the stack."""
    frame: FrameType | None = sys._getframe(2)
    method = "?"
    while frame is not None:
        if frame.f_code.co_filename in _CALLERS:
            method = frame.f_code.co_name
        elif method != "?":
            break
        frame = frame.f_back
    return f"{method}: {operation}"


class ConditionFailed(Exception):
    """The condition of one item does not hold; `item` is the stored one, if the caller asked for it."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class Call(NamedTuple):
    """One request to the table."""

    operation: str
    site: str
    faults: tuple[str, ...]
    """The faults that it can meet."""
    execute: Callable[[], Any]
    unprocessed: Callable[[], Any] | None = None
    """Executes only a part of the request, and returns the rest as unprocessed."""
    transaction_items: int = 0
    """Number of items, if the request is a transaction."""


class Dynamo:
    """One table, with the methods of boto3's low-level client."""

    def __init__(
        self, world: "World", check_writes: Callable[[list[Written], str], None], table: str = TABLE
    ) -> None:
        self.world = world
        self.table = table
        self.check_writes = check_writes
        self.release = ""
        """The name of the release whose calls these are."""
        self.items: dict[Key, Item] = {}
        self.inserted: list[Key] = []
        """Keys of inserted items, in order: what the table's stream delivers."""
        self.before: dict[Key, list[Item | None]] = {}
        """Earlier versions of each item. An eventually consistent read may return one of them."""

    def client_of(self, release: str) -> "Dynamo":
        """Return a client of the same table for a release."""
        client = copy(self)
        client.release = release
        return client

    # -- the client's operations -------------------------------------------------------------------

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> Item:
        self._check_table(TableName)
        key = _key(Key)

        def execute() -> Item:
            item = self._read(key, ConsistentRead)
            return {} if item is None else {"Item": item}

        answer: Item = self._call(Call("GetItem", call_site("get_item"), READ_FAULTS, execute))
        return answer

    def batch_get_item(self, *, RequestItems: Mapping[str, Item]) -> Item:
        [(table, request)] = RequestItems.items()
        self._check_table(table)
        keys: list[Item] = request["Keys"]
        consistent: bool = request.get("ConsistentRead", False)
        if not 1 <= len(keys) <= functions.store.MAX_BATCH_GET or len(set(map(_key, keys))) < len(keys):
            raise Violation(f"BatchGetItem refuses these {len(keys)} keys")
        world = self.world

        def read(wanted: list[Item]) -> list[Item]:
            # DynamoDB reads the items at different moments and returns them in any order.
            found = []
            for key in world.shuffled(wanted):
                if world.chance(0.15):
                    world.switch()
                item = self._read(_key(key), consistent)
                if item is not None:
                    found.append(item)
            return found

        def execute() -> Item:
            return {"Responses": {table: read(keys)}, "UnprocessedKeys": {}}

        def unprocessed() -> Item:
            done = 1 + world.below(len(keys)) if len(keys) > 1 else 0
            left = {table: {**request, "Keys": keys[done:]}} if keys[done:] else {}
            return {"Responses": {table: read(keys[:done])}, "UnprocessedKeys": left}

        answer: Item = self._call(
            Call("BatchGetItem", call_site("batch_get_item"), BATCH_READ_FAULTS, execute, unprocessed)
        )
        return answer

    def put_item(self, *, TableName: str, Item: Item, **guard: Any) -> Item:
        self._check_table(TableName)

        def execute() -> dict[str, Any]:
            if self._rejects_size(_key(Item)):
                raise client_error("ValidationException", TOO_LARGE, "PutItem")
            try:
                self._check_condition(_key(Item), guard)
            except ConditionFailed as failed:
                with_item: Any = {} if failed.item is None else {"Item": failed.item}
                raise client_error(
                    "ConditionalCheckFailedException",
                    "The conditional request failed",
                    "PutItem",
                    **with_item,
                ) from None
            self._write([Item])
            return {}

        answer: dict[str, Any] = self._call(Call("PutItem", call_site("put_item"), WRITE_FAULTS, execute))
        return answer

    def transact_write_items(self, *, TransactItems: list[Item]) -> Item:
        puts = [self._put_of(entry) for entry in TransactItems]
        keys = [put["At"] for put in puts]
        for put in puts:
            self._check_table(put["TableName"])
        if not 1 <= len(puts) <= functions.items.MAX_TRANSACTION_ITEMS or len(set(keys)) < len(keys):
            raise Violation(f"TransactWriteItems refuses these {len(puts)} items: {keys}")
        size = sum(functions.items.item_bytes(put["Item"]) for put in puts if put["Item"])
        if size > functions.items.MAX_TRANSACTION_BYTES and keys[0][0] != "CATALOG":
            raise Violation(f"TransactWriteItems refuses {size} bytes")
        done = False

        def execute() -> Item:
            # botocore gives each call a ClientRequestToken, by which DynamoDB recognises a retry of the call.
            # Emulators ignore it: there, a retry fails its own condition.
            nonlocal done
            if done and self.world.circumstances.idempotent_transactions:
                return {}
            if self._rejects_size(keys[0]):
                reason = {"Code": "ValidationError", "Message": TOO_LARGE}
                raise cancelled([reason, *({"Code": "None"} for _ in puts[1:])])
            reasons: list[Item] = []
            for put, key in zip(puts, keys, strict=False):
                try:
                    self._check_condition(key, put)
                    reasons.append({"Code": "None"})
                except ConditionFailed as failed:
                    with_item = {} if failed.item is None else {"Item": failed.item}
                    reasons.append(
                        {
                            "Code": "ConditionalCheckFailed",
                            "Message": "The conditional request failed",
                            **with_item,
                        }
                    )
            if any(reason["Code"] != "None" for reason in reasons):
                raise cancelled(reasons)
            now = [self._put_of(entry) for entry in TransactItems]
            self._write([put["Item"] for put in now if put["Item"]])
            self._delete([put["At"] for put in now if "Delete" in put])
            done = True
            return {}

        site = call_site("transact_write_items")
        answer: Item = self._call(
            Call("TransactWriteItems", site, WRITE_FAULTS, execute, transaction_items=len(puts))
        )
        return answer

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool,
        ExclusiveStartKey: Item | None = None,
    ) -> Item:
        """Answer one page of a query for all items with a partition key."""
        self._check_table(TableName)
        if KeyConditionExpression != "pk = :pk":
            raise Violation(f"the simulated DynamoDB does not know the query {KeyConditionExpression!r}")
        pk = ExpressionAttributeValues[":pk"]["S"]
        after = _key(ExclusiveStartKey) if ExclusiveStartKey else None

        def execute() -> Item:
            items, last = self._page(
                lambda: sorted(key for key in self.items if key[0] == pk), after, ConsistentRead, True
            )
            more = {"LastEvaluatedKey": {"pk": {"S": last[0]}, "sk": {"S": last[1]}}} if last else {}
            return {"Items": items, **more}

        answer: Item = self._call(Call("Query", call_site("query"), READ_FAULTS, execute))
        return answer

    def scan(
        self,
        *,
        TableName: str,
        Segment: int,
        TotalSegments: int,
        FilterExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool,
        ExclusiveStartKey: Item | None = None,
    ) -> Item:
        """Answer one page of a scan for what a learner takes along."""
        self._check_table(TableName)
        if FilterExpression != "sk = :state OR begins_with(sk, :award) OR attribute_exists(retracted)":
            raise Violation(f"the simulated DynamoDB does not know the filter {FilterExpression!r}")
        after = None if ExclusiveStartKey is None else _key(ExclusiveStartKey)

        def execute() -> Item:
            found = [key for key in self.items if sum(key[0].encode()) % TotalSegments == Segment]
            found = sorted(key for key in found if after is None or key > after)
            page = found[: self.world.circumstances.page_items]
            read = [item for key in page if (item := self._read(key, ConsistentRead)) is not None]
            answer: Item = {"Items": [item for item in read if _is_taken_along(item)]}
            if len(found) > len(page):
                answer["LastEvaluatedKey"] = {"pk": {"S": page[-1][0]}, "sk": {"S": page[-1][1]}}
            return answer

        answer: Item = self._call(Call("Scan", call_site("scan"), READ_FAULTS, execute))
        return answer

    def get_paginator(self, operation: str) -> "Paginator":
        if operation != "query":
            raise Violation(f"the simulated DynamoDB has no paginator for {operation}")
        return Paginator(self)

    def query_pages(self, keys: Callable[[], list[Key]], consistent: bool, forward: bool) -> Iterator[Item]:
        """Yield the pages of a query. Each page is a call of its own and reads the items of that moment."""
        last: Key | None = None
        while True:

            def execute(last: Key | None = last) -> tuple[list[Item], Key | None]:
                return self._page(keys, last, consistent, forward)

            items, last = self._call(Call("Query", call_site("query"), READ_FAULTS, execute))
            yield {"Items": items}
            if last is None:
                return

    def _page(
        self, keys: Callable[[], list[Key]], last: Key | None, consistent: bool, forward: bool
    ) -> tuple[list[Item], Key | None]:
        # The item at which the last page ended can be gone.
        found = [key for key in keys() if last is None or (key > last if forward else key < last)]
        page = found[: self.world.circumstances.page_items]
        more = page[-1] if len(found) > len(page) else None
        items = []
        for key in page:
            if self.world.chance(0.1):
                self.world.switch()
            item = self._read(key, consistent)
            if item is not None:
                items.append(item)
        return items, more

    # -- calls and their faults ----------------------------------------------------------------------

    def _call(self, call: Call) -> Any:
        """Make a call, with the fault that the plan draws for it."""
        world = self.world
        world.switch()
        fault = world.plan.draw(call.site, call.faults)
        world.note(call.site, fault)
        if fault is None:
            answer = call.execute()
            if world.chance(0.5):
                world.switch()
            return answer
        if error := self._rejection(call, fault):
            raise error
        if fault == UNPROCESSED and call.unprocessed:
            return call.unprocessed()
        if fault == DELAYED:
            for _ in range(world.below(6)):
                world.switch()
            answer = call.execute()
            for _ in range(world.below(6)):
                world.switch()
            return answer
        if fault == RETRIED:
            self._attempt(call.execute)
            if world.chance(0.5):
                world.switch()
            return call.execute()
        raise self._lost_answer(call, fault)

    def _rejection(self, call: Call, fault: str) -> BaseException | None:
        """Return the error for a fault that prevents the call from taking effect; None for other faults."""
        world = self.world
        if fault == CRASH_BEFORE:
            return Crash(call.site)
        if fault == THROTTLED:
            return throttled(call.operation, world.chance(0.5), call.transaction_items)
        if fault == CONFLICT:
            items = call.transaction_items
            return write_conflict(call.operation, world.below(items) if items else None, items)
        return None

    def _lost_answer(self, call: Call, fault: str) -> BaseException:
        """Let the call take effect now, later or never, and return the error that its caller gets."""
        world = self.world
        if fault == LATE:
            if world.chance(0.8):
                world.late_writes.append(lambda: self._attempt(call.execute))
            return timeout(world.below(3))
        if fault == INTERNAL:
            if world.chance(0.5):
                self._attempt(call.execute)
            return client_error("InternalServerError", "Internal server error", call.operation, 500)
        self._attempt(call.execute)
        if fault == CRASH_AFTER:
            return Crash(call.site)
        assert fault == LOST
        world.switch()
        return timeout(world.below(2))

    def _attempt(self, execute: Callable[[], Any]) -> None:
        """Execute a call whose answer or error reaches nobody."""
        try:
            execute()
        except ClientError:
            return

    # -- items -------------------------------------------------------------------------------------

    def _check_table(self, table: str) -> None:
        if table != self.table:
            raise Violation(f"there is no table {table!r}")

    def _read(self, key: Key, consistent: bool) -> Item | None:
        if not consistent and (earlier := self.before.get(key)) and self.world.chance(0.3):
            return earlier[self.world.below(len(earlier))]
        return self.items.get(key)

    def _rejects_size(self, key: Key) -> bool:
        """Draw whether DynamoDB rejects a learner's state as too large, whatever the store measured."""
        rate = self.world.circumstances.oversize_rate
        return bool(rate) and key[1] == "STATE" and self.world.chance(rate)

    def _check_condition(self, key: Key, put: Mapping[str, Any]) -> None:
        expression = put.get("ConditionExpression")
        if expression is None:
            return
        item = self.items.get(key, {})
        values = put.get("ExpressionAttributeValues", {})
        holds = all(self._holds(part, item, values) for part in expression.split(" AND "))
        if not holds:
            raise ConditionFailed(
                item if item and put.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None
            )

    def _holds(self, condition: str, item: Item, values: Item) -> bool:
        if condition == "attribute_not_exists(pk) OR version < :version":
            return not item or int(item["version"]["N"]) < int(values[":version"]["N"])
        if condition == "version = :read":
            return "version" in item and item["version"] == values[":read"]
        known = re.fullmatch(r"attribute_(not_)?exists\((pk|version|counted|erased_at)\)", condition)
        if not known:
            raise Violation(f"the simulated DynamoDB does not know the condition {condition!r}")
        return (known[2] in item) is not bool(known[1])

    def _put_of(self, entry: Item) -> Item:
        """Return a write of a transaction, with its key and with the whole item that it stores now."""
        [(kind, write)] = entry.items()
        if kind == "Put":
            return {**write, "At": _key(write["Item"])}
        key = _key(write["Key"])
        if kind == "Delete":
            return {**write, "At": key, "Item": None, "Delete": True}
        if kind == "ConditionCheck":
            return {**write, "At": key, "Item": None}
        if kind != "Update":
            raise Violation(f"the simulated DynamoDB does not know {entry} in a transaction")
        return {**write, "At": key, "Item": self._updated(key, write)}

    def _updated(self, key: Key, write: Item) -> Item:
        expression, values = write["UpdateExpression"], write["ExpressionAttributeValues"]
        before = self.items.get(key, {"pk": {"S": key[0]}, "sk": {"S": key[1]}})
        if expression == "ADD learners :learners":
            count = int(before.get("learners", {"N": "0"})["N"]) + int(values[":learners"]["N"])
            return {**before, "learners": {"N": str(count)}}
        if not expression.startswith("SET "):
            raise Violation(f"the simulated DynamoDB does not know the update {expression!r}")
        assigned = dict(each.split(" = ") for each in expression[4:].split(", "))
        return {**before, **{name: values[value] for name, value in assigned.items()}}

    def _delete(self, keys: list[Key]) -> None:
        for key in keys:
            old = self.items.pop(key, None)
            if old is not None:
                self.before.setdefault(key, []).append(old)
                self.world.note(f"deleted {key[0]} {key[1]}")

    def _write(self, items: list[Item]) -> None:
        changes = []
        for item in items:
            key = _key(item)
            if (
                self.world.circumstances.may_refuse
                and functions.items.item_bytes(item) > functions.items.MAX_ITEM_BYTES
            ):
                raise Violation(f"the store writes {key}, which exceeds the maximum item size")
            old = self.items.get(key)
            if old is None:
                self.inserted.append(key)
            self.items[key] = item
            self.before.setdefault(key, []).append(old)
            changes.append((key, old, item))
        self.check_writes(changes, self.release)


class Paginator:
    """The query paginator, for the key conditions that the code under test uses."""

    def __init__(self, dynamo: Dynamo) -> None:
        self.dynamo = dynamo

    def paginate(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool = False,
        ScanIndexForward: bool = True,
        ProjectionExpression: str | None = None,
    ) -> Iterator[Item]:
        self.dynamo._check_table(TableName)
        pk = ExpressionAttributeValues[":pk"]["S"]
        items = self.dynamo.items
        if KeyConditionExpression == "pk = :pk":

            def keys() -> list[Key]:
                return sorted((key for key in items if key[0] == pk), reverse=not ScanIndexForward)

        elif KeyConditionExpression == "pk = :pk AND sk >= :from":
            first = ExpressionAttributeValues[":from"]["S"]

            def keys() -> list[Key]:
                return sorted(
                    (key for key in items if key[0] == pk and key[1] >= first), reverse=not ScanIndexForward
                )

        else:
            raise Violation(f"the simulated DynamoDB does not know the query {KeyConditionExpression!r}")
        return self.dynamo.query_pages(keys, ConsistentRead, ScanIndexForward)


def _is_taken_along(item: Item) -> bool:
    sk = item["sk"]["S"]
    return sk == "STATE" or sk.startswith("EARNED#") or "retracted" in item


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
