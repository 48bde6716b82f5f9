"""Publish new awards on the bus, and count how many learners have each achievement.

An award is published at least once. Its event_id is always the same, so consumers can ignore repetitions. It
is counted exactly once.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.metrics import MetricUnit

from domain.announcements import DETAIL_TYPES, Announcement, announcements
from functions import aws
from functions.errors import Unreadable
from functions.items import NewAward, NewLearner, inserted
from functions.observability import logger, metrics
from functions.store import Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_events import EventBridgeClient

SOURCE = "streakline"
MAX_ENTRIES = 10
"""Maximum entries of one PutEvents call."""


def put_events(events: "EventBridgeClient", bus: str, published: Sequence[Announcement]) -> None:
    """Put announcements on the bus. Raise RuntimeError if it refuses one, so the batch is redelivered."""
    for chunk in batched(published, MAX_ENTRIES):
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


def publish(store: Store, events: "EventBridgeClient", bus: str, images: Iterable[dict[str, Any]]) -> int:
    """Announce and count newly inserted `STATE` and `EARNED#` items. Return the number of announcements."""
    inserts = list(_readable(images))
    published = [
        announcement
        for insert in inserts
        if isinstance(insert, NewAward) and not insert.silent
        for announcement in announcements(insert.user_id, insert.award)
    ]
    put_events(events, bus, published)
    for insert in inserts:
        store.count(insert)
    return len(published)


def _readable(images: Iterable[dict[str, Any]]) -> Iterator[NewLearner | NewAward]:
    for image in images:
        try:
            yield inserted(image)
        except Unreadable:
            # No delivery can succeed, and the awards behind it must not wait for a repair.
            logger.exception("an award can't be read, and is not announced")
            metrics.add_metric("UnreadableAwards", MetricUnit.Count, 1)


@cache
def store() -> Store:
    """Return the store of this process, configured by the environment."""
    return Store(aws.dynamodb(), os.environ["VIEWS_TABLE"])


@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Announce and count the new learners and awards in a stream event of the views table."""
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    published = publish(store(), aws.eventbridge(), os.environ["BUS_NAME"], images)
    metrics.add_metric("Announcements", MetricUnit.Count, published)
    logger.info("published", extra={"inserts": len(images), "announcements": published})
