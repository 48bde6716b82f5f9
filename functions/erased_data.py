"""Take erased learners out of what holds their records: lines of the log, letters of the quarantine, batches.

Each function returns what is left: the very same value if it has nothing of an erased learner, and None if
nothing is left of it.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from domain.erasure import Erasures
from domain.log_line import LogLine, UnreadableLine, line_for, line_of, to_text
from functions.framing import UnreadableFrame, unframe
from functions.log_objects import LOG_ERRORS

NAMED = re.compile(
    rb'\{"arrived_at":"[^"]*","shard":"[^"]*","sequence_number":"[^"]*","part":[0-9]+,"user_id":"([^"\\]+)"'
)
"""How a line of the log that names its learner begins. Most lines are decided by it: parsing takes longer."""


def parts_left(data: bytes, arrived_at: datetime, erasures: Erasures) -> list[tuple[int, bytes]] | None:
    """Return the parts of a record's data that are left, with their numbers; None if that is all of it.

    A record without a frame has one part, whose number is 0. A frame whose parts can't be read is taken as
    one part.
    """
    parts = _parts(data)
    left = [(number, part) for number, part in parts if not erasures.has(part, arrived_at)]
    return None if len(left) == len(parts) else left


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    if not _is_object(data):
        try:
            parts = unframe(data)
        except UnreadableFrame:
            parts = ()
        if parts:
            return [(number, part.payload) for number, part in enumerate(parts, 1)]
    return [(0, data)]


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(from_json(data), dict)
    except ValueError:
        return False


def data_left(data: bytes, arrived_at: datetime, erasures: Erasures) -> bytes | None:
    """Return what is left of a record's data. What is left of a frame are JSON lines."""
    left = parts_left(data, arrived_at, erasures)
    if left is None:
        return data
    return b"\n".join(part for _, part in left) or None


# -- the event log -----------------------------------------------------------------------------------


def lines_left(text: bytes, key: str, last_modified: datetime, erasures: Erasures) -> list[bytes] | None:
    """Return the lines that stand for a line of an object of the log; None if it stays as it is.

    `last_modified` is the time of the object, for lines that have no time of their own. What is left of a
    framed record are lines of its parts, which keep their numbers.
    """
    named = NAMED.match(text)
    if not text.strip() or (named and named[1].decode() not in erasures.of):
        return None
    try:
        if key.startswith(LOG_ERRORS):
            return _error_left(text, last_modified, erasures)
        line = line_of(text)
    except UnreadableLine:
        return [] if erasures.mentions(text.decode(errors="replace"), last_modified) else None
    arrived_at = line.arrived_at or last_modified
    if line.user_id is not None and line.user_id not in erasures.of:
        return None
    left = parts_left(line.payload, arrived_at, erasures)
    return None if left is None else [_line(line, number, part, arrived_at) for number, part in left]


def _line(line: LogLine, number: int, part: bytes, arrived_at: datetime) -> bytes:
    made = line_for(part, arrived_at, line.shard, line.sequence_number, line.part or number)
    return to_text(made).encode()


def _error_left(text: bytes, last_modified: datetime, erasures: Erasures) -> list[bytes] | None:
    """Return what is left of the record that Firehose could not transform."""
    try:
        fields = from_json(text)
        data = b64decode(fields["rawData"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableLine(str(error)) from error
    left = data_left(data, last_modified, erasures)
    if left is data:
        return None
    if left is None:
        return []
    return [json.dumps({**fields, "rawData": b64encode(left).decode()}).encode()]


# -- batches that a function failed on -----------------------------------------------------------------


def failed_batch_left(content: bytes, last_modified: datetime, erasures: Erasures) -> bytes | None:
    """Return what is left of an object that Lambda wrote for a batch that it gave up.

    An object that is none is taken as a text, and so is a record that can't be read.
    """
    try:
        failed = from_json(content)
        payload = from_json(failed["payload"])
        records = [record for record in payload["Records"] if isinstance(record, dict)]
    except (KeyError, TypeError, ValueError):
        return None if erasures.mentions(content.decode(errors="replace"), last_modified) else content
    left = list(_records_left(records, last_modified, erasures))
    if len(left) == len(records) and all(map(_is, left, records)):
        return content
    if not left:
        return None
    return json.dumps({**failed, "payload": json.dumps({**payload, "Records": left})}).encode()


def _is(one: object, other: object) -> bool:
    return one is other


def _records_left(
    records: list[dict[str, Any]], last_modified: datetime, erasures: Erasures
) -> Iterator[dict[str, Any]]:
    for record in records:
        if "kinesis" in record:
            yield from _kinesis_left(record, last_modified, erasures)
        elif not erasures.mentions_item(record.get("dynamodb"), _created_at(record, last_modified)):
            yield record


def _kinesis_left(
    record: dict[str, Any], last_modified: datetime, erasures: Erasures
) -> Iterator[dict[str, Any]]:
    kinesis = record["kinesis"]
    try:
        data = b64decode(kinesis["data"], validate=True)
        arrived_at = datetime.fromtimestamp(float(kinesis["approximateArrivalTimestamp"]), UTC)
    except (KeyError, TypeError, ValueError):
        if not erasures.mentions(json.dumps(record), last_modified):
            yield record
        return
    left = data_left(data, arrived_at, erasures)
    if left is data and kinesis.get("partitionKey") not in erasures.of:
        yield record
    elif left is not None:
        # A producer can have used the erased learner's id as the key of a frame with others' records.
        changed = {**kinesis, "data": b64encode(left).decode(), "partitionKey": "nobody"}
        yield {**record, "kinesis": changed}


def _created_at(record: dict[str, Any], last_modified: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(float(record["dynamodb"]["ApproximateCreationDateTime"]), UTC)
    except (KeyError, TypeError, ValueError):
        return last_modified


# -- messages of the queues ----------------------------------------------------------------------------


def undelivered_left(body: bytes, arrived_at: datetime, erasures: Erasures) -> bytes | None:
    """Return what is left of an event that the bus could not put into the stream: everything, or nothing.

    The rule may already have replaced the event by its detail.
    """
    detail = body
    try:
        event = from_json(body)
        if isinstance(event, dict) and "detail-type" in event:
            detail = json.dumps(event.get("detail")).encode()
    except ValueError:
        pass
    return None if erasures.has(detail, arrived_at) else body
