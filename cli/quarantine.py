"""Looks into what counts as quarantine, without taking anything out: its queue, the bus's dead letters."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from cli.stack import Stack

type Message = dict[str, Any]

HIDDEN_SECONDS = 120
"""How long a message is hidden from others at most while it is looked at."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message in quarantine."""

    queue: str
    """The URL of the queue that holds it."""
    receipts: tuple[str, ...]
    """More than one where a batch that was delivered again has put the record here again."""
    code: str
    reason: str
    position: str
    arrived_at: str
    payload: bytes


def look(stack: Stack) -> list[Held]:
    """All messages there are, the same record once; they stay where they are, visible to others again."""
    sqs = stack.client("sqs")
    return [
        held
        for output, read in (("QuarantineUrl", _held), ("RuleDeadLettersUrl", _undelivered))
        for held in _look(stack, sqs, stack.outputs[output], read)
    ]


def _look(stack: Stack, sqs: Any, url: str, read: Callable[[Stack, str, Message], Held]) -> list[Held]:
    by_position: dict[str, Held] = {}
    for message in _receive(sqs, url):
        held = read(stack, url, message)
        known = by_position.get(held.position)
        receipts = (*known.receipts, *held.receipts) if known else held.receipts
        by_position[held.position] = replace(held, receipts=receipts)
    for chunk in batched([receipt for held in by_position.values() for receipt in held.receipts], 10):
        entries = [
            {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
            for n, receipt in enumerate(chunk)
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    return list(by_position.values())


def _receive(sqs: Any, url: str) -> Iterator[Message]:
    while True:
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        if not answer.get("Messages"):
            return
        yield from answer["Messages"]


def _held(stack: Stack, url: str, message: Message) -> Held:
    body = json.loads(message["Body"])
    if "payload" in body:
        payload = b64decode(body["payload"])
    else:
        place = body["payload_s3"]
        payload = stack.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    return Held(
        queue=url,
        receipts=(message["ReceiptHandle"],),
        code=body["code"],
        reason=body["reason"],
        position=":".join(body["position"].values()),
        arrived_at=body["arrived_at"],
        payload=payload,
    )


def _undelivered(_: Stack, url: str, message: Message) -> Held:
    """An event that the bus's rule could not put into the stream, such as one without a user_id."""
    event = json.loads(message["Body"])
    # The interaction alone, where the rule has taken it out of the event already.
    interaction = event["detail"] if "detail-type" in event else event
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    error = attributes.get("ERROR_MESSAGE") or attributes.get("ERROR_CODE") or "it does not say why"
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Held(
        queue=url,
        receipts=(message["ReceiptHandle"],),
        code="undelivered",
        reason=f"the bus could not put it into the stream: {error}",
        position=f"bus:{message['MessageId']}",
        arrived_at=datetime.fromtimestamp(sent, UTC).isoformat(),
        payload=json.dumps(interaction).encode(),
    )
