"""Read everything that counts as quarantine.

That is the quarantine queue, the dead letters of the bus's rule, and the batches in the bucket that a
function failed on until they were too old. Something else can be in each of them: it is reported as a letter
that can't be read, and never stops the reader.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Annotated, Any, NamedTuple, Self

import click
from botocore.exceptions import ClientError
from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field, Json, ValidationError

from cli.queues import MAX_MESSAGES, delete_messages, release_messages
from cli.stack import Stack
from cli.stream import Record, make_record
from domain.progress_row import KEY
from functions.progress_table import payload_of, plain_row
from functions.quarantine import BAD_ROW, NOT_UNDERSTOOD, PAYLOADS, VOIDED, Position
from functions.quarantine import CODES as CONSUMER_CODES

type Message = dict[str, Any]

CODES = (*CONSUMER_CODES, NOT_UNDERSTOOD, VOIDED, BAD_ROW, "undelivered", "failed_batch", "failed_change")
"""All reasons for which a record can be in quarantine."""
HIDDEN_SECONDS = 900
"""How long a message stays hidden from other readers if it is not released before."""
WAIT_SECONDS = 1
"""Long polling, on AWS only: without it SQS asks only some of its servers, and misses messages."""
MAX_EMPTY_POLLS = 10
"""A queue is done after this many polls in a row without a message that is both old enough and unseen."""
FAILED_BATCHES = "aws/lambda/"
"""Prefix of the objects that Lambda writes to an event source's on-failure destination."""
MAX_OBJECT_BYTES = 64 * 1024 * 1024
"""Maximum size of an object that is read. A batch or a payload is smaller."""
UNREADABLE_OBJECT = {"NoSuchKey", "AccessDenied", "InvalidObjectState", "KMS.DisabledException"}
"""S3's error codes that concern one object, which can be missing, foreign or archived."""


