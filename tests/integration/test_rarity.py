"""The counts behind rarity: exact, however the table's stream delivers its inserts."""

import random
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rarity import AFTER, BEFORE, SECONDS, model_of
from functions import aws, rarity
from functions.errors import Contended
from functions.items import MAX_TRANSACTION_ITEMS
from functions.rarity import SHARDS, Insert, LearnerCounter, transactions
from functions.store import Store
from tests.faults import cancelled, client_error, refuse_writes
from tests.integration.conftest import GREEN, VIEWS, Context, World, interaction, table_stream
from tests.integration.template import template


def deliver(event: dict[str, Any]) -> None:
    rarity.handler(event, Context())


def study(world: World) -> dict[str, Any]:
    """Two learners complete DVA, and a third one only begins. Return the event of their inserts."""
    complete = {"content_id": "dva-1", "interaction_type": "completed"}
    world.project(
        interaction("a", **complete),
        interaction("b", user_id="bob", **complete),
        interaction("c", user_id="cho"),
    )
    return table_stream(world, "RarityFunction")


def counter(world: World, pauses: list[float] | None = None) -> LearnerCounter:
    return LearnerCounter(aws.dynamodb(), VIEWS, ([] if pauses is None else pauses).append)


# -- exactly once ----------------------------------------------------------------------------------


def test_rarity_stays_exact_if_deliveries_repeat(world: World) -> None:
    event = study(world)
    for _ in range(3):
        deliver(event)
    found = world.store.rarity()
    assert found.learners == 3
    assert found.earned["DVA:all"] == 2
    assert found.share("DVA:all") == 0.6667
    assert found.share("streak-100") == 0


@pytest.mark.parametrize("seed", range(5))
def test_rarity_stays_exact_if_parts_of_a_batch_were_counted_before(world: World, seed: int) -> None:
    records = study(world)["Records"]
    draw = random.Random(seed)
    for _ in range(6):
        deliver({"Records": draw.choices(records, k=draw.randint(1, len(records)))})
    deliver({"Records": records})
    found = world.store.rarity()
    awards = Counter(sk for _, sk in world.items() if sk.startswith("EARNED#"))
    assert found.learners == 3
    assert found.earned == {sk.removeprefix("EARNED#"): count for sk, count in awards.items()}


def test_a_count_whose_answer_is_lost_is_not_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    event = study(world)
    client = aws.dynamodb()
    write = client.transact_write_items

    def written_but_lost(**params: Any) -> None:
        write(**params)
        raise client_error("InternalServerError", "TransactWriteItems")

    with monkeypatch.context() as patch:
        patch.setattr(client, "transact_write_items", written_but_lost)
        with pytest.raises(ExceptionGroup, match="1 parts of the batch were not counted"):
            deliver(event)
    deliver(event)
    assert world.store.rarity().learners == 3


def test_an_award_that_was_erased_meanwhile_is_not_counted_and_stays_erased(world: World) -> None:
    event = study(world)
    key = {"pk": {"S": "USER#ann"}, "sk": {"S": "EARNED#DVA:all"}}
    aws.dynamodb().delete_item(TableName=VIEWS, Key=key)
    deliver(event)
    assert world.store.rarity().earned["DVA:all"] == 1
    assert world.item("ann", "EARNED#DVA:all") is None


def test_counting_inserts_no_item_that_would_be_counted_in_turn(world: World) -> None:
    event = study(world)
    deliver(event)
    again = table_stream(world, "RarityFunction")
    assert [r["dynamodb"]["Keys"] for r in again["Records"]] == [
        r["dynamodb"]["Keys"] for r in event["Records"]
    ]


# -- transactions ----------------------------------------------------------------------------------


def test_a_batch_is_counted_in_one_transaction_with_one_addition_for_each_counter(world: World) -> None:
    event = study(world)
    world.calls.clear()
    deliver(event)
    [written] = [params["TransactItems"] for name, params in world.calls if name == "TransactWriteItems"]
    added = {
        update["Key"]["sk"]["S"].rpartition("#")[0]: update["ExpressionAttributeValues"][":learners"]["N"]
        for item in written
        if (update := item["Update"])["Key"]["pk"] == {"S": "RARITY"}
    }
    assert (added["LEARNERS"], added["HELD#DVA:all"]) == ("3", "2")
    assert len(written) == len(event["Records"]) + len(added)


inserts = st.builds(
    Insert,
    st.integers(0, 60).map("USER#{}".format),
    st.one_of(st.just("STATE"), st.integers(0, 30).map("EARNED#{}".format)),
)


