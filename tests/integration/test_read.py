"""The views that the API answers with: their content, their cost, and conditional requests."""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from domain import shapes
from domain.catalog import ContentMetadata
from functions import aws, rarity, read
from functions.catalog import CatalogWriter
from tests.integration.conftest import ARRIVAL, VIEWS, Context, World, interaction, table_stream
from tests.integration.http_events import (
    VIEW_NAMES,
    answer_of,
    claims,
    faulty_fields,
    get,
    http_event,
)


def encoded(cursor: str) -> str:
    """Return a cursor with this content."""
    return base64.urlsafe_b64encode(cursor.encode()).decode()


SHAPES: dict[str, Any] = {
    "analytics": shapes.Analytics,
    "trends": shapes.Trends,
    "readiness": shapes.ReadinessOfAll,
    "achievements": shapes.Achievements,
    "dashboard": shapes.Dashboard,
    "activity": shapes.Activity,
    "streak": shapes.Streak,
    "content": shapes.ContentPage,
}
TODAY = {"today": "2026-03-02"}


# -- content ---------------------------------------------------------------------------------------


def test_a_learner_without_interactions_has_empty_views(world: World) -> None:
    for view in VIEW_NAMES:
        status, body, _ = get(view)
        assert status == 200
        TypeAdapter(SHAPES[view]).validate_python(body)
    assert get("analytics")[1]["average_score"] is None
    assert get("streak")[1]["current_streak"] == 0


def test_every_view_has_the_documented_shape(world: World) -> None:
    world.project(
        interaction("a"),
        interaction("b", content_id="saa-3", interaction_type="completed", score=None),
        interaction("c", content_id="dva-1", interaction_type="completed", score=100),
    )
    for view in VIEW_NAMES:
        body = get(view)[1]
        assert TypeAdapter(SHAPES[view]).validate_python(body, strict=True) == body, view
    TypeAdapter(shapes.Readiness).validate_python(get("readiness", query={"certification_type": "SAA"})[1])


def test_one_of_three_contents_completed_is_a_rate_of_a_third(world: World) -> None:
    world.project(interaction("a", interaction_type="completed", score=None))
    assert get("analytics", query={"certification_type": "SAA"})[1]["completion_rate"] == 33.3


def test_1500_contents_of_one_learner_are_all_counted_and_listed(world: World) -> None:
    many = [ContentMetadata(f"c-{n}", "Bulk", "beginner") for n in range(1500)]
    CatalogWriter(world.store).update({"BULK": many}, 1)
    world.project(*(interaction(f"e{n}", content_id=f"c-{n}", score=None) for n in range(1500)))
    assert get("analytics")[1]["total_content_answered"] == 1500
    listed: list[str] = []
    query = {"limit": "400"}
    while True:
        page = get("content", query=query)[1]
        listed += [content["content_id"] for content in page["content"]]
        if page["next_cursor"] is None:
            break
        query = {"limit": "400", "cursor": page["next_cursor"]}
    assert listed == [f"c-{n}" for n in range(1500)]


def test_contents_and_recommendations_have_titles(world: World) -> None:
    titled = [ContentMetadata("saa-1", "Storage", title="Buckets"), ContentMetadata("saa-2", "Storage")]
    CatalogWriter(world.store).update({"SAA": titled}, 1)
    world.project(interaction("a"), interaction("b", content_id="saa-2"))
    shown = get("content")[1]["content"]
    assert [(content["content_id"], content["title"]) for content in shown] == [
        ("saa-1", "Buckets"),
        ("saa-2", None),
    ]
    titles = {"saa-1": "Buckets", "saa-2": None, "saa-3": None}
    advised = get("dashboard")[1]["recommendations"]
    assert advised
    assert all(action["title"] == titles[action["content_id"]] for action in advised)


def test_a_streak_still_stands_in_the_morning_before_studying(world: World) -> None:
    world.project(
        *(interaction(f"e{day}", occurred_at=f"2026-02-{day}T20:00:00+02:00") for day in (26, 27, 28))
    )
    for today, current in (("2026-02-28", 3), ("2026-03-01", 3), ("2026-03-02", 0)):
        streak = get("streak", query={"today": today})[1]
        assert (streak["current_streak"], streak["longest_streak"]) == (current, 3)


