"""Looks into the quarantine queue, without taking anything out."""

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched
from typing import Any

from cli.stack import Stack

HIDDEN_SECONDS = 120
"""How long a message is hidden from others at most while it is looked at."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message in quarantine."""

    receipt: str
    code: str
    reason: str
    position: str
    arrived_at: str
    payload: bytes


def look(stack: Stack) -> list[Held]:
    """All messages there are, the same record once; they stay where they are, visible to others again."""
    sqs, url = stack.client("sqs"), stack.outputs["QuarantineUrl"]
    held = list(_receive(stack, sqs, url))
    for chunk in batched(held, 10):
        entries = [
            {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
            for n, message in enumerate(chunk)
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    # A batch that was delivered again has put its bad records here again.
    return list({message.position: message for message in held}.values())


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
        receipt=message["ReceiptHandle"],
        code=body["code"],
        reason=body["reason"],
        position=":".join(body["position"].values()),
        arrived_at=body["arrived_at"],
        payload=payload,
    )
