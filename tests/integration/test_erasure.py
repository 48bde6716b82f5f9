"""Erasing a learner in the views: nothing stays but a tombstone, nothing comes back, nobody else changes."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from domain.days import microseconds
from domain.erasure import Erasure
from functions import aws, items, rarity
from functions.erasure import Eraser, Erasing, ErasureGoesOn, NotErased
from functions.erasure_list import ErasureList
from functions.export_jobs import ExportJobs
from functions.rarity import Insert, LearnerCounter
from functions.refusals import Refusals
from tests.faults import client_error
from tests.integration.conftest import (
    BUCKET,
    CONTROL,
    VIEWS,
    Context,
    World,
    interaction,
    stream_event,
    table_stream,
)
from tests.integration.http_events import claims, get

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
DAMAGED: dict[str, Any] = {
    "no version": lambda state: {name: value for name, value in state.items() if name != "version"},
    "a version that is no number": lambda state: {**state, "version": {"S": "seven"}},
    "no format": lambda state: {name: value for name, value in state.items() if name != "format"},
    "a later format": lambda state: {**state, "format": {"N": "9"}},
}


@pytest.fixture
def announced() -> list[tuple[str, datetime]]:
    return []


@pytest.fixture
def erasing(world: World, announced: list[tuple[str, datetime]]) -> Erasing:
    client = aws.dynamodb()
    eraser = Eraser(client, VIEWS, pause=lambda _: None)
    exports = ExportJobs(client, CONTROL, aws.s3(), BUCKET)
    listed = ErasureList(client, CONTROL)
    return Erasing([eraser], listed, lambda *told: announced.append(told), exports.forget)


def days_of(user_id: str, count: int = 4) -> Iterator[dict[str, Any]]:
    for day in range(1, count + 1):
        yield interaction(
            f"{user_id}-{day}",
            user_id=user_id,
            content_id="dva-1",
            interaction_type="completed",
            occurred_at=f"2026-02-0{day}T09:00:00Z",
            timezone=None,
        )


EVENTS = [*days_of("ann"), *days_of("bob")]
INVALID = interaction("bad", occurred_at="yesterday")


def study(world: World, *, counted: bool = True) -> None:
    """Let ann and bob study on several days, with awards and a refused record each, and count them."""
    world.project(*EVENTS, INVALID, interaction("bad", user_id="bob", occurred_at="yesterday"))
    projector = world.projector()
    projector.note_refusals = Refusals(aws.dynamodb(), VIEWS).note
    projector.project(
        stream_event(
            interaction("x", content_id="no-such"), interaction("x", content_id="no", user_id="bob")
        )["Records"]
    )
    if counted:
        rarity.handler(table_stream(world, "RarityFunction"), Context())
    world.quarantined()


def keys_of(world: World, user_id: str) -> list[str]:
    return sorted(sk for pk, sk in world.items() if pk.endswith(f"#{user_id}"))


def others(world: World, user_id: str) -> dict[tuple[str, str], Any]:
    """Return every item that is neither this learner's nor a counter."""
    return {key: item for key, item in world.items().items() if user_id not in key[0] and key[0] != "RARITY"}


def test_nothing_of_an_erased_learner_stays_but_a_tombstone(world: World, erasing: Erasing) -> None:
    study(world)
    before = others(world, "ann")
    kept = keys_of(world, "ann")
    assert {sk.partition("#")[0] for sk in kept} >= {"STATE", "DAY", "APPLIED", "EARNED", "COUNTED"}
    erasing.erase("ann", NOW)
    assert keys_of(world, "ann") == ["STATE"]
    tombstone = world.item("ann", "STATE")
    assert tombstone is not None
    assert tombstone.keys() == {"pk", "sk", "version", "erased_at", "expires_at"}
    assert "ann" not in json.dumps({k: v for k, v in tombstone.items() if k != "pk"})
    assert others(world, "ann") == before


def test_redelivering_everything_brings_nothing_back(world: World, erasing: Erasing) -> None:
    study(world)
    erasing.erase("ann", NOW)
    before = world.items()
    projector = world.projector()
    projector.note_refusals = Refusals(aws.dynamodb(), VIEWS).note
    records = stream_event(*EVENTS, INVALID, interaction("x", content_id="no-such"))["Records"]
    outcome = projector.project(records)
    assert (outcome.applied, outcome.duplicates, outcome.erased) == (0, 4, 6)
    assert outcome.quarantined == []
    assert world.quarantined() == []
    assert world.items() == before


def test_a_learner_without_views_gets_a_tombstone_because_records_can_be_on_their_way(
    world: World, erasing: Erasing
) -> None:
    erasing.erase("ann", NOW)
    assert world.project(*days_of("ann")).erased == 4
    assert keys_of(world, "ann") == ["STATE"]


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_state_that_cannot_be_read_is_replaced_too(world: World, erasing: Erasing, damage: Any) -> None:
    study(world)
    damaged = damage(world.item("ann", "STATE"))
    aws.dynamodb().put_item(TableName=VIEWS, Item=damaged)
    erasing.erase("ann", NOW)
    assert keys_of(world, "ann") == ["STATE"]
    assert items.learner_of(world.item("ann", "STATE") or {}).erased_at == microseconds(NOW)


