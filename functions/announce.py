"""Publishes what was earned: new `EARNED#` items -> `achievement.earned` events on the bus.

At least once: each has a deterministic event_id, by which consumers drop repeats.
"""

import json
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from domain.interaction import instant
from functions import aws
from functions.observability import logger
from functions.store import award_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SOURCE = "streakline"
MAX_ENTRIES = 10
"""Of one PutEvents call."""


def announcement(item: dict[str, Any]) -> dict[str, Any]:
    """The detail of the event that tells of an `EARNED#` item."""
    user_id, award = award_of(item)
    identity = f"{user_id}#{award.achievement_id}"
    return {
        "version": 1,
        "event_id": sha256(identity.encode()).hexdigest()[:32],
        "user_id": user_id,
        **award._asdict(),
        "earned_at": instant(award.earned_at).isoformat(),
    }


def publish(records: Iterable[Mapping[str, Any]]) -> int:
    """Announce the awards in a DynamoDB stream's records; how many. Raises where the bus took not all."""
    details = [announcement(record["dynamodb"]["NewImage"]) for record in records]
    for chunk in batched(details, MAX_ENTRIES):
        entries = [
            {
                "EventBusName": os.environ["BUS_NAME"],
                "Source": SOURCE,
                "DetailType": "achievement.earned",
                "Detail": json.dumps(detail),
            }
            for detail in chunk
        ]
        answer = aws.eventbridge().put_events(Entries=cast(Any, entries))
        if answer["FailedEntryCount"]:
            failed = [entry for entry in answer["Entries"] if "ErrorCode" in entry]
            raise RuntimeError(f"the bus refused {len(failed)} announcements: {failed[0]['ErrorCode']}")
    return len(details)


def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """DynamoDB stream event of the views table, filtered to new awards -> bus."""
    logger.info("announced", extra={"awards": publish(event["Records"])})
