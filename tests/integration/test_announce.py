"""Awards on the bus: at least once, told apart by their id; and how rare each is, exactly."""

import json
from typing import Any

import pytest

from functions import announce, aws
from functions.items import NewAward, NewLearner, inserted
from tests.integration.conftest import World, interaction
from tests.integration.template import template


class Bus:
    """What was put on the bus; may refuse."""

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
    """What the views table's stream delivers of all its items, as the template's filters choose them."""
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


def complete(world: World, user_id: str = "ann") -> None:
    """Have a learner complete all of DVA: the first step, half, all; the category is not mastered."""
    world.project(
        interaction("d", user_id=user_id, content_id="dva-1", interaction_type="completed", score=None)
    )


def test_a_new_award_is_announced_on_the_bus(world: World, bus: Bus) -> None:
    complete(world)
    announce.handler(table_stream(world), None)  # type: ignore[arg-type]  # unused
    told = [(entry["DetailType"], json.loads(entry["Detail"])) for entry in bus.entries]
    assert sorted((kind, detail.get("achievement_id", "")) for kind, detail in told) == [
        ("achievement.earned", "DVA:all"),
        ("achievement.earned", "DVA:first"),
        ("achievement.earned", "DVA:half"),
        ("certification.completed", ""),
    ]
    assert {detail["user_id"] for _, detail in told} == {"ann"}
    assert {entry["Source"] for entry in bus.entries} == {"streakline"}


def test_a_second_delivery_says_the_same_again_so_that_consumers_can_drop_it(world: World, bus: Bus) -> None:
    complete(world)
    event = table_stream(world)
    announce.handler(event, None)  # type: ignore[arg-type]  # unused
    first = list(bus.entries)
    announce.handler(event, None)  # type: ignore[arg-type]  # unused
    assert bus.entries == first * 2
    ids = [json.loads(entry["Detail"])["event_id"] for entry in first]
    assert len(set(ids)) == len(ids)


def test_how_rare_an_award_is_stays_exact_when_deliveries_repeat(world: World, bus: Bus) -> None:
    complete(world)
    complete(world, "bob")
    world.project(interaction("x", user_id="cho"))
    event = table_stream(world)
    for _ in range(3):
        announce.handler(event, None)  # type: ignore[arg-type]  # unused
    rarity = world.store.rarity()
    assert rarity.learners == 3
    assert rarity.earned["DVA:all"] == 2
    assert rarity.share("DVA:all") == 0.6667
    assert rarity.share("streak-100") == 0


def test_counting_inserts_nothing_that_would_be_announced_in_turn(world: World, bus: Bus) -> None:
    complete(world)
    event = table_stream(world)
    announce.handler(event, None)  # type: ignore[arg-type]  # unused
    assert world.store.rarity().earned["DVA:all"] == 1

    def keys(delivered: dict[str, Any]) -> list[Any]:
        return [record["dynamodb"]["NewImage"]["sk"] for record in delivered["Records"]]

    assert keys(table_stream(world)) == keys(event)


def test_a_refusing_bus_fails_the_batch_and_nothing_is_counted_yet(world: World, bus: Bus) -> None:
    complete(world)
    bus.refuses = True
    with pytest.raises(RuntimeError, match="refused 4 announcements"):
        announce.handler(table_stream(world), None)  # type: ignore[arg-type]  # unused
    assert world.store.rarity().learners == 0


def test_what_is_inserted_is_told_apart(world: World) -> None:
    complete(world)
    state, award = world.item("ann", "STATE"), world.item("ann", "EARNED#DVA:all")
    assert state is not None
    assert award is not None
    assert inserted(state) == NewLearner("ann")
    found = inserted(award)
    assert isinstance(found, NewAward)
    assert (found.user_id, found.award.points, found.silent) == ("ann", 1000, False)
