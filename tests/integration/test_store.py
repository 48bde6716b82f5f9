"""The views table: what is stored, byte for byte; what is asked of DynamoDB, and how it is refused."""

import random
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from domain.achievements import Award
from domain.catalog import ContentMetadata
from domain.days import day_number
from domain.fold import Change
from domain.learner import Day, Learner
from functions import aws, catalog, items, store
from functions.errors import LaterFormat, TooLarge, is_transient
from functions.items import NewAward, NewLearner, inserted, item_bytes
from tests.integration.conftest import VIEWS, World, interaction

Item = dict[str, Any]

# What a release has stored, a later one reads: a change of these is a migration.
STORED: list[Item] = [
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "STATE"},
        "version": {"N": "1"},
        "format": {"N": "1"},
        "zone": {"S": '[true,1772348400000000,"Europe/Helsinki"]'},
        "calendar_first": {"N": "9556"},
        "calendar": {"B": b"\x03"},
        "earned": {"S": '["SAA:first","SAA:mastered:compute"]'},
        "tracks": {
            "M": {
                "SAA": {
                    "M": {
                        "viewed": {"B": b"\x02"},
                        "answered": {"B": b"\x01"},
                        "completed": {"B": b"\x04"},
                        "best": {"B": b"\x1fA\x00\x00$#"},
                        "tallies": {
                            "S": '[{"Compute":[1,0,0,1,60,1,9250],"Storage":[2,1,1,0,120,1,8000]},'
                            '{"advanced":[1,1,0,0,60],"beginner":[2,0,1,1,120,2,17250]}]'
                        },
                    }
                }
            }
        },
        "latest": {
            "M": {
                "day": {"N": "9557"},
                "digests": {"B": b">#\xe8\x16\x009YJ"},
                "tallies": {
                    "S": '{"SAA":[{"Compute":[1,0,0,1,60,1,9250]},{"beginner":[1,0,0,1,60,1,9250]}]}'
                },
            }
        },
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "DAY#2026-03-01"},
        "digests": {"B": b".},\x03\xa9Pz\xe2\xca\x97\x81\x12\xca\x1b\xbd\xca"},
        "tallies": {
            "S": '{"SAA":[{"Storage":[2,1,1,0,120,1,8000]},'
            '{"advanced":[1,1,0,0,60],"beginner":[1,0,1,0,60,1,8000]}]}'
        },
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "EARNED#SAA:first"},
        "award": {
            "S": '{"achievement_id":"SAA:first","achievement_type":"certification","badge_icon":"🌱",'
            '"certification_type":"SAA","description":"Complete a first content of SAA",'
            '"earned_at":1772445600000000,"points":20,"title":"SAA: First Step"}'
        },
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "EARNED#SAA:mastered:compute"},
        "award": {
            "S": '{"achievement_id":"SAA:mastered:compute","achievement_type":"category","badge_icon":"🎓",'
            '"certification_type":"SAA","description":"Complete all of Compute in SAA, 85 % on average",'
            '"earned_at":1772445600000000,"points":300,"title":"Compute Mastered"}'
        },
    },
    {
        "pk": {"S": "CATALOG"},
        "sk": {"S": "HEAD"},
        "version": {"N": "2"},
        "certifications": {"S": '{"DVA":1,"SAA":1}'},
    },
    {
        "pk": {"S": "CATALOG"},
        "sk": {"S": "CERT#DVA#000000"},
        "contents": {"S": '[["dva-1","Deployment","intermediate",true,1700000000000000,1,null]]'},
    },
    {
        "pk": {"S": "CATALOG"},
        "sk": {"S": "CERT#SAA#000000"},
        "contents": {
            "S": '[["saa-1","Storage","beginner",true,1700000000000001,1,null],'
            '["saa-2","Storage","advanced",true,1700000000000001,1,null],'
            '["saa-3","Compute","beginner",true,1700000000000001,1,null]]'
        },
    },
]

STUDY = [
    interaction("a"),
    interaction(
        "b",
        content_id="saa-3",
        interaction_type="completed",
        score=92.5,
        occurred_at="2026-03-02T10:00:00Z",
        timezone=None,
    ),
    interaction("c", content_id="saa-2", interaction_type="viewed", score=None),
]


def error(code: str, operation: str, message: str = "", **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, operation)