def test_a_consumer_that_read_the_state_before_loses_the_race(world: World, erasing: Erasing) -> None:
    study(world)
    store = world.store
    learners, _ = store.load(["ann"])
    erasing.erase("ann", NOW)
    projector = world.projector()
    load = store.load

    def stale(user_ids: Any) -> Any:
        _, head = load(user_ids)
        return learners, head

    object.__setattr__(projector, "store", _Stale(store, stale))
    outcome = projector.project(stream_event(interaction("late"))["Records"])
    assert outcome.erased == 1
    assert keys_of(world, "ann") == ["STATE"]


class _Stale:
    """A store whose first read returns what was stored before."""

    def __init__(self, store: Any, load: Any) -> None:
        self._store = store
        self.load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


# -- rarity ----------------------------------------------------------------------------------------


def expected_rarity(world: World) -> tuple[int, dict[str, int]]:
    """Return learners and awards as the stored items tell them."""
    stored = world.items()
    held = Counter(sk.removeprefix("EARNED#") for _, sk in stored if sk.startswith("EARNED#"))
    states = [key for key, item in stored.items() if key[1] == "STATE" and "erased_at" not in item]
    return len(states), dict(held)


def check_rarity(world: World) -> None:
    found = world.store.rarity()
    learners, held = expected_rarity(world)
    assert found.learners == learners
    assert {name: count for name, count in found.earned.items() if count} == held


@pytest.mark.parametrize("times", [1, 3])
def test_an_erased_learner_and_their_awards_leave_the_counts_once(
    world: World, erasing: Erasing, times: int
) -> None:
    study(world)
    for _ in range(times):
        erasing.erase("ann", NOW)
    check_rarity(world)
    assert world.store.rarity().learners == 1


@pytest.mark.parametrize("deliveries", [1, 2])
def test_inserts_that_are_counted_only_after_the_erasure_do_not_count(
    world: World, erasing: Erasing, deliveries: int
) -> None:
    study(world, counted=False)
    event = table_stream(world, "RarityFunction")
    erasing.erase("ann", NOW)
    for _ in range(deliveries):
        rarity.handler(event, Context())
        check_rarity(world)
        assert keys_of(world, "ann") == ["STATE"]


