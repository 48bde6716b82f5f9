"""Awards on the bus: each is published at least once, with a stable id, and counted exactly once."""

import json
from typing import Any

import pytest

from functions import announce, aws
from functions.items import NewAward, NewLearner, inserted
from tests.integration.conftest import BUS, World, interaction
from tests.integration.template import template


class Bus:
    """A bus that keeps its entries, or refuses them all."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.refuses = False

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if self.refuses:
            return {
                "FailedEntryCount": len(Entries),
                "Entries": [{"ErrorCode": "ThrottlingException"} for _ in Entries],
            }
        assert len(Entries) <= 10
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    made = Bus()
    monkeypatch.setattr(aws, "eventbridge", lambda: made)
    return made


def table_stream(world: World) -> dict[str, Any]:
    """Return a stream event with every item of the views table that the template's filters let through."""
    sources = template()["Resources"]["AnnounceFunction"]["Properties"]["Events"]["Awards"]["Properties"]
    patterns = [json.loads(f["Pattern"]) for f in sources["FilterCriteria"]["Filters"]]
    wanted = [pattern["dynamodb"]["Keys"]["sk"]["S"][0] for pattern in patterns]
    return {
        "Records": [
            {"dynamodb": {"NewImage": image}}
            for (_, sk), image in world.items().items()
            if any(sk.startswith(w["prefix"]) if isinstance(w, dict) else sk == w for w in wanted)
        ]
    }


def deliver(event: dict[str, Any]) -> None:
    announce.handler(event, None)


def complete_dva(world: World, user_id: str = "ann") -> None:
    """Have a learner complete the only content of DVA. It earns the first step, half and all."""
    world.project(
        interaction("d", user_id=user_id, content_id="dva-1", interaction_type="completed", score=None)
    )


def test_a_new_award_is_announced_on_the_bus(world: World, bus: Bus) -> None:
    complete_dva(world)
    deliver(table_stream(world))
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
    event = table_stream(world)
    deliver(event)
    first = list(bus.entries)
    deliver(event)
    assert first
    assert bus.entries == first * 2
    ids = [json.loads(entry["Detail"])["event_id"] for entry in first]
    assert len(set(ids)) == len(ids)


def test_a_silent_award_is_counted_but_not_announced(world: World, bus: Bus) -> None:
    complete_dva(world)
    award = world.item("ann", "EARNED#DVA:all")
    assert award is not None
    deliver({"Records": [{"dynamodb": {"NewImage": {**award, "silent": {"BOOL": True}}}}]})
    assert bus.entries == []
    assert world.store.rarity().earned["DVA:all"] == 1


def test_rarity_stays_exact_if_deliveries_repeat(world: World, bus: Bus) -> None:
    complete_dva(world)
    complete_dva(world, "bob")
    world.project(interaction("x", user_id="cho"))
    event = table_stream(world)
    for _ in range(3):
        deliver(event)
    rarity = world.store.rarity()
    assert rarity.learners == 3
    assert rarity.earned["DVA:all"] == 2
    assert rarity.share("DVA:all") == 0.6667
    assert rarity.share("streak-100") == 0


def test_counting_inserts_no_item_that_would_be_announced_in_turn(world: World, bus: Bus) -> None:
    complete_dva(world)
    event = table_stream(world)
    deliver(event)
    assert world.store.rarity().earned["DVA:all"] == 1

    def keys(delivered: dict[str, Any]) -> list[Any]:
        return [record["dynamodb"]["NewImage"]["sk"] for record in delivered["Records"]]

    assert keys(table_stream(world)) == keys(event)


def test_a_bus_that_refuses_fails_the_batch_before_anything_is_counted(world: World, bus: Bus) -> None:
    complete_dva(world)
    bus.refuses = True
    with pytest.raises(RuntimeError, match=r"^the bus refused \d+ announcements: ThrottlingException$"):
        deliver(table_stream(world))
    assert world.store.rarity().learners == 0


def test_inserted_learners_and_awards_are_told_apart(world: World) -> None:
    complete_dva(world)
    state, award = world.item("ann", "STATE"), world.item("ann", "EARNED#DVA:all")
    assert state is not None
    assert award is not None
    assert inserted(state) == NewLearner("ann")
    found = inserted(award)
    assert isinstance(found, NewAward)
    assert (found.user_id, found.award.points, found.silent) == ("ann", 1000, False)