def cancelled(*codes: str, item: Item | None = None) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    if item is not None:
        reasons[0]["Item"] = item  # type: ignore[assignment]  # the condition that failed sends it along
    return error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)


def failing(times: int, refusal: ClientError, real: Callable[..., Any]) -> Callable[..., Any]:
    """A call that is refused so many times, and then goes through."""
    left = iter(range(times))

    def call(**arguments: Any) -> Any:
        if next(left, None) is not None:
            raise refusal
        return real(**arguments)

    return call


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each pause may be; nobody waits."""
    found: list[float] = []

    def uniform(shortest: float, longest: float) -> float:
        assert shortest == 0, "full jitter"
        return longest

    monkeypatch.setattr(random, "uniform", uniform)
    monkeypatch.setattr(time, "sleep", found.append)
    return found


# -- what is stored --------------------------------------------------------------------------------


def test_what_is_stored_is_what_earlier_releases_stored(world: World) -> None:
    world.project(*STUDY)
    assert world.items() == {(item["pk"]["S"], item["sk"]["S"]): item for item in STORED}


def test_what_earlier_releases_stored_is_read(world: World) -> None:
    for item in STORED:
        aws.dynamodb().put_item(TableName=VIEWS, Item=item)
    assert world.project(*STUDY).duplicates == 3
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert stored.learner.total.seconds == 180
    assert stored.learner.zone == (True, 1772348400000000, "Europe/Helsinki")
    assert [award.points for award in stored.awards] == [20, 300]
    assert [stored.learner.tracks["SAA"].best_score(n) for n in range(4)] == [8_000, None, 9_250, None]


def test_a_state_of_a_later_format_is_not_guessed_at(world: World) -> None:
    aws.dynamodb().put_item(TableName=VIEWS, Item={**STORED[0], "format": {"N": "2"}})
    with pytest.raises(LaterFormat, match=r"^the state has format 2; this release reads 1$"):
        world.store.read_state("ann")


def test_an_inserted_award_says_whether_it_is_to_be_announced() -> None:
    award = Award(
        "SAA:first",
        "certification",
        "SAA: First Step",
        "Complete a first content of SAA",
        "🌱",
        20,
        1772445600000000,
        "SAA",
    )
    assert inserted(STORED[0]) == NewLearner("ann")
    assert inserted(STORED[2]) == NewAward("ann", award, silent=False)
    assert inserted({**STORED[2], "silent": {"BOOL": True}}) == NewAward("ann", award, silent=True)


# -- sizes -----------------------------------------------------------------------------------------


def test_an_items_bytes_are_those_of_names_and_values() -> None:
    assert item_bytes({"pk": {"S": "Ä"}}) == 2 + 2
    assert item_bytes({"n": {"N": "123"}}) == 1 + 4
    assert item_bytes({"b": {"B": b"12345"}}) == 1 + 6
    assert item_bytes({"t": {"BOOL": True}}) == 1 + 1
    assert item_bytes({"é": {"M": {"ü": {"S": "x"}, "y": {"S": "zz"}}}}) == 2 + 3 + (1 + 2 + 1) + (1 + 1 + 2)


def test_the_limits_are_dynamodbs_to_the_byte() -> None:
    largest = {"a": {"S": "x" * (400 * 1024 - 1)}}
    one_more = {"a": {"S": "x" * 400 * 1024}}
    items.check_size([largest])
    with pytest.raises(TooLarge, match=r"^an item of 409601 bytes$"):
        items.check_size([{"a": {"S": ""}}, one_more])
    items.check_size([{"a": {"S": ""}}] * 100)
    with pytest.raises(TooLarge, match=r"^101 items in one transaction$"):
        items.check_size([{"a": {"S": ""}}] * 101)
    tenth = 10 * [largest]
    rest = 4 * 1024 * 1024 - 10 * 400 * 1024
    items.check_size([*tenth, {"a": {"S": "x" * (rest - 1)}}])
    with pytest.raises(TooLarge, match=r"^4194305 bytes in one transaction$"):
        items.check_size([*tenth, {"a": {"S": "x" * rest}}])


# -- commit ----------------------------------------------------------------------------------------


def change(version: int = 1, **more: Any) -> Change:
    whole = {"days": (), "awards": (), "applied": 1, "duplicates": 0, "refused": (), **more}
    return Change(Learner("ann", version), **whole)


def test_a_first_commit_wants_no_state_there_and_a_later_one_the_version_that_was_read(world: World) -> None:
    assert world.store.commit(change(1)) is None
    assert world.store.commit(change(2)) is None
    first, second = (params for name, params in world.calls if name == "PutItem")
    assert first["ConditionExpression"] == "attribute_not_exists(pk)"
    assert "ExpressionAttributeValues" not in first
    assert second["ConditionExpression"] == "version = :read"
    assert second["ExpressionAttributeValues"] == {":read": {"N": "1"}}
    assert {first["ReturnValuesOnConditionCheckFailure"], first["TableName"]} == {"ALL_OLD", VIEWS}


@pytest.mark.parametrize("days", [(), (Day(9_000),)], ids=["put", "transaction"])
def test_a_commit_onto_another_version_returns_the_state_that_stands(
    world: World, days: tuple[Day, ...]
) -> None:
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
        ((), error("ConditionalCheckFailedException", "PutItem")),
        ((), error("TransactionConflictException", "PutItem")),
        ((Day(9_000),), cancelled("ConditionalCheckFailed", "None")),
        ((Day(9_000),), cancelled("None", "TransactionConflict")),
    ],
    ids=["condition of a put", "conflict of a put", "condition", "conflict"],
)
def test_where_a_refusal_brings_no_state_along_it_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, days: tuple[Day, ...], refusal: ClientError
) -> None:
    for name in ("put_item", "transact_write_items"):
        monkeypatch.setattr(aws.dynamodb(), name, failing(1, refusal, getattr(aws.dynamodb(), name)))
    assert world.store.commit(change(1, days=days)) == Learner("ann"), "nothing is stored"
    [(name, read)] = world.calls[-1:]
    assert name == "GetItem"
    assert read["Key"] == {"pk": {"S": "USER#ann"}, "sk": {"S": "STATE"}}
    assert read["ConsistentRead"] is True
    assert world.store.commit(change(1, days=days)) is None


@pytest.mark.parametrize("days", [(), (Day(9_000),)], ids=["put", "transaction"])
def test_a_state_that_a_refusal_brings_along_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch, days: tuple[Day, ...]
) -> None:
    sent: Item = {**STORED[0], "version": {"N": "7"}}
    single = error("ConditionalCheckFailedException", "PutItem", Item=sent)
    monkeypatch.setattr(aws.dynamodb(), "put_item", failing(1, single, aws.dynamodb().put_item))
    monkeypatch.setattr(
        aws.dynamodb(),
        "transact_write_items",
        failing(
            1, cancelled("ConditionalCheckFailed", "None", item=sent), aws.dynamodb().transact_write_items
        ),
    )
    world.calls.clear()
    standing = world.store.commit(change(1, days=days))
    assert standing is not None
    assert standing.version == 7
    assert world.calls == []


@pytest.mark.parametrize(
    ("days", "refusal"),
    [
        ((), error("ValidationException", "PutItem", "Item size has exceeded the maximum allowed size")),
        (
            (Day(9_000),),
            error(
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
def test_what_dynamodb_counts_as_too_large_is_told_from_other_invalid_calls(
    world: World, monkeypatch: pytest.MonkeyPatch, days: tuple[Day, ...], refusal: ClientError
) -> None:
    def refuse_once(what: ClientError) -> None:
        for name in ("put_item", "transact_write_items"):
            monkeypatch.setattr(aws.dynamodb(), name, failing(1, what, lambda **_: None))

    refuse_once(refusal)
    with pytest.raises(TooLarge, match=r"An error occurred \(\w+\) when calling"):
        world.store.commit(change(1, days=days))
    refuse_once(error("ValidationException", refusal.operation_name, "a bug"))
    with pytest.raises(ClientError, match="a bug"):
        world.store.commit(change(1, days=days))


# -- reads -----------------------------------------------------------------------------------------


def test_what_a_batch_read_leaves_undone_is_asked_for_again_ever_more_slowly(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    real: Any = aws.dynamodb().batch_get_item
    asked: list[int] = []

    def one_at_a_time(RequestItems: Any) -> Any:
        keys = RequestItems[VIEWS]["Keys"]
        asked.append(len(keys))
        answer = real(RequestItems={VIEWS: {**RequestItems[VIEWS], "Keys": keys[:1]}})
        left = {VIEWS: {**RequestItems[VIEWS], "Keys": keys[1:]}} if keys[1:] else {}
        return {**answer, "UnprocessedKeys": left}

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", one_at_a_time)
    assert world.store.commit(change(1)) is None
    learners, head = world.store.load(["ann", "bob"])
    assert (learners["ann"].version, learners["bob"].version, head.version) == (1, 0, 2)
    assert asked == [3, 2, 1]
    assert pauses == [0.02, 0.04]
    pauses.clear()
    with pytest.raises(TimeoutError, match=r"^DynamoDB left 3 keys unread$"):
        world.store.load([f"learner-{n}" for n in range(12)])
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 1.0, 1.0]


def test_a_batch_read_that_reads_nothing_at_first_is_asked_again(
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


def test_before_any_content_is_known_the_catalog_is_empty(world: World) -> None:
    aws.dynamodb().delete_item(TableName=VIEWS, Key=items.HEAD)
    assert world.store.load(["ann"]) == ({"ann": Learner("ann")}, items.Head(0, {}))
    assert world.store.head() == items.Head(0, {})
    assert world.store.full_catalog().certifications == {}


def test_awards_are_in_the_order_in_which_they_were_earned(world: World) -> None:
    earned = [
        Award(name, "time", name, "", "", 1, at) for name, at in (("z", 1), ("b", 2), ("a", 3), ("c", 2))
    ]
    assert world.store.commit(change(1, awards=tuple(earned))) is None
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert [award.achievement_id for award in stored.awards] == ["z", "b", "c", "a"]


def test_a_view_is_read_from_the_state_downwards(world: World) -> None:
    # So that a day is read after the state that closed it, and is as new as that or newer.
    world.project(*STUDY)
    world.calls.clear()
    world.store.read("ann", 0)
    [(name, query)] = world.calls
    assert name == "Query"
    assert query["ScanIndexForward"] is False
    assert query["ExpressionAttributeValues"] == {":pk": {"S": "USER#ann"}, ":from": {"S": "DAY#2000-01-01"}}


def test_days_are_read_a_hundred_at_a_time_and_consistently(world: World) -> None:
    first = day_number(date(2026, 1, 1))
    for start in range(0, 150, 50):
        days = tuple(Day(first + n, digests=frozenset({n})) for n in range(start, start + 50))
        assert world.store.commit(change(1 + start // 50, days=days)) is None
    world.calls.clear()
    found = world.store.load_days({"ann": range(first, first + 150), "bob": [first]})
    assert {n - first: day.digests for n, day in found["ann"].items()} == {n: {n} for n in range(150)}
    assert found["bob"] == {}
    asked = [params["RequestItems"][VIEWS] for _, params in world.calls]
    assert [len(request["Keys"]) for request in asked] == [100, 51]
    assert all(request["ConsistentRead"] for request in asked)


def test_a_day_that_closed_while_the_query_went_over_its_pages_is_read_after_it(
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
        # The latest day is in the state; only closed ones are asked for.
        reads = [
            params["RequestItems"][VIEWS]["Keys"] for name, params in world.calls if name == "BatchGetItem"
        ]
        assert sum(map(len, reads)) == max(0, first + 2 - start)


def test_a_learner_without_a_day_has_a_view_too(world: World) -> None:
    assert world.store.commit(change(1)) is None
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert (stored.learner, stored.days, stored.awards) == (Learner("ann", 1), {}, ())
    assert world.store.read("bob", 0) is None


def test_all_states_are_found_over_many_pages(world: World) -> None:
    full = frozenset(range(45_000))
    for n in range(6):
        learner = Learner(f"learner-{n}", 1, latest=Day(9_000, digests=full))
        assert world.store.commit(Change(learner, (Day(8_999),), (), 1, 0, ())) is None
    world.calls.clear()
    pages: list[list[str]] = []
    after: Item | None = {}
    while after is not None:
        page, after = world.store.scan_states(0, 1, after)
        pages.append([learner.user_id for learner in page])
        assert len(pages) < 10, "it goes on from where it was"
    assert len(pages) > 1, "a page is a megabyte"
    assert sorted(name for page in pages for name in page) == [f"learner-{n}" for n in range(6)]
    assert all(params["ConsistentRead"] is True for _, params in world.calls)


# -- counting --------------------------------------------------------------------------------------


def test_counting_marks_what_it_counts(world: World) -> None:
    world.project(*STUDY)
    award = inserted(STORED[2])
    for _ in range(2):
        world.store.count(NewLearner("ann"))
        world.store.count(award)
    found = world.items()
    assert found["USER#ann", "COUNTED"]["counted"] == {"BOOL": True}
    assert found["USER#ann", "EARNED#SAA:first"] == {**STORED[2], "counted": {"BOOL": True}}
    assert found["RARITY", "LEARNERS"]["learners"] == {"N": "1"}
    assert found["RARITY", "HELD#SAA:first"]["learners"] == {"N": "1"}
    assert world.store.rarity().earned == {"SAA:first": 1}


def test_a_contended_counter_is_tried_again_ever_more_slowly_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    real = aws.dynamodb().transact_write_items
    conflict = cancelled("None", "TransactionConflict")
    monkeypatch.setattr(aws.dynamodb(), "transact_write_items", failing(3, conflict, real))
    world.store.count(NewLearner("ann"))
    assert world.store.rarity().learners == 1
    assert pauses == [0.01, 0.02, 0.04]
    pauses.clear()
    monkeypatch.setattr(aws.dynamodb(), "transact_write_items", failing(30, conflict, real))
    with pytest.raises(TimeoutError, match=r"^the counter LEARNERS is contended$"):
        world.store.count(NewLearner("bob"))
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 14]
    down = error("InternalServerError", "TransactWriteItems")
    monkeypatch.setattr(aws.dynamodb(), "transact_write_items", failing(1, down, real))
    with pytest.raises(ClientError, match="InternalServerError"):
        world.store.count(NewLearner("bob"))


# -- the catalog -----------------------------------------------------------------------------------


def test_only_what_moved_of_the_catalog_is_read_again(world: World) -> None:
    known = world.store.full_catalog()
    assert world.store.catalog(known, world.store.head()) is known
    catalog.update_catalog(world.store, {"DVA": [ContentMetadata("dva-2")]}, 1)
    world.calls.clear()
    again = world.store.catalog(known, world.store.head())
    assert again.certifications["SAA"] is known.certifications["SAA"]
    assert [c.content_id for c in again.certifications["DVA"].contents] == ["dva-1", "dva-2"]
    [query] = [params for name, params in world.calls if name == "Query"]
    assert query["ExpressionAttributeValues"][":part"] == {"S": "CERT#DVA#"}
    assert query["ConsistentRead"] is True


def test_a_catalog_that_never_stands_still_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = iter(range(100, 200))
    monkeypatch.setattr(store.Store, "head", lambda _: items.Head(version := next(heads), {"SAA": version}))
    with pytest.raises(TimeoutError, match=r"^the catalog changes faster than it can be read$"):
        world.store.full_catalog()
    assert next(heads) == 121


def test_a_catalog_that_others_changed_meanwhile_is_not_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = world.store.head()
    saa = world.store.full_catalog().certifications["SAA"]
    assert world.store.commit_catalog(head, saa, saa)
    assert world.store.head() == items.Head(3, {"DVA": 1, "SAA": 1})
    assert not world.store.commit_catalog(head, saa, saa)
    assert world.store.head().version == 3
    down = error("InternalServerError", "TransactWriteItems")
    monkeypatch.setattr(
        aws.dynamodb(), "transact_write_items", failing(1, down, aws.dynamodb().transact_write_items)
    )
    with pytest.raises(ClientError, match="InternalServerError"):
        world.store.commit_catalog(world.store.head(), saa, saa)


def refused(code: str, *reasons: str) -> ClientError:
    response: Any = {"Error": {"Code": code}, "CancellationReasons": [{"Code": reason} for reason in reasons]}
    return ClientError(response, "TransactWriteItems")


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (refused("ProvisionedThroughputExceededException"), True),
        (refused("InternalServerError"), True),
        (refused("AccessDeniedException"), True),
        (refused("TransactionCanceledException", "None", "ThrottlingError"), True),
        (EndpointConnectionError(endpoint_url="x"), True),
        (TimeoutError(), True),
        (refused("ValidationException"), False),
        (refused("TransactionCanceledException", "None", "ValidationError"), False),
        (KeyError("x"), False),
        (LaterFormat(), True),
        (ValueError("x"), False),
    ],
    ids=repr,
)
def test_a_bug_is_told_from_a_failure_that_may_pass(error: Exception, passing: bool) -> None:
    assert is_transient(error) is passing
