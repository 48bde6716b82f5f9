"""Count how many learners there are, and how many have each achievement, each exactly once.

The views table's stream delivers an insert at least once. One transaction marks up to 99 inserts as counted
and adds their number to the counters, and a mark can be set only once. Each counter is split over several
keys, so that concurrent transactions seldom meet.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from functions import aws, items
from functions.errors import Contended, cancellation_reasons, is_contention, is_throttled
from functions.observability import logger, metrics, observed

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

SHARDS = 8
"""The keys of one counter. A process uses one of them, and another one after it has met other processes.

So the counters of a small stack stay on few keys, which costs readers less.
"""
MAX_TRIES = 12
"""Maximum attempts of a transaction that meets others, or is throttled."""
ERASED_AT_ONCE = 33
"""Marked items that one transaction deletes. Each can have a learner and a counter of its own."""
STATES_AT_ONCE = 100
"""Limit of one BatchGetItem call."""


class Insert(NamedTuple):
    """The key of an inserted item: a learner's `STATE`, or an `EARNED#` item."""

    pk: str
    sk: str

    @property
    def counter(self) -> str:
        """The counter that it adds to."""
        return items.counter_of(self.sk)


def transactions(inserts: Iterable[Insert]) -> Iterator[list[Insert]]:
    """Yield the inserts, each once, in parts that one transaction can mark and count.

    Inserts of the same counter stay together, so that few transactions add to a counter.
    """
    part: list[Insert] = []
    counters: set[str] = set()
    for insert in sorted(set(inserts), key=lambda insert: (insert.counter, insert)):
        if len(part) + 1 + len(counters | {insert.counter}) > items.MAX_TRANSACTION_ITEMS:
            yield part
            part, counters = [], set()
        part.append(insert)
        counters.add(insert.counter)
    if part:
        yield part


class Write(NamedTuple):
    """One write of a transaction."""

    of: tuple[Insert, ...]
    """The inserts that are done already if its condition fails."""
    entry: Any


def max_pause(attempt: int) -> float:
    """Return the maximum seconds to pause after an attempt, counted from 0."""
    return min(0.5, 0.01 * 2.0**attempt)


