"""Read everything that counts as quarantine.

That is the quarantine queue, the dead letters of the bus's rule, and the batches in the bucket that a
function failed on until they were too old.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from cli.queues import MAX_MESSAGES, delete_messages, release_messages
from cli.stack import Stack
from cli.stream import Record, make_record

type Message = dict[str, Any]

HIDDEN_SECONDS = 900
"""How long a message stays hidden from other readers if it is not released before."""
WAIT_SECONDS = 1
"""Long polling, on AWS only: without it SQS asks only some of its servers, and misses messages."""
MAX_EMPTY_POLLS = 10
"""A queue is done after this many polls in a row without a message that is both old enough and unseen."""
FAILED_BATCHES = "aws/lambda/"
"""Prefix of the objects that Lambda writes to an event source's on-failure destination."""


class Location(NamedTuple):
    """Where an entry of quarantine is: a message of a queue or an object of a bucket."""

    container: str
    """The queue's URL or the bucket's name."""
    id: str
    """The message's id or the object's key."""


class S3Pointer(NamedTuple):
    """The object with a payload that is too large for a message."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record in quarantine, and why it is there."""

    code: str
    reason: str
    position: str
    """Identifies the record. A batch that was delivered again has put it into quarantine again."""
    arrived_at: str
    payload: Record | S3Pointer


@dataclass(frozen=True, slots=True)
class Entry:
    """One message or object in quarantine. It holds one record, or all records of a failed batch."""

    location: Location
    records: tuple[QuarantinedRecord, ...]


class Entries:
    """An iterable context manager over the entries that are in quarantine when it is first read.

    Messages that were read stay hidden from other readers until it is closed. Entries that were not removed
    are then still in quarantine.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._s3 = stack.client("s3")
        self._seen: set[Location] = set()
        self._receipts: dict[Location, str] = {}
        """Receipts of the messages that are hidden."""
        self._started: int | None = None
        """Time of the first poll by the queue's clock, in milliseconds since 1970."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the messages that are left."""
        for url, receipts in _by_queue(self._receipts).items():
            release_messages(self._sqs, url, receipts)

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries. Several of them can hold the same record."""
        outputs = self._stack.outputs
        for location, message in self._messages(outputs["QuarantineUrl"]):
            yield Entry(location, (_refused_record(json.loads(message["Body"])),))
        for location, message in self._messages(outputs["RuleDeadLettersUrl"]):
            yield Entry(location, (_undelivered_record(message),))
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=outputs["EventLogBucket"], Prefix=FAILED_BATCHES):
            for found in page.get("Contents", []):
                location = Location(outputs["EventLogBucket"], found["Key"])
                yield Entry(location, tuple(_failed_records(json.loads(self._object(*location)))))

    def payload(self, record: QuarantinedRecord) -> Record:
        """Return the record as it was put into the stream."""
        match record.payload:
            case Record():
                return record.payload
            case S3Pointer(bucket, key):
                return make_record(self._object(bucket, key))

    def remove(self, entries: Iterable[Entry]) -> None:
        """Remove entries from quarantine, after the stream has accepted their records."""
        receipts: dict[Location, str] = {}
        for entry in entries:
            if entry.location in self._receipts:
                receipts[entry.location] = self._receipts.pop(entry.location)
            else:
                self._s3.delete_object(Bucket=entry.location.container, Key=entry.location.id)
        for url, of_queue in _by_queue(receipts).items():
            delete_messages(self._sqs, url, of_queue)

    def _object(self, bucket: str, key: str) -> bytes:
        data: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def _messages(self, url: str) -> Iterator[tuple[Location, Message]]:
        wait_seconds = 0 if self._stack.endpoint_url else WAIT_SECONDS
        empty_polls = 0
        while empty_polls < MAX_EMPTY_POLLS:
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=MAX_MESSAGES,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = {
                Location(url, message["MessageId"]): message for message in answer.get("Messages", [])
            }
            if self._started is None:
                # The header has whole seconds. Round up, so that messages of this second count as old.
                date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
                self._started = int(date.timestamp() + 1) * 1000
            # Skip newer messages: a record that was just put back and refused again would never end this.
            waiting = [
                (location, message)
                for location, message in messages.items()
                if location not in self._seen and int(message["Attributes"]["SentTimestamp"]) <= self._started
            ]
            self._receipts |= {location: message["ReceiptHandle"] for location, message in messages.items()}
            self._seen |= messages.keys()
            if not messages:
                return
            empty_polls = 0 if waiting else empty_polls + 1
            yield from waiting


def list_records(stack: Stack) -> list[tuple[QuarantinedRecord, Record]]:
    """Return all records in quarantine with their payloads, each once. They stay in quarantine."""
    with Entries(stack) as entries:
        found = {record.position: record for entry in entries for record in entry.records}
        return [(record, entries.payload(record)) for record in found.values()]


def _by_queue(receipts: dict[Location, str]) -> dict[str, list[str]]:
    by_queue: dict[str, list[str]] = {}
    for location, receipt in receipts.items():
        by_queue.setdefault(location.container, []).append(receipt)
    return by_queue


def _refused_record(body: Any) -> QuarantinedRecord:
    """Return the record that the consumer has put into quarantine."""
    return QuarantinedRecord(
        code=body["code"],
        reason=body["reason"],
        position=":".join(body["position"].values()),
        arrived_at=body["arrived_at"],
        payload=make_record(b64decode(body["payload"]))
        if "payload" in body
        else S3Pointer(**body["payload_s3"]),
    )


def _undelivered_record(message: Message) -> QuarantinedRecord:
    """Return the interaction that the bus's rule could not put into the stream.

    An interaction without a user_id is an example: it has no partition key.
    """
    event = json.loads(message["Body"])
    # The rule may already have replaced the event by its detail.
    interaction = event["detail"] if "detail-type" in event else event
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    error = attributes.get("ERROR_MESSAGE") or attributes.get("ERROR_CODE") or "no reason given"
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return QuarantinedRecord(
        code="undelivered",
        reason=f"the bus could not put it into the stream: {error}",
        position=f"bus:{message['MessageId']}",
        arrived_at=datetime.fromtimestamp(sent, UTC).isoformat(),
        payload=make_record(json.dumps(interaction).encode()),
    )


def _failed_records(invocation: Any) -> Iterator[QuarantinedRecord]:
    """Yield the records of a batch that a function failed on until the batch was too old."""
    context = invocation["requestContext"]
    reason = f"{context['functionArn']} failed on its batch until Lambda gave up: {context['condition']}"
    for one in json.loads(invocation["payload"])["Records"]:
        if "kinesis" in one:
            code = "failed_batch"
            payload = Record(b64decode(one["kinesis"]["data"]), one["kinesis"]["partitionKey"])
        else:
            # A change from a table's stream. The stream of interactions can't repeat it.
            code = "failed_change"
            payload = Record(json.dumps(one).encode(), "nobody")
        yield QuarantinedRecord(
            code=code,
            reason=reason,
            position=one["eventID"],
            arrived_at=invocation["timestamp"],
            payload=payload,
        )
