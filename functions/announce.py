"""Publish new awards on the bus.

An award is published at least once. Its event_id is always the same, so consumers can ignore repetitions.
"""

import os
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.metrics import MetricUnit

from domain.announcements import DETAIL_TYPES, Announcement, announcements
from functions import aws
from functions.items import name_of, new_award
from functions.observability import logger, metrics

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


def publish(events: "EventBridgeClient", bus: str, images: Iterable[dict[str, Any]]) -> int:
    """Announce newly inserted `EARNED#` items. Return the number of announcements."""
    published = [announcement for image in images for announcement in _announcements(image)]
    put_events(events, bus, published)
    return len(published)


def _announcements(image: dict[str, Any]) -> list[Announcement]:
    try:
        new = new_award(image)
        return [] if new.silent else announcements(new.user_id, new.award)
    except Exception:
        # Nothing here depends on the network, so no delivery can succeed, and the awards behind this one must
        # not wait for a repair.
        logger.exception("an award can't be read, and is not announced", extra={"item": name_of(image)})
        metrics.add_metric("UnreadableAwards", MetricUnit.Count, 1)
        return []


@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Announce the new awards in a stream event of the views table."""
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    published = publish(aws.eventbridge(), os.environ["BUS_NAME"], images)
    metrics.add_metric("Announcements", MetricUnit.Count, published)
    logger.info("published", extra={"inserts": len(images), "announcements": published})
