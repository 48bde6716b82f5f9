"""Write the local stack's event log, in place of Firehose.

MiniStack's Firehose calls its transformation once for each record, which takes a hundred times as long, and
says nothing about positions. `streakline up` therefore starts this module. It reads the stream, calls the
deployed LogFunction as Firehose does on AWS, and writes objects with the same names and formats.
"""

import gzip
import json
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from cli.batching import split
from cli.stack import LOCAL, Stack, connect
from functions.log_objects import LOG, LOG_ERRORS

POSITIONS = LOCAL / "delivered.json"
"""The sequence number of the last delivered record of each shard."""
IDLE_SECONDS = 0.5
BUFFERED_BYTES = 1024 * 1024
"""As much as Firehose gathers for one call of the transformation, by the template."""
MAX_CALLS = 3
"""Calls of the transformation that fail before its records are written as errors."""


@dataclass(slots=True)
class Delivery:
    """Delivers the records of a stream to the event log, at least once."""

    stack: Stack
    function: str
    """The name of the transformation."""
    positions: Path = POSITIONS
    _iterators: dict[str, str] = field(default_factory=dict)

    def deliver(self) -> int:
        """Deliver what is in the stream and not yet in the log. Return the number of records."""
        kinesis, stream = self.stack.client("kinesis"), self.stack.outputs["StreamName"]
        delivered = 0
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
            shard_id = shard["ShardId"]
            iterator = self._iterators.pop(shard_id, None) or self._iterator(kinesis, stream, shard_id)
            answer = kinesis.get_records(ShardIterator=iterator)
            if records := answer["Records"]:
                self._write(shard_id, records)
                self._save(shard_id, records[-1]["SequenceNumber"])
            if following := answer.get("NextShardIterator"):
                self._iterators[shard_id] = following
            delivered += len(records)
        return delivered

    def _iterator(self, kinesis: Any, stream: str, shard_id: str) -> str:
        after = self._saved().get(shard_id)
        since = {"StartingSequenceNumber": after} if after else {}
        answer = kinesis.get_shard_iterator(
            StreamName=stream,
            ShardId=shard_id,
            ShardIteratorType="AFTER_SEQUENCE_NUMBER" if after else "TRIM_HORIZON",
            **since,
        )
        return str(answer["ShardIterator"])

    def _saved(self) -> dict[str, str]:
        saved: dict[str, str] = json.loads(self.positions.read_text()) if self.positions.exists() else {}
        return saved

    def _save(self, shard_id: str, sequence_number: str) -> None:
        self.positions.write_text(json.dumps({**self._saved(), shard_id: sequence_number}))

    def _write(self, shard_id: str, records: Sequence[dict[str, Any]]) -> None:
        """Transform the records and write an object for each day of their arrival."""
        text: dict[str, list[bytes]] = {}
        errors: dict[str, list[bytes]] = {}
        for batch in split(
            records, max_items=10_000, max_bytes=BUFFERED_BYTES, size=lambda one: len(one["Data"])
        ):
            for record, data in zip(batch, self._transformed(shard_id, batch), strict=True):
                arrived_at = record["ApproximateArrivalTimestamp"].astimezone(UTC)
                if data is not None:
                    text.setdefault(f"{arrived_at:%Y/%m/%d}", []).append(data)
                else:
                    error = _error(record["Data"], arrived_at, self.function)
                    errors.setdefault(f"{arrived_at:%Y/%m/%d}", []).append(error)
        s3, bucket = self.stack.client("s3"), self.stack.outputs["EventLogBucket"]
        for day, lines in text.items():
            body = gzip.compress(b"".join(lines), mtime=0)
            s3.put_object(Bucket=bucket, Key=f"{LOG}{day}/{_name()}.gz", Body=body)
        for day, lines in errors.items():
            s3.put_object(
                Bucket=bucket, Key=f"{LOG_ERRORS}processing-failed/{day}/{_name()}", Body=b"".join(lines)
            )

    def _transformed(self, shard_id: str, batch: Sequence[dict[str, Any]]) -> Iterator[bytes | None]:
        """Yield what the transformation makes of each record; None if it can't."""
        event = {"records": [_for_the_transformation(shard_id, record) for record in batch]}
        answers: dict[str, Any] = {}
        for _ in range(MAX_CALLS):
            result = self.stack.client("lambda").invoke(
                FunctionName=self.function, Payload=json.dumps(event).encode()
            )
            answer = json.loads(result["Payload"].read())
            if "FunctionError" not in result:
                answers = {one["recordId"]: one for one in answer["records"]}
                break
            print(f"the transformation failed: {answer}", file=sys.stderr, flush=True)
        for record in batch:
            of = answers.get(record["SequenceNumber"], {"result": "ProcessingFailed"})
            yield b64decode(of["data"]) if of["result"] == "Ok" else None


def _for_the_transformation(shard_id: str, record: dict[str, Any]) -> dict[str, Any]:
    arrival = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
    return {
        "recordId": record["SequenceNumber"],
        "approximateArrivalTimestamp": arrival,
        "data": b64encode(record["Data"]).decode(),
        "kinesisRecordMetadata": {
            "shardId": shard_id,
            "partitionKey": record["PartitionKey"],
            "approximateArrivalTimestamp": arrival,
            "sequenceNumber": record["SequenceNumber"],
            "subsequenceNumber": 0,
        },
    }


def _error(data: bytes, arrived_at: datetime, function: str) -> bytes:
    """Return a record in the form in which Firehose keeps what was not transformed."""
    fields = {
        "attemptsMade": MAX_CALLS,
        "arrivalTimestamp": round(arrived_at.timestamp() * 1000),
        "errorCode": "Lambda.ProcessingFailedStatus",
        "errorMessage": "The transformation did not return the record.",
        "attemptEndingTimestamp": round(time.time() * 1000),
        "rawData": b64encode(data).decode(),
        "lambdaArn": function,
    }
    return json.dumps(fields).encode() + b"\n"


def _name() -> str:
    return f"local-1-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}-{uuid4()}"


def log_function(stack: Stack, stack_name: str) -> str:
    """Return the name of a stack's transformation."""
    answer = stack.client("cloudformation").describe_stack_resource(
        StackName=stack_name, LogicalResourceId="LogFunction"
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def run(delivery: Delivery) -> None:
    """Deliver until the process is stopped."""
    while True:
        try:
            delivered = delivery.deliver()
        except (ClientError, BotoCoreError) as error:
            # An iterator can have expired. The next round begins after the last delivered record.
            print(f"retrying after an error: {error}", file=sys.stderr, flush=True)
            delivered = 0
        if not delivered:
            time.sleep(IDLE_SECONDS)


if __name__ == "__main__":
    run(Delivery(connect(None, None), sys.argv[1]))
