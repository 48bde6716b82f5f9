"""`streakline cutover`: one generation of the views takes the other one's place."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from click.testing import CliRunner, Result

from cli import cutover as command
from cli import lag
from cli.stack import Stack
from domain.generations import Colour, Epoch, epochs_of
from functions import aws
from functions.catalog import CatalogWriter
from functions.generations import CACHED_SECONDS, LIVE
from functions.project import Projector
from functions.store import Store
from tests.integration.conftest import (
    BUCKET,
    CATALOG,
    CATALOG_TIME,
    CONTROL,
    GREEN,
    STREAM,
    VIEWS,
    World,
    interaction,
)
from tests.integration.rebuilds import lines, put_object

TABLES: dict[Colour, str] = {"blue": VIEWS, "green": GREEN}


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a stack with both generations, and don't wait."""
    CatalogWriter(Store(aws.dynamodb(), GREEN)).update(CATALOG, CATALOG_TIME)
    outputs = {
        "BlueViewsTableName": VIEWS,
        "GreenViewsTableName": GREEN,
        "ControlTableName": CONTROL,
        "StreamName": STREAM,
        "EventLogBucket": BUCKET,
        "StreakFreezes": "0",
    }
    made = Stack(outputs, "", "http://127.0.0.1:1", boto3.Session(region_name="us-east-1"))
    object.__setattr__(made, "endpoint_url", None)
    monkeypatch.setattr("cli.stack.connect", lambda *_: made)
    monkeypatch.setattr("cli.cutover.time.sleep", lambda _: None)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.cutover, ["--yes", *arguments], catch_exceptions=False)


def epochs() -> tuple[Epoch, ...]:
    item = aws.dynamodb().get_item(TableName=CONTROL, Key=LIVE).get("Item")
    return epochs_of(item["epochs"]["S"]) if item else ()


def begin_now() -> None:
    """Let the last epoch begin at once."""
    *before, last = epochs()
    moved = (*before, last._replace(since=int(datetime.now(UTC).timestamp() * 1000) - 1000))
    item = {**LIVE, "epochs": {"S": json.dumps(moved)}}
    aws.dynamodb().put_item(TableName=CONTROL, Item=item)


def emit(*interactions: dict[str, Any]) -> list[dict[str, Any]]:
    """Put interactions into the stream. Return the records as a consumer gets them."""
    records = []
    for one in interactions:
        data = json.dumps(one).encode()
        put = aws.kinesis().put_record(StreamName=STREAM, PartitionKey="ann", Data=data)
        records.append(
            {
                "eventID": f"{put['ShardId']}:{put['SequenceNumber']}",
                "kinesis": {
                    "sequenceNumber": put["SequenceNumber"],
                    "data": b64encode(data).decode(),
                    "approximateArrivalTimestamp": datetime.now(UTC).timestamp(),
                },
            }
        )
    return records


def fold(world: World, colour: Colour, records: list[dict[str, Any]]) -> None:
    Projector(Store(aws.dynamodb(), TABLES[colour]), world.quarantine).project(records)


def test_a_cutover_begins_after_every_process_has_heard_of_it(stack: Stack) -> None:
    before = datetime.now(UTC)
    result = run("--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["live"] == "green"
    _, epoch = epochs()
    assert epoch == Epoch("green", int(datetime.fromisoformat(answer["since"]).timestamp() * 1000))
    # The service's clock has whole seconds.
    notice = datetime.fromtimestamp(epoch.since / 1000, UTC) - before
    assert timedelta(seconds=CACHED_SECONDS + 3) < notice < timedelta(seconds=30)


def test_the_same_command_goes_back(stack: Stack) -> None:
    assert run().exit_code == 0
    begin_now()
    assert run().exit_code == 0
    assert [epoch.live for epoch in epochs()] == ["blue", "green", "blue"]


def test_a_second_cutover_waits_for_the_first(stack: Stack) -> None:
    assert run().exit_code == 0
    result = run("--to", "green")
    assert result.exit_code == 1
    assert "a cutover to green begins at" in result.output
    assert len(epochs()) == 2


def test_of_two_cutovers_at_once_one_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., bool] = command._check

    def overtaken(*_: Any) -> None:
        monkeypatch.setattr(command, "_check", real)
        assert run().exit_code == 0

    monkeypatch.setattr(command, "_check", overtaken)
    result = run()
    assert result.exit_code == 1
    assert "another cutover was faster" in result.output
    assert len(epochs()) == 2


def test_a_cutover_to_the_live_generation_changes_nothing(stack: Stack) -> None:
    result = run("--to", "blue")
    assert (result.exit_code, result.output) == (0, "The blue generation is live already.\n")
    assert epochs() == ()


def test_a_generation_that_does_not_exist_is_refused(stack: Stack) -> None:
    del stack.outputs["GreenViewsTableName"]
    result = run("--to", "green")
    assert result.exit_code == 1
    assert "the stack has no green generation of the views, only blue (parameter Views)" in result.output


