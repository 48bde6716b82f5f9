"""Awards on the bus: each is published at least once, with a stable id."""

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from functions import announce, aws
from functions.observability import metrics
from tests.integration.conftest import BUS, Context, World, interaction, table_stream


class Bus:
    """A bus that keeps its entries, but refuses the first ones as often as it is told to."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.refusals = 0

    def put_events(self, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
        assert len(Entries) <= 10
        results = []
        for entry in Entries:
            if self.refusals:
                self.refusals -= 1
                results.append({"ErrorCode": "ThrottlingException"})
            else:
                self.entries.append(entry)
                results.append({"EventId": "x"})
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    made = Bus()
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(aws, "eventbridge", lambda: made)
    return made


def deliver(event: dict[str, Any]) -> None:
    announce.handler(event, Context())


def complete_dva(world: World, user_id: str = "ann") -> None:
    """Have a learner complete the only content of DVA. It earns the first step, half and all."""
    world.project(
        interaction("d", user_id=user_id, content_id="dva-1", interaction_type="completed", score=None)
    )


def test_a_new_award_is_announced_on_the_bus(world: World, bus: Bus) -> None:
    complete_dva(world)
    deliver(table_stream(world, "AnnounceFunction"))
    published = [(entry["DetailType"], json.loads(entry["Detail"])) for entry in bus.entries]
    assert {(kind, detail.get("achievement_id")) for kind, detail in published} >= {
        ("achievement.earned", "DVA:all"),
        ("achievement.earned", "DVA:first"),
        ("achievement.earned", "DVA:half"),
        ("certification.completed", None),
    }
    assert {detail["user_id"] for _, detail in published} == {"ann"}
    assert {(entry["Source"], entry["EventBusName"]) for entry in bus.entries} == {("streakline", BUS)}


def test_a_second_delivery_repeats_the_ids_so_that_consumers_can_drop_it(world: World, bus: Bus) -> None:
    complete_dva(world)
    event = table_stream(world, "AnnounceFunction")
    deliver(event)
    first = list(bus.entries)
    deliver(event)
    assert first
    assert bus.entries == first * 2
    ids = [json.loads(entry["Detail"])["event_id"] for entry in first]
    assert len(set(ids)) == len(ids)


def test_a_silent_award_is_not_announced(world: World, bus: Bus) -> None:
    complete_dva(world)
    award = world.item("ann", "EARNED#DVA:all")
    assert award is not None
    deliver({"Records": [{"dynamodb": {"NewImage": {**award, "silent": {"BOOL": True}}}}]})
    assert bus.entries == []


def test_a_bus_that_refuses_fails_the_batch(world: World, bus: Bus) -> None:
    complete_dva(world)
    bus.refusals = 10_000
    with pytest.raises(RuntimeError, match=r"^the bus refused \d+ announcements: ThrottlingException$"):
        deliver(table_stream(world, "AnnounceFunction"))


def test_what_the_bus_refuses_for_a_moment_is_put_again_alone(world: World, bus: Bus) -> None:
    for number in range(4):
        complete_dva(world, f"learner-{number}")
    bus.refusals = 3
    event = table_stream(world, "AnnounceFunction")
    deliver(event)
    ids = [json.loads(entry["Detail"])["event_id"] for entry in bus.entries]
    assert len(ids) == len(set(ids)) > 10, "nothing is repeated"
    assert len(ids) == len(event["Records"]) + 4, "each completes a certification"


def test_nothing_is_counted_or_written_so_that_no_write_repeats_announcements(world: World, bus: Bus) -> None:
    complete_dva(world)
    before = world.items()
    deliver(table_stream(world, "AnnounceFunction"))
    assert world.items() == before


WRONG: dict[str, Any] = {
    "achievement_id": 7,
    "title": None,
    "points": -5,
    "earned_at": 10**30,
    "certification_type": "no code #",
    "badge_icon": ["🏆"],
}


@pytest.mark.parametrize("field", [*WRONG, "award", "pk"])
def test_an_unreadable_award_is_skipped_loudly_and_all_others_are_announced(
    world: World, bus: Bus, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    complete_dva(world)
    complete_dva(world, "bob")
    counted: dict[str, float] = {}
    monkeypatch.setattr(metrics, "add_metric", lambda name, _, value: counted.update({name: value}))
    event = table_stream(world, "AnnounceFunction")
    damaged = event["Records"][0]["dynamodb"]["NewImage"]
    if field in WRONG:
        fields = {**json.loads(damaged["award"]["S"]), field: WRONG[field]}
        damaged["award"] = {"S": json.dumps(fields)}
    else:
        damaged[field] = {"S": "{"}
    deliver(event)
    awards = [entry for entry in bus.entries if entry["DetailType"] == "achievement.earned"]
    assert len(awards) == len(event["Records"]) - 1
    assert counted["UnreadableAwards"] == 1