@dataclass(slots=True)
class LearnerCounter:
    """Counts learners and awards in the views table."""

    client: "DynamoDBClient"
    table: str
    pause: Callable[[float], None] = time.sleep
    shard: int = 0

    def count(self, inserts: Iterable[Insert]) -> int:
        """Count inserts exactly once, however often this is called. Return how many were counted now.

        Raise an ExceptionGroup if parts failed, but only after all others have been tried.
        """
        counted = 0
        errors: list[Exception] = []
        for part in transactions(inserts):
            try:
                counted += self._transact(part, self.marks)
            except Exception as error:  # raised with the others
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} parts of the batch were not counted", errors)
        return counted

    def _transact(self, part: Sequence[Insert], writes_of: Callable[[Sequence[Insert]], list[Write]]) -> int:
        """Write one transaction about inserts, without those whose condition fails: they are done already.

        Return for how many it was written.
        """
        attempt = 0
        while part:
            writes = writes_of(part)
            try:
                self.client.transact_write_items(TransactItems=[write.entry for write in writes])
            except ClientError as error:
                if not is_contention(error) and not is_throttled(error):
                    raise
                reasons = zip(writes, cancellation_reasons(error), strict=False)
                failed = [write.of for write, why in reasons if why.get("Code") == "ConditionalCheckFailed"]
                if failed:
                    done = frozenset(insert for of in failed for insert in of)
                    part = [insert for insert in part if insert not in done]
                    continue
                attempt += 1
                if attempt == MAX_TRIES:
                    raise Contended(f"the counter {part[0].counter} is contended") from error
                self.shard = random.randrange(SHARDS)
                self.pause(random.uniform(0, max_pause(attempt - 1)))
            else:
                return len(part)
        return 0

    # -- erased learners ---------------------------------------------------------------------------

    def uncount_erased(self, inserts: Iterable[Insert]) -> None:
        """Take those out of the number of learners who were erased before their insert was delivered.

        An erasure replaces the state first and then looks for the mark. So either it finds the mark that
        `count` has set, or this finds the tombstone.
        """
        states = sorted({insert for insert in inserts if insert.sk == items.STATE})
        for some in batched(states, STATES_AT_ONCE):
            erased = self._erased([insert.pk for insert in some])
            self.uncount(insert for insert in some if insert.pk in erased)

    def _erased(self, pks: Iterable[str]) -> set[str]:
        found: set[str] = set()
        keys = [{"pk": {"S": pk}, "sk": {"S": items.STATE}} for pk in pks]
        request: Any = {
            self.table: {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "pk, erased_at"}
        }
        for attempt in range(MAX_TRIES):
            answer: Any = self.client.batch_get_item(RequestItems=request)
            states = answer["Responses"].get(self.table, [])
            found |= {item["pk"]["S"] for item in states if "erased_at" in item}
            request = answer.get("UnprocessedKeys")
            if not request:
                return found
            self.pause(random.uniform(0, max_pause(attempt)))
        raise Contended("DynamoDB left states unread")

    def uncount(self, marked: Iterable[Insert]) -> None:
        """Delete marked items of erased learners and take them out of the counters, each exactly once.

        `STATE` stands for the mark of a learner, which is an item of its own. Those of learners who are not
        erased, or have started again, stay.
        """
        for part in batched(marked, ERASED_AT_ONCE):
            self._transact(part, self._deletions)

    def _deletions(self, part: Sequence[Insert]) -> list[Write]:
        removed = Counter(insert.counter for insert in part)
        of_learner = {insert.pk: tuple(one for one in part if one.pk == insert.pk) for insert in part}
        return [
            *(Write((insert,), {"Delete": self._deletion(insert)}) for insert in part),
            *(Write(of, {"ConditionCheck": self._is_erased(pk)}) for pk, of in of_learner.items()),
            *(Write((), self._addition(counter, -n)) for counter, n in removed.items()),
        ]

    def _deletion(self, insert: Insert) -> Any:
        return {
            "Key": _marked_key(insert),
            "TableName": self.table,
            "ConditionExpression": "attribute_exists(counted)",
        }

    def _is_erased(self, pk: str) -> Any:
        return {
            "Key": {"pk": {"S": pk}, "sk": {"S": items.STATE}},
            "TableName": self.table,
            "ConditionExpression": "attribute_exists(erased_at)",
        }

    # -- writes ------------------------------------------------------------------------------------

    def marks(self, part: Sequence[Insert]) -> list[Write]:
        """Return the writes that mark inserts and add them to the counters."""
        added = Counter(insert.counter for insert in part)
        return [
            *(Write((insert,), {"Update": self._mark(insert)}) for insert in part),
            *(Write((), self._addition(counter, n)) for counter, n in added.items()),
        ]

    def _mark(self, insert: Insert) -> Any:
        is_state = insert.sk == items.STATE
        # An award can have been erased meanwhile. An update would bring a part of it back.
        condition = "attribute_not_exists(counted)" + ("" if is_state else " AND attribute_exists(pk)")
        return {
            "Key": _marked_key(insert),
            "TableName": self.table,
            "UpdateExpression": "SET counted = :yes",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":yes": {"BOOL": True}},
        }

    def _addition(self, counter: str, learners: int) -> Any:
        return {
            "Update": {
                "Key": {"pk": {"S": items.RARITY_PK}, "sk": {"S": f"{counter}#{self.shard}"}},
                "TableName": self.table,
                # Not a bare ADD: it is applied together with the marks, or not at all.
                "UpdateExpression": "ADD learners :learners",
                "ExpressionAttributeValues": {":learners": {"N": str(learners)}},
            }
        }


def _marked_key(insert: Insert) -> Any:
    """Return the key of the item that holds the mark of an insert."""
    sk = items.COUNTED if insert.sk == items.STATE else insert.sk
    return {"pk": {"S": insert.pk}, "sk": {"S": sk}}


@cache
def counter(table: str) -> LearnerCounter:
    """Return this process's counter of a views table."""
    return LearnerCounter(aws.dynamodb(), table)


def table_of(stream_arn: str) -> str:
    """Return the name of the table in the ARN of its stream: `arn:…:table/NAME/stream/…`."""
    return stream_arn.split("/")[1]


@observed
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Count the new learners and awards in a stream event of a views table, in that table."""
    inserts: dict[str, list[Insert]] = {}
    for record in event["Records"]:
        key = record["dynamodb"]["Keys"]
        of_table = inserts.setdefault(table_of(record["eventSourceARN"]), [])
        of_table.append(Insert(key["pk"]["S"], key["sk"]["S"]))
    # An event comes from one stream, and so from one table.
    counted = 0
    for table, of_table in inserts.items():
        counted += counter(table).count(of_table)
        counter(table).uncount_erased(of_table)
    metrics.add_metric("Counted", MetricUnit.Count, counted)
    logger.info("counted", extra={"inserts": len(event["Records"]), "counted": counted})
