"""Puts records into the stream: within the limits of a call, and again where only some were taken."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import click

from cli.stack import Stack

MAX_TRIES = 10
MAX_RECORDS = 500
MAX_BYTES = 5 * 1024 * 1024
"""Of one PutRecords call, the partition keys included."""
MAX_KEY_LENGTH = 256


class Record(NamedTuple):
    """What is put into the stream."""

    data: bytes
    key: str
    """The partition key: the learner. ASCII."""

    @property
    def entry(self) -> dict[str, Any]:
        """As PutRecords takes it."""
        return {"Data": self.data, "PartitionKey": self.key}


def record(data: bytes) -> Record:
    """With the partition key that its producer would have given it; any will do for what names no learner."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        fields = None
    user_id = fields.get("user_id") if isinstance(fields, dict) else None
    key = user_id[:MAX_KEY_LENGTH] if isinstance(user_id, str) and user_id.isascii() else ""
    return Record(data, key or "nobody")


def put(stack: Stack, records: Iterable[Record]) -> Iterator[int]:
    """Put records in order; after each call, how many it was. Raises click.ClickException."""
    kinesis, stream = stack.client("kinesis"), stack.outputs["StreamName"]

    def attempt(left: list[Any]) -> list[Any]:
        results = kinesis.put_records(StreamName=stream, Records=left)["Records"]
        return [entry for entry, result in zip(left, results, strict=True) if "ErrorCode" in result]

    for chunk in _chunks(records):
        until_taken([one.entry for one in chunk], attempt)
        yield len(chunk)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    size = 0
    for one in records:
        more = len(one.data) + len(one.key)
        if chunk and (len(chunk) == MAX_RECORDS or size + more > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += more
    if chunk:
        yield chunk


def until_taken(entries: list[Any], attempt: Callable[[list[Any]], list[Any]]) -> None:
    """Try until each entry is taken: such calls succeed in part. Raises click.ClickException."""
    for tries in range(MAX_TRIES):
        entries = attempt(entries)
        if not entries:
            return
        pause(tries)
    raise click.ClickException(f"{len(entries)} records are not taken; try again later, it is harmless")


def pause(tries: int) -> None:
    """Wait, the longer the more tries were in vain."""
    time.sleep(random.uniform(0, min(5.0, 0.1 * 2**tries)))
