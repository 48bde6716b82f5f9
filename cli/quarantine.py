"""Looks into all that counts as quarantine: its queue, the bus's dead letters, the batches that aged out."""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import batched
from types import TracebackType
from typing import Any, NamedTuple, Self

from cli.stack import Stack
from cli.stream import Record, record

type Message = dict[str, Any]

HIDDEN_SECONDS = 900
"""How long a message is hidden from others at most while it is looked at."""
WAIT_SECONDS = 1
"""Without waiting, SQS asks only some of its servers, and misses messages. The local one is but one."""
BARREN = 10
"""Answers in a row of nothing but what came since or was seen before, after which a queue is done."""
FAILED_BATCHES = "aws/lambda/"
"""Where Lambda's event sources put what aged out, by AWS's documentation of on-failure destinations."""


class Place(NamedTuple):
    """What holds quarantined records: a message of a queue, or an object of a bucket."""

    container: str
    """The queue's URL, or the bucket's name."""
    id: str
    """The message's id, or the object's key."""


class Pointer(NamedTuple):
    """Where a payload is that is too large for a message."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Held:
    """A record in quarantine."""

    code: str
    reason: str
    position: str
    """What the record is recognised by where a batch that was delivered again has put it here again."""
    arrived_at: str
    kept: Record | Pointer


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing in quarantine, and the records that are in it: mostly one, a failed batch's many."""

    place: Place
    held: tuple[Held, ...]


class Letters:
    """All that is in quarantine now, one letter after the other; what was not taken out stays.

    While it is open, messages that were seen are hidden from others.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._s3 = stack.client("s3")
        self._seen: set[Place] = set()
        self._receipts: dict[Place, str] = {}
        """Of the messages that are hidden."""
        self._begun: int | None = None
        """When the first look was, in milliseconds since 1970 by the queues' clock."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let others see what is left."""
        for url, receipts in _by_queue(self._receipts):
            entries = [
                {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for n, receipt in enumerate(receipts)
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    def __iter__(self) -> Iterator[Letter]:
        """The letters. The same record can be in more than one of them."""
        outputs = self._stack.outputs
        for place, message in self._messages(outputs["QuarantineUrl"]):
            yield Letter(place, (_refused(json.loads(message["Body"])),))
        for place, message in self._messages(outputs["RuleDeadLettersUrl"]):
            yield Letter(place, (_undelivered(message),))
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=outputs["EventLogBucket"], Prefix=FAILED_BATCHES):
            for found in page.get("Contents", []):
                place = Place(outputs["EventLogBucket"], found["Key"])
                yield Letter(place, tuple(_failed(json.loads(self._object(*place)))))

    def record(self, held: Held) -> Record:
        """The record as it came."""
        return record(self._object(*held.kept)) if isinstance(held.kept, Pointer) else held.kept

    def take_out(self, letters: Iterable[Letter]) -> None:
        """Remove letters for good: the stream has their records."""
        receipts: dict[Place, str] = {}
        for letter in letters:
            if letter.place in self._receipts:
                receipts[letter.place] = self._receipts.pop(letter.place)
            else:
                self._s3.delete_object(Bucket=letter.place.container, Key=letter.place.id)
        for url, chunk in _by_queue(receipts):
            entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(chunk)]
            self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    def _object(self, bucket: str, key: str) -> bytes:
        data: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def _messages(self, url: str) -> Iterator[tuple[Place, Message]]:
        wait_seconds = 0 if self._stack.endpoint_url else WAIT_SECONDS
        barren = 0
        while barren < BARREN:
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = {Place(url, message["MessageId"]): message for message in answer.get("Messages", [])}
            if self._begun is None:
                # Its seconds are whole: those of this one were there.
                date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
                self._begun = int(date.timestamp() + 1) * 1000
            # What is newer may have been put back a moment ago, and refused again: that has no end.
            waiting = [
                (place, message)
                for place, message in messages.items()
                if place not in self._seen and int(message["Attributes"]["SentTimestamp"]) <= self._begun
            ]
            self._receipts |= {place: message["ReceiptHandle"] for place, message in messages.items()}
            self._seen |= messages.keys()
            if not messages:
                return
            barren = 0 if waiting else barren + 1
            yield from waiting


def look(stack: Stack) -> list[tuple[Held, Record]]:
    """All records in quarantine, the same one once; they stay where they are."""
    with Letters(stack) as letters:
        found = {held.position: held for letter in letters for held in letter.held}
        return [(held, letters.record(held)) for held in found.values()]


def _by_queue(receipts: dict[Place, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The queues, each with up to ten receipts at a time."""
    for url in {place.container for place in receipts}:
        for chunk in batched([r for place, r in receipts.items() if place.container == url], 10):
            yield url, chunk


def _refused(body: Any) -> Held:
    """What the consumer has put into quarantine."""
    return Held(
        code=body["code"],
        reason=body["reason"],
        position=":".join(body["position"].values()),
        arrived_at=body["arrived_at"],
        kept=record(b64decode(body["payload"])) if "payload" in body else Pointer(**body["payload_s3"]),
    )


def _undelivered(message: Message) -> Held:
    """An event that the bus's rule could not put into the stream, such as one without a user_id."""
    event = json.loads(message["Body"])
    # The interaction alone, where the rule has taken it out of the event already.
    interaction = event["detail"] if "detail-type" in event else event
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    error = attributes.get("ERROR_MESSAGE") or attributes.get("ERROR_CODE") or "it does not say why"
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Held(
        code="undelivered",
        reason=f"the bus could not put it into the stream: {error}",
        position=f"bus:{message['MessageId']}",
        arrived_at=datetime.fromtimestamp(sent, UTC).isoformat(),
        kept=record(json.dumps(interaction).encode()),
    )


def _failed(invocation: Any) -> Iterator[Held]:
    """The records of a batch that a function failed on until it was too old."""
    context = invocation["requestContext"]
    reason = f"{context['functionArn']} failed on its batch until it was given up: {context['condition']}"
    for one in json.loads(invocation["payload"])["Records"]:
        if "kinesis" in one:
            code, kept = (
                "failed_batch",
                Record(b64decode(one["kinesis"]["data"]), one["kinesis"]["partitionKey"]),
            )
        else:
            # From a table's stream: nothing that the stream of interactions could mend.
            code, kept = "failed_change", Record(json.dumps(one).encode(), "nobody")
        yield Held(
            code=code,
            reason=reason,
            position=one["eventID"],
            arrived_at=invocation["timestamp"],
            kept=kept,
        )
