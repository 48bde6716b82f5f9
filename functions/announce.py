"""Tells of what was earned: new `EARNED#` items -> events on the bus, and counts how rare each is.

At least once on the bus: each event has a deterministic event_id, by which consumers drop repeats. Exactly
once in the counts.
"""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from domain.announcements import DETAIL_TYPES, Announcement, announcements
from functions import aws
from functions.observability import logger
from functions.store import NewAward, Store, inserted

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_events import EventBridgeClient

SOURCE = "streakline"
MAX_ENTRIES = 10
"""Of one PutEvents call."""


def announce(events: "EventBridgeClient", bus: str, told: Sequence[Announcement]) -> None:
    """Publish on the bus. Raises RuntimeError where it took not all: the batch must come again."""
    for chunk in batched(told, MAX_ENTRIES):
        entries = [
            {
                "EventBusName": bus,
                "Source": SOURCE,
                "DetailType": DETAIL_TYPES[type(announcement)],
                "Detail": announcement.model_dump_json(),
            }
            for announcement in chunk
        ]
        answer = events.put_events(Entries=cast(Any, entries))
        if answer["FailedEntryCount"]:
            failed = [entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry]
            raise RuntimeError(f"the bus refused {len(failed)} announcements: {failed[0]}")


def tell(store: Store, events: "EventBridgeClient", bus: str, images: Iterable[dict[str, Any]]) -> int:
    """Announce and count newly inserted `STATE` and `EARNED#` items; how many announcements."""
    inserts = [inserted(image) for image in images]
    told = [
        announcement
        for insert in inserts
        if isinstance(insert, NewAward) and not insert.silent
        for announcement in announcements(insert.user_id, insert.award)
    ]
    announce(events, bus, told)
    for insert in inserts:
        store.count(insert)
    return len(told)


@cache
def store() -> Store:
    """The process's store, as the environment sets it up."""
    return Store(aws.dynamodb(), os.environ["VIEWS_TABLE"])


def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """DynamoDB stream event of the views table, filtered to new learners and awards -> bus, counts."""
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    told = tell(store(), aws.eventbridge(), os.environ["BUS_NAME"], images)
    logger.info("told", extra={"inserts": len(images), "announcements": told})