def test_an_average_covers_only_scored_interactions(world: World) -> None:
    world.project(
        interaction("a", score=80),
        interaction("b", score=None, interaction_type="viewed"),
        interaction("c", score=0),
    )
    assert get("analytics")[1]["average_score"] == 40.0
    assert get("analytics", query={"certification_type": "DVA"})[1]["average_score"] is None


def test_numbers_are_json_numbers(world: World) -> None:
    world.project(interaction("a", score=33.33))
    totals = get("analytics")[1]
    assert totals["average_score"] == 33.33
    assert isinstance(totals["total_interactions"], int)


def test_a_certification_filters_achievements(world: World) -> None:
    world.project(
        interaction("a", content_id="dva-1", interaction_type="completed"),
        interaction("b", content_id="saa-1", interaction_type="completed"),
    )
    everything = {a["achievement_id"] for a in get("achievements")[1]["achievements"]}
    of_saa = get("achievements", query={"certification_type": "SAA"})[1]
    assert {a["achievement_id"] for a in of_saa["achievements"]} == {"SAA:first"}
    assert everything > {"SAA:first", "DVA:first", "DVA:all"}
    assert of_saa["total_points"] == sum(a["points"] for a in of_saa["achievements"])
    assert {a["certification_type"] for a in of_saa["next"]} == {"SAA"}


def test_an_achievement_says_how_rare_it_is(world: World) -> None:
    world.project(
        interaction("a", content_id="dva-1", interaction_type="completed"), interaction("b", user_id="bob")
    )
    rarity.handler(table_stream(world, "RarityFunction"), Context())
    found = {a["achievement_id"]: a["rarity"] for a in get("achievements")[1]["achievements"]}
    assert found["DVA:all"] == 0.5


def test_a_learner_with_366_full_days_gets_complete_views(world: World) -> None:
    first = ARRIVAL - timedelta(days=365, hours=1)
    world.project(
        *(
            interaction(f"e{day}-{n}", occurred_at=(first + timedelta(days=day, minutes=n)).isoformat())
            for day in range(366)
            for n in range(8)
        )
    )
    world.calls.clear()
    body = get("dashboard", query={"days": "365"})[1]
    assert body["overall_analytics"]["total_interactions"] == 366 * 8
    assert len(body["performance_trends"]) == 365
    assert body["study_streak"]["longest_streak"] == 366
    assert get("trends", query={"days": "365"})[1]["trends"] == body["performance_trends"]


def test_today_is_the_date_in_the_learners_latest_zone(world: World) -> None:
    # At the test's noon in UTC it is Tuesday already on Kiritimati.
    world.project(interaction("a", occurred_at="2026-03-03T01:00:00+14:00", timezone="Pacific/Kiritimati"))
    event = http_event("GET", "/progress/me/streak", who=claims("ann"))
    body = answer_of(read.handler(event, None))[1]
    assert (body["today"], body["studied_today"]) == ("2026-03-03", True)


@pytest.mark.parametrize(
    ("view", "query", "field"),
    [
        ("trends", {"days": "0"}, "days"),
        ("trends", {"days": "366"}, "days"),
        ("activity", {"days": "many"}, "days"),
        ("streak", {"today": "yesterday"}, "today"),
        ("streak", {"today": "2026-02-30"}, "today"),
        # API Gateway joins a parameter that is given twice.
        ("streak", {"today": "2026-02-27,2026-02-28"}, "today"),
        ("trends", {"days": "7,7"}, "days"),
        ("analytics", {"certification_type": "SAA,DVA"}, "certification_type"),
        ("analytics", {"certification_type": "S#A"}, "certification_type"),
        ("content", {"limit": "0"}, "limit"),
        ("content", {"cursor": "nonsense"}, "cursor"),
        ("content", {"cursor": encoded('["SAA",1e400]')}, "cursor"),
        ("content", {"cursor": encoded('["SAA",1.0]')}, "cursor"),
        ("content", {"cursor": encoded('["SAA",true]')}, "cursor"),
        ("content", {"cursor": encoded('["SAA",-1]')}, "cursor"),
        ("content", {"cursor": encoded('[["SAA"],1]')}, "cursor"),
        ("content", {"cursor": encoded('["SAA",1,2]')}, "cursor"),
        ("content", {"cursor": encoded("[" * 300)}, "cursor"),
        ("streak", {"today": "0"}, "today"),
        ("streak", {"today": "2026-3-1"}, "today"),
        ("streak", {"today": "1772366400"}, "today"),
        ("trends", {"days": "1_0"}, "days"),
        ("trends", {"days": "+5"}, "days"),
        ("trends", {"days": " 5"}, "days"),
        ("trends", {"days": "5.0"}, "days"),
        ("trends", {"days": "٥"}, "days"),
    ],
)
def test_an_invalid_query_is_answered_400_with_the_name_of_the_parameter(
    world: World, view: str, query: dict[str, str], field: str
) -> None:
    answer = get(view, query=query)
    assert answer[0] == 400
    assert faulty_fields(answer) == {field}


