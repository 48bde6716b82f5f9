"""Reading quarantine and redriving its records, on moto."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

import domain.interaction
from cli import quarantine, retry, stream, trial
from cli.quarantine import CODES, Location, list_records, read_quarantine
from cli.redrive import redrive, redrive_records
from cli.stack import Stack
from domain.catalog import ContentMetadata
from domain.days import zone_names
from functions import aws, items, project
from functions.catalog import CatalogWriter
from functions.errors import LaterFormat, Unreadable
from functions.store import Store
from tests.factory import make_interaction
from tests.frames import aggregate
from tests.integration.conftest import ARRIVAL, BUCKET, CONTROL, STREAM, VIEWS, World, stream_event


def make_stack(world: World) -> Stack:
    """Return a stack on the services of `world`."""
    outputs = {
        "ViewsTableName": VIEWS,
        "BlueViewsTableName": VIEWS,
        "ControlTableName": CONTROL,
        "QuarantineUrl": world.queue_url,
        "RuleDeadLettersUrl": aws.sqs().create_queue(QueueName="dead-letters")["QueueUrl"],
        "EventLogBucket": BUCKET,
        "StreamName": STREAM,
        "StreakFreezes": "0",
    }
    return Stack(outputs, "", None, boto3.Session(region_name="us-east-1"))


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    monkeypatch.setattr(trial, "now", lambda: ARRIVAL)
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


def add_content(world: World, content_id: str = "later") -> None:
    CatalogWriter(world.store).update({"SAA": [ContentMetadata(content_id, "Storage")]}, 1)


def codes(stack: Stack) -> list[str]:
    """Return the codes of the records in quarantine."""
    return sorted(record.code for record, _ in list_records(stack))


def run(stack: Stack, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Run `streakline redrive`."""
    monkeypatch.setattr("cli.stack.connect", lambda *_: stack)
    return CliRunner().invoke(redrive, arguments, catch_exceptions=False)


def test_listing_quarantine_leaves_its_records_there(world: World, stack: Stack) -> None:
    world.project(b"no JSON", make_interaction(event_id="x", content_id="later"))
    for _ in range(2):
        assert codes(stack) == ["malformed", "unknown_content"]


# -- what goes back --------------------------------------------------------------------------------


def test_a_dry_run_lists_records_and_moves_none(world: World, stack: Stack) -> None:
    world.project(b"no JSON", make_interaction(event_id="x", content_id="later"))
    add_content(world)
    listed: list[str] = []
    result = redrive_records(stack, dry_run=True, on_redriven=lambda record: listed.append(record.position))
    assert result.redriven == {"unknown_content": 1}
    assert len(listed) == 1
    assert [record.code for record, _, _ in result.staying] == ["malformed"]
    assert in_stream() == []
    assert codes(stack) == ["malformed", "unknown_content"]


def test_a_redrive_applies_late_content_and_a_second_one_changes_nothing(world: World, stack: Stack) -> None:
    world.project(make_interaction(event_id="x", content_id="later"))
    add_content(world)
    assert redrive_records(stack).redriven == {"unknown_content": 1}
    assert codes(stack) == []
    assert project_all(world).applied == 1
    before = world.items()
    assert redrive_records(stack).redriven == {}
    assert project_all(world).duplicates == 1
    assert world.items() == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_content_that_is_still_unknown_stays(world: World, stack: Stack, dry_run: bool) -> None:
    world.project(
        make_interaction(event_id="x", content_id="later"),
        make_interaction(event_id="y", content_id="never"),
        make_interaction(event_id="z", content_id="later", certification_type="DVA"),
    )
    add_content(world)
    result = redrive_records(stack, dry_run=dry_run)
    assert result.redriven == {"unknown_content": 1}
    assert sorted((record.code, code, why) for record, code, why in result.staying) == [
        ("unknown_content", "unknown_certification", "content later is not in the catalog of DVA"),
        ("unknown_content", "unknown_content", "no catalog has content never"),
    ]
    assert len(in_stream()) == (0 if dry_run else 1)
    assert len(codes(stack)) == (3 if dry_run else 2)


def test_records_that_would_be_refused_again_stay_and_are_listed(world: World, stack: Stack) -> None:
    world.project(
        b"no JSON",
        make_interaction(event_id="x", score=101),
        make_interaction(event_id="y", content_id="later"),
    )
    add_content(world)
    result = redrive_records(stack)
    assert result.redriven == {"unknown_content": 1}
    assert sorted(record.code for record, _, _ in result.staying) == ["invalid", "malformed"]
    assert codes(stack) == ["invalid", "malformed"]


