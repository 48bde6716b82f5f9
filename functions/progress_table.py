"""The replaced tracker's progress table as a door: each row that it writes becomes an interaction.

Its writers need not change. A row that is written again is a new interaction, and a deleted one was one.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit

from domain.interaction import InvalidInteraction
from domain.progress_row import interaction_of
from functions import aws
from functions.observability import count_quarantined, logger, metrics, observed
from functions.quarantine import BAD_ROW, Position, Quarantine, Quarantined
from functions.stream import MAX_RECORDS, put

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SHARD = "progress-table"
"""Stands for the shard in the position of a row in quarantine."""


class Rows(NamedTuple):
    """What the records of the table's stream contain."""

    interactions: list[dict[str, Any]]
    bad: list[Quarantined]


def plain(attribute: Mapping[str, Any]) -> Any:
    """Return an attribute's value as JSON has it: `{"N": "80"}` is 80. Sets and bytes become their texts."""
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            number = float(value)
            return int(number) if number.is_integer() else number
        case "NULL":
            return None
        case "M":
            return {name: plain(inner) for name, inner in value.items()}
        case "L":
            return [plain(inner) for inner in value]
        case "S" | "BOOL":
            return value
        case _:
            return str(value)


def plain_row(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's attributes as JSON has them."""
    return {name: plain(attribute) for name, attribute in image.items()}


def payload_of(row: Mapping[str, Any]) -> bytes:
    """Return a row as quarantine keeps it."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace")


def rows_of(records: Iterable[Mapping[str, Any]]) -> Rows:
    """Return the interactions in a table stream's records, and the rows that are none.

    Deleted rows are left out: what a learner did is not undone. Raise ValueError if the stream leaves out
    what the rows have become.
    """
    rows = Rows([], [])
    for record in records:
        if record["eventName"] == "REMOVE":
            continue
        change = record["dynamodb"]
        if "NewImage" not in change:
            raise ValueError(
                "the progress table's stream needs the view type NEW_IMAGE or NEW_AND_OLD_IMAGES"
            )
        arrived_at = datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC)
        row = plain_row(change["NewImage"])
        try:
            rows.interactions.append(interaction_of(row, arrived_at))
        except InvalidInteraction as error:
            position = Position(SHARD, record["eventID"])
            payload = payload_of(row)
            rows.bad.append(
                Quarantined(payload, BAD_ROW, str(error), position, arrived_at, error.faults, "table")
            )
    return rows


@cache
def quarantine() -> Quarantine:
    """Return the quarantine, configured by the environment."""
    return Quarantine(aws.sqs, aws.s3, os.environ["QUARANTINE_URL"], os.environ["EVENT_LOG_BUCKET"])


@observed
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Put the rows of a table stream's event into the stream of interactions.

    Raise TimeoutError if the stream refuses some: the event comes again, and the others are recognised.
    """
    rows = rows_of(event["Records"])
    taken: list[bool] = []
    for start in range(0, len(rows.interactions), MAX_RECORDS):
        taken += put(rows.interactions[start : start + MAX_RECORDS])
    quarantine().put(rows.bad)
    count_quarantined(Counter(row.code for row in rows.bad).items())
    logger.info("progress table", extra={"emitted": sum(taken), "bad": len(rows.bad)})
    metrics.add_metric("RowsEmitted", MetricUnit.Count, sum(taken))
    metrics.add_metric("BadRows", MetricUnit.Count, len(rows.bad))
    if not all(taken):
        raise TimeoutError(f"the stream did not take {taken.count(False)} of {len(taken)} rows")
