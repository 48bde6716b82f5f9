"""Simulated SQS and S3, as far as the quarantine uses them."""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.simulation.aws_errors import client_error
from tests.simulation.faults import CRASH_AFTER, CRASH_BEFORE, LOST, THROTTLED, Crash, Violation
from tests.simulation.world import World

SEND_FAULTS = (CRASH_BEFORE, CRASH_AFTER, LOST, THROTTLED)
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024


class Message(NamedTuple):
    """A record in quarantine."""

    position: str
    """Shard and sequence number; in a frame, also the number of the part."""
    code: str
    payload: bytes


class S3:
    """The bucket for payloads that are too large for a message."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        fault = _draw_fault(self.world, "quarantine: put_object")
        if fault == THROTTLED:
            raise client_error("SlowDown", "Please reduce your request rate.", "PutObject", 503)
        self.objects[Key] = Body
        _raise_after_effect(fault, "PutObject")


class Sqs:
    """The quarantine queue."""

    def __init__(self, world: World, s3: S3, check: Callable[[Message], None]) -> None:
        self.world = world
        self.s3 = s3
        self.check = check
        self.messages: list[Message] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        size = sum(len(entry["MessageBody"].encode()) for entry in Entries)
        ids = {entry["Id"] for entry in Entries}
        if not 1 <= len(Entries) <= MAX_ENTRIES or len(ids) < len(Entries) or size > MAX_BYTES:
            raise Violation(f"SQS refuses these {len(Entries)} entries of {size} bytes")
        fault = _draw_fault(self.world, "quarantine: send_message_batch")
        failed = []
        for entry in Entries:
            message = self._message(json.loads(entry["MessageBody"]))
            self.check(message)
            if fault == THROTTLED and self.world.chance(0.5):
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.messages.append(message)
        _raise_after_effect(fault, "SendMessageBatch")
        return {"Failed": failed} if failed else {}

    def _message(self, body: dict[str, Any]) -> Message:
        position = ":".join(
            str(body["position"][name])
            for name in ("shard", "sequence_number", "part")
            if name in body["position"]
        )
        if "payload" in body:
            return Message(position, body["code"], b64decode(body["payload"]))
        key = body["payload_s3"]["key"]
        if key not in self.s3.objects:
            raise Violation(f"the message for {position} refers to the object {key}, which does not exist")
        return Message(position, body["code"], self.s3.objects[key])


def _draw_fault(world: World, site: str) -> str | None:
    """Let other actors continue, then return the fault that this call meets; raise Crash for a crash."""
    world.switch()
    fault = world.plan.draw(site, SEND_FAULTS)
    world.note(site, fault)
    if fault == CRASH_BEFORE:
        raise Crash(site)
    return fault


def _raise_after_effect(fault: str | None, operation: str) -> None:
    """Raise if the caller never learns that its call took effect."""
    if fault == CRASH_AFTER:
        raise Crash(operation)
    if fault == LOST:
        raise client_error("InternalError", "no answer", operation, 500)
