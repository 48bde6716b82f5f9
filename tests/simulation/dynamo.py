"""A DynamoDB of exactly the operations, conditions and errors that `functions/store.py` relies on.

Anything else that is asked of it is a Violation: the simulator must not guess what DynamoDB would do.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from functions import items as stored_items
from functions import store
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

TABLE = "views"
ENDPOINT = "https://dynamodb.eu-north-1.amazonaws.com"
TOO_LARGE = "Item size has exceeded the maximum allowed size"
_STORE_FILE = store.__file__


def call_site(operation: str) -> str:
    """The Store method that the call is made for, by name, and the operation."""
    frame: FrameType | None = sys._getframe(2)
    method = "?"
    while frame is not None:
        if frame.f_code.co_filename == _STORE_FILE:
            method = frame.f_code.co_name
        elif method != "?":
            break
        frame = frame.f_back
    return f"{method}: {operation}"


def client_error(code: str, message: str, operation: str, status: int = 400, **more: Any) -> ClientError:
    """An error as botocore raises it: a modeled error's members stand beside `Error`."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        **more,
    }
    return ClientError(response, operation)


class ConditionFailed(Exception):
    """The condition of one item does not hold; `item` stands there."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class Dynamo:
    """One table, in the shape of boto3's low-level client."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.items: dict[Key, Item] = {}
        self.before: dict[Key, list[Item | None]] = {}
        """What stood there earlier: an eventually consistent read may still find it."""
        self.late: list[Callable[[], Any]] = []
        """Writes that are under way, though their callers gave up on them."""

    # -- the client's operations -------------------------------------------------------------------

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> Item:
        self._check_table(TableName)
        key = _key(Key)

        def execute() -> Item:
            item = self._read(key, ConsistentRead)
            return {} if item is None else {"Item": item}

        answer: Item = self._call("GetItem", call_site("get_item"), READ_FAULTS, execute)
        return answer

    def batch_get_item(self, *, RequestItems: Mapping[str, Item]) -> Item:
        [(table, request)] = RequestItems.items()
        self._check_table(table)
        keys: list[Item] = request["Keys"]
        consistent: bool = request.get("ConsistentRead", False)
        if not 1 <= len(keys) <= store.MAX_BATCH_GET or len(set(map(_key, keys))) < len(keys):
            raise Violation(f"BatchGetItem refuses these {len(keys)} keys")
        world = self.world

        def read(wanted: list[Item]) -> list[Item]:
            # Each item is read at a moment of its own, and they come in any order.
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
            "BatchGetItem", call_site("batch_get_item"), BATCH_READ_FAULTS, execute, unprocessed=unprocessed
        )
        return answer

    def put_item(self, *, TableName: str, Item: Item, **guard: Any) -> Item:
        self._check_table(TableName)

        def execute() -> dict[str, Any]:
            if self._misjudged(_key(Item)):
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

        answer: dict[str, Any] = self._call("PutItem", call_site("put_item"), WRITE_FAULTS, execute)
        return answer

    def transact_write_items(self, *, TransactItems: list[Item]) -> Item:
        puts = [_put_of(entry) for entry in TransactItems]
        keys = [_key(put["Item"]) for put in puts]
        for put in puts:
            self._check_table(put["TableName"])
        if not 1 <= len(puts) <= stored_items.MAX_TRANSACTION_ITEMS or len(set(keys)) < len(keys):
            raise Violation(f"TransactWriteItems refuses these {len(puts)} items: {keys}")
        size = sum(stored_items.item_bytes(put["Item"]) for put in puts)
        if size > stored_items.MAX_TRANSACTION_BYTES and keys[0][0] != "CATALOG":
            raise Violation(f"TransactWriteItems refuses {size} bytes")
        done = False

        def execute() -> Item:
            # botocore gives each call a ClientRequestToken, by which DynamoDB knows the call's retries.
            # Emulators don't: there the retry meets its own condition.
            nonlocal done
            if done and self.world.knows_tokens:
                return {}
            if self._misjudged(keys[0]):
                reason = {"Code": "ValidationError", "Message": TOO_LARGE}
                raise _cancelled([reason, *({"Code": "None"} for _ in puts[1:])])
            reasons: list[Item] = []
            for put, key in zip(puts, keys, strict=True):
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
                raise _cancelled(reasons)
            self._write([put["Item"] for put in puts])
            done = True
            return {}

        answer: Item = self._call(
            "TransactWriteItems",
            call_site("transact_write_items"),
            WRITE_FAULTS,
            execute,
            transaction=len(puts),
        )
        return answer

    def get_paginator(self, operation: str) -> "Paginator":
        if operation != "query":
            raise Violation(f"no paginator for {operation}")
        return Paginator(self)

    def query_pages(self, keys: Callable[[], list[Key]], consistent: bool) -> Iterator[Item]:
        """Pages of a query: each a call of its own, of the items as they are by then."""
        last: Key | None = None
        while True:

            def execute(last: Key | None = last) -> tuple[list[Item], Key | None]:
                found = keys()
                start = 0 if last is None else found.index(last) + 1
                page = found[start : start + self.world.page_items]
                more = page[-1] if len(found) > start + len(page) else None
                items = []
                for key in page:
                    if self.world.chance(0.1):
                        self.world.switch()
                    item = self._read(key, consistent)
                    if item is not None:
                        items.append(item)
                return items, more

            items, last = self._call("Query", call_site("query"), READ_FAULTS, execute)
            yield {"Items": items}
            if last is None:
                return

    # -- what happens to a call --------------------------------------------------------------------

    def _call(
        self,
        operation: str,
        site: str,
        faults: tuple[str, ...],
        execute: Callable[[], Any],
        unprocessed: Callable[[], Any] | None = None,
        transaction: int = 0,
    ) -> Any:
        world = self.world
        world.switch()
        fault = world.plan.draw(site, faults)
        world.note(site, fault)
        if fault is None:
            answer = execute()
            if world.chance(0.5):
                world.switch()
            return answer
        if fault == CRASH_BEFORE:
            raise Crash(site)
        if fault == THROTTLED:
            _raise_throttled(operation, world.chance(0.5), transaction)
        if fault == CONFLICT:
            if not transaction:
                raise client_error(
                    "TransactionConflictException", "Transaction is ongoing for the item", operation
                )
            conflict = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
            hit = world.below(transaction)
            raise _cancelled([conflict if n == hit else {"Code": "None"} for n in range(transaction)])
        if fault == UNPROCESSED and unprocessed:
            return unprocessed()
        if fault == LATE:
            if world.chance(0.8):
                self.late.append(execute)
            raise _timeout(world.below(3))
        if fault == INTERNAL:
            if world.chance(0.5):
                self._attempt(execute)
            raise client_error("InternalServerError", "Internal server error", operation, 500)
        if fault == DELAYED:
            for _ in range(world.below(6)):
                world.switch()
            answer = execute()
            for _ in range(world.below(6)):
                world.switch()
            return answer
        if fault == RETRIED:
            self._attempt(execute)
            if world.chance(0.5):
                world.switch()
            return execute()
        self._attempt(execute)
        if fault == CRASH_AFTER:
            raise Crash(site)
        assert fault == LOST
        world.switch()
        raise _timeout(world.below(2))

    def _attempt(self, execute: Callable[[], Any]) -> None:
        """Make the call, whatever its answer: nobody hears it."""
        try:
            execute()
        except ClientError:
            return

    def settle(self) -> None:
        """One of the writes that are still under way arrives."""
        if self.late:
            self._attempt(self.late.pop(self.world.below(len(self.late))))

    # -- items -------------------------------------------------------------------------------------

    def _check_table(self, table: str) -> None:
        if table != TABLE:
            raise Violation(f"there is no table {table!r}")

    def _read(self, key: Key, consistent: bool) -> Item | None:
        if not consistent and (earlier := self.before.get(key)) and self.world.chance(0.3):
            return earlier[self.world.below(len(earlier))]
        return self.items.get(key)

    def _misjudged(self, key: Key) -> bool:
        """Whether a learner's write is larger than the caller has measured."""
        rate = self.world.circumstances.misjudged_rate
        return bool(rate) and key[1] == "STATE" and self.world.chance(rate)

    def _check_condition(self, key: Key, put: Mapping[str, Any]) -> None:
        expression = put.get("ConditionExpression")
        if expression is None:
            return
        item = self.items.get(key)
        if expression == "attribute_not_exists(pk)":
            holds = item is None
        elif expression == "version = :read":
            holds = item is not None and item["version"] == put["ExpressionAttributeValues"][":read"]
        else:
            raise Violation(f"the simulated DynamoDB does not know the condition {expression!r}")
        if not holds:
            raise ConditionFailed(
                item if put.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None
            )

    def _write(self, items: list[Item]) -> None:
        changes = []
        for item in items:
            key = _key(item)
            if (
                self.world.circumstances.may_refuse
                and stored_items.item_bytes(item) > stored_items.MAX_ITEM_BYTES
            ):
                raise Violation(f"{key}: item size has exceeded the maximum allowed size")
            old = self.items.get(key)
            self.items[key] = item
            self.before.setdefault(key, []).append(old)
            changes.append((key, old, item))
        self.world.written(changes)