def test_an_award_that_is_counted_while_it_is_deleted_leaves_the_counts(
    world: World, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(world, counted=False)
    event = table_stream(world, "RarityFunction")
    client = aws.dynamodb()
    write = client.transact_write_items
    waiting = [True]

    def counted_first(**params: Any) -> Any:
        if waiting and "Delete" in json.dumps(params):
            waiting.clear()
            rarity.handler(event, Context())
        return write(**params)

    monkeypatch.setattr(client, "transact_write_items", counted_first)
    erasing.erase("ann", NOW)
    assert not waiting
    check_rarity(world)
    assert keys_of(world, "ann") == ["STATE"]


def test_a_mark_that_is_set_after_the_erasure_looked_for_it_is_taken_back(world: World) -> None:
    """The mark comes after the deletions, from a delivery that then fails. The next one takes it back."""
    study(world, counted=False)
    event = table_stream(world, "RarityFunction")
    Eraser(aws.dynamodb(), VIEWS).erase("ann", 1)
    LearnerCounter(aws.dynamodb(), VIEWS).count([Insert("USER#ann", "STATE")])
    rarity.handler(event, Context())
    check_rarity(world)


# -- interruptions and repetitions -----------------------------------------------------------------


def test_an_interrupted_erasure_is_listed_and_can_be_ended(
    world: World,
    erasing: Erasing,
    announced: list[tuple[str, datetime]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study(world)
    client = aws.dynamodb()

    def refused(**_: Any) -> None:
        raise client_error("InternalServerError", "TransactWriteItems")

    with monkeypatch.context() as patch:
        patch.setattr(client, "transact_write_items", refused)
        with pytest.raises(ClientError):
            erasing.erase("ann", NOW)
    assert len(keys_of(world, "ann")) > 1
    assert announced == []
    [listed] = erasing.listed.all()
    assert listed == Erasure("ann", microseconds(NOW))
    erasing.erase_in_views(listed)
    assert keys_of(world, "ann") == ["STATE"]
    assert announced == [("ann", NOW)]
    assert erasing.listed.all() == [Erasure("ann", microseconds(NOW), is_out_of_views=True)]


def test_an_erasure_that_is_repeated_keeps_its_time_and_is_announced_once(
    world: World, erasing: Erasing, announced: list[tuple[str, datetime]]
) -> None:
    study(world)
    for hours in range(3):
        erasing.erase("ann", NOW + timedelta(hours=hours))
    assert announced == [("ann", NOW)]
    assert items.learner_of(world.item("ann", "STATE") or {}).erased_at == microseconds(NOW)


def test_the_tombstone_of_an_erasure_that_goes_on_is_kept(world: World, erasing: Erasing) -> None:
    erasing.erase("ann", NOW)
    [eraser] = erasing.erasers
    eraser.keep("ann", NOW + timedelta(days=20))
    eraser.keep("nobody", NOW)
    tombstone = world.item("ann", "STATE") or {}
    assert int(tombstone["expires_at"]["N"]) == int((NOW + timedelta(days=50)).timestamp())
    assert items.learner_of(tombstone).version == 1
    assert keys_of(world, "nobody") == []


# -- starting again --------------------------------------------------------------------------------


def test_a_learner_who_starts_again_counts_and_has_only_what_comes_later(
    world: World, erasing: Erasing
) -> None:
    study(world)
    erasing.erase("ann", NOW)
    erasing.restart("ann", datetime(2026, 3, 1, 12, tzinfo=UTC))
    later = interaction("new", occurred_at="2026-03-02T09:00:00Z", timezone=None)
    outcome = world.project(*days_of("ann"), later, INVALID)
    assert (outcome.applied, outcome.erased) == (1, 4)
    state = world.store.read_state("ann")
    assert state is not None
    assert state.total.interactions == 1
    check_rarity(world)
    [listed] = erasing.listed.all()
    assert listed.starts_at == state.starts_at


def test_nobody_starts_again_who_is_not_erased_or_whose_items_are_still_there(
    world: World, erasing: Erasing
) -> None:
    study(world)
    for user_id in ("ann", "nobody"):
        with pytest.raises(NotErased):
            erasing.restart(user_id, NOW)
    erasing.erase("ann", NOW)
    award = {**items.key("ann", "EARNED#x"), "award": {"S": "{}"}}
    aws.dynamodb().put_item(TableName=VIEWS, Item=award)
    with pytest.raises(ErasureGoesOn):
        erasing.restart("ann", NOW)


def test_an_erasure_that_was_listed_before_the_new_start_deletes_nothing_any_more(
    world: World, erasing: Erasing, announced: list[tuple[str, datetime]]
) -> None:
    listed = erasing.erase("ann", NOW)
    erasing.restart("ann", NOW + timedelta(days=1))
    world.project(interaction("new", occurred_at="2026-03-02T09:00:00Z"))
    before = world.items()
    erasing.erase_in_views(listed)
    assert world.items() == before


def test_items_that_are_written_after_a_new_start_survive_an_erasure_that_has_listed_them(
    world: World, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new start comes after the erasure has found the tombstone, and before it looks for other items."""
    listed = erasing.erase("ann", microseconds_before(NOW))
    [eraser] = erasing.erasers
    look = Eraser._others
    waiting = [True]

    def restarted_first(self: Eraser, user_id: str) -> Any:
        if waiting:
            waiting.clear()
            erasing.restart("ann", datetime(2026, 1, 1, tzinfo=UTC))
            world.project(*days_of("ann"))
            rarity.handler(table_stream(world, "RarityFunction"), Context())
        return look(self, user_id)

    monkeypatch.setattr(Eraser, "_others", restarted_first)
    eraser.erase("ann", listed.erased_at)
    assert not waiting
    assert len(keys_of(world, "ann")) > 5
    state = world.store.read("ann", 0)
    assert state is not None
    assert state.learner.total.interactions == 4
    assert world.store.rarity().learners == 1


def microseconds_before(moment: datetime) -> datetime:
    return moment - timedelta(days=365)


def test_a_learner_who_started_again_can_be_erased_again(world: World, erasing: Erasing) -> None:
    erasing.erase("ann", NOW)
    erasing.restart("ann", NOW + timedelta(days=1))
    # Whoever asks has a clock that is behind the one of the new start.
    again = erasing.erase("ann", NOW)
    assert again.erased_at > microseconds(NOW + timedelta(days=1))
    assert again.starts_at is None
    assert world.project(interaction("x", occurred_at="2026-03-02T11:00:00Z")).erased == 1
    assert world.store.rarity().learners == 0


# -- reads -----------------------------------------------------------------------------------------


def test_an_erased_learner_is_answered_like_an_unknown_one(world: World, erasing: Erasing) -> None:
    study(world)
    erasing.erase("ann", NOW)
    teacher = claims("tess", "instructors")
    status, body, _ = get("analytics", teacher, "ann")
    assert status == 404
    unknown = get("analytics", teacher, "nobody")[1]["error"]
    assert {**body["error"], "request_id": ""} == {**unknown, "request_id": ""}
    status, own, _ = get("dashboard", claims("ann"))
    nobodys = get("dashboard", claims("zoe"))[1]
    assert status == 200
    assert json.dumps(own).replace("ann", "zoe") == json.dumps(nobodys).replace("ann", "zoe")


def test_scans_leave_erased_learners_out(world: World, erasing: Erasing) -> None:
    study(world)
    erasing.erase("ann", NOW)
    learners, _ = world.store.scan_states(0, 1, {})
    assert [learner.user_id for learner in learners if not isinstance(learner, Exception)] == ["bob"]
