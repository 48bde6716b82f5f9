"""Publish new awards on the bus.

An award is published at least once. Its event_id is always the same, so consumers can ignore repetitions.
"""

import os
import random
import time
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from domain.announcements import DETAIL_TYPES, Announcement, announcements
from functions import aws
from functions.items import name_of, new_award
from functions.observability import logger, metrics, observed

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_events import EventBridgeClient

SOURCE = "streakline"
MAX_ENTRIES = 10
"""Maximum entries of one PutEvents call."""
MAX_TRIES = 3
"""Maximum attempts to put an announcement, before the whole batch is left for redelivery."""


def put_events(events: "EventBridgeClient", bus: str, published: Sequence[Announcement]) -> None:
    """Put announcements on the bus, and those that it refuses once more.

    Raise RuntimeError if it still refuses some, after all others have been put, so the batch is redelivered.
    """
    entries: list[Any] = [
        {
            "EventBusName": bus,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPES[type(announcement)],
            "Detail": announcement.model_dump_json(),
        }
        for announcement in published
    ]
    codes: list[str] = []
    for attempt in range(MAX_TRIES):
        if attempt:
            time.sleep(random.uniform(0, 0.1 * 2**attempt))
        refused = []
        codes = []
        for chunk in batched(entries, MAX_ENTRIES):
            for entry, result in zip(chunk, events.put_events(Entries=chunk)["Entries"], strict=True):
                if "ErrorCode" in result:
                    refused.append(entry)
                    codes.append(result["ErrorCode"])
        if not refused:
            return
        entries = refused
    raise RuntimeError(f"the bus refused {len(codes)} announcements: {codes[0]}")


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


@observed
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Announce the new awards in a stream event of the views table."""
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    published = publish(aws.eventbridge(), os.environ["BUS_NAME"], images)
    metrics.add_metric("Announcements", MetricUnit.Count, published)
    logger.info("published", extra={"inserts": len(images), "announcements": published})