class Location(NamedTuple):
    """Where a letter is: a message of a queue or an object of a bucket."""

    container: str
    """The queue's URL or the bucket's name."""
    id: str
    """The message's id or the object's key."""

    def __str__(self) -> str:
        return f"{self.container} {self.id}"


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A record in quarantine, and why it is there."""

    code: str
    reason: str
    position: str
    """Identifies the record. A batch that was delivered again has put it into quarantine again."""
    arrived_at: datetime
    payload: Record


@dataclass(frozen=True, slots=True)
class Entry:
    """A letter: one message or object. It holds one record, or all records of a failed batch."""

    location: Location
    records: tuple[QuarantinedRecord, ...]

    @property
    def size(self) -> int:
        """The bytes of all payloads."""
        return sum(len(record.payload.data) for record in self.records)


@dataclass(frozen=True, slots=True)
class BadLetter:
    """A message or object that is not a letter of this stack, or has lost its payload."""

    location: Location
    why: str


class Entries:
    """An iterable context manager over the letters that are in quarantine when it is first read.

    Messages that were read stay hidden from other readers until it is closed. Letters that were not removed
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
        queues = (stack.outputs["QuarantineUrl"], stack.outputs["RuleDeadLettersUrl"])
        self.in_flight = sum(map(self._count_in_flight, queues))
        """About how many messages were hidden before this reader began. It can't see them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the messages that are left."""
        for url, receipts in _by_queue(self._receipts).items():
            release_messages(self._sqs, url, receipts)

    def __iter__(self) -> Iterator[Entry | BadLetter]:
        """Yield the letters. Several of them can hold the same record."""
        outputs = self._stack.outputs
        for location, message in self._messages(outputs["QuarantineUrl"]):
            yield _letter(location, self._refused_record, message)
        for location, message in self._messages(outputs["RuleDeadLettersUrl"]):
            yield _letter(location, _undelivered_record, message)
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=outputs["EventLogBucket"], Prefix=FAILED_BATCHES):
            for found in page.get("Contents", []):
                location = Location(outputs["EventLogBucket"], found["Key"])
                yield _letter(location, self._failed_records, location.id)

    def remove(self, entries: Iterable[Entry | BadLetter]) -> None:
        """Remove letters from quarantine, after their records are safe elsewhere or given up.

        Raises click.ClickException if SQS did not delete some.
        """
        receipts: dict[Location, str] = {}
        for entry in entries:
            if entry.location in self._receipts:
                receipts[entry.location] = self._receipts.pop(entry.location)
            else:
                self._s3.delete_object(Bucket=entry.location.container, Key=entry.location.id)
        for url, of_queue in _by_queue(receipts).items():
            if failed := delete_messages(self._sqs, url, of_queue):
                raise click.ClickException(
                    f"{len(failed)} of {len(of_queue)} messages are still in the queue {url}: {failed[0]}"
                )

    def _refused_record(self, message: Message) -> Iterator[QuarantinedRecord]:
        """Yield the record that the consumer has put into quarantine."""
        body = _Refused.model_validate_json(message["Body"])
        if body.payload is not None:
            data = body.payload
        elif body.payload_s3 is not None:
            # Follow no other pointer: what it points to would be put into the stream.
            if body.payload_s3.bucket != self._stack.outputs["EventLogBucket"]:
                raise _BadLetterError("its payload is in a bucket of somebody else")
            if not body.payload_s3.key.startswith(PAYLOADS):
                raise _BadLetterError(f"its payload is not under {PAYLOADS}")
            data = self._object(body.payload_s3.key)
        else:
            raise _BadLetterError("it has no payload")
        position = Position(body.position.shard, body.position.sequence_number, body.position.part)
        yield QuarantinedRecord(body.code, body.reason, str(position), body.arrived_at, make_record(data))

    def _failed_records(self, key: str) -> Iterator[QuarantinedRecord]:
        """Yield the records of a batch that a function failed on until the batch was too old."""
        failed = _FailedInvocation.model_validate_json(self._object(key))
        context = failed.request_context
        reason = f"{context.function_arn} failed on its batch until Lambda gave up: {context.condition}"
        for fields in failed.payload.records:
            record = _StreamRecord.model_validate(fields)
            if record.kinesis:
                code = "failed_batch"
                payload = Record(record.kinesis.data, record.kinesis.partition_key)
            elif record.dynamodb and record.dynamodb.is_progress_row and record.dynamodb.new_image:
                # What the door would have mapped. The row may have been overwritten since.
                code = BAD_ROW
                payload = make_record(payload_of(plain_row(record.dynamodb.new_image)))
            else:
                # A change from a table's stream. The stream of interactions can't repeat it.
                code = "failed_change"
                payload = Record(json.dumps(fields).encode(), "nobody")
            yield QuarantinedRecord(code, reason, record.event_id, failed.timestamp, payload)

    def _object(self, key: str) -> bytes:
        try:
            answer = self._s3.get_object(Bucket=self._stack.outputs["EventLogBucket"], Key=key)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in UNREADABLE_OBJECT:
                raise
            raise _BadLetterError(f"S3 does not return its object {key}: {code}") from error
        if answer["ContentLength"] > MAX_OBJECT_BYTES:
            raise _BadLetterError(f"the object {key} is larger than any of Streakline's")
        data: bytes = answer["Body"].read()
        return data

    def _count_in_flight(self, url: str) -> int:
        name = "ApproximateNumberOfMessagesNotVisible"
        return int(self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

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


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader found in quarantine."""

    records: tuple[QuarantinedRecord, ...]
    """Each once."""
    bad_letters: tuple[BadLetter, ...]
    in_flight: int
    """About how many messages another reader has hidden, or one that was killed."""


def read_quarantine(stack: Stack) -> Listing:
    """Return what is in quarantine. It stays there."""
    records: dict[str, QuarantinedRecord] = {}
    bad: list[BadLetter] = []
    with Entries(stack) as entries:
        for letter in entries:
            if isinstance(letter, BadLetter):
                bad.append(letter)
            else:
                records |= {record.position: record for record in letter.records}
        return Listing(tuple(records.values()), tuple(bad), entries.in_flight)


def list_records(stack: Stack) -> list[tuple[QuarantinedRecord, Record]]:
    """Return all records in quarantine with their payloads, each once. They stay in quarantine."""
    return [(record, record.payload) for record in read_quarantine(stack).records]


def _by_queue(receipts: dict[Location, str]) -> dict[str, list[str]]:
    by_queue: dict[str, list[str]] = {}
    for location, receipt in receipts.items():
        by_queue.setdefault(location.container, []).append(receipt)
    return by_queue


# -- letters ---------------------------------------------------------------------------------------


class _BadLetterError(Exception):
    """A letter can't be read."""


def _letter[T](
    location: Location, read: Callable[[T], Iterator[QuarantinedRecord]], letter: T
) -> Entry | BadLetter:
    try:
        records = tuple(read(letter))
        if not records:
            raise _BadLetterError("there is no record in it")
    except _BadLetterError as error:
        return BadLetter(location, str(error))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        why = f"{field}: {first['msg']}" if field else first["msg"]
        return BadLetter(location, f"it is not a letter of Streakline: {why}")
    return Entry(location, records)


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Position(_Model):
    shard: str
    sequence_number: str
    part: int = 0


class _Pointer(_Model):
    """The object with a payload that is too large for a message."""

    bucket: str
    key: str


class _Refused(_Model):
    """The body of a message in the quarantine queue, as `functions/quarantine.py` writes it."""

    code: str
    reason: str
    position: _Position
    arrived_at: AwareDatetime
    payload: Base64Bytes | None = None
    payload_s3: _Pointer | None = None


class _FailedContext(_Model):
    function_arn: Annotated[str, Field(alias="functionArn")]
    condition: str


class _Batch(_Model):
    records: Annotated[list[dict[str, Any]], Field(alias="Records")]


class _FailedInvocation(_Model):
    """An object that Lambda writes for a batch that it has given up."""

    request_context: Annotated[_FailedContext, Field(alias="requestContext")]
    timestamp: AwareDatetime
    payload: Json[_Batch]


class _KinesisRecord(_Model):
    data: Base64Bytes
    partition_key: Annotated[str, Field(alias="partitionKey", min_length=1, max_length=256)]


class _Change(_Model):
    keys: Annotated[dict[str, Any], Field(alias="Keys")] = {}
    new_image: Annotated[dict[str, dict[str, Any]] | None, Field(alias="NewImage")] = None

    @property
    def is_progress_row(self) -> bool:
        return self.keys.keys() == set(KEY)


class _StreamRecord(_Model):
    event_id: Annotated[str, Field(alias="eventID")]
    kinesis: _KinesisRecord | None = None
    dynamodb: _Change | None = None


class _Event(_Model):
    """An event that the bus could not deliver. The rule may already have replaced it by its detail."""

    detail_type: Annotated[str, Field(alias="detail-type")]
    detail: Any


def _undelivered_record(message: Message) -> Iterator[QuarantinedRecord]:
    """Yield the interaction that the bus's rule could not put into the stream.

    An interaction without a user_id is an example: it has no partition key.
    """
    try:
        event = json.loads(message["Body"])
        whole = isinstance(event, dict) and "detail-type" in event
        data = json.dumps(_Event.model_validate(event).detail if whole else event).encode()
    except ValidationError:
        raise
    except (ValueError, RecursionError) as error:
        raise _BadLetterError("it is not a letter of Streakline: not JSON") from error
    attributes = {
        name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()
    }
    error_text = attributes.get("ERROR_MESSAGE") or attributes.get("ERROR_CODE") or "no reason given"
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    yield QuarantinedRecord(
        code="undelivered",
        reason=f"the bus could not put it into the stream: {error_text}",
        position=f"bus:{message['MessageId']}",
        arrived_at=datetime.fromtimestamp(sent, UTC),
        payload=make_record(data),
    )
