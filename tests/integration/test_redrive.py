"""Reading quarantine and redriving its records, on moto."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import click
import pytest
from botocore.exceptions import ClientError

from cli import quarantine, retry, stream
from cli.quarantine import list_records
from cli.redrive import redrive_records
from cli.stack import Stack
from domain.catalog import ContentMetadata
from functions import aws, catalog
from tests.factory import make_interaction
from tests.integration.conftest import BUCKET, STREAM, VIEWS, World, stream_event


def make_stack(world: World) -> Stack:
    """Return a stack on the services of `world`."""
    outputs = {
        "ViewsTableName": VIEWS,
        "QuarantineUrl": world.queue_url,
        "RuleDeadLettersUrl": aws.sqs().create_queue(QueueName="dead-letters")["QueueUrl"],
        "EventLogBucket": BUCKET,
        "StreamName": STREAM,
    }
    return Stack(outputs, "", None, boto3.Session(region_name="us-east-1"))


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    return make_stack(world)


def in_stream() -> list[bytes]:
    """Return the data of every record in the stream."""
    kinesis = boto3.client("kinesis")
    [shard] = kinesis.list_shards(StreamName=STREAM)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]]


def project_all(world: World) -> Any:
    return world.project(*in_stream())


def codes(stack: Stack) -> list[str]:
    """Return the codes of the records in quarantine."""
    return sorted(record.code for record, _ in list_records(stack))


def test_listing_quarantine_leaves_its_records_there(world: World, stack: Stack) -> None:
    world.project(b"no JSON", make_interaction(event_id="x", content_id="later"))
    for _ in range(2):
        assert codes(stack) == ["malformed", "unknown_content"]


def test_a_dry_run_lists_records_and_moves_none(world: World, stack: Stack) -> None:
    world.project(b"no JSON", make_interaction(event_id="x", content_id="later"))
    listed: list[str] = []
    result = redrive_records(stack, dry_run=True, on_redriven=lambda record: listed.append(record.position))
    assert result.redriven == {"unknown_content": 1}
    assert len(listed) == 1
    assert [record.code for record in result.staying] == ["malformed"]
    assert in_stream() == []
    assert codes(stack) == ["malformed", "unknown_content"]


def test_a_redrive_applies_late_content_and_a_second_one_changes_nothing(world: World, stack: Stack) -> None:
    world.project(make_interaction(event_id="x", content_id="later"))
    catalog.update_catalog(world.store, {"SAA": [ContentMetadata("later", "Storage")]}, 1)
    assert redrive_records(stack).redriven == {"unknown_content": 1}
    assert codes(stack) == []
    assert project_all(world).applied == 1
    before = world.items()
    assert redrive_records(stack).redriven == {}
    assert project_all(world).duplicates == 1
    assert world.items() == before


def test_records_that_would_fail_again_stay_and_are_listed(world: World, stack: Stack) -> None:
    world.project(
        b"no JSON",
        make_interaction(event_id="x", score=101),
        make_interaction(event_id="y", content_id="later"),
    )
    result = redrive_records(stack)
    assert result.redriven == {"unknown_content": 1}
    assert sorted(record.code for record in result.staying) == ["invalid", "malformed"]
    assert codes(stack) == ["invalid", "malformed"]


def test_a_redrive_for_one_reason_leaves_other_records_alone(world: World, stack: Stack) -> None:
    world.project(
        b"no JSON",
        make_interaction(event_id="x", content_id="later"),
        make_interaction(event_id="y", certification_type="DVA"),
    )
    result = redrive_records(stack, "unknown_certification")
    assert result.redriven == {"unknown_certification": 1}
    assert result.staying == []
    assert codes(stack) == ["malformed", "unknown_content"]


def test_a_record_that_was_quarantined_twice_is_redriven_once(world: World, stack: Stack) -> None:
    bad = make_interaction(event_id="x", content_id="later")
    world.project(bad, b"no JSON")
    world.project(bad, b"no JSON")  # the same positions: the batch was delivered again
    result = redrive_records(stack)
    assert result.redriven == {"unknown_content": 1}
    assert len(result.staying) == 1
    assert len(in_stream()) == 1
    assert [message["code"] for message in world.quarantined()] == ["malformed"] * 2


def test_a_redrive_covers_more_records_than_one_poll_returns(world: World, stack: Stack) -> None:
    late = [make_interaction(event_id=f"e{n}", content_id="later") for n in range(250)]
    world.project(*late)
    assert redrive_records(stack).redriven == {"unknown_content": 250}
    assert codes(stack) == []
    assert sorted(json.loads(data)["event_id"] for data in in_stream()) == sorted(
        fields["event_id"] for fields in late
    )


class RefusingStack:
    """A stack whose consumer refuses every record at once, so that it is in quarantine again.

    With `foreign`, another producer's record is refused at each poll, too.
    """

    endpoint_url = None

    def __init__(self, messages: int, foreign: bool = False) -> None:
        self.foreign = foreign
        names = ("QuarantineUrl", "RuleDeadLettersUrl", "EventLogBucket", "StreamName")
        self.outputs = {name: name for name in names}
        self.clock = datetime(2026, 3, 2, tzinfo=UTC)
        self.waiting: dict[str, dict[str, Any]] = {}
        self.sent = 0
        self.put = 0
        for n in range(messages):
            self._refuse(f'{{"user_id": "{n}"}}'.encode())
        self.clock += timedelta(minutes=5)

    def client(self, _: str) -> "RefusingStack":
        return self

    def _refuse(self, payload: bytes) -> None:
        self.sent += 1
        body = {
            "code": "unknown_content",
            "reason": "",
            "position": {"shard": "shardId-0", "sequence_number": str(self.sent)},
            "arrived_at": "",
            "payload": b64encode(payload).decode(),
        }
        self.waiting[str(self.sent)] = {
            "MessageId": str(self.sent),
            "ReceiptHandle": str(self.sent),
            "Body": json.dumps(body),
            "Attributes": {"SentTimestamp": str(int(self.clock.timestamp() * 1000))},
        }

    def receive_message(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:
        keys = list(self.waiting)[:10] if QueueUrl == "QuarantineUrl" else []
        date = self.clock.strftime("%a, %d %b %Y %H:%M:%S GMT")
        messages = [self.waiting.pop(key) for key in keys]
        if self.foreign:
            self.clock += timedelta(seconds=2)
            self._refuse(b"of another producer")
        return {"Messages": messages, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def put_records(self, *, Records: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        self.put += len(Records)
        self.clock += timedelta(seconds=2)
        for one in Records:
            self._refuse(one["Data"])
        return {"Records": [{} for _ in Records]}

    def delete_message_batch(self, **_: Any) -> None:
        return

    change_message_visibility_batch = delete_message_batch

    def get_paginator(self, _: str) -> "RefusingStack":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{}]


@pytest.mark.parametrize("foreign", [False, True])
def test_a_redrive_ends_even_if_every_record_is_refused_again(foreign: bool) -> None:
    stack = RefusingStack(300, foreign)
    result = redrive_records(stack)  # type: ignore[arg-type]  # the parts of a stack that a redrive uses
    assert result.redriven == {"unknown_content": 300}
    assert stack.put == 300


def test_records_that_the_stream_rejects_stay_in_quarantine(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(make_interaction(event_id="x", content_id="later"))
    monkeypatch.setitem(stack.outputs, "StreamName", "there-is-none")
    with pytest.raises(ClientError):
        redrive_records(stack)
    assert codes(stack) == ["unknown_content"]


def test_entries_that_a_call_rejects_are_retried_until_it_accepts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "pause", lambda _: None)
    calls: list[list[int]] = []

    def reject_second_half(entries: list[int]) -> list[int]:
        calls.append(entries)
        return entries[len(entries) // 2 + 1 :]

    retry.retry_until_accepted([1, 2, 3, 4, 5], reject_second_half)
    assert calls == [[1, 2, 3, 4, 5], [4, 5]]
    with pytest.raises(click.ClickException, match="AWS rejected 1 entries 10 times"):
        retry.retry_until_accepted([1], lambda entries: entries)


def test_a_call_to_the_stream_keeps_its_limits_of_records_and_bytes() -> None:
    small = [stream.make_record(b"{}")] * 501
    assert [len(batch) for batch in stream.split_records(small)] == [500, 1]
    large = [stream.make_record(bytes(1024 * 1024))] * 6
    assert [len(batch) for batch in stream.split_records(large)] == [4, 2], "the keys count too"
    assert list(stream.split_records([])) == []


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"user_id": "ann"}', "ann"),
        (b'{"user_id": ""}', "nobody"),
        (b'{"user_id": 17}', "nobody"),
        (b'{"user_id": "\\ud800"}', "nobody"),
        (b"{}", "nobody"),
        (b"[1]", "nobody"),
        (b"\xff", "nobody"),
        (b"[" * 100_000, "nobody"),
        (json.dumps({"user_id": "x" * 300}).encode(), "x" * 256),
    ],
)
def test_each_record_has_a_partition_key_that_the_stream_accepts(data: bytes, key: str) -> None:
    assert stream.make_record(data) == (data, key)


@pytest.mark.parametrize("whole", [True, False], ids=["the event", "its detail"])
def test_events_that_the_bus_could_not_deliver_are_redriven(world: World, stack: Stack, whole: bool) -> None:
    url = stack.outputs["RuleDeadLettersUrl"]
    # The bus can't deliver the second, which has no partition key, or the third, whose key is too long.
    details = [
        make_interaction(event_id="x"),
        {"event_id": "of-nobody"},
        make_interaction(event_id="y", user_id="y" * 300),
    ]
    for detail in details:
        body = {"version": "0", "detail-type": "interaction.recorded", "detail": detail} if whole else detail
        attributes: Any = {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}}
        aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(body), MessageAttributes=attributes)
    for _ in range(2):
        assert [(record.code, record.reason) for record, _ in list_records(stack)] == [
            ("undelivered", "the bus could not put it into the stream: NO_PERMISSIONS")
        ] * 3
    assert redrive_records(stack).redriven == {"undelivered": 3}
    assert codes(stack) == []
    outcome = project_all(world)
    assert outcome.applied == 1
    assert [record.code for record in outcome.quarantined] == ["invalid"] * 2, (
        "their reason now names the field"
    )


def put_failed_batch(key: str, records: list[dict[str, Any]]) -> None:
    """Put a batch into the bucket, as Lambda does with one that is too old."""
    invocation = {
        "requestContext": {
            "requestId": "c9b8fa9f",
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:project",
            "condition": "MaximumRecordAgeExceeded",
            "approximateInvokeCount": 4711,
        },
        "version": "1.0",
        "timestamp": "2026-03-08T12:00:00.000Z",
        "payload": json.dumps({"Records": records}),
    }
    aws.s3().put_object(Bucket=BUCKET, Key=key, Body=json.dumps(invocation).encode())


def test_a_batch_that_aged_out_of_the_stream_is_redriven(world: World, stack: Stack) -> None:
    batch = stream_event(make_interaction(event_id="x"), b"\xff no JSON", make_interaction(event_id="y"))[
        "Records"
    ]
    key = "aws/lambda/e4b0/shardId-000000000000/2026/03/08/2026-03-08T12.00.00-5a17"
    put_failed_batch(key, batch)
    aws.s3().put_object(Bucket=BUCKET, Key="log/2026/03/08/of-no-batch", Body=b"x")
    records = [record for record, _ in list_records(stack)]
    assert [(record.code, record.position) for record in records] == [
        ("failed_batch", record["eventID"]) for record in batch
    ]
    assert records[0].reason == (
        "arn:aws:lambda:us-east-1:123456789012:function:project failed on its batch "
        "until Lambda gave up: MaximumRecordAgeExceeded"
    )
    assert redrive_records(stack).redriven == {"failed_batch": 3}
    assert codes(stack) == []
    outcome = project_all(world)
    assert (outcome.applied, [record.code for record in outcome.quarantined]) == (2, ["malformed"])
    keys = [found["Key"] for found in aws.s3().list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == ["log/2026/03/08/of-no-batch"]


def test_a_catalog_change_that_aged_out_stays_and_is_listed(world: World, stack: Stack) -> None:
    change = {"eventID": "c4ca4238", "eventName": "INSERT", "dynamodb": {"Keys": {}}}
    put_failed_batch("aws/lambda/77aa/shardId-00001/2026/03/08/2026-03-08T12.00.00-5a17", [change])
    for _ in range(2):
        result = redrive_records(stack)
        assert result.redriven == {}
        [record] = result.staying
        assert (record.code, record.position, record.arrived_at) == (
            "failed_change",
            "c4ca4238",
            "2026-03-08T12:00:00.000Z",
        )
    assert in_stream() == []


def test_a_payload_too_large_for_a_message_is_listed_in_full(world: World, stack: Stack) -> None:
    large = b"\xff" * 1024 * 1024
    world.project(large)
    [(record, payload)] = list_records(stack)
    assert record.code == "malformed"
    assert payload.data == large
    assert [record.code for record in redrive_records(stack).staying] == ["malformed"]