@pytest.mark.parametrize("today", ["0001-01-01", "1999-12-31", "2000-01-01", "9999-12-31"])
def test_today_may_be_any_date(world: World, today: str) -> None:
    world.project(interaction("a"))
    for view in VIEW_NAMES:
        assert get(view, query={"today": today, "days": "365"})[0] == 200, view


# -- cost ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_a_view_costs_one_eventually_consistent_query(world: World, view: str) -> None:
    world.project(interaction("a"), interaction("b", occurred_at="2026-02-27T09:00:00+02:00"))
    get("analytics")
    world.calls.clear()
    get(view)
    [(operation, query)] = world.calls
    assert operation == "Query"
    assert query["TableName"] == VIEWS
    assert not query.get("ConsistentRead")


def test_the_catalog_in_memory_is_at_most_a_minute_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    get("analytics")
    world.calls.clear()
    now += 59.9
    get("analytics")
    assert world.operations() == ["Query"]
    now += 0.1
    get("analytics")
    assert "GetItem" in world.operations(), "the catalog's head is looked at again"


# -- conditional requests and compression ----------------------------------------------------------


def test_a_view_that_the_caller_already_has_is_answered_304(world: World) -> None:
    world.project(interaction("a"))
    status, _, headers = get("dashboard")
    assert (status, headers["Cache-Control"]) == (200, "private, no-cache")
    again, body, same = get("dashboard", headers={"If-None-Match": headers["ETag"]})
    assert (again, body, same["ETag"]) == (304, {}, headers["ETag"])
    world.project(interaction("b"))
    changed, _, new = get("dashboard", headers={"If-None-Match": f'"other", {headers["ETag"]}'})
    assert changed == 200
    assert new["ETag"] != headers["ETag"]


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("gzip, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("GZIP;Q=0", False),
        ("br, gzip;q=0, *", False),
        ("gzipped", False),
        ("identity", False),
        ("", False),
        (None, False),
    ],
)
def test_a_large_view_is_compressed_if_the_client_accepts_gzip(
    world: World, accepted: str | None, compressed: bool
) -> None:
    world.project(interaction("a"))
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    event = http_event("GET", "/progress/me/dashboard", who=claims("ann"), query=TODAY, headers=headers)
    response = read.handler(event, None)
    assert response["isBase64Encoded"] is compressed
    assert response["headers"].get("Content-Encoding") == ("gzip" if compressed else None)
    assert "Accept-Encoding" in response["headers"]["Vary"]
    sent = response["body"]
    body = json.loads(gzip.decompress(base64.b64decode(sent)) if compressed else sent)
    assert body == get("dashboard")[1]


def test_a_small_view_is_not_compressed(world: World) -> None:
    _, _, headers = get("content", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in headers


# -- beyond this process's catalog -----------------------------------------------------------------


@pytest.mark.parametrize("view", ["analytics", "trends", "readiness", "achievements", "activity", "content"])
def test_an_unknown_certification_is_answered_404(world: World, view: str) -> None:
    world.project(interaction("a"))
    status, body, _ = get(view, query={"certification_type": "NEW"})
    assert (status, body["error"]["code"]) == (404, "unknown_certification")
    assert get(view, query={"certification_type": "DVA"})[0] == 200, "known, but not started"


def test_content_newer_than_the_readers_catalog_is_shown_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000, 2000, 10))
    monkeypatch.setattr("functions.read.time.monotonic", lambda: next(clock))
    world.project(interaction("a"))
    assert len(get("content")[1]["content"]) == 1
    CatalogWriter(world.store).update({"SAA": [ContentMetadata("saa-new", "Storage")]}, 1)
    CatalogWriter(world.store).update({"NEW": [ContentMetadata("new-1", "Storage")]}, 1)
    world.project(interaction("b", content_id="saa-new"), interaction("c", content_id="new-1"))
    found = [content["content_id"] for content in get("content")[1]["content"]]
    assert found == ["new-1", "saa-1", "saa-new"]


