"""The API's functions: who may do what, what is answered, what it costs, and what a strange request meets."""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from pydantic import TypeAdapter

from domain import shapes
from functions import aws, ingest, read
from tests.integration.conftest import (
    ARRIVAL,
    STREAM,
    VIEWS,
    World,
    claims,
    http_event,
    interaction,
    template,
)

VIEW_NAMES = (
    "analytics",
    "trends",
    "readiness",
    "achievements",
    "dashboard",
    "activity",
    "streak",
    "content",
)
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

type Answer = tuple[int, dict[str, Any], dict[str, str]]


def answer_of(response: dict[str, Any]) -> Answer:
    """Status, body, headers."""
    headers = {name: values[0] for name, values in response["multiValueHeaders"].items()}
    return response["statusCode"], json.loads(response["body"]) if response["body"] else {}, headers


def get(
    view: str,
    who: dict[str, Any] | None = None,
    user: str = "me",
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    event = http_event(
        "GET",
        f"/progress/{user}/{view}",
        claims=who or claims("ann"),
        query={**TODAY, **(query or {})},
        headers=headers,
    )
    return answer_of(read.handler(event, None))


def post(
    body: Any,
    who: dict[str, Any] | None = None,
    user: str = "me",
    form: str = "interaction",
    headers: dict[str, str] | None = None,
) -> Answer:
    event = http_event(
        "POST", f"/progress/{user}/{form}", claims=who or claims("ann"), body=body, headers=headers
    )
    return answer_of(ingest.handler(event, None))


def streamed() -> list[dict[str, Any]]:
    """What the stream holds."""
    kinesis = boto3.client("kinesis")
    [shard] = kinesis.list_shards(StreamName=STREAM)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return [json.loads(record["Data"]) for record in records]


def through(world: World) -> None:
    """Bring what the stream holds into the views."""
    world.project(*streamed())


def fields(answer: Answer) -> set[str]:
    return {fault["field"] for fault in answer[1]["error"]["faults"]}


# -- who may do what -------------------------------------------------------------------------------

CALLERS: dict[str, tuple[dict[str, Any], str]] = {
    "self": (claims("ann"), "ann"),
    "self as me": (claims("ann"), "me"),
    "other": (claims("eve"), "ann"),
    "missing learner": (claims("eve"), "nobody"),
    "instructor": (claims("ina", "instructors"), "ann"),
    "instructor of a missing learner": (claims("ina", "instructors"), "nobody"),
    "admin": (claims("ada", "admins"), "ann"),
    "admin of a missing learner": (claims("ada", "admins"), "nobody"),
    "no token": ({}, "ann"),
    "token of another client": ({**claims("ann"), "aud": "another"}, "ann"),
    "access token": ({**claims("ann"), "token_use": "access"}, "ann"),
    "token that names no learner": ({**claims("ann"), "sub": "##"}, "ann"),
}
MAY_READ = {
    "self": 200,
    "self as me": 200,
    "instructor": 200,
    "admin": 200,
    "no token": 401,
    "token of another client": 401,
    "access token": 401,
    "token that names no learner": 403,
}
MAY_WRITE = {
    **MAY_READ,
    "self": 202,
    "self as me": 202,
    "instructor": 403,
    "instructor of a missing learner": 403,
    "admin": 202,
    "admin of a missing learner": 202,
}


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("view", VIEW_NAMES)
def test_a_view_is_for_the_learner_instructors_and_admins_and_a_404_for_all_others(
    world: World, view: str, who: str
) -> None:
    world.project(interaction("a"))
    world.calls.clear()
    token, user = CALLERS[who]
    event = http_event("GET", f"/progress/{user}/{view}", claims=token or None, query=TODAY)
    status, body, _ = answer_of(read.handler(event, None))
    assert status == MAY_READ.get(who, 404)
    if status == 404:
        assert body["error"]["message"] == "There is no such learner."
    if who in {"other", "no token", "token of another client", "access token"}:
        assert world.calls == [], "authorised before anything is read"


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("form", ["interaction", "interactions"])
def test_interactions_are_taken_from_the_learner_and_admins_only(world: World, form: str, who: str) -> None:
    token, user = CALLERS[who]
    posted = interaction("x", user_id=None)
    body = posted if form == "interaction" else [posted]
    event = http_event("POST", f"/progress/{user}/{form}", claims=token or None, body=body)
    status, _, _ = answer_of(ingest.handler(event, None))
    assert status == MAY_WRITE.get(who, 404)
    assert len(streamed()) == (status == 202)


@pytest.mark.parametrize("who", ["self", "no token", "token of another client", "access token"])
def test_the_catalog_is_for_whoever_has_a_token_of_this_application(world: World, who: str) -> None:
    event = http_event("GET", "/certifications", claims=CALLERS[who][0] or None)
    status, body, _ = answer_of(read.handler(event, None))
    assert status == MAY_READ[who]
    if status == 200:
        assert {c["certification_type"]: c["total_content"] for c in body["certifications"]} == {
            "SAA": 3,
            "DVA": 1,
        }


def test_the_same_404_for_a_learner_that_exists_and_one_that_does_not(world: World) -> None:
    world.project(interaction("a"))
    assert get("dashboard", claims("eve"), "ann")[:2] == get("dashboard", claims("eve"), "nobody")[:2]


def test_an_interaction_of_somebody_else_is_refused_unless_an_admin_posts_it(world: World) -> None:
    of_bob = interaction("x", user_id="bob")
    assert fields(refused := post(of_bob)) == {"user_id"}
    assert refused[0] == 400
    status, body, _ = post([of_bob, interaction("y")], form="interactions")
    assert (status, [r["status"] for r in body["results"]]) == (202, ["invalid", "accepted"])
    assert post(of_bob, claims("ada", "admins"))[0] == 202
    assert [record["user_id"] for record in streamed()] == ["ann", "bob"]


def test_the_claim_that_names_the_learner_is_the_platforms_choice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNER_CLAIM", "custom:learner")
    world.project(interaction("a"))
    assert get("streak", {**claims("sub-1"), "custom:learner": "ann"})[1]["user_id"] == "ann"


# -- views -----------------------------------------------------------------------------------------


def test_every_view_of_a_learner_who_has_not_begun_is_empty_and_no_error(world: World) -> None:
    for view in VIEW_NAMES:
        status, body, _ = get(view)
        assert status == 200
        TypeAdapter(SHAPES[view]).validate_python(body)
    assert get("analytics")[1]["average_score"] is None
    assert get("streak")[1]["current_streak"] == 0


def test_every_view_has_the_shape_that_its_document_says(world: World) -> None:
    world.project(
        interaction("a"),
        interaction("b", content_id="saa-3", interaction_type="completed", score=None),
        interaction("c", content_id="dva-1", interaction_type="completed", score=100),
    )
    for view in VIEW_NAMES:
        body = get(view)[1]
        assert TypeAdapter(SHAPES[view]).validate_python(body, strict=True) == body, view
    TypeAdapter(shapes.Readiness).validate_python(get("readiness", query={"certification_type": "SAA"})[1])


def test_a_second_interaction_with_the_same_content_counts(world: World) -> None:
    for event_id in ("first", "second"):
        assert post(interaction(event_id, score=50 if event_id == "first" else 100))[0] == 202
    through(world)
    totals = get("analytics")[1]
    assert totals["total_interactions"] == totals["total_questions_answered"] == 2
    assert totals["total_content_answered"] == 1
    assert totals["average_score"] == 75.0


def test_a_repeated_post_is_harmless(world: World) -> None:
    for _ in range(3):
        assert post(interaction("same"))[1] == {"event_id": "same", "status": "accepted"}
    through(world)
    assert get("analytics")[1]["total_interactions"] == 1


def test_three_contents_in_the_catalog_make_a_third_each(world: World) -> None:
    world.project(interaction("a", interaction_type="completed", score=None))
    assert get("analytics", query={"certification_type": "SAA"})[1]["completion_rate"] == 33.3


def test_1500_contents_of_one_learner_are_all_counted_and_all_listed(world: World) -> None:
    from domain.catalog import ContentMetadata
    from functions import catalog

    many = [ContentMetadata(f"c-{n}", "Bulk", "beginner") for n in range(1500)]
    catalog.update_catalog(world.store, {"BULK": many}, 1)
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


def test_a_streak_looked_at_in_the_morning_before_studying_still_stands(world: World) -> None:
    world.project(
        *(interaction(f"e{day}", occurred_at=f"2026-02-{day}T20:00:00+02:00") for day in (26, 27, 28))
    )
    for today, current in (("2026-02-28", 3), ("2026-03-01", 3), ("2026-03-02", 0)):
        streak = get("streak", query={"today": today})[1]
        assert (streak["current_streak"], streak["longest_streak"]) == (current, 3)


def test_an_average_is_over_scored_interactions_only(world: World) -> None:
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
    from functions import announce

    world.project(
        interaction("a", content_id="dva-1", interaction_type="completed"), interaction("b", user_id="bob")
    )
    counted = [item for (_, sk), item in world.items().items() if sk == "STATE" or sk.startswith("EARNED#")]
    announce.publish(world.store, aws.eventbridge(), "bus", counted)
    rarity = {a["achievement_id"]: a["rarity"] for a in get("achievements")[1]["achievements"]}
    assert rarity["DVA:all"] == 0.5


def test_a_learner_with_366_full_days_never_looks_like_a_new_one(world: World) -> None:
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


def test_periods_and_streaks_are_counted_to_today_in_the_learners_latest_zone(world: World) -> None:
    # At the test's noon in UTC it is Tuesday already on Kiritimati.
    world.project(interaction("a", occurred_at="2026-03-03T01:00:00+14:00", timezone="Pacific/Kiritimati"))
    event = http_event("GET", "/progress/me/streak", claims=claims("ann"))
    body = answer_of(read.handler(event, None))[1]
    assert (body["today"], body["studied_today"]) == ("2026-03-03", True)


# -- what a view costs -----------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_a_view_is_one_eventually_consistent_query_and_the_rest_is_in_memory(world: World, view: str) -> None:
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


def test_a_view_that_the_caller_has_already_is_answered_304(world: World) -> None:
    world.project(interaction("a"))
    status, _, headers = get("dashboard")
    assert (status, headers["Cache-Control"]) == (200, "private, no-cache")
    again, body, same = get("dashboard", headers={"If-None-Match": headers["ETag"]})
    assert (again, body, same["ETag"]) == (304, {}, headers["ETag"])
    world.project(interaction("b"))
    changed, _, new = get("dashboard", headers={"If-None-Match": f'"other", {headers["ETag"]}'})
    assert changed == 200
    assert new["ETag"] != headers["ETag"]


def test_a_large_view_is_compressed_for_who_can_read_it(world: World) -> None:
    world.project(interaction("a"))
    event = http_event(
        "GET",
        "/progress/me/dashboard",
        claims=claims("ann"),
        query=TODAY,
        headers={"Accept": "*/*", "Accept-Encoding": "gzip, br"},
    )
    response = read.handler(event, None)
    assert response["isBase64Encoded"]
    assert response["multiValueHeaders"]["Content-Encoding"] == ["gzip"]
    plain = json.loads(gzip.decompress(base64.b64decode(response["body"])))
    assert plain == get("dashboard")[1]
    del event["headers"]["Accept"], event["multiValueHeaders"]["Accept"]
    assert "Content-Encoding" not in read.handler(event, None)["multiValueHeaders"]
    event = http_event(
        "GET",
        "/progress/me/content",
        claims=claims("ann"),
        headers={"Accept": "*/*", "Accept-Encoding": "gzip"},
    )
    assert "Content-Encoding" not in read.handler(event, None)["multiValueHeaders"], "it is small"


# -- when something fails --------------------------------------------------------------------------


def throttled() -> Exception:
    error: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}
    return ClientError(error, "Query")


