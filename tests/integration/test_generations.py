"""Two generations of the views: what each consumer keeps to itself, and which one is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from domain.catalog import ContentMetadata
from domain.generations import FIRST, Colour, Epoch, to_text
from functions import aws, catalog, generations, items, project, read
from functions.catalog import CatalogWriter
from functions.generations import CACHED_SECONDS, LIVE, MAX_STALE_SECONDS, Generations
from functions.outcome import Outcome
from functions.store import Store
from tests.faults import client_error
from tests.integration.conftest import (
    ARRIVAL,
    CATALOG_TIME,
    CONTROL,
    GREEN,
    VIEWS,
    Context,
    World,
    interaction,
    stream_event,
)
from tests.integration.http_events import answer_of, claims, http_event

CUTOVER = ARRIVAL
"""What arrives from then on is for the green generation's consumer to judge."""
BEFORE = ARRIVAL - timedelta(seconds=1)


def cut_over(colour: Colour, since: datetime) -> None:
    """Make a generation live from a time on."""
    epochs = (*FIRST, Epoch(colour, int(since.timestamp() * 1000)))
    aws.dynamodb().put_item(TableName=CONTROL, Item={**LIVE, "epochs": {"S": to_text(epochs)}})


@pytest.fixture
def both(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world with both generations, of which the green one has nothing yet."""
    monkeypatch.setenv("GREEN_VIEWS_TABLE", GREEN)
    return world


def store(colour: Colour) -> Store:
    return Store(aws.dynamodb(), {"blue": VIEWS, "green": GREEN}[colour])


def events(*interactions: dict[str, Any] | bytes, at: datetime) -> list[dict[str, Any]]:
    """Return records that arrived at a time."""
    records: list[dict[str, Any]] = stream_event(*interactions)["Records"]
    for record in records:
        record["kinesis"]["approximateArrivalTimestamp"] = at.timestamp()
    return records


@pytest.fixture
def consume(both: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return the consumers of the stack, as their environment makes them."""

    def run(colour: Colour, *records: list[dict[str, Any]]) -> Outcome:
        monkeypatch.setenv("GENERATION", colour)
        project.projector.cache_clear()
        return project.projector().project([record for batch in records for record in batch])

    return run


def awards(colour: Colour) -> dict[str, bool]:
    """Return the awards in a generation, and whether each is announced."""
    table = {"blue": VIEWS, "green": GREEN}[colour]
    found = aws.dynamodb().scan(TableName=table)["Items"]
    return {i["sk"]["S"]: "silent" not in i for i in found if i["sk"]["S"].startswith(items.AWARD_PREFIX)}


def interactions_of(colour: Colour) -> int:
    state = store(colour).read_state("ann")
    return state.total.interactions if state else 0


type Consume = Callable[..., Outcome]

# -- consumers -------------------------------------------------------------------------------------


def test_a_consumer_that_is_not_live_quarantines_nothing_and_awards_silently(
    both: World, consume: Consume
) -> None:
    outcome = consume("green", events(interaction("a", interaction_type="completed"), b"{", at=ARRIVAL))
    assert (outcome.applied, [entry.code for entry in outcome.quarantined]) == (1, ["malformed"])
    assert both.quarantined() == []
    assert set(awards("green").values()) == {False}


def test_each_record_is_judged_by_the_consumer_that_was_live_when_it_arrived(
    both: World, consume: Consume
) -> None:
    cut_over("green", CUTOVER)
    arrived = events(b"[0", at=BEFORE), events(b"[1", at=CUTOVER)
    payloads = {}
    for colour in ("blue", "green"):
        assert len(consume(colour, *arrived).quarantined) == 2
        payloads[colour] = [message["position"]["sequence_number"] for message in both.quarantined()]
        assert len(payloads[colour]) == 1
    assert payloads == {"blue": ["1"], "green": ["1"]}


def test_an_award_is_announced_by_the_consumer_that_was_live_when_it_was_reached(consume: Consume) -> None:
    cut_over("green", CUTOVER)
    days = [interaction(f"d{n}", occurred_at=f"2026-02-2{n}T12:00:00Z", timezone=None) for n in range(3)]
    first = interaction(
        "first", content_id="dva-1", interaction_type="completed", occurred_at=days[0]["occurred_at"]
    )
    batch = events(first, *days[:2], at=BEFORE) + events(days[2], at=CUTOVER)
    for colour in ("blue", "green"):
        assert consume(colour, batch).applied == 4
    blue, green = awards("blue"), awards("green")
    assert blue.keys() == green.keys()
    assert {name for name, announced in green.items() if announced} == {"EARNED#streak-3"}
    assert {name for name, announced in blue.items() if not announced} == {"EARNED#streak-3"}
    assert len(blue) > 1


def test_the_consumer_that_is_left_judges_what_arrived_when_the_other_one_was_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLUE_VIEWS_TABLE")
    monkeypatch.setenv("GREEN_VIEWS_TABLE", GREEN)
    monkeypatch.setenv("GENERATION", "green")
    project.projector().project(events(b"{", at=ARRIVAL))
    assert len(world.quarantined()) == 1


def test_a_consumer_that_is_not_live_fetches_the_catalog_that_it_lacks(both: World, consume: Consume) -> None:
    assert store("green").full_catalog().certifications == {}
    assert consume("green", events(interaction("a"), at=ARRIVAL)).applied == 1
    assert store("green").full_catalog() == both.store.full_catalog()


def test_a_live_consumer_does_not_read_the_other_generation(both: World, consume: Consume) -> None:
    both.calls.clear()
    consume("blue", events(interaction("a", content_id="nobody-knows-1"), at=ARRIVAL))
    assert len(both.quarantined()) == 1
    assert GREEN not in json.dumps(both.calls, default=str)


def test_unknown_content_waits_until_the_live_consumer_has_refused_or_applied_it(
    both: World, consume: Consume
) -> None:
    refused = events(interaction("a", content_id="later-1", certification_type="SAA"), at=ARRIVAL)
    with pytest.raises(ExceptionGroup) as failure:
        consume("green", refused, events(interaction("b", user_id="bob"), at=ARRIVAL))
    assert "LiveIsBehind" in repr(failure.value)
    assert store("green").read_state("bob"), "others do not wait"
    consume("blue", refused)
    assert consume("green", refused).applied == 0
    assert len(both.quarantined()) == 1

    applied = events(interaction("c", content_id="later-2", certification_type="SAA"), at=ARRIVAL)
    with pytest.raises(ExceptionGroup):
        consume("green", applied)
    CatalogWriter(both.store).update({"SAA": [ContentMetadata("later-2", "Storage")]}, CATALOG_TIME + 1)
    assert (consume("blue", applied).applied, consume("green", applied).applied) == (1, 1)


def test_another_event_of_the_same_identity_keeps_nobody_waiting(both: World, consume: Consume) -> None:
    batch = events(interaction("a"), interaction("a", content_id="nobody-knows-1"), at=ARRIVAL)
    assert consume("blue", batch).duplicates == 1
    outcome = consume("green", batch)
    assert (outcome.applied, outcome.duplicates) == (1, 1)


def test_what_the_consumer_has_applied_already_waits_for_nobody(both: World, consume: Consume) -> None:
    assert consume("green", events(interaction("a"), at=ARRIVAL)).applied == 1
    again = events(interaction("a", content_id="nobody-knows-1"), at=ARRIVAL)
    assert consume("green", again).duplicates == 1


# -- catalog ---------------------------------------------------------------------------------------


def deliver(*content_ids: str) -> None:
    keys = [{"content_id": {"S": one}, "certification_type": {"S": "SAA"}} for one in content_ids]
    rows = [{"eventName": "MODIFY", "dynamodb": {"Keys": key, "NewImage": key}} for key in keys]
    catalog.handler({"Records": rows}, Context())


def catalog_items_of(colour: Colour) -> list[Any]:
    found = aws.dynamodb().scan(TableName={"blue": VIEWS, "green": GREEN}[colour])["Items"]
    return sorted((i for i in found if i["pk"]["S"] == "CATALOG"), key=lambda item: str(item["sk"]))


@pytest.mark.parametrize("live", ["blue", "green"])
def test_both_generations_get_each_change_of_the_catalog_in_one_order(both: World, live: Colour) -> None:
    cut_over(live, CUTOVER)
    for name in ("new-1", "new-2"):
        deliver(name)
        assert catalog_items_of("blue") == catalog_items_of("green")
    assert {"saa-1", "new-1", "new-2"} <= set(store("green").full_catalog().certifications["SAA"].by_id)


def test_what_a_later_release_added_to_the_catalog_is_copied_too(both: World) -> None:
    for item in catalog_items_of("blue"):
        aws.dynamodb().put_item(TableName=VIEWS, Item={**item, "later": {"S": "kept"}})
    deliver("new-1")
    assert all(item["later"] == {"S": "kept"} for item in catalog_items_of("green"))


def test_a_copy_that_failed_is_made_at_the_next_delivery(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        no_answer = Mock(side_effect=TimeoutError("no answer"))
        failing.setattr("functions.catalog_copy._put_together", no_answer)
        with pytest.raises(TimeoutError):
            deliver("new-1")
    assert store("green").full_catalog().certifications == {}
    deliver("new-1")
    assert catalog_items_of("blue") == catalog_items_of("green")


def test_a_part_that_another_writer_is_at_is_copied_all_the_same(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = client_error("TransactionConflictException", "PutItem")
    real = aws.dynamodb().put_item
    answers: list[Any] = [conflict]

    def put_item(**request: Any) -> Any:
        if answers:
            raise answers.pop()
        return real(**request)

    monkeypatch.setattr(aws.dynamodb(), "put_item", put_item)
    deliver("new-1")
    assert answers == []
    assert catalog_items_of("blue") == catalog_items_of("green")


def test_a_blue_generation_that_was_created_anew_continues_the_green_catalog(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver("new-1")
    for item in catalog_items_of("blue"):
        aws.dynamodb().delete_item(TableName=VIEWS, Key={name: item[name] for name in ("pk", "sk")})
    catalog.writer.cache_clear()
    deliver("new-2")
    assert catalog_items_of("blue") == catalog_items_of("green")
    ordinals = {c.content_id: c.ordinal for c in both.store.full_catalog().certifications["SAA"].contents}
    assert ordinals == {"saa-1": 0, "saa-2": 1, "saa-3": 2, "new-1": 3, "new-2": 4}


def test_a_catalog_of_more_parts_than_a_transaction_holds_is_copied(both: World) -> None:
    many = {f"C{n:03}": [ContentMetadata(f"c-{n}")] for n in range(120)}
    CatalogWriter(both.store).update(many, CATALOG_TIME)
    deliver("new-1")
    assert catalog_items_of("blue") == catalog_items_of("green")


# -- the control item ------------------------------------------------------------------------------


class Control:
    """A control table that can fail, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.fails = False
        self.reads = 0
        client = aws.dynamodb()
        real = client.get_item

        def get_item(**request: Any) -> Any:
            self.reads += 1
            if self.fails:
                raise client_error("InternalServerError", "GetItem")
            return real(**request)

        monkeypatch.setattr(client, "get_item", get_item)
        self.generations = Generations(client, CONTROL, clock=lambda: self.now)


@pytest.fixture
def control(world: World, monkeypatch: pytest.MonkeyPatch) -> Control:
    return Control(monkeypatch)


def test_the_live_generation_is_read_again_after_five_seconds(control: Control) -> None:
    live_at = control.generations.live_at
    assert live_at(CUTOVER) == "blue"
    cut_over("green", CUTOVER)
    control.now += CACHED_SECONDS
    assert live_at(CUTOVER) == "blue"
    control.now += 0.1
    assert live_at(CUTOVER) == "green"
    assert live_at(BEFORE) == "blue"
    assert control.reads == 2


def test_without_a_first_answer_nobody_is_told_which_generation_is_live(control: Control) -> None:
    control.fails = True
    with pytest.raises(ClientError):
        control.generations.live(MAX_STALE_SECONDS)


def test_readers_go_on_for_a_minute_while_the_control_table_fails(control: Control) -> None:
    live = control.generations.live
    assert live(MAX_STALE_SECONDS) == "blue"
    cut_over("green", datetime(2026, 1, 1, tzinfo=UTC))
    control.fails = True
    control.now = MAX_STALE_SECONDS
    assert live(MAX_STALE_SECONDS) == "blue"
    control.now += 0.1
    with pytest.raises(ClientError):
        live(MAX_STALE_SECONDS)
    control.fails = False
    assert live(MAX_STALE_SECONDS) == "green"


def test_a_control_table_that_fails_is_asked_every_five_seconds_only(control: Control) -> None:
    assert control.generations.live(MAX_STALE_SECONDS) == "blue"
    control.fails = True
    for second in range(6, 12):
        control.now = second
        control.generations.live(MAX_STALE_SECONDS)
    assert control.reads == 2


def test_a_consumer_does_not_go_on_with_an_old_value(control: Control) -> None:
    assert control.generations.live_at(CUTOVER) == "blue"
    control.fails = True
    control.now = CACHED_SECONDS + 0.1
    with pytest.raises(ClientError):
        control.generations.live_at(CUTOVER)


def test_epochs_that_cannot_be_decoded_are_an_error(control: Control) -> None:
    aws.dynamodb().put_item(TableName=CONTROL, Item={**LIVE, "epochs": {"S": "[]"}})
    with pytest.raises(ValueError, match="epoch"):
        control.generations.live(MAX_STALE_SECONDS)


# -- readers ---------------------------------------------------------------------------------------


def get(view: str = "analytics", **query: str) -> tuple[int, Any]:
    event = http_event("GET", f"/progress/me/{view}", who=claims("ann"), query=query)
    return answer_of(read.handler(event, None))[:2]


def test_views_are_read_from_the_live_generation(both: World, consume: Consume) -> None:
    consume("blue", events(interaction("a"), at=ARRIVAL))
    assert get()[1]["total_interactions"] == 1
    consume("green", events(interaction("a"), interaction("b"), at=ARRIVAL))
    cut_over("green", datetime(2026, 1, 1, tzinfo=UTC))
    assert get()[1]["total_interactions"] == 1, "the cached epochs are not five seconds old"
    generations.generations.cache_clear()
    assert get()[1]["total_interactions"] == 2


def test_a_live_generation_that_the_stack_has_dropped_is_answered_503(world: World) -> None:
    cut_over("green", datetime(2026, 1, 1, tzinfo=UTC))
    assert get()[0] == 503


def test_a_control_table_that_cannot_be_read_is_answered_503(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTROL_TABLE", "gone")
    assert get()[0] == 503


def test_the_api_still_tells_what_was_refused_before_a_cutover(both: World, consume: Consume) -> None:
    consume("blue", events(interaction("a", score=101), at=ARRIVAL))
    cut_over("green", datetime(2026, 1, 1, tzinfo=UTC))
    status, answer = get("interactions/a", occurred_at="2026-03-01T09:00:00+02:00")
    assert (status, answer["status"], answer["code"]) == (200, "quarantined", "invalid")


# -- erased learners -------------------------------------------------------------------------------


def test_an_erased_learners_interactions_are_dropped_and_counted(world: World) -> None:
    world.project(interaction("a"))
    [state] = [item for (_, sk), item in world.items().items() if sk == "STATE"]
    erased = items.learner_of(state)._replace(erased_at=1_772_000_000_000_000)
    tombstone = items.state_item(erased._replace(version=erased.version + 1))
    assert tombstone.keys() == {"pk", "sk", "version", "erased_at", "expires_at"}
    aws.dynamodb().put_item(TableName=VIEWS, Item=tombstone)
    outcome = world.project(interaction("a"), interaction("b"))
    assert (outcome.applied, outcome.duplicates, outcome.erased) == (0, 0, 2)
    assert world.items()[tombstone["pk"]["S"], "STATE"] == tombstone