def test_a_catalog_that_stays_behind_is_answered_503_and_read_again_only_after_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.read.time.monotonic", lambda: 1000.0)
    world.project(interaction("a"))
    get("content")
    CatalogWriter(world.store).update({"SAA": [ContentMetadata("saa-new", "Storage")]}, 1)
    world.project(interaction("b", content_id="saa-new"))
    world.calls.clear()
    assert get("content")[0] == 503
    assert world.operations() == ["Query"], "the catalog was read less than two seconds ago"


@pytest.mark.parametrize("sort_key", ["STATE", "DAY#2026-02-28"])
def test_a_learner_who_cannot_be_read_is_answered_503_and_others_are_not(world: World, sort_key: str) -> None:
    early = interaction("a", occurred_at="2026-02-28T09:00:00+02:00")
    world.project(early, interaction("b"), interaction("c", user_id="bob"))
    item = world.item("ann", sort_key)
    assert item is not None
    damaged = {"tracks": {"S": "{"}, "tallies": {"S": "{"}}
    aws.dynamodb().put_item(TableName=VIEWS, Item={**item, **damaged})
    assert get("trends")[0] == 503
    assert get("trends", claims("bob"))[0] == 200


@pytest.mark.parametrize("sort_key", ["FUTURE#1", "DAY#2026-03-01#HOURS"])
def test_an_unknown_item_of_a_learner_is_ignored(world: World, sort_key: str) -> None:
    world.project(interaction("a"))
    before = get("dashboard")[1]
    item = {"pk": {"S": "USER#ann"}, "sk": {"S": sort_key}, "what": {"S": "a later release knows"}}
    aws.dynamodb().put_item(TableName=VIEWS, Item=item)
    assert get("dashboard")[1] == before


def test_an_etag_does_not_change_with_the_rarity_of_achievements(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("a", interaction_type="completed"))
    before = get("achievements")
    monkeypatch.setattr(read, "_shared", read._Shared())
    rarity.counter(VIEWS).count([rarity.Insert("USER#bob", "STATE")])
    after = get("achievements")
    assert after[1] != before[1]
    assert after[2]["ETag"] == before[2]["ETag"]


def test_all_achievements_have_their_progress_on_request(world: World) -> None:
    world.project(interaction("a", content_id="saa-3", interaction_type="completed"))
    few, every = get("achievements")[1], get("achievements", query={"all": "true"})[1]
    assert few["achievements"] == every["achievements"]
    assert len(few["next"]) == 3
    assert every["next"][:3] == few["next"]
    ids = [found["achievement_id"] for found in every["next"]]
    assert len(set(ids)) == len(ids) > 20
    assert {"streak-3", "streak-100", "SAA:all"} <= set(ids)
    shares = [found["progress"]["value"] / found["progress"]["target"] for found in every["next"]]
    assert shares == sorted(shares, reverse=True)
    TypeAdapter(shapes.Achievements).validate_python(every)
    assert get("achievements", query={"all": "false"})[1] == few


@pytest.mark.parametrize("value", ["yes", "1", "True", ""])
def test_all_is_true_or_false(world: World, value: str) -> None:
    answer = get("achievements", query={"all": value})
    assert answer[0] == 400
    assert "all" in faulty_fields(answer)


def test_what_can_be_earned_is_listed_with_points_and_rarity(world: World) -> None:
    world.project(interaction("a", content_id="saa-3", interaction_type="completed", score=100))
    earned = {found["achievement_id"] for found in get("achievements")[1]["achievements"]}
    event = http_event("GET", "/achievements", who=claims("ann"))
    status, body, _ = answer_of(read.handler(event, None))
    assert status == 200
    TypeAdapter(shapes.OfferedAchievements).validate_python(body)
    offered = {found["achievement_id"]: found for found in body["achievements"]}
    assert len(offered) == len(body["achievements"])
    assert offered["streak-7"]["points"] == 70
    assert offered["DVA:first"]["certification_type"] == "DVA"
    assert offered["SAA:mastered:compute"]["achievement_type"] == "category"
    assert earned <= offered.keys()
