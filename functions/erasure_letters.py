"""Take erased learners out of the quarantine's queue and out of the dead letters of the bus's rule."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from domain.erasure import Erasures
from functions.erased_data import data_left, undelivered_left
from functions.erasure_objects import Objects
from functions.quarantine import MAX_BATCH, PAYLOADS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 900
"""How long a message stays hidden from other readers if it is not released before."""
WAIT_SECONDS = 1
"""Long polling: without it SQS asks only some of its servers, and misses messages."""
EMPTY_POLLS = 3
"""A queue is done after so many polls without a message."""

type Message = dict[str, Any]


class MessagesAreHidden(Exception):
    """Another reader has hidden messages, which can be of erased learners. Try again when it is done."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The queues, and the objects with payloads that are too large for a message."""

    sqs: "SQSClient"
    objects: Objects
    quarantine_url: str
    dead_letters_url: str
    wait_seconds: int = WAIT_SECONDS

    def erase(self, erasures: Erasures) -> int:
        """Delete the messages of erased learners, and return how many there were.

        Raise MessagesAreHidden if another reader has hidden some, after all others have been looked at.
        """
        urls = (self.quarantine_url, self.dead_letters_url)
        hidden = sum(map(self._count_hidden, urls))
        erased = self._erase(self.quarantine_url, lambda message: self._refused_left(message, erasures))
        erased += self._erase(self.dead_letters_url, lambda message: _dead_letter_left(message, erasures))
        if hidden:
            raise MessagesAreHidden(f"about {hidden} messages are hidden by another reader")
        return erased

    def _count_hidden(self, url: str) -> int:
        name: Any = "ApproximateNumberOfMessagesNotVisible"
        return int(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def _erase(self, url: str, left_of: Callable[[Message], str | None]) -> int:
        """Replace or delete messages by what is left of them."""
        erased = 0
        with self._messages(url) as (messages, kept):
            for message in messages:
                left = left_of(message)
                if left is message["Body"]:
                    kept.append(message["ReceiptHandle"])
                    continue
                if left is not None:
                    self.sqs.send_message(QueueUrl=url, MessageBody=left)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                erased += 1
        return erased

    @contextmanager
    def _messages(self, url: str) -> Iterator[tuple[Iterator[Message], list[str]]]:
        """Give the messages, each once, and a list for the receipts of those to release at the end."""
        kept: list[str] = []
        try:
            yield self._receive(url), kept
        finally:
            for some in batched(kept, MAX_BATCH):
                entries: Any = [
                    {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for n, receipt in enumerate(some)
                ]
                self.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    def _receive(self, url: str) -> Iterator[Message]:
        began_at = datetime.now(UTC).timestamp() * 1000
        empty_polls = 0
        while empty_polls < EMPTY_POLLS:
            answer: Any = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=MAX_BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=self.wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = answer.get("Messages", [])
            yield from messages
            # What is sent from now on, by this function too, is not waited for.
            newer = all(int(message["Attributes"]["SentTimestamp"]) > began_at for message in messages)
            empty_polls = empty_polls + 1 if newer else 0

    def _refused_left(self, message: Message, erasures: Erasures) -> str | None:
        """Return what is left of the body of a message in the quarantine."""
        body: str = message["Body"]
        try:
            fields = from_json(body)
            arrived_at = datetime.fromisoformat(fields["arrived_at"])
            if "payload" not in fields:
                return body if self._payload_stays(fields["payload_s3"], arrived_at, erasures) else None
            data = b64decode(fields["payload"], validate=True)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None if erasures.mentions(body, _sent_at(message)) else body
        left = data_left(data, arrived_at, erasures)
        if left is data:
            return body
        return None if left is None else json.dumps({**fields, "payload": b64encode(left).decode()})

    def _payload_stays(self, pointer: Any, arrived_at: datetime, erasures: Erasures) -> bool:
        """Return whether something is left of a payload in the bucket, which is rewritten with the others.

        Raise ValueError if the pointer is not one of ours, or if the payload is gone.
        """
        if pointer["bucket"] != self.objects.bucket or not pointer["key"].startswith(PAYLOADS):
            raise ValueError("it points elsewhere")
        content = self.objects.read(pointer["key"])
        if content is None:
            raise ValueError("the payload is gone")
        return data_left(content, arrived_at, erasures) is not None


def _dead_letter_left(message: Message, erasures: Erasures) -> str | None:
    body: str = message["Body"]
    return body if undelivered_left(body.encode(), _sent_at(message), erasures) is not None else None


def _sent_at(message: Message) -> datetime:
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
