"""The store: its calls to DynamoDB, and the errors with which DynamoDB refuses them."""

import random
import time
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from botocore.exceptions import ClientError

from domain.achievements import Award
from domain.catalog import ContentMetadata, assign
from domain.days import day_number
from domain.fold import BucketNumbers, Buckets, Change
from domain.learner import Applied, Day, Learner
from domain.streaks import StudyCalendar
from functions import aws, catalog_items, store
from functions.catalog import CatalogWriter
from functions.errors import TooLarge
from functions.items import Item
from tests.faults import cancelled, client_error, refuse_writes
from tests.integration.conftest import CATALOG_TIME, VIEWS, World, interaction
from tests.integration.stored import STORED, STUDY


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the maximum of each pause. Nothing really waits."""
    found: list[float] = []

    def uniform(shortest: float, longest: float) -> float:
        assert shortest == 0, "full jitter"
        return longest

    monkeypatch.setattr(random, "uniform", uniform)
    monkeypatch.setattr(time, "sleep", found.append)
    return found


# -- commit ----------------------------------------------------------------------------------------


def change(version: int = 1, **more: Any) -> Change:
    """Return the change that writes this version of a learner."""
    whole = {"days": (), "awards": (), "applied": 1, "duplicates": 0, "refused": (), **more}
    return Change(Learner("ann", version), **whole)


def test_a_commit_requires_the_version_that_was_read_or_no_state_at_all(world: World) -> None:
    assert world.store.commit(change(1)) is None
    assert world.store.commit(change(2)) is None
    first, second = (params for name, params in world.calls if name == "PutItem")
    assert first["ConditionExpression"] == "attribute_not_exists(pk)"
    assert "ExpressionAttributeValues" not in first
    assert second["ConditionExpression"] == "version = :read"
    assert second["ExpressionAttributeValues"] == {":read": {"N": "1"}}
    assert {first["ReturnValuesOnConditionCheckFailure"], first["TableName"]} == {"ALL_OLD", VIEWS}


@pytest.mark.parametrize("days", [(), (Day(9_000),)], ids=["put", "transaction"])
def test_a_commit_onto_another_version_returns_the_stored_state(world: World, days: tuple[Day, ...]) -> None:
    assert world.store.commit(change(1)) is None
    before = world.items()
    world.calls.clear()
    for stale in (change(1, days=days), change(3, days=days)):
        standing = world.store.commit(stale)
        assert standing is not None
        assert standing.version == 1
    assert world.items() == before


@pytest.mark.parametrize(
    ("days", "refusal"),
    [
        ((), client_error("ConditionalCheckFailedException", "PutItem")),
        ((), client_error("TransactionConflictException", "PutItem")),
        ((Day(9_000),), cancelled("ConditionalCheckFailed", "None")),
        ((Day(9_000),), cancelled("None", "TransactionConflict")),
    ],
    ids=[
        "condition of a put",
        "conflict of a put",
        "condition of a transaction",
        "conflict of a transaction",
    ],
)
def test_a_refusal_without_the_state_makes_the_store_read_it(
    world: World, monkeypatch: pytest.MonkeyPatch, days: tuple[Day, ...], refusal: ClientError
) -> None:
    refuse_writes(monkeypatch, refusal)
    assert world.store.commit(change(1, days=days)) == Learner("ann"), "no state is stored"
    [(name, read)] = world.calls[-1:]
    assert name == "GetItem"
    assert read["Key"] == {"pk": {"S": "USER#ann"}, "sk": {"S": "STATE"}}
    assert read["ConsistentRead"] is True
    assert world.store.commit(change(1, days=days)) is None


VERSION_7: Item = {**STORED[0], "version": {"N": "7"}}


@pytest.mark.parametrize(
    ("days", "refusal"),
    [
        ((), client_error("ConditionalCheckFailedException", "PutItem", Item=VERSION_7)),
        ((Day(9_000),), cancelled("ConditionalCheckFailed", "None", item=VERSION_7)),
    ],
    ids=["put", "transaction"],
)
def test_a_state_returned_with_a_refusal_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch, days: tuple[Day, ...], refusal: ClientError
) -> None:
    refuse_writes(monkeypatch, refusal)
    world.calls.clear()
    standing = world.store.commit(change(1, days=days))
    assert standing is not None
    assert standing.version == 7
    assert world.calls == []


@pytest.mark.parametrize(
    ("days", "refusal"),
    [
        (
            (),
            client_error("ValidationException", "PutItem", "Item size has exceeded the maximum allowed size"),
        ),
        (
            (Day(9_000),),
            client_error(
                "TransactionCanceledException",
                "TransactWriteItems",
                CancellationReasons=[
                    {"Code": "None"},
                    {"Code": "ValidationError", "Message": "Item size to update has exceeded the limit"},
                ],
            ),
        ),
    ],
    ids=["put", "transaction"],
)
def test_a_size_error_is_told_apart_from_other_invalid_calls(
    world: World, monkeypatch: pytest.MonkeyPatch, days: tuple[Day, ...], refusal: ClientError
) -> None:
    refuse_writes(monkeypatch, refusal)
    with pytest.raises(TooLarge, match=r"An error occurred \(\w+\) when calling"):
        world.store.commit(change(1, days=days))
    refuse_writes(monkeypatch, client_error("ValidationException", refusal.operation_name, "a bug"))
    with pytest.raises(ClientError, match="a bug"):
        world.store.commit(change(1, days=days))


# -- reads -----------------------------------------------------------------------------------------


def test_unprocessed_keys_are_read_again_with_growing_pauses(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    real: Any = aws.dynamodb().batch_get_item
    asked: list[int] = []

    def one_key_at_a_time(RequestItems: Any) -> Any:
        keys = RequestItems[VIEWS]["Keys"]
        asked.append(len(keys))
        answer = real(RequestItems={VIEWS: {**RequestItems[VIEWS], "Keys": keys[:1]}})
        left = {VIEWS: {**RequestItems[VIEWS], "Keys": keys[1:]}} if keys[1:] else {}
        return {**answer, "UnprocessedKeys": left}

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", one_key_at_a_time)
    assert world.store.commit(change(1)) is None
    learners, head = world.store.load(["ann", "bob"])
    assert learners == {"ann": Learner("ann", 1), "bob": Learner("bob")}
    assert head.version == 2
    assert asked == [3, 2, 1]
    assert pauses == [0.02, 0.04]
    pauses.clear()
    with pytest.raises(TimeoutError, match=r"^DynamoDB left 3 keys unread$"):
        world.store.load([f"learner-{n}" for n in range(12)])
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0, 1.0]


def test_a_batch_read_that_returns_nothing_is_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    real: Any = aws.dynamodb().batch_get_item
    asked: list[Any] = []

    def nothing_at_first(RequestItems: Any) -> Any:
        asked.append(RequestItems)
        return (
            real(RequestItems=RequestItems)
            if asked[1:]
            else {"Responses": {}, "UnprocessedKeys": RequestItems}
        )

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", nothing_at_first)
    _, head = world.store.load(["ann"])
    assert head.version == 2
    assert len(asked) == len(pauses) + 1 == 2


def test_the_catalog_is_empty_before_any_content_is_added(world: World) -> None:
    aws.dynamodb().delete_item(TableName=VIEWS, Key=catalog_items.HEAD)
    assert world.store.load(["ann"]) == ({"ann": Learner("ann")}, catalog_items.Head(0, {}))
    assert world.store.head() == catalog_items.Head(0, {})
    assert world.store.full_catalog().certifications == {}


def test_awards_are_in_the_order_in_which_they_were_earned(world: World) -> None:
    earned = [
        Award(name, "time", name, "", "", 1, at) for name, at in (("z", 1), ("b", 2), ("a", 3), ("c", 2))
    ]
    assert world.store.commit(change(1, awards=tuple(earned))) is None
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert [award.achievement_id for award in stored.awards] == ["z", "b", "c", "a"]


def test_a_view_reads_the_state_before_its_days(world: World) -> None:
    # A day that is read after the state that closed it is at least as new as that state.
    world.project(*STUDY)
    world.calls.clear()
    world.store.read("ann", 0)
    [(name, query)] = world.calls
    assert name == "Query"
    assert query["ScanIndexForward"] is False
    assert query["ExpressionAttributeValues"] == {":pk": {"S": "USER#ann"}, ":from": {"S": "DAY#2000-01-01"}}


def test_buckets_are_read_consistently_and_a_hundred_at_a_time(world: World) -> None:
    first = day_number(date(2026, 1, 1))
    for start in range(0, 150, 50):
        applied = tuple(Applied(first + n, frozenset({n})) for n in range(start, start + 50))
        assert world.store.commit(change(1 + start // 50, digests=applied)) is None
    world.calls.clear()
    nothing = frozenset[int]()
    wanted = {"ann": BucketNumbers(nothing, frozenset(range(first, first + 150)))}
    found = world.store.load_buckets({**wanted, "bob": BucketNumbers(frozenset({first}), nothing)})
    of_ann = found["ann"]
    assert isinstance(of_ann, Buckets)
    assert {n - first: bucket.digests for n, bucket in of_ann.applied.items()} == {n: {n} for n in range(150)}
    assert found["bob"] == Buckets({}, {})
    asked = [params["RequestItems"][VIEWS] for _, params in world.calls]
    assert [len(request["Keys"]) for request in asked] == [100, 51]
    assert all(request["ConsistentRead"] for request in asked)


def test_a_day_that_closes_between_two_pages_of_the_query_is_read_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"2026-02-{day:02}T09:00:00Z" for day in (20, 21, 22)]
    world.project(*(interaction(at[:10], occurred_at=at, timezone=None) for at in days))
    first = day_number(date(2026, 2, 20))
    whole = world.store.read("ann", first)
    assert whole is not None
    assert [*whole.days] == [first, first + 1, first + 2]
    query = store.Store._query

    def states_only(self: store.Store, pk: str, from_sk: str) -> Any:
        return (item for item in query(self, pk, from_sk) if item["sk"]["S"] == "STATE")

    monkeypatch.setattr(store.Store, "_query", states_only)
    for start in (first, first + 1, first + 2, first + 3):
        world.calls.clear()
        found = world.store.read("ann", start)
        assert found is not None
        assert found.days == {number: day for number, day in whole.days.items() if number >= start}
        # The state has the latest day, so only closed days are read.
        reads = [
            params["RequestItems"][VIEWS]["Keys"] for name, params in world.calls if name == "BatchGetItem"
        ]
        assert sum(map(len, reads)) == max(0, first + 2 - start)


def test_a_learner_without_any_day_can_be_read(world: World) -> None:
    assert world.store.commit(change(1)) is None
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert (stored.learner, stored.days, stored.awards) == (Learner("ann", 1), {}, ())
    assert world.store.read("bob", 0) is None


def test_a_scan_finds_all_states_over_many_pages(world: World) -> None:
    full = frozenset(range(45_000))
    for n in range(6):
        days = StudyCalendar().add(9_000)
        learner = Learner(f"learner-{n}", 1, calendar=days, latest=Day(9_000), applied=Applied(9_000, full))
        assert world.store.commit(Change(learner, (Day(8_999),), (), 1, 0, ())) is None
    world.calls.clear()
    pages: list[list[str]] = []
    after: Item | None = {}
    while after is not None:
        page, after = world.store.scan_states(0, 1, after)
        pages.append([learner.user_id for learner in page if isinstance(learner, Learner)])
        assert len(pages) < 10, "the scan continues from its last key"
    assert len(pages) > 1, "a page has at most a megabyte"
    assert sorted(name for page in pages for name in page) == [f"learner-{n}" for n in range(6)]
    assert all(params["ConsistentRead"] is True for _, params in world.calls)


# -- the catalog -----------------------------------------------------------------------------------


def part_reads(world: World) -> list[tuple[list[str], bool]]:
    """Return the parts of the catalog that each call reads, and whether it reads them consistently."""
    requests = [params["RequestItems"][VIEWS] for name, params in world.calls if name == "BatchGetItem"]
    return [(sorted(key["sk"]["S"] for key in r["Keys"]), r["ConsistentRead"]) for r in requests]


def test_only_the_changed_part_of_the_catalog_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_items, "ORDINALS_PER_PART", 2)
    CatalogWriter(world.store).update({"BIG": [ContentMetadata(f"big-{n}") for n in range(5)]}, 1)
    known = world.store.full_catalog()
    assert world.store.catalog(known, world.store.head()) is known
    CatalogWriter(world.store).update({"BIG": [ContentMetadata("big-2", "Moved")]}, 1)
    world.calls.clear()
    again = world.store.catalog(known, world.store.head())
    assert part_reads(world) == [(["CERT#BIG#000001"], False)]
    assert again.certifications["SAA"] is known.certifications["SAA"]
    before, after = known.certifications["BIG"], again.certifications["BIG"]
    assert [c.content_id for c in after.contents] == [f"big-{n}" for n in range(5)]
    assert after.by_id["big-2"].category == "Moved"
    assert after.contents[0] is before.contents[0]


def test_a_cold_reader_reads_the_catalog_eventually_consistently_in_few_calls(world: World) -> None:
    CatalogWriter(world.store).update({f"C{n:03}": [ContentMetadata(f"c-{n}")] for n in range(120)}, 1)
    world.calls.clear()
    assert len(world.store.full_catalog().certifications) == 122
    reads = part_reads(world)
    assert [len(keys) for keys, _ in reads] == [100, 22]
    assert not any(consistent for _, consistent in reads)


def stale_reads(monkeypatch: pytest.MonkeyPatch, stale: list[Item], times: int) -> None:
    """Make the next batch reads, whether consistent or not, return these older items."""
    client = aws.dynamodb()
    real = client.batch_get_item
    left = iter(range(times))

    def batch_get_item(**params: Any) -> Any:
        if next(left, None) is not None:
            real(**params)
            return {"Responses": {VIEWS: stale}}
        return real(**params)

    monkeypatch.setattr(client, "batch_get_item", batch_get_item)


@pytest.mark.parametrize("part_is_new", [True, False])
def test_parts_that_are_older_than_the_head_are_read_again_consistently(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: list[float], part_is_new: bool
) -> None:
    key = {"pk": {"S": "CATALOG"}, "sk": {"S": "CERT#DVA#000000"}}
    old = aws.dynamodb().get_item(TableName=VIEWS, Key=key)["Item"]
    CatalogWriter(world.store).update({"DVA": [ContentMetadata("dva-2")]}, 1)
    known, head = world.store.full_catalog(), world.store.head()
    known = replace(known, certifications={"SAA": known.certifications["SAA"]})
    stale_reads(monkeypatch, [] if part_is_new else [old], times=3)
    world.calls.clear()
    found = world.store.catalog(known, head).certifications["DVA"]
    assert [c.content_id for c in found.contents] == ["dva-1", "dva-2"]
    assert [consistent for _, consistent in part_reads(world)] == [False, True, True, True]
    assert pauses == [0.08, 0.16]


def test_parts_that_stay_older_than_the_head_raise_a_timeout(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    stale_reads(monkeypatch, [], times=99)
    with pytest.raises(TimeoutError, match=r"^2 parts of the catalog are older than its head$"):
        world.store.full_catalog()


PART = catalog_items.Part("SAA", 0, 1, ())


def test_a_catalog_that_keeps_changing_raises_a_timeout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = iter(range(100, 200))

    def moved(_: Any) -> catalog_items.Head:
        return catalog_items.Head(number := next(heads), {"SAA": (number,), "DVA": (1,)})

    monkeypatch.setattr(store.Store, "head", moved)
    monkeypatch.setattr(store.Store, "_parts", lambda _, wanted: dict.fromkeys(wanted, PART))
    with pytest.raises(TimeoutError, match=r"^the catalog changes faster than it can be read$"):
        world.store.full_catalog()
    assert next(heads) == 121


def test_a_catalog_that_others_have_changed_is_not_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = world.store.head()
    saa = world.store.full_catalog().certifications["SAA"]
    after = assign(saa, [ContentMetadata("saa-4")], CATALOG_TIME + 7)
    assert world.store.commit_catalog(head, saa, after)
    assert world.store.head() == catalog_items.Head(3, {"DVA": (1,), "SAA": (2,)}, CATALOG_TIME + 7)
    assert not world.store.commit_catalog(head, saa, after)
    assert world.store.head().version == 3
    refuse_writes(monkeypatch, client_error("InternalServerError", "TransactWriteItems"))
    with pytest.raises(ClientError, match="InternalServerError"):
        world.store.commit_catalog(world.store.head(), saa, after)
