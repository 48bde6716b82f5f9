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
                counted += self._count(part)
            except Exception as error:  # raised with the others
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} parts of the batch were not counted", errors)
        return counted

    def _count(self, part: Sequence[Insert]) -> int:
        """Mark and count the inserts of one transaction. Leave out those that are marked already."""
        attempt = 0
        while part:
            try:
                self.client.transact_write_items(TransactItems=self._updates(part))
            except ClientError as error:
                if not is_contention(error) and not is_throttled(error):
                    raise
                # The marks come first, in the order of the inserts.
                reasons = zip(part, cancellation_reasons(error), strict=False)
                marked = {one for one, why in reasons if why.get("Code") == "ConditionalCheckFailed"}
                if marked:
                    part = [insert for insert in part if insert not in marked]
                    continue
                attempt += 1
                if attempt == MAX_TRIES:
                    raise Contended(f"the counter {part[0].counter} is contended") from error
                self.shard = random.randrange(SHARDS)
                self.pause(random.uniform(0, max_pause(attempt - 1)))
            else:
                return len(part)
        return 0

    def _updates(self, part: Sequence[Insert]) -> list[Any]:
        added = Counter(insert.counter for insert in part)
        return [
            *({"Update": self._mark(insert)} for insert in part),
            *({"Update": self._addition(f"{counter}#{self.shard}", n)} for counter, n in added.items()),
        ]

    def _mark(self, insert: Insert) -> Any:
        is_state = insert.sk == items.STATE
        # An award can have been erased meanwhile. An update would bring a part of it back.
        condition = "attribute_not_exists(counted)" + ("" if is_state else " AND attribute_exists(pk)")
        return {
            "Key": {"pk": {"S": insert.pk}, "sk": {"S": items.COUNTED if is_state else insert.sk}},
            "TableName": self.table,
            "UpdateExpression": "SET counted = :yes",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":yes": {"BOOL": True}},
        }

    def _addition(self, sk: str, learners: int) -> Any:
        return {
            "Key": {"pk": {"S": items.RARITY_PK}, "sk": {"S": sk}},
            "TableName": self.table,
            # Not a bare ADD: it is applied together with the marks, or not at all.
            "UpdateExpression": "ADD learners :learners",
            "ExpressionAttributeValues": {":learners": {"N": str(learners)}},
        }


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
    counted = sum(counter(table).count(of_table) for table, of_table in inserts.items())
    metrics.add_metric("Counted", MetricUnit.Count, counted)
    logger.info("counted", extra={"inserts": len(event["Records"]), "counted": counted})
