"""The commands' work on moto: redrive, and the backfill of new rules."""

import json
from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from botocore.exceptions import ClientError

from cli import quarantine, stream
from cli.backfill import Backfill, backfill
from cli.quarantine import look
from cli.redrive import put_back
from cli.stack import Stack
from domain import achievements
from domain.achievements import ACHIEVEMENTS, Achievement
from domain.catalog import ContentMetadata
from domain.days import day_number
from domain.tally import sum_of
from functions import aws, catalog
from functions.store import Store
from tests.integration.conftest import BUCKET, STREAM, VIEWS, World, interaction, stream_event


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    outputs = {
        "ViewsTableName": VIEWS,
        "QuarantineUrl": world.queue_url,
        "RuleDeadLettersUrl": aws.sqs().create_queue(QueueName="dead-letters")["QueueUrl"],
        "EventLogBucket": BUCKET,
        "StreamName": STREAM,
    }
    return Stack(outputs, "", None, boto3.Session(region_name="us-east-1"))


def in_stream() -> list[bytes]:
    """The data of every record in the stream."""
    kinesis = boto3.client("kinesis")
    [shard] = kinesis.list_shards(StreamName=STREAM)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]]


def project_all(world: World) -> Any:
    return world.project(*in_stream())


def codes(stack: Stack) -> list[str]:
    """What is in quarantine."""
    return sorted(held.code for held, _ in look(stack))


def test_looking_into_quarantine_takes_nothing_out(world: World, stack: Stack) -> None:
    world.project(b"no JSON", interaction("x", content_id="later"))
    for _ in range(2):
        assert codes(stack) == ["malformed", "unknown_content"]


def test_a_dry_run_puts_nothing_back_and_takes_nothing_out(world: World, stack: Stack) -> None:
    world.project(b"no JSON", interaction("x", content_id="later"))
    told: list[str] = []
    done = put_back(stack, dry_run=True, tell=lambda held: told.append(held.position))
    assert done.back == {"unknown_content": 1}
    assert len(told) == 1
    assert [held.code for held in done.staying] == ["malformed"]
    assert in_stream() == []
    assert codes(stack) == ["malformed", "unknown_content"]


def test_content_that_came_late_is_applied_after_a_redrive_and_a_second_one_has_no_effect(
    world: World, stack: Stack
) -> None:
    world.project(interaction("x", content_id="later"))
    catalog.update_catalog(world.store, {"SAA": [ContentMetadata("later", "Storage")]}, 1)
    assert put_back(stack).back == {"unknown_content": 1}
    assert codes(stack) == []
    assert project_all(world).applied == 1
    before = world.items()
    assert put_back(stack).back == {}
    assert project_all(world).duplicates == 1
    assert world.items() == before


def test_what_no_second_delivery_can_mend_stays_and_is_listed(world: World, stack: Stack) -> None:
    world.project(b"no JSON", interaction("x", score=101), interaction("y", content_id="later"))
    done = put_back(stack)
    assert done.back == {"unknown_content": 1}
    assert sorted(held.code for held in done.staying) == ["invalid", "malformed"]
    assert codes(stack) == ["invalid", "malformed"]


def test_a_redrive_for_one_reason_leaves_the_others_alone(world: World, stack: Stack) -> None:
    world.project(
        b"no JSON", interaction("x", content_id="later"), interaction("y", certification_type="DVA")
    )
    done = put_back(stack, "unknown_certification")
    assert done.back == {"unknown_certification": 1}
    assert done.staying == []
    assert codes(stack) == ["malformed", "unknown_content"]


def test_a_record_that_was_quarantined_twice_is_put_back_once(world: World, stack: Stack) -> None:
    bad = interaction("x", content_id="later")
    world.project(bad, b"no JSON")
    world.project(bad, b"no JSON")  # the same positions: the batch was delivered again
    done = put_back(stack)
    assert done.back == {"unknown_content": 1}
    assert len(done.staying) == 1
    assert len(in_stream()) == 1
    assert [message["code"] for message in world.quarantined()] == ["malformed"] * 2


def test_more_than_a_look_shows_at_once_goes_back(world: World, stack: Stack) -> None:
    late = [interaction(f"e{n}", content_id="later") for n in range(250)]
    world.project(*late)
    assert put_back(stack).back == {"unknown_content": 250}
    assert codes(stack) == []
    assert sorted(json.loads(data)["event_id"] for data in in_stream()) == sorted(
        fields["event_id"] for fields in late
    )