@given(st.lists(inserts, max_size=400))
def test_transactions_hold_each_insert_once_and_at_most_100_items(delivered: list[Insert]) -> None:
    parts = list(transactions(delivered))
    held = [insert for part in parts for insert in part]
    assert len(held) == len(set(held))
    assert set(held) == set(delivered)
    for part in parts:
        assert len(part) + len({insert.counter for insert in part}) <= MAX_TRANSACTION_ITEMS


def test_awards_of_one_achievement_need_one_transaction_for_99() -> None:
    one = [Insert(f"USER#{n}", "EARNED#streak-3") for n in range(990)]
    assert [len(part) for part in transactions(one)] == [99] * 10


def test_a_counter_is_the_sum_of_its_shards(world: World) -> None:
    for shard in range(SHARDS):
        in_shard = LearnerCounter(aws.dynamodb(), VIEWS, shard=shard)
        in_shard.count([Insert(f"USER#{shard}-{n}", "STATE") for n in range(3)])
    assert world.store.rarity().learners == 3 * SHARDS
    shards = [sk for pk, sk in world.items() if pk == "RARITY"]
    assert sorted(shards) == [f"LEARNERS#{n}" for n in range(SHARDS)]


def test_a_process_changes_its_key_only_after_it_has_met_another_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = counter(world)
    for n in range(5):
        alone.count([Insert(f"USER#{n}", "STATE")])
    assert [sk for pk, sk in world.items() if pk == "RARITY"] == ["LEARNERS#0"]
    monkeypatch.setattr(random, "randrange", lambda shards: shards - 1)
    refuse_writes(monkeypatch, cancelled("None", "TransactionConflict"))
    for n in range(5, 10):
        alone.count([Insert(f"USER#{n}", "STATE")])
    assert [sk for pk, sk in world.items() if pk == "RARITY"] == ["LEARNERS#0", f"LEARNERS#{SHARDS - 1}"]
    assert world.store.rarity().learners == 10


@pytest.mark.parametrize("achievements", [1, 30, 3_000])
def test_2000_awards_a_second_can_be_counted_within_dynamodbs_limits(achievements: int) -> None:
    """The model's arithmetic is in benchmarks/rarity.py."""
    model = model_of(AFTER, achievements)
    assert model.counted / SECONDS >= 2_000
    if achievements == 1:
        assert model_of(BEFORE, achievements).counted / SECONDS < 500


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_contended_counter_is_retried_with_growing_pauses_up_to_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    pauses: list[float] = []
    refuse_writes(monkeypatch, cancelled("None", code), times=3)
    assert counter(world, pauses).count([Insert("USER#ann", "STATE")]) == 1
    assert pauses == [0.01, 0.02, 0.04]
    pauses.clear()
    refuse_writes(monkeypatch, cancelled("None", code), times=30)
    with pytest.raises(ExceptionGroup) as raised:
        counter(world, pauses).count([Insert("USER#bob", "STATE")])
    assert raised.group_contains(Contended, match=r"^the counter LEARNERS is contended$")
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 5]


def test_a_part_that_fails_does_not_keep_the_others_from_being_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners = [Insert(f"USER#{n}", "STATE") for n in range(150)]
    refuse_writes(monkeypatch, client_error("InternalServerError", "TransactWriteItems"))
    with pytest.raises(ExceptionGroup) as raised:
        counter(world).count(learners)
    assert raised.group_contains(ClientError, match="InternalServerError")
    assert world.store.rarity().learners == 51
    assert counter(world).count(learners) == 99
    assert world.store.rarity().learners == 150


def test_at_most_two_functions_read_each_tables_stream() -> None:
    """A third reader of a shard would be throttled."""
    resources = template()["Resources"].values()
    readers = Counter(
        str(event["Properties"]["Stream"])
        for resource in resources
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "DynamoDB"
    ) + Counter(
        resource["Properties"]["EventSourceArn"]
        for resource in resources
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    )
    own_or_named = ["OwnContentTable", "ContentTable.StreamArn", "ContentTableStreamArn"]
    assert readers == {
        "ViewsTable.StreamArn": 2,
        "GreenViewsTable.StreamArn": 2,
        str(own_or_named): 1,
        "ProgressTableStreamArn": 1,
    }


def test_awards_are_counted_in_the_table_that_they_come_from(world: World) -> None:
    world.project(interaction("a", interaction_type="completed"))
    event = table_stream(world, "RarityFunction")
    for record in event["Records"]:
        record["eventSourceARN"] = record["eventSourceARN"].replace(f"/{VIEWS}/", f"/{GREEN}/")
    rarity.handler(event, Context())
    assert world.store.rarity().learners == 0
    assert Store(aws.dynamodb(), GREEN).rarity().learners == 1
