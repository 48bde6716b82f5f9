"""Put records into the Kinesis stream, within the limits of PutRecords."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from cli.batching import split
from cli.retry import rejected, retry_until_accepted
from cli.stack import Stack

MAX_RECORDS = 500
MAX_BYTES = 5 * 1024 * 1024
"""Limit of one PutRecords call, partition keys included."""
MAX_RECORD_BYTES = 1024 * 1024
"""Limit of one record, partition key included."""
MAX_KEY_LENGTH = 256


class Record(NamedTuple):
    """A record of the stream."""

    data: bytes
    key: str
    """The partition key, in ASCII: the learner's id."""

    @property
    def entry(self) -> dict[str, Any]:
        """The record as an entry of PutRecords."""
        return {"Data": self.data, "PartitionKey": self.key}


def make_record(data: bytes) -> Record:
    """Return a record with the partition key that a producer would have used: its learner's id.

    Data that names no learner gets a fixed key, because the stream accepts no empty one.
    """
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        fields = None
    user_id = fields.get("user_id") if isinstance(fields, dict) else None
    key = user_id[:MAX_KEY_LENGTH] if isinstance(user_id, str) and user_id.isascii() else ""
    return Record(data, key or "nobody")


def put_records(stack: Stack, records: Iterable[Record]) -> Iterator[int]:
    """Put records in order, and yield after each call how many records it covered.

    Raises click.ClickException if the stream keeps rejecting records.
    """
    kinesis, stream = stack.client("kinesis"), stack.outputs["StreamName"]

    def attempt(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return rejected(entries, kinesis.put_records(StreamName=stream, Records=entries)["Records"])

    for batch in split_records(records):
        retry_until_accepted([record.entry for record in batch], attempt)
        yield len(batch)


def split_records(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Split records into batches that one PutRecords call accepts."""
    return split(
        records,
        max_items=MAX_RECORDS,
        max_bytes=MAX_BYTES,
        size=lambda record: len(record.data) + len(record.key),
    )