class Refilled:
    """A stack whose consumer puts back into quarantine at once whatever comes through the stream.

    `foreign`: and others' records, one at each look.
    """

    endpoint_url = None

    def __init__(self, letters: int, foreign: bool = False) -> None:
        self.foreign = foreign
        names = ("QuarantineUrl", "RuleDeadLettersUrl", "EventLogBucket", "StreamName")
        self.outputs = {name: name for name in names}
        self.clock = datetime(2026, 3, 2, tzinfo=UTC)
        self.waiting: dict[str, dict[str, Any]] = {}
        self.sent = 0
        self.put = 0
        for n in range(letters):
            self._refuse(f'{{"user_id": "{n}"}}'.encode())
        self.clock += timedelta(minutes=5)

    def client(self, _: str) -> "Refilled":
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
        taken = list(self.waiting)[:10] if QueueUrl == "QuarantineUrl" else []
        date = self.clock.strftime("%a, %d %b %Y %H:%M:%S GMT")
        messages = [self.waiting.pop(key) for key in taken]
        if self.foreign:
            self.clock += timedelta(seconds=2)
            self._refuse(b"of others")
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

    def get_paginator(self, _: str) -> "Refilled":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{}]


@pytest.mark.parametrize("foreign", [False, True])
def test_a_redrive_ends_though_all_that_it_puts_back_is_refused_again(foreign: bool) -> None:
    stack = Refilled(300, foreign)
    done = put_back(stack)  # type: ignore[arg-type]  # as much of a stack as a redrive sees
    assert done.back == {"unknown_content": 300}
    assert stack.put == 300


def test_what_the_stream_does_not_take_stays_in_quarantine(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("x", content_id="later"))
    monkeypatch.setitem(stack.outputs, "StreamName", "there-is-none")
    with pytest.raises(ClientError):
        put_back(stack)
    assert codes(stack) == ["unknown_content"]


def test_records_refused_one_by_one_are_put_again_until_they_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "pause", lambda _: None)
    calls: list[list[int]] = []

    def half(left: list[int]) -> list[int]:
        calls.append(left)
        return left[len(left) // 2 + 1 :]

    stream.until_taken([1, 2, 3, 4, 5], half)
    assert calls == [[1, 2, 3, 4, 5], [4, 5]]
    with pytest.raises(click.ClickException, match="1 records are not taken"):
        stream.until_taken([1], lambda left: left)


def test_a_call_to_the_stream_keeps_its_limits_of_records_and_bytes() -> None:
    small = [stream.record(b"{}")] * 501
    assert [len(chunk) for chunk in stream._chunks(small)] == [500, 1]
    large = [stream.record(bytes(1024 * 1024))] * 6
    assert [len(chunk) for chunk in stream._chunks(large)] == [4, 2], "the keys count too"
    assert list(stream._chunks([])) == []


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
def test_each_record_has_a_partition_key_that_the_stream_takes(data: bytes, key: str) -> None:
    assert stream.record(data) == (data, key)


@pytest.mark.parametrize("whole", [True, False], ids=["the event", "its detail"])
def test_what_the_bus_could_not_deliver_goes_back_through_the_stream(
    world: World, stack: Stack, whole: bool
) -> None:
    url = stack.outputs["RuleDeadLettersUrl"]
    # The second has no partition key, and that of the third is too long: why the bus could not deliver them.
    details = [interaction("x"), {"event_id": "of-nobody"}, interaction("y", user_id="y" * 300)]
    for detail in details:
        body = {"version": "0", "detail-type": "interaction.recorded", "detail": detail} if whole else detail
        attributes: Any = {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}}
        aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(body), MessageAttributes=attributes)
    for _ in range(2):
        assert [(held.code, held.reason) for held, _ in look(stack)] == [
            ("undelivered", "the bus could not put it into the stream: NO_PERMISSIONS")
        ] * 3
    assert put_back(stack).back == {"undelivered": 3}
    assert codes(stack) == []
    outcome = project_all(world)
    assert outcome.applied == 1
    assert [record.code for record in outcome.quarantined] == ["invalid"] * 2, "it says what they lack now"


def given_up(key: str, records: list[dict[str, Any]]) -> None:
    """Put a batch into the bucket as Lambda does with one that is too old."""
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


