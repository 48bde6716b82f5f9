"""The quarantine: records that can't be applied, each with its payload, reason and position."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from domain.interaction import Fault, InvalidCode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

MAX_BATCH = 10
MAX_BATCH_BYTES = 256 * 1024
MAX_INLINE_BYTES = 64 * 1024
"""Maximum payload in a message. A larger one goes to the event log's bucket, and the message points to it."""

PAYLOADS = "quarantine/"
"""Prefix of those payloads in the bucket."""
CODES = (
    *get_args(InvalidCode),
    "unknown_content",
    "unknown_certification",
    "state_full",
    "unreadable_state",
    "later_format",
    "failed",
)
"""The codes under which the consumer puts records into quarantine."""
NOT_UNDERSTOOD = "not_understood"
"""The code under which the API puts xAPI statements there that are no interactions."""
VOIDED = "voided"
"""The code of xAPI statements that take back another one. `streakline retract --voided` carries them out."""
BAD_ROW = "bad_row"
"""The code of rows of the replaced tracker's progress table that are no interactions."""


class Position(NamedTuple):
    """The position of a record in the stream. It identifies the record if it is delivered again.

    A statement that the API did not understand has the shard `xapi` and a digest as its number.
    """

    shard: str
    sequence_number: str
    part: int = 0
    """The number of the interaction in a framed record, from 1 on; 0 for an interaction without a frame."""

    def __str__(self) -> str:
        return ":".join(map(str, self if self.part else self[:2]))


class Quarantined(NamedTuple):
    """A record that can't be applied. `code` is stable; `reason` is for a person."""

    payload: bytes
    code: str
    reason: str
    position: Position
    arrived_at: datetime
    faults: tuple[Fault, ...] = ()
    door: Literal["stream", "api", "table"] = "stream"

    @property
    def is_invalid(self) -> bool:
        """Whether the record itself is at fault, so that no fold has seen it."""
        return self.code in get_args(InvalidCode)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The quarantine queue, and the bucket for payloads that are too large for a message.

    Both clients are made when they are first needed, which is rare.
    """

    sqs: "Callable[[], SQSClient]"
    s3: "Callable[[], S3Client]"
    url: str
    bucket: str

    def put(self, records: Sequence[Quarantined]) -> None:
        """Store the records. Raise RuntimeError if the queue refuses one, so the batch is redelivered."""
        for entries in _batches([self._body(record) for record in records]):
            answer = self.sqs().send_message_batch(QueueUrl=self.url, Entries=cast(Any, entries))
            if failed := answer.get("Failed"):
                raise RuntimeError(
                    f"the quarantine refused a record: {failed[0].get('Message', failed[0]['Code'])}"
                )

    def _body(self, record: Quarantined) -> str:
        body: dict[str, Any] = {
            "code": record.code,
            "reason": record.reason,
            "faults": [fault._asdict() for fault in record.faults],
            "door": record.door,
            "position": _position(record.position),
            "arrived_at": record.arrived_at.isoformat(),
        }
        if len(record.payload) <= MAX_INLINE_BYTES:
            body["payload"] = b64encode(record.payload).decode()
        else:
            key = PAYLOADS + "/".join(map(str, _position(record.position).values()))
            self.s3().put_object(Bucket=self.bucket, Key=key, Body=record.payload)
            body["payload_s3"] = {"bucket": self.bucket, "key": key}
        return json.dumps(body)


def _position(position: Position) -> dict[str, str | int]:
    """Return the fields of a position. Only that of an interaction in a framed record has a part."""
    fields: dict[str, str | int] = position._asdict()
    if not position.part:
        del fields["part"]
    return fields


def _batches(bodies: list[str]) -> Iterator[list[dict[str, str]]]:
    """Yield the entries of each call: at most 10 messages, and at most 256 KiB."""
    batch: list[dict[str, str]] = []
    size = 0
    for body in bodies:
        if len(batch) == MAX_BATCH or size + len(body) > MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append({"Id": str(len(batch)), "MessageBody": body})
        size += len(body)
    if batch:
        yield batch
