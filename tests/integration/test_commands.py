"""The commands' work on moto: redrive, and the backfill of new rules."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.backfill import Backfill, backfill
from cli.quarantine import look
from cli.redrive import put_back
from cli.stack import Stack
from domain import achievements, learner
from domain.achievements import Achievement
from domain.catalog import ContentMetadata
from domain.interaction import day_number
from functions import aws, catalog
from functions.store import Store
from tests.integration.conftest import BUCKET, STREAM, VIEWS, World, interaction


@pytest.fixture
def stack(world: World) -> Stack:
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


def test_looking_into_quarantine_takes_nothing_out(world: World, stack: Stack) -> None:
    world.project(b"no JSON", interaction("x", content_id="later"))
    assert sorted(held.code for held in look(stack)) == ["malformed", "unknown_content"]
    assert sorted(held.code for held in look(stack)) == ["malformed", "unknown_content"]


def test_content_that_came_late_is_applied_after_a_redrive_and_a_second_one_has_no_effect(
    world: World, stack: Stack
) -> None:
    world.project(interaction("x", content_id="later"))
    catalog.keep(world.store, {"SAA": [ContentMetadata("later", "Storage")]}, 1)
    assert put_back(stack, look(stack)) == 1
    assert look(stack) == []
    assert project_all(world).applied == 1
    before = world.items()
    assert put_back(stack, look(stack)) == 0
    assert project_all(world).duplicates == 1
    assert world.items() == before


def test_a_record_that_was_quarantined_twice_is_put_back_once(world: World, stack: Stack) -> None:
    bad = interaction("x", content_id="later")
    world.project(bad)
    world.project(bad)  # the same position: the batch was delivered again
    [held] = look(stack)
    assert len(held.receipts) == 2
    assert put_back(stack, [held]) == 1
    assert world.quarantined() == []
    assert len(in_stream()) == 1


@pytest.mark.parametrize("whole", [True, False], ids=["the event", "its detail"])
def test_what_the_bus_could_not_deliver_goes_back_through_the_stream(
    world: World, stack: Stack, whole: bool
) -> None:
    url = stack.outputs["RuleDeadLettersUrl"]
    for detail in (interaction("x"), {"event_id": "of-nobody"}):
        body = {"version": "0", "detail-type": "interaction.recorded", "detail": detail} if whole else detail
        attributes: Any = {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}}
        aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(body), MessageAttributes=attributes)
    for _ in range(2):
        held = look(stack)
        assert [(one.code, one.reason) for one in held] == [
            ("undelivered", "the bus could not put it into the stream: NO_PERMISSIONS")
        ] * 2
    assert put_back(stack, held) == 2
    assert look(stack) == []
    outcome = project_all(world)
    assert outcome.applied == 1
    assert [record.code for record in outcome.quarantined] == ["invalid"], "it says what it lacks now"


NEW_RULE: Achievement[Any] = Achievement(
    "first-minute",
    "time",
    "First Minute",
    "Study for a minute",
    "⏱️",
    5,
    lambda standing: standing.seconds // 60,
    1,
)


@pytest.fixture
def new_rule(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three learners with a minute of study each, and then a rule that is newer than that."""
    world.project(*(interaction("a", user_id=user) for user in ("ann", "bob", "cho")))
    monkeypatch.setattr(learner, "ACHIEVEMENTS", (*achievements.ACHIEVEMENTS, NEW_RULE))


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
    monkeypatch.setattr(learner, "ACHIEVEMENTS", achievements.ACHIEVEMENTS)
    world.project(interaction("b"))
    run(world.store, tmp_path / "b")
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert [award.title for award in stored.awards] == ["First Minute"]