def test_a_redrive_for_one_reason_leaves_other_records_alone(world: World, stack: Stack) -> None:
    world.project(
        b"no JSON",
        make_interaction(event_id="x", content_id="later"),
        make_interaction(event_id="y", certification_type="DVA"),
    )
    CatalogWriter(world.store).update(
        {"DVA": [ContentMetadata("saa-1")], "SAA": [ContentMetadata("later")]}, 1
    )
    result = redrive_records(stack, "unknown_certification")
    assert result.redriven == {"unknown_certification": 1}
    assert result.staying == []
    assert codes(stack) == ["malformed", "unknown_content"]


def test_a_record_that_was_quarantined_twice_is_redriven_once(world: World, stack: Stack) -> None:
    bad = make_interaction(event_id="x", content_id="later")
    world.project(bad, b"no JSON")
    world.project(bad, b"no JSON")  # the same positions: the batch was delivered again
    add_content(world)
    result = redrive_records(stack)
    assert result.redriven == {"unknown_content": 1}
    assert len(result.staying) == 1
    assert len(in_stream()) == 1
    assert [message["code"] for message in world.quarantined()] == ["malformed"] * 2


def test_a_redrive_covers_more_records_than_one_poll_returns(world: World, stack: Stack) -> None:
    late = [make_interaction(event_id=f"e{n}", content_id="later") for n in range(250)]
    world.project(*late)
    add_content(world)
    assert redrive_records(stack).redriven == {"unknown_content": 250}
    assert codes(stack) == []
    assert sorted(json.loads(data)["event_id"] for data in in_stream()) == sorted(
        fields["event_id"] for fields in late
    )