class Paginator:
    """The query paginator, for the two key conditions that the store has."""

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
    ) -> Iterator[Item]:
        self.dynamo._check_table(TableName)
        pk = ExpressionAttributeValues[":pk"]["S"]
        items = self.dynamo.items
        if KeyConditionExpression == "pk = :pk AND begins_with(sk, :part)":
            prefix = ExpressionAttributeValues[":part"]["S"]

            def keys() -> list[Key]:
                return sorted(
                    (key for key in items if key[0] == pk and key[1].startswith(prefix)),
                    reverse=not ScanIndexForward,
                )

        elif KeyConditionExpression == "pk = :pk AND sk >= :from":
            first = ExpressionAttributeValues[":from"]["S"]

            def keys() -> list[Key]:
                return sorted(
                    (key for key in items if key[0] == pk and key[1] >= first), reverse=not ScanIndexForward
                )

        else:
            raise Violation(f"the simulated DynamoDB does not know the query {KeyConditionExpression!r}")
        return self.dynamo.query_pages(keys, ConsistentRead)


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _put_of(entry: Item) -> Item:
    [(kind, put)] = entry.items()
    if kind != "Put":
        raise Violation(f"the simulated DynamoDB does not know {kind} in a transaction")
    return dict(put)


def _cancelled(reasons: list[Item]) -> ClientError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return client_error(
        "TransactionCanceledException", message, "TransactWriteItems", CancellationReasons=reasons
    )


def _raise_throttled(operation: str, by_table: bool, transaction: int) -> NoReturn:
    if transaction:
        code = "ProvisionedThroughputExceeded" if by_table else "ThrottlingError"
        throttled: Item = {"Code": code, "Message": "Throughput exceeds the current capacity"}
        raise _cancelled([throttled, *({"Code": "None"} for _ in range(transaction - 1))])
    code = "ProvisionedThroughputExceededException" if by_table else "ThrottlingException"
    raise client_error(code, "Throughput exceeds the current capacity", operation)


def _timeout(which: int) -> Exception:
    """How botocore tells that no answer came."""
    if which == 0:
        return ReadTimeoutError(endpoint_url=ENDPOINT, error="timed out")
    if which == 1:
        return ConnectionClosedError(endpoint_url=ENDPOINT)
    return EndpointConnectionError(endpoint_url=ENDPOINT, error="refused")
