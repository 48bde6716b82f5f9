"""Looks into the quarantine queue, without taking anything out."""

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any

from cli.stack import Stack

HIDDEN_SECONDS = 120
"""How long a message is hidden from others at most while it is looked at."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message in quarantine."""

    receipts: tuple[str, ...]
    """More than one where a batch that was delivered again has put the record here again."""
    code: str
    reason: str
    position: str
    arrived_at: str
    payload: bytes


def look(stack: Stack) -> list[Held]:
    """All messages there are, the same record once; they stay where they are, visible to others again."""
    sqs, url = stack.client("sqs"), stack.outputs["QuarantineUrl"]
    by_position: dict[str, Held] = {}
    for message in _receive(stack, sqs, url):
        known = by_position.get(message.position)
        receipts = (*known.receipts, *message.receipts) if known else message.receipts
        by_position[message.position] = replace(message, receipts=receipts)
    for chunk in batched([receipt for held in by_position.values() for receipt in held.receipts], 10):
        entries = [
            {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
            for n, receipt in enumerate(chunk)
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    return list(by_position.values())


def _receive(stack: Stack, sqs: Any, url: str) -> Iterator[Held]:
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS, WaitTimeSeconds=0
        )
        if not answer.get("Messages"):
            return
        for message in answer["Messages"]:
            yield _held(stack, message)


def _held(stack: Stack, message: dict[str, Any]) -> Held:
    body = json.loads(message["Body"])
    if "payload" in body:
        payload = b64decode(body["payload"])
    else:
        place = body["payload_s3"]
        payload = stack.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    return Held(
        receipts=(message["ReceiptHandle"],),
        code=body["code"],
        reason=body["reason"],
        position=":".join(body["position"].values()),
        arrived_at=body["arrived_at"],
        payload=payload,
    )