def test_a_consumer_that_is_behind_is_refused_and_named(
    stack: Stack, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds: list[float] = []
    patient = partial(lag.find_lag, clock=lambda: sum(seconds), pause=seconds.append)
    monkeypatch.setattr(command, "find_lag", patient)
    records = emit(interaction("a"), interaction("b"))
    fold(world, "blue", records)
    fold(world, "green", records[:1])
    result = run()
    assert result.exit_code == 1
    assert "it lacks 1 of 2 interactions" in result.output
    assert sum(seconds) == pytest.approx(lag.WAIT_SECONDS, abs=1)
    assert epochs() == ()
    assert run("--force").exit_code == 0
    assert [epoch.live for epoch in epochs()] == ["blue", "green"]


def test_a_consumer_that_catches_up_is_waited_for(stack: Stack, world: World) -> None:
    records = emit(interaction("a"))
    fold(world, "blue", records)
    assert lag.find_lag(stack, "blue", "green", pause=lambda _: fold(world, "green", records)) is None


def wrong_counter(table: str) -> None:
    """Give a learner of a generation sums that no interactions have."""
    key = {"pk": {"S": "USER#ann"}, "sk": {"S": "STATE"}}
    right = Store(aws.dynamodb(), table).read_state("ann")
    assert right
    folded = Projector(Store(aws.dynamodb(), table), Mock(), was_live=lambda _: False)
    aws.dynamodb().delete_item(TableName=table, Key=key)
    folded.project(emit(interaction("a", time_spent=61)))


def test_a_generation_that_differs_from_the_log_does_not_become_live(stack: Stack, world: World) -> None:
    records = emit(interaction("a"))
    put_object("log/2026/03/02/a", lines(interaction("a")))
    for colour in TABLES:
        fold(world, colour, records)
    wrong_counter(GREEN)
    result = run()
    assert result.exit_code == 1
    assert "green does not become live: 1 learners differ without an explanation" in result.output
    assert epochs() == ()


def test_a_live_generation_that_is_wrong_is_left_without_force(stack: Stack, world: World) -> None:
    records = emit(interaction("a"))
    put_object("log/2026/03/02/a", lines(interaction("a")))
    for colour in TABLES:
        fold(world, colour, records)
    wrong_counter(VIEWS)
    result = run()
    assert result.exit_code == 0, result.output
    assert "1 learners have wrong views in blue and right ones in green" in result.output


def test_the_way_back_to_a_wrong_generation_needs_force_and_both_cutovers_say_so(
    stack: Stack, world: World
) -> None:
    records = emit(interaction("a"))
    put_object("log/2026/03/02/a", lines(interaction("a")))
    for colour in TABLES:
        fold(world, colour, records)
    wrong_counter(VIEWS)
    result = run()
    assert result.exit_code == 0, result.output
    assert "The way back to blue needs --force, until blue is dropped and rebuilt." in result.output
    assert "To go back: streakline cutover --to blue --force\n" in result.output
    begin_now()
    refused = run("--to", "blue")
    assert refused.exit_code == 1
    assert "--force makes blue live all the same" in refused.output
    assert [epoch.live for epoch in epochs()] == ["blue", "green"]
    assert run("--to", "blue", "--force").exit_code == 0
    assert [epoch.live for epoch in epochs()] == ["blue", "green", "blue"]


def test_the_control_table_says_which_generation_is_compared_as_the_live_one(
    stack: Stack, world: World
) -> None:
    # This process keeps the epochs as they are now, as a clock that is behind would.
    stack.generations.clock = lambda: 0.0
    assert stack.live == "blue"
    assert run("--force").exit_code == 0
    begin_now()
    records = emit(interaction("a"))
    put_object("log/2026/03/02/a", lines(interaction("a")))
    for colour in TABLES:
        fold(world, colour, records)
    wrong_counter(VIEWS)
    assert stack.live == "blue"
    refused = run("--to", "blue")
    assert refused.exit_code == 1
    assert "blue does not become live: 1 learners differ without an explanation" in refused.output


def test_the_way_back_to_a_right_generation_needs_no_force(stack: Stack) -> None:
    assert run().output.endswith("To go back: streakline cutover --to blue\n")


def test_what_the_live_generation_has_not_applied_itself_is_no_lag(stack: Stack) -> None:
    emit(interaction("a", content_id="nobody-knows-1"))
    assert lag.find_lag(stack, "blue", "green") is None


def test_a_generation_that_was_dropped_while_it_was_live_can_be_left(stack: Stack) -> None:
    del stack.outputs["BlueViewsTableName"]
    result = run("--to", "green")
    assert result.exit_code == 1
    assert "the stack has dropped it" in result.output
    assert run("--to", "green", "--force").exit_code == 0


def test_a_cutover_to_views_that_differ_without_an_explanation_is_refused(
    stack: Stack, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.compare.PAUSE_SECONDS", 0)
    records = emit(interaction("a"), interaction("b", user_id="bob"))
    fold(world, "blue", records)
    fold(world, "green", records)
    key = {"pk": {"S": "USER#bob"}, "sk": {"S": "STATE"}}
    state = aws.dynamodb().get_item(TableName=GREEN, Key=key)["Item"]
    wrong = {**state, "plain_offset": {"S": '[1772348400000000,"+05:00"]'}}
    aws.dynamodb().put_item(TableName=GREEN, Item=wrong)
    refused = run()
    assert refused.exit_code == 1
    assert "1 learners differ without an explanation" in refused.output
    assert epochs() == ()
    assert run("--force").exit_code == 0