def test_a_batch_that_aged_out_of_the_stream_goes_back_through_it(world: World, stack: Stack) -> None:
    records = stream_event(interaction("x"), b"\xff no JSON", interaction("y"))["Records"]
    key = "aws/lambda/e4b0/shardId-000000000000/2026/03/08/2026-03-08T12.00.00-5a17"
    given_up(key, records)
    aws.s3().put_object(Bucket=BUCKET, Key="log/2026/03/08/of-no-batch", Body=b"x")
    found = look(stack)
    assert [(held.code, held.position) for held, _ in found] == [
        ("failed_batch", record["eventID"]) for record in records
    ]
    assert found[0][0].reason == (
        "arn:aws:lambda:us-east-1:123456789012:function:project failed on its batch "
        "until it was given up: MaximumRecordAgeExceeded"
    )
    assert put_back(stack).back == {"failed_batch": 3}
    assert codes(stack) == []
    outcome = project_all(world)
    assert (outcome.applied, [record.code for record in outcome.quarantined]) == (2, ["malformed"])
    keys = [found["Key"] for found in aws.s3().list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == ["log/2026/03/08/of-no-batch"]


def test_a_change_of_the_catalog_that_aged_out_stays_and_is_listed(world: World, stack: Stack) -> None:
    change = {"eventID": "c4ca4238", "eventName": "INSERT", "dynamodb": {"Keys": {}}}
    given_up("aws/lambda/77aa/shardId-00001/2026/03/08/2026-03-08T12.00.00-5a17", [change])
    for _ in range(2):
        done = put_back(stack)
        assert done.back == {}
        [held] = done.staying
        assert (held.code, held.position, held.arrived_at) == (
            "failed_change",
            "c4ca4238",
            "2026-03-08T12:00:00.000Z",
        )
    assert in_stream() == []


def test_a_payload_too_large_for_a_message_is_listed_and_can_be_looked_at(world: World, stack: Stack) -> None:
    large = b"\xff" * 1024 * 1024
    world.project(large)
    [(held, record)] = look(stack)
    assert held.code == "malformed"
    assert record.data == large
    assert [held.code for held in put_back(stack).staying] == ["malformed"]


NEW_RULE: Achievement[Any] = Achievement(
    "first-minute",
    "time",
    "First Minute",
    "Study for a minute",
    "⏱️",
    5,
    sum_of("seconds"),
    60,
)


@pytest.fixture
def new_rule(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three learners with a minute of study each, and then a rule that is newer than that."""
    world.project(*(interaction("a", user_id=user) for user in ("ann", "bob", "cho")))
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", (*ACHIEVEMENTS, NEW_RULE))


def run(store: Store, path: Path, *, silent: bool = True) -> tuple[int, int]:
    return backfill(store, Backfill.resume(path, "views"), 1e6, 0, silent=silent, tell=lambda: None)


@pytest.mark.usefixtures("new_rule")
@pytest.mark.parametrize("silent", [True, False])
def test_a_backfill_gives_what_new_rules_say_and_a_second_one_gives_nothing(
    world: World, tmp_path: Path, silent: bool
) -> None:
    assert run(world.store, tmp_path / "a", silent=silent) == (3, 3)
    award = world.item("ann", "EARNED#first-minute")
    assert award is not None
    assert award.get("silent") == ({"BOOL": True} if silent else None)
    before = world.items()
    assert run(world.store, tmp_path / "b") == (3, 0)
    assert world.items() == before
    stored = world.store.read("ann", day_number(date(2026, 3, 1)))
    assert stored is not None
    assert "first-minute" in stored.learner.earned
    assert stored.learner.total.interactions == 1


@pytest.mark.usefixtures("new_rule")
def test_an_award_of_a_backfill_is_not_given_again_by_the_next_interaction(
    world: World, tmp_path: Path
) -> None:
    run(world.store, tmp_path / "a")
    award = world.item("ann", "EARNED#first-minute")
    world.project(interaction("b"))
    assert world.item("ann", "EARNED#first-minute") == award


@pytest.mark.usefixtures("new_rule")
def test_a_backfill_that_was_ended_goes_on_where_it_was(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress.json"
    ended = Backfill.resume(path, "views")
    for segment in range(4):
        ended.done(segment, None)
    assert run(world.store, path) == (0, 0)
    assert Backfill.resume(path, "another stack").after == {}
    path.unlink()
    assert run(world.store, path) == (3, 3)


@pytest.mark.usefixtures("new_rule")
def test_what_was_earned_under_a_retired_rule_stays(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world.store, tmp_path / "a")
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", ACHIEVEMENTS)
    world.project(interaction("b"))
    run(world.store, tmp_path / "b")
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert [award.title for award in stored.awards] == ["First Minute"]