def test_a_clock_that_was_ahead_is_redriven_when_its_time_has_come(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(make_interaction(event_id="x", occurred_at="2026-03-02T12:06:00Z"))
    assert codes(stack) == ["too_early"]
    for minutes, staying in [(0, 1), (0.9, 1), (1, 0)]:
        moment = ARRIVAL + timedelta(minutes=minutes)
        monkeypatch.setattr(trial, "now", lambda moment=moment: moment)
        result = redrive_records(stack, "too_early")
        assert [code for _, code, _ in result.staying] == ["too_early"] * staying
    assert result.redriven == {"too_early": 1}
    assert len(in_stream()) == 1


def test_a_zone_of_a_later_release_is_redriven_by_that_release(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = zone_names() - {"Europe/Kyiv"}
    with monkeypatch.context() as older:
        older.setattr(domain.interaction, "zone_names", lambda: without)
        world.project(make_interaction(event_id="x", timezone="Europe/Kyiv"))
        assert [code for _, code, _ in redrive_records(stack).staying] == ["unknown_timezone"]
    assert codes(stack) == ["unknown_timezone"]
    assert redrive_records(stack).redriven == {"unknown_timezone": 1}
    assert project_all(world).applied == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [({"format": {"N": "99"}}, "later_format"), ({"earned": {"S": '["trunc'}}, "unreadable_state")],
)
def test_records_of_a_state_that_can_not_be_read_wait_for_its_repair(
    world: World, stack: Stack, change: dict[str, Any], code: str
) -> None:
    world.project(make_interaction(event_id="x"))
    good = world.item("ann", "STATE")
    assert good is not None
    aws.dynamodb().put_item(TableName=VIEWS, Item={**good, **change})
    world.project(make_interaction(event_id="y"), make_interaction(event_id="z", user_id="bob"))
    result = redrive_records(stack)
    assert [(record.code, again) for record, again, _ in result.staying] == [(code, code)]
    assert codes(stack) == [code]
    aws.dynamodb().put_item(TableName=VIEWS, Item=good)
    assert redrive_records(stack).redriven == {code: 1}
    assert project_all(world).applied == 1


def test_many_learners_in_trouble_stay_without_stopping_the_others(world: World, stack: Stack) -> None:
    """For the consumer so much trouble would be the release's fault, and it would fail the batch."""
    names = [f"learner-{n}" for n in range(8)]
    interactions = [make_interaction(event_id="x", user_id=name, content_id="later") for name in names]
    world.project(*interactions)
    add_content(world)
    for name in names[1:]:
        aws.dynamodb().put_item(TableName=VIEWS, Item={**items.key(name, "STATE"), "version": {"N": "1"}})
    result = redrive_records(stack)
    assert result.redriven == {"unknown_content": 1}
    assert [code for _, code, _ in result.staying] == ["unreadable_state"] * 7


def test_what_a_bug_refused_waits_for_the_release_that_mends_it(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(project, "fold", bug)
        world.project(make_interaction(event_id="x"))
        assert [code for _, code, _ in redrive_records(stack).staying] == ["failed"]
    assert redrive_records(stack).redriven == {"failed": 1}
    assert project_all(world).applied == 1


def test_what_is_too_large_for_a_state_stays_while_it_is(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as small:
        small.setattr(items, "MAX_ITEM_BYTES", 100)
        world.project(make_interaction(event_id="x"))
        assert [code for _, code, _ in redrive_records(stack).staying] == ["state_full"]
    assert redrive_records(stack).redriven == {"state_full": 1}


def test_a_record_that_this_release_takes_goes_back_whatever_its_code(world: World, stack: Stack) -> None:
    """An earlier release refused it, because its contract was narrower."""
    letter = refused_letter(json.dumps(make_interaction(event_id="x")).encode(), code="invalid")
    aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(letter))
    assert redrive_records(stack).redriven == {"invalid": 1}
    assert project_all(world).applied == 1


def test_a_record_too_large_for_the_stream_stays(world: World, stack: Stack) -> None:
    world.project(make_interaction(event_id="x", content_id="later", unheard_of="x" * 1024 * 1024))
    add_content(world)
    result = redrive_records(stack)
    assert [why for _, _, why in result.staying] == ["it is too large for the stream"]
    assert codes(stack) == ["unknown_content"]


def test_a_trial_writes_nothing(world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It also passes what needs several writes: here 75 days of a learner who has closed days already."""
    days = [ARRIVAL - timedelta(days=n) for n in range(75)]
    world.project(*(make_interaction(event_id="x", occurred_at=day.isoformat()) for day in days[::3]))
    late = [
        make_interaction(event_id=f"y{n}", content_id="later", occurred_at=day.isoformat())
        for n, day in enumerate([*days, *days])
    ]
    world.project(*late)
    add_content(world)
    before = world.items()
    monkeypatch.setattr("cli.redrive.MAX_ENTRIES", 1000)
    assert redrive_records(stack, dry_run=True).redriven == {"unknown_content": 150}
    assert redrive_records(stack).redriven == {"unknown_content": 150}
    assert world.items() == before
    assert project_all(world).applied == 150


def test_a_redrive_stops_if_the_views_can_not_be_read(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(make_interaction(event_id="x", content_id="later"))

    def unavailable(*_: Any) -> None:
        raise TimeoutError("DynamoDB left 2 keys unread")

    with monkeypatch.context() as failing:
        failing.setattr(Store, "load", unavailable)
        with pytest.raises(click.ClickException, match="DynamoDB left 2 keys unread"):
            redrive_records(stack)
    assert codes(stack) == ["unknown_content"]
    assert in_stream() == []


def test_an_unknown_reason_is_refused_with_the_list_of_codes(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(stack, monkeypatch, "--reason", "unknown_contents")
    assert result.exit_code == 2
    for code in CODES:
        assert f"'{code}'" in result.output


def test_every_code_of_the_consumer_can_be_named(world: World) -> None:
    assert {Unreadable.code, LaterFormat.code} <= set(CODES)
    assert len(set(CODES)) == len(CODES)


class RefusingStack:
    """A stack whose consumer refuses every record at once, so that it is in quarantine again.

    With `foreign`, another producer's record is refused at each poll, too.
    """

    endpoint_url = None
    xapi_content_prefixes: tuple[str, ...] = ()
    freezes = 0

    def __init__(self, world: World, messages: int, foreign: bool = False) -> None:
        self.store = world.store
        self.foreign = foreign
        names = ("QuarantineUrl", "RuleDeadLettersUrl", "EventLogBucket", "StreamName")
        self.outputs = {name: name for name in names}
        self.clock = datetime(2026, 3, 2, tzinfo=UTC)
        self.waiting: dict[str, dict[str, Any]] = {}
        self.sent = 0
        self.put = 0
        self.quarantine = world.quarantine
        for n in range(messages):
            self._refuse(json.dumps(make_interaction(event_id=f"e{n}")).encode())
        self.clock += timedelta(minutes=5)

    def client(self, _: str) -> "RefusingStack":
        return self

    def _refuse(self, payload: bytes) -> None:
        self.sent += 1
        self.waiting[str(self.sent)] = {
            "MessageId": str(self.sent),
            "ReceiptHandle": str(self.sent),
            "Body": json.dumps(refused_letter(payload, number=self.sent)),
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

    def get_queue_attributes(self, *, AttributeNames: list[str], **_: Any) -> dict[str, Any]:
        return {"Attributes": dict.fromkeys(AttributeNames, "0")}

    def put_records(self, *, Records: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        self.put += len(Records)
        self.clock += timedelta(seconds=2)
        for one in Records:
            self._refuse(one["Data"])
        return {"Records": [{} for _ in Records]}

    def delete_message_batch(self, **_: Any) -> dict[str, Any]:
        return {}

    change_message_visibility_batch = delete_message_batch

    def get_paginator(self, _: str) -> "RefusingStack":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{}]


@pytest.mark.parametrize("foreign", [False, True])
def test_a_redrive_ends_even_if_every_record_is_refused_again(
    world: World, monkeypatch: pytest.MonkeyPatch, foreign: bool
) -> None:
    monkeypatch.setattr(trial, "now", lambda: ARRIVAL)
    stack = RefusingStack(world, 300, foreign)
    result = redrive_records(stack)  # type: ignore[arg-type]  # the parts of a stack that a redrive uses
    assert result.redriven == {"unknown_content": 300}
    assert stack.put == 300


def test_records_that_the_stream_rejects_stay_in_quarantine(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(make_interaction(event_id="x", content_id="later"))
    add_content(world)
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
        {**make_interaction(event_id="of-nobody"), "user_id": None},
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
    result = redrive_records(stack)
    assert result.redriven == {"undelivered": 1}
    assert [(code, why.partition(":")[0]) for _, code, why in result.staying] == [("invalid", "user_id")] * 2
    assert codes(stack) == ["undelivered"] * 2
    assert project_all(world).applied == 1


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


FAILED = "aws/lambda/e4b0/shardId-000000000000/2026/03/08/2026-03-08T12.00.00-5a17"


def keys_in_bucket() -> list[str]:
    return [found["Key"] for found in aws.s3().list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_a_batch_that_aged_out_of_the_stream_is_redriven(world: World, stack: Stack) -> None:
    interactions = make_interaction(event_id="x"), make_interaction(event_id="y")
    batch = stream_event(interactions[0], b"\xff no JSON", interactions[1])["Records"]
    put_failed_batch(FAILED, batch)
    aws.s3().put_object(Bucket=BUCKET, Key="log/2026/03/08/of-no-batch", Body=b"x")
    records = [record for record, _ in list_records(stack)]
    assert [(record.code, record.position) for record in records] == [
        ("failed_batch", record["eventID"]) for record in batch
    ]
    assert records[0].reason == (
        "arn:aws:lambda:us-east-1:123456789012:function:project failed on its batch "
        "until Lambda gave up: MaximumRecordAgeExceeded"
    )
    dry = redrive_records(stack, dry_run=True)
    assert keys_in_bucket() == [FAILED, "log/2026/03/08/of-no-batch"]
    result = redrive_records(stack)
    for one in (dry, result):
        assert one.redriven == {"failed_batch": 2}
        assert [(r.position, r.code, code) for r, code, _ in one.staying] == [
            (batch[1]["eventID"], "failed_batch", "malformed")
        ]
    assert keys_in_bucket() == ["log/2026/03/08/of-no-batch"]
    assert project_all(world).applied == 2
    [(record, payload)] = list_records(stack)
    assert (record.code, record.position, payload.data) == ("malformed", batch[1]["eventID"], b"\xff no JSON")
    assert record.arrived_at == datetime(2026, 3, 8, 12, tzinfo=UTC)


def test_a_failed_batch_without_a_good_record_stays_as_it_is(world: World, stack: Stack) -> None:
    put_failed_batch(FAILED, stream_event(b"no JSON", make_interaction(content_id="later"))["Records"])
    for _ in range(2):
        result = redrive_records(stack)
        assert result.redriven == {}
        assert sorted(code for _, code, _ in result.staying) == ["malformed", "unknown_content"]
    assert keys_in_bucket() == [FAILED]
    assert world.quarantined() == []


def test_a_framed_record_of_a_failed_batch_is_split(world: World, stack: Stack) -> None:
    parts = [make_interaction(event_id="x"), make_interaction(event_id="y", content_id="later")]
    record = aggregate([json.dumps(fields).encode() for fields in parts])
    put_failed_batch(FAILED, stream_event(record)["Records"])
    result = redrive_records(stack)
    assert result.redriven == {"failed_batch": 1}
    [(staying, code, _)] = result.staying
    assert (staying.position, code) == ("shardId-000000000000:1:2", "unknown_content")
    assert [json.loads(data) for data in in_stream()] == parts[:1]
    [(left, payload)] = list_records(stack)
    assert (left.code, left.position, json.loads(payload.data)) == (code, staying.position, parts[1])
    add_content(world)
    assert redrive_records(stack).redriven == {"unknown_content": 1}
    assert project_all(world).applied == 2


def test_a_catalog_change_that_aged_out_stays_and_is_listed(world: World, stack: Stack) -> None:
    change = {"eventID": "c4ca4238", "eventName": "INSERT", "dynamodb": {"Keys": {}}}
    put_failed_batch("aws/lambda/77aa/shardId-00001/2026/03/08/2026-03-08T12.00.00-5a17", [change])
    for _ in range(2):
        result = redrive_records(stack)
        assert result.redriven == {}
        [(record, code, why)] = result.staying
        assert (record.code, code, why) == ("failed_change", "failed_change", record.reason)
        assert (record.position, record.arrived_at) == ("c4ca4238", datetime(2026, 3, 8, 12, tzinfo=UTC))
    assert in_stream() == []


def test_rows_of_the_progress_table_that_aged_out_are_put_back(world: World, stack: Stack) -> None:
    add_content(world, "saa-1-01")
    sample = Path(__file__).parents[2] / "events" / "progress_table_stream.json"
    put_failed_batch(FAILED, json.loads(sample.read_text())["Records"])
    result = redrive_records(stack)
    assert result.redriven == {"bad_row": 1}
    assert sorted(code for _, code, _ in result.staying) == ["bad_row", "failed_change"]
    [interaction] = map(json.loads, in_stream())
    assert interaction["event_id"].startswith("row-")
    assert redrive_records(stack).redriven == {}
    assert len(in_stream()) == 1


def test_a_payload_too_large_for_a_message_is_listed_in_full(world: World, stack: Stack) -> None:
    large = b"\xff" * 1024 * 1024
    world.project(large)
    [(record, payload)] = list_records(stack)
    assert record.code == "malformed"
    assert payload.data == large
    assert [code for _, code, _ in redrive_records(stack).staying] == ["malformed"]


# -- what can't be read ----------------------------------------------------------------------------


def refused_letter(payload: bytes, *, code: str = "unknown_content", number: int = 1) -> dict[str, Any]:
    """Return the body of a letter as the consumer writes it."""
    return {
        "code": code,
        "reason": "",
        "faults": [],
        "door": "stream",
        "position": {"shard": "shardId-0", "sequence_number": str(number)},
        "arrived_at": ARRIVAL.isoformat(),
        "payload": b64encode(payload).decode(),
    }


GOOD = refused_letter(json.dumps(make_interaction(event_id="x")).encode())
ELSEWHERE = {name: value for name, value in GOOD.items() if name != "payload"}
BAD_LETTERS = {
    "no JSON": "hello",
    "nested too deeply": "[" * 100_000,
    "a message of somebody else": json.dumps({"hello": "world"}),
    "no object": "[1]",
    "a payload that is not base64": json.dumps({**GOOD, "payload": "a"}),
    "a position of another form": json.dumps({**GOOD, "position": "shardId-0:1"}),
    "no time of arrival": json.dumps({**GOOD, "arrived_at": ""}),
    "a lone surrogate": json.dumps({**GOOD, "code": "\ud800"}),
    "no payload": json.dumps(ELSEWHERE),
    "a payload that is gone": json.dumps(
        {**ELSEWHERE, "payload_s3": {"bucket": BUCKET, "key": "quarantine/shardId-0/1"}}
    ),
    "a payload in another bucket": json.dumps(
        {**ELSEWHERE, "payload_s3": {"bucket": "others", "key": "quarantine/shardId-0/1"}}
    ),
    "a payload that is no payload": json.dumps(
        {**ELSEWHERE, "payload_s3": {"bucket": BUCKET, "key": "log/2026/03/02/x"}}
    ),
}
BAD_OBJECTS = {
    "no JSON": b"hello",
    "no text": b"\xff",
    "nothing": b"",
    "JSON of somebody else": b'{"hello": "world"}',
    "nested too deeply": b"[" * 100_000,
    "a batch that is no JSON": json.dumps(
        {
            "requestContext": {"functionArn": "arn", "condition": "RetriesExhausted"},
            "timestamp": "2026-03-08T12:00:00.000Z",
            "payload": "{",
        }
    ).encode(),
}
BAD_DEAD_LETTERS = {
    "no JSON": "hello",
    "nested too deeply": "[" * 100_000,
    "an event without a detail": json.dumps({"detail-type": "interaction.recorded"}),
}


def check_the_good_letter_is_redriven(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, location: Location
) -> None:
    """Check that the good letter of a stack goes back, and that the bad one stays and is reported."""
    result = run(stack, monkeypatch, "--json")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["redriven"] == 1
    [unreadable] = summary["unreadable"]
    assert (unreadable["container"], unreadable["id"]) == location
    assert unreadable["reason"]
    assert len(in_stream()) == 1
    listing = read_quarantine(stack)
    assert (listing.records, [letter.location for letter in listing.bad_letters]) == ((), [location])


@pytest.mark.parametrize("letter", BAD_LETTERS)
def test_a_redrive_skips_a_message_that_is_no_letter(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    aws.s3().put_object(Bucket=BUCKET, Key="log/2026/03/02/x", Body=json.dumps(make_interaction()).encode())
    sent = aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody=BAD_LETTERS[letter])
    aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(GOOD))
    location = Location(world.queue_url, sent["MessageId"])
    check_the_good_letter_is_redriven(stack, monkeypatch, location)


@pytest.mark.parametrize("letter", BAD_DEAD_LETTERS)
def test_a_redrive_skips_a_dead_letter_that_is_no_event(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    url = stack.outputs["RuleDeadLettersUrl"]
    sent = aws.sqs().send_message(QueueUrl=url, MessageBody=BAD_DEAD_LETTERS[letter])
    aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(GOOD))
    check_the_good_letter_is_redriven(stack, monkeypatch, Location(url, sent["MessageId"]))


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_a_redrive_skips_an_object_that_is_no_failed_batch(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    aws.s3().put_object(Bucket=BUCKET, Key="aws/lambda/x", Body=BAD_OBJECTS[name])
    aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(GOOD))
    check_the_good_letter_is_redriven(stack, monkeypatch, Location(BUCKET, "aws/lambda/x"))


def test_an_object_too_large_for_a_batch_is_not_read(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MAX_OBJECT_BYTES", 10)
    aws.s3().put_object(Bucket=BUCKET, Key="aws/lambda/x", Body=bytes(11))
    aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(GOOD))
    check_the_good_letter_is_redriven(stack, monkeypatch, Location(BUCKET, "aws/lambda/x"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_command_names_what_it_skips(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    sent = aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody="hello")
    result = run(stack, monkeypatch, *(["--dry-run"] if dry_run else []))
    assert result.exit_code == 1
    location = Location(world.queue_url, sent["MessageId"])
    assert f"can't be read: {location}  it is not a letter of Streakline: Invalid JSON" in result.stderr
    assert "Quarantine is empty" not in result.output


def test_messages_that_a_killed_run_has_hidden_are_counted(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(*(make_interaction(event_id=f"e{n}", content_id="later") for n in range(3)))
    aws.sqs().receive_message(QueueUrl=world.queue_url, MaxNumberOfMessages=2, VisibilityTimeout=900)
    hidden = json.loads(run(stack, monkeypatch, "--json").stdout)["in_flight"]
    assert 1 <= hidden <= 2
    world.quarantined()
    result = run(stack, monkeypatch)
    assert result.exit_code == 0
    assert f"About {hidden} messages were hidden and not looked at" in result.output
    assert "after 15 minutes at most" in result.output
    assert "Quarantine is empty" not in result.output


def test_the_command_says_what_goes_back_and_what_stays(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(
        make_interaction(event_id="x", content_id="later"), make_interaction(event_id="y", score=101)
    )
    dry = run(stack, monkeypatch, "--dry-run").stdout
    assert "stays: shardId-000000000000:1  unknown_content: no catalog has content later\n" in dry
    add_content(world)
    dry = run(stack, monkeypatch, "--dry-run").stdout
    assert "would be redriven:     1  unknown_content\n" in dry
    assert "  shardId-000000000000:1  unknown_content: no catalog has content later\n" in dry
    result = run(stack, monkeypatch)
    assert result.exit_code == 0
    assert "redriven:     1  unknown_content\n" in result.stdout
    assert "stays: shardId-000000000000:2  invalid: score: " in result.stdout
    assert "record with unknown_content" in run(stack, monkeypatch, "--reason", "unknown_content").stdout
    world.quarantined()
    assert run(stack, monkeypatch).stdout == "Quarantine is empty.\n"
