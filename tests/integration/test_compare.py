"""`streakline compare` on two tables: what it reads, what it finds, and what the log explains."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from cli import compare as command
from cli import stack as cli_stack
from cli.__main__ import main
from cli.compare import Comparer
from cli.log_events import events_of
from cli.stack import Stack
from domain.comparing import Comparison
from domain.tally import increments
from functions import aws
from functions.catalog_copy import copy_catalog
from functions.project import Projector
from functions.store import Store
from tests.integration.conftest import (
    ARRIVAL,
    BUCKET,
    CONTROL,
    GREEN,
    VIEWS,
    World,
    interaction,
    stream_event,
)
from tests.integration.rebuilds import Rebuild, lines, put_object


class _Session:
    """A session of boto3 whose clients are those of the functions."""

    def client(self, service: str, **_: Any) -> Any:
        return getattr(aws, service)()


OUTPUTS = {
    "BlueViewsTableName": VIEWS,
    "GreenViewsTableName": GREEN,
    "ControlTableName": CONTROL,
    "EventLogBucket": BUCKET,
    "StreakFreezes": "0",
}
STACK = Stack(OUTPUTS, "https://api.example", None, _Session())
RECORDS = [
    interaction(
        f"{who}-{day}",
        user_id=who,
        interaction_type="completed",
        occurred_at=f"2026-02-{day:02}T09:00:00Z",
    )
    for day in range(1, 6)
    for who in ("ann", "bob", "cid")
]


@pytest.fixture
def both(world: World) -> World:
    copy_catalog(Store(aws.dynamodb(), VIEWS), Store(aws.dynamodb(), GREEN))
    put_object("log/2026/03/02/a", lines(*RECORDS))
    return world


def fold_into_green(world: World, records: Sequence[dict[str, Any]]) -> None:
    store = Store(aws.dynamodb(), GREEN)
    Projector(store, world.quarantine, was_live=lambda _: False).project(stream_event(*records)["Records"])


def compared(now: datetime = ARRIVAL + timedelta(hours=1), **changes: Any) -> Comparison:
    comparer = Comparer(
        "blue",
        Store(aws.dynamodb(), VIEWS),
        Store(aws.dynamodb(), GREEN),
        0,
        lambda users: events_of(STACK, users),
        pause=lambda _: None,
        now=lambda: now,
        **changes,
    )
    return comparer.compare()


def damage(table: str, user_id: str, sk: str, **attributes: Any) -> None:
    key = {"pk": {"S": f"USER#{user_id}"}, "sk": {"S": sk}}
    item = aws.dynamodb().get_item(TableName=table, Key=key)["Item"]
    aws.dynamodb().put_item(TableName=table, Item={**item, **attributes})


def test_equal_generations_have_nothing_to_tell(both: World) -> None:
    both.project(*RECORDS)
    fold_into_green(both, RECORDS[::-1])
    found = compared()
    assert found == Comparison("blue", "green", learners=3, equal=3)
    assert found.is_safe


def test_a_planted_fold_bug_is_found_and_a_rebuild_has_the_right_sums(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as planted:
        planted.setattr("domain.fold.increments", lambda i: (*increments(i)[:-1], (increments(i)[-1][0], 7)))
        both.project(*RECORDS)
    Rebuild().begin().to_the_end()
    found = compared()
    assert (found.learners, found.equal, len(found.unexplained)) == (3, 0, 3)
    assert {one.wrong for one in found.unexplained} == {"live"}
    assert not found.is_safe


def test_learners_of_whom_a_generation_lacks_something_young_are_moving(both: World) -> None:
    both.project(*RECORDS)
    fold_into_green(both, RECORDS[:-1])
    assert compared(ARRIVAL).moving == ("cid",)
    later = compared()
    assert later.moving == ()
    assert [(one.user_id, one.wrong) for one in later.unexplained] == [("cid", "built")]


def test_a_generation_that_catches_up_while_it_is_read_is_equal(both: World) -> None:
    both.project(*RECORDS)
    fold_into_green(both, RECORDS[:-1])
    comparer = Comparer(
        "blue",
        Store(aws.dynamodb(), VIEWS),
        Store(aws.dynamodb(), GREEN),
        0,
        lambda users: {},
        pause=lambda _: fold_into_green(both, RECORDS[-1:]),
    )
    assert comparer.compare(["cid"]) == Comparison("blue", "green", learners=1, equal=1)


def test_learners_whom_only_one_generation_has_are_compared_too(both: World) -> None:
    both.project(*[one for one in RECORDS if one["user_id"] == "ann"])
    fold_into_green(both, [one for one in RECORDS if one["user_id"] == "bob"])
    found = compared()
    assert found.learners == 2
    assert [(one.user_id, one.wrong) for one in found.unexplained] == [("ann", "built")]
    assert found.explained == {"refused": 1}, "the log has what only the built one has"


def test_a_learner_who_can_not_be_read_is_told(both: World) -> None:
    both.project(*RECORDS)
    fold_into_green(both, RECORDS)
    damage(GREEN, "ann", "STATE", calendar={"S": "nonsense"})
    found = compared()
    assert found.equal == 2
    assert "USER#ann" in found.unreadable[0]
    assert not found.is_safe


def test_catalogs_that_differ_are_told(both: World) -> None:
    key = {"pk": {"S": "CATALOG"}, "sk": {"S": "CERT#SAA#000000"}}
    part = aws.dynamodb().get_item(TableName=GREEN, Key=key)["Item"]
    rows = json.loads(part["contents"]["S"])
    rows[0][4] += 1
    aws.dynamodb().put_item(TableName=GREEN, Item={**part, "contents": {"S": json.dumps(rows)}})
    assert not compared().is_catalog_equal


@pytest.fixture
def on_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: STACK)
    monkeypatch.setattr(command, "PAUSE_SECONDS", 0)


def test_the_command_prints_what_it_found(both: World, on_stack: None) -> None:
    both.project(*RECORDS)
    fold_into_green(both, RECORDS)
    ran = CliRunner().invoke(main, ["compare", "--json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert (found["learners"], found["equal"], found["is_safe"]) == (3, 3, True)
    damage(GREEN, "bob", "DAY#2026-02-01", tallies={"M": {}})
    ran = CliRunner().invoke(main, ["compare", "--learners", "ann, bob"], catch_exceptions=False)
    assert ran.exit_code == 1
    assert "2 learners compared. 1 are equal, 0 differ with an explanation, 1 without one" in ran.stdout
    assert "unexplained: bob; a fold of the log differs from green" in ran.stdout
    assert "sums by category SAA 2026-02-01" in ran.stdout


def test_the_command_says_that_there_is_only_one_generation(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != "GreenViewsTableName"}
    one = Stack(outputs, "https://api.example", None, _Session())
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: one)
    ran = CliRunner().invoke(main, ["compare"])
    assert ran.exit_code == 1
    assert "has no green generation" in ran.output