@pytest.mark.parametrize(
    "failure", [throttled, lambda: ConnectTimeoutError(endpoint_url="x")], ids=["throttled", "down"]
)
def test_a_failing_table_is_answered_503_in_each_of_1000_reads_and_never_zeros(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Callable[[], Exception]
) -> None:
    def fails(*_: Any) -> Any:
        raise failure()

    world.project(interaction("a"))
    monkeypatch.setattr(aws.dynamodb(), "_make_api_call", fails)
    for number in range(500):
        status, body, headers = get(VIEW_NAMES[number % len(VIEW_NAMES)])
        assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "unavailable", "2")


def test_a_catalog_that_cannot_be_read_is_answered_503_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("a"))

    def fails(*_: Any) -> Any:
        raise throttled()

    monkeypatch.setattr(type(world.store), "head", fails)
    assert get("analytics")[0] == 503


def test_a_failing_stream_is_answered_503_and_a_full_one_item_by_item(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_first_only(**request: Any) -> Any:
        taken: list[Any] = [{"SequenceNumber": "1", "ShardId": "0"}]
        return {"Records": (taken + [{"ErrorCode": "slow down"}] * 9)[: len(request["Records"])]}

    monkeypatch.setattr(aws.kinesis(), "put_records", take_first_only)
    status, body, _ = post([interaction("a"), interaction("b")], form="interactions")
    assert (status, body["accepted"]) == (202, 1)
    assert [result["status"] for result in body["results"]] == ["accepted", "unavailable"]

    def take_none(**request: Any) -> Any:
        return {"Records": [{"ErrorCode": "slow down"} for _ in request["Records"]]}

    monkeypatch.setattr(aws.kinesis(), "put_records", take_none)
    for form, sent in (("interaction", interaction("a")), ("interactions", [interaction("a")])):
        status, body, headers = post(sent, form=form)
        assert (status, headers["Retry-After"]) == (503, "2")


def test_a_bug_is_loud_and_its_answer_says_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("domain.views.streak", broken)
    status, body, _ = get("streak")
    assert (status, body["error"]["code"]) == (500, "internal_server_error")
    assert "secret" not in json.dumps(body)
    assert "ZeroDivisionError" in caplog.text


def test_no_log_names_a_learner(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    post(interaction("a", user_id="the-learner"), claims("the-learner"))
    through(world)
    get("dashboard", claims("the-learner"))
    get("dashboard", claims("eve"), "the-learner")
    get("the-learner")
    routes = [record.__dict__.get("route") for record in caplog.records]
    assert routes.count("GET /{proxy+}") == 3
    assert all("the-learner" not in str(record.__dict__) for record in caplog.records)


# -- strange requests ------------------------------------------------------------------------------

LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "a score over 100": ({"score": 100.01}, "score"),
    "a negative score": ({"score": -1}, "score"),
    "a score in quotes": ({"score": "80"}, "score"),
    "a score that is not a number": ({"score": float("nan")}, "score"),
    "an infinite score": ({"score": float("inf")}, "score"),
    "a time without offset": ({"occurred_at": "2026-03-01T09:00:00"}, "occurred_at"),
    "the year 9999": ({"occurred_at": "9999-12-31T23:59:59Z"}, "occurred_at"),
    "the year 1970": ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at"),
    "an offset of +15:00": ({"occurred_at": "2026-03-01T09:00:00+15:00"}, "occurred_at"),
    "six minutes ahead": ({"occurred_at": (ARRIVAL + timedelta(minutes=6)).isoformat()}, "occurred_at"),
    "31 days back": ({"occurred_at": (ARRIVAL - timedelta(days=31)).isoformat()}, "occurred_at"),
    "an id without a time": ({"occurred_at": None}, "occurred_at"),
    "an event_id of 65 characters": ({"event_id": "x" * 65}, "event_id"),
    "an event_id that is a number": ({"event_id": 7}, "event_id"),
    "a # in a content_id": ({"content_id": "a#b"}, "content_id"),
    "a %23 in a content_id": ({"content_id": "a%23b"}, "content_id"),
    "a content_id of 129 characters": ({"content_id": "x" * 129}, "content_id"),
    "no content_id": ({"content_id": None}, "content_id"),
    "an unknown interaction type": ({"interaction_type": "skimmed"}, "interaction_type"),
    "an unknown zone": ({"timezone": "Mars/Olympus"}, "timezone"),
    "negative time": ({"time_spent": -1}, "time_spent"),
    "more than a day": ({"time_spent": 86_401}, "time_spent"),
    "half a second": ({"time_spent": 0.5}, "time_spent"),
    "a certification with a #": ({"certification_type": "S#A"}, "certification_type"),
    "a session_id of 129 characters": ({"session_id": "x" * 129}, "session_id"),
    "300 KB of additional_data": ({"additional_data": {"x": "y" * 300_000}}, "additional_data"),
    "six levels of additional_data": (
        {"additional_data": {"1": {"2": {"3": {"4": {"5": {"6": 0}}}}}}},
        "additional_data",
    ),
    "a lone surrogate in additional_data": ({"additional_data": {"x": "\ud800"}}, "additional_data"),
    "a lone surrogate in a session_id": ({"session_id": "\ud800"}, "session_id"),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_each_limit_is_answered_400_with_the_fields_name(world: World, limit: str) -> None:
    changed, field = LIMITS[limit]
    bad = interaction(**{"event_id": "bad", **changed})
    answer = post(bad)
    assert answer[0] == 400
    assert fields(answer) == {field}
    assert streamed() == []


@pytest.mark.parametrize("limit", LIMITS)
def test_the_neighbours_of_a_bad_interaction_are_taken(world: World, limit: str) -> None:
    changed, field = LIMITS[limit]
    sent = [interaction("before"), interaction(**{"event_id": "bad", **changed}), interaction("after")]
    status, body, _ = post(sent, form="interactions")
    assert status == 202
    assert [result["status"] for result in body["results"]] == ["accepted", "invalid", "accepted"]
    assert {fault["field"] for fault in body["results"][1]["faults"]} == {field}
    assert [record["event_id"] for record in streamed()] == ["before", "after"]


@pytest.mark.parametrize(
    "body", ["", "{", "null", "[]", '"text"', "7", "[null]", '{"score": 1e999}', "[" * 50_000, "\x00"]
)
@pytest.mark.parametrize("form", ["interaction", "interactions"])
def test_a_body_that_is_no_interaction_is_answered_400_or_listed_as_invalid(
    world: World, form: str, body: str
) -> None:
    status, answer, _ = post(body, form=form)
    if status == 202:
        assert [result["status"] for result in answer["results"]] == ["invalid"]
    else:
        assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert streamed() == []


def test_500_interactions_are_taken_at_once_and_501_are_not(world: World) -> None:
    sent = [interaction(f"e{n}") for n in range(501)]
    assert post(sent, form="interactions")[0] == 400
    status, body, _ = post({"interactions": sent[:500]}, form="interactions")
    assert (status, body["accepted"]) == (202, 500)


def test_a_body_that_is_too_large_is_answered_413(world: World) -> None:
    assert post("x" * (ingest.MAX_BODY_BYTES + 1))[0] == 413


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_of_another_type_is_answered_415(world: World, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    status, body, _ = post(json.dumps(interaction("x")), headers=headers)
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")


def test_what_a_post_leaves_out_is_filled_in(world: World) -> None:
    no_id_no_time = interaction(None, occurred_at=None, user_id=None)
    assert post(no_id_no_time)[0] == 202
    with_a_time = interaction(None)
    first, second = (post(with_a_time)[1]["event_id"] for _ in range(2))
    assert first == second, "derived from the interaction"
    records = streamed()
    assert records[0]["occurred_at"] == ARRIVAL.isoformat()
    assert records[0]["user_id"] == "ann"
    through(world)
    assert get("analytics")[1]["total_interactions"] == 2


def test_an_idempotency_key_stands_for_the_event_id(world: World) -> None:
    without_id = interaction(None)
    for _ in range(2):
        assert post(without_id, headers={"Idempotency-Key": "key-1"})[1]["event_id"] == "key-1"
    through(world)
    assert get("analytics")[1]["total_interactions"] == 1
    for body, key in ((interaction("another"), "key-1"), (interaction(None), "no key at all!")):
        assert fields(post(body, headers={"Idempotency-Key": key})) == {"event_id"}


def test_content_that_the_catalog_lacks_is_accepted_and_quarantined_behind(world: World) -> None:
    assert post(interaction("x", content_id="not-yet"))[0] == 202
    through(world)
    assert [message["code"] for message in world.quarantined()] == ["unknown_content"]
    assert get("analytics")[1]["total_interactions"] == 0


@pytest.mark.parametrize(
    ("view", "query", "field"),
    [
        ("trends", {"days": "0"}, "days"),
        ("trends", {"days": "366"}, "days"),
        ("activity", {"days": "many"}, "days"),
        ("streak", {"today": "yesterday"}, "today"),
        ("streak", {"today": "2026-02-30"}, "today"),
        ("analytics", {"certification_type": "S#A"}, "certification_type"),
        ("content", {"limit": "0"}, "limit"),
        ("content", {"cursor": "nonsense"}, "cursor"),
    ],
)
def test_a_query_that_is_not_valid_is_answered_400_with_the_parameters_name(
    world: World, view: str, query: dict[str, str], field: str
) -> None:
    answer = get(view, query=query)
    assert answer[0] == 400
    assert fields(answer) == {field}


@pytest.mark.parametrize("today", ["0001-01-01", "1999-12-31", "2000-01-01", "9999-12-31"])
def test_any_date_will_do_for_today(world: World, today: str) -> None:
    world.project(interaction("a"))
    for view in VIEW_NAMES:
        assert get(view, query={"today": today, "days": "365"})[0] == 200, view


@pytest.mark.parametrize("user", ["a#b", "a%23b", "USER#ann", "a b", "é", "x" * 129, "-", "..", "%2e%2e"])
def test_what_can_be_no_learner_is_not_found(world: World, user: str) -> None:
    for who in (claims("ann"), claims("ada", "admins")):
        assert get("analytics", who, user)[0] == 404
        assert post(interaction("x", user_id=None), who, user)[0] == 404


def test_an_error_has_the_contracts_body(world: World) -> None:
    status, body, _ = get("nothing")
    assert (status, set(body), set(body["error"])) == (404, {"error"}, {"code", "message", "request_id"})
    assert body["error"]["request_id"] == "request-1"


# -- the document ----------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    response = read.handler(http_event("GET", "/openapi.json"), None)
    found: dict[str, Any] = json.loads(response["body"])
    return found


def test_the_document_names_every_route_of_the_template(world: World) -> None:
    paths = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert paths == {
        *((f"/progress/{{user_id}}/{view}", "get") for view in VIEW_NAMES),
        ("/progress/{user_id}/interaction", "post"),
        ("/progress/{user_id}/interactions", "post"),
        ("/certifications", "get"),
    }
    routed = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower())
        for function in ("IngestFunction", "ReadFunction")
        for event in template()["Resources"][function]["Properties"]["Events"].values()
    }
    for path, method in paths:
        view = "/progress/{user_id}/{view}"
        assert (path, method) in routed or (method == "get" and (view, "get") in routed)


def test_every_reference_of_the_document_resolves_and_nothing_is_left_over(world: World) -> None:
    found = document()
    text = json.dumps(found)
    names = set(found["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used == names
    assert "ValidationError" not in text


def test_every_operation_has_a_name_a_summary_and_its_errors(world: World) -> None:
    for methods in document()["paths"].values():
        for operation in methods.values():
            assert operation["operationId"].isidentifier()
            assert operation["summary"].endswith(".")
            assert {"400", "401", "403", "404", "429", "503"} < set(operation["responses"])


def test_the_page_to_try_it_on_is_there_only_where_the_stack_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = http_event("GET", "/docs")
    assert read.handler(event, None)["statusCode"] == 404
    monkeypatch.setenv("DOCS_UI", "on")
    response = read.handler(event, None)
    assert response["statusCode"] == 200
    assert "SwaggerUIBundle" in response["body"]


def test_only_the_one_origin_of_the_parameter_may_call_from_a_browser(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [
        name for name in get("streak", headers={"Origin": "https://any"})[2] if "Allow-Origin" in name
    ]
    monkeypatch.setenv("ALLOWED_ORIGIN", "https://learn.example")
    from functions.api import resolver

    app = resolver()
    app.get("/x")(dict)

    def asked(origin: str) -> str | None:
        response = app.resolve(http_event("GET", "/x", headers={"Origin": origin}), None)  # type: ignore[arg-type]  # unused
        return answer_of(response)[2].get("Access-Control-Allow-Origin")

    assert asked("https://learn.example") == "https://learn.example"
    assert asked("https://evil.example") is None
