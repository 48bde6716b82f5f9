"""Posted interactions: what is accepted, filled in or refused, and what reaches the stream."""

import json
from base64 import b64encode
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from functions import aws, ingest, posting, stream
from tests.integration.conftest import ARRIVAL, World, interaction, streamed
from tests.integration.http_events import answer_of, claims, faulty_fields, get, http_event, post


def fold_stream(world: World) -> None:
    """Fold what the stream holds into the views."""
    world.project(*streamed())


# -- what is accepted ------------------------------------------------------------------------------


def test_a_second_interaction_with_the_same_content_counts(world: World) -> None:
    for event_id in ("first", "second"):
        assert post(interaction(event_id, score=50 if event_id == "first" else 100))[0] == 202
    fold_stream(world)
    totals = get("analytics")[1]
    assert totals["total_interactions"] == totals["total_questions_answered"] == 2
    assert totals["total_content_answered"] == 1
    assert totals["average_score"] == 75.0


def test_a_repeated_post_is_harmless(world: World) -> None:
    for _ in range(3):
        assert post(interaction("same"))[1] == {
            "event_id": "same",
            "occurred_at": "2026-03-01T09:00:00+02:00",
            "status": "accepted",
        }
    fold_stream(world)
    assert get("analytics")[1]["total_interactions"] == 1


def test_omitted_fields_of_a_post_are_filled_in(world: World) -> None:
    no_id_no_time = interaction(None, occurred_at=None, user_id=None)
    assert post(no_id_no_time)[0] == 202
    with_a_time = interaction(None)
    first, second = (post(with_a_time)[1]["event_id"] for _ in range(2))
    assert first == second, "derived from the interaction"
    records = streamed()
    assert records[0]["occurred_at"] == ARRIVAL.isoformat()
    assert records[0]["user_id"] == "ann"
    fold_stream(world)
    assert get("analytics")[1]["total_interactions"] == 2


def test_the_oldest_age_bounds_a_bought_streak_but_zones_add_days(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See "Offline study and bought streaks" in docs/operations.md."""
    monkeypatch.setenv("API_MAX_EVENT_AGE_DAYS", "1")
    offsets = {"-12:00": timedelta(days=1), "+00:00": timedelta(hours=12), "+14:00": timedelta()}
    days: set[date] = set()
    for offset, age in offsets.items():
        moment = ARRIVAL - age
        local = moment.astimezone(datetime.fromisoformat(f"2026-01-01T00:00{offset}").tzinfo)
        posted = interaction(f"e{len(days)}", occurred_at=local.isoformat(), timezone=None)
        assert post(posted)[0] == 202
        days.add(local.date())
    assert len(days) == 3
    too_old = interaction("old", occurred_at=(ARRIVAL - timedelta(days=1, seconds=1)).isoformat())
    assert faulty_fields(post(too_old)) == {"occurred_at"}


def test_an_idempotency_key_is_used_as_the_event_id(world: World) -> None:
    without_id = interaction(None)
    for _ in range(2):
        assert post(without_id, headers={"Idempotency-Key": "key-1"})[1]["event_id"] == "key-1"
    fold_stream(world)
    assert get("analytics")[1]["total_interactions"] == 1
    assert post(without_id, headers={"Idempotency-Key": '"key-2"'})[1]["event_id"] == "key-2", (
        "as in the draft"
    )
    for body, key in ((interaction("another"), "key-1"), (interaction(None), "no key at all!")):
        assert faulty_fields(post(body, headers={"Idempotency-Key": key})) == {"event_id"}


def test_an_idempotency_key_for_several_interactions_is_refused(world: World) -> None:
    refused = post([interaction(None)], form="interactions", headers={"Idempotency-Key": "key-1"})
    assert (refused[0], faulty_fields(refused)) == (400, {"Idempotency-Key"})
    assert streamed() == []


SPELLINGS: dict[str, dict[str, Any]] = {
    "UTC": {"occurred_at": "2026-03-01T07:00:00Z"},
    "UTC as an offset": {"occurred_at": "2026-03-01T07:00:00+00:00"},
    "another offset": {"occurred_at": "2026-03-01T09:00:00+02:00"},
    "another zone": {"timezone": "Asia/Tokyo"},
    "another case": {"interaction_type": "ANSWER"},
    "a default, stated": {"time_spent": 0, "user_id": "ann"},
    "a number as a float": {"score": 80.0},
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_derived_id_does_not_depend_on_the_spelling(world: World, name: str) -> None:
    plain = interaction(None, time_spent=None, user_id=None)
    first = post(plain)[1]["event_id"]
    assert post({**plain, **SPELLINGS[name]})[1]["event_id"] == first


@pytest.mark.parametrize(
    "changed", [{"score": 81}, {"time_spent": 1}, {"session_id": "x"}, {"content_id": "saa-2"}]
)
def test_another_interaction_derives_another_id(world: World, changed: dict[str, Any]) -> None:
    plain = interaction(None, time_spent=None)
    assert post(plain)[1]["event_id"] != post({**plain, **changed})[1]["event_id"]


def test_text_that_cannot_be_encoded_is_refused_and_never_sent_back(world: World) -> None:
    bad = [interaction("\ud800"), interaction("x" * 65), interaction("ok", content_id="\ud800")]
    status, body, _ = post([*bad, interaction("good")], form="interactions")
    assert (status, [result["event_id"] for result in body["results"]]) == (202, [None, None, "ok", "good"])
    assert [record["event_id"] for record in streamed()] == ["good"]


def test_a_post_without_time_or_zone_uses_the_zone_in_the_learners_token(world: World) -> None:
    now = interaction(None, occurred_at=None, timezone=None, user_id=None)
    tokyo = claims("ann", zoneinfo="Asia/Tokyo")
    post(now, tokyo)
    post({**now, "timezone": "Europe/Helsinki"}, tokyo)
    post({**now, "occurred_at": "2026-03-01T09:00:00Z"}, tokyo)
    post(now, claims("ann", zoneinfo="Mars/Olympus_Mons"))
    post({**now, "user_id": "bob"}, claims("ada", "admins", zoneinfo="Asia/Tokyo"), user="bob")
    assert [record.get("timezone") for record in streamed()] == [
        "Asia/Tokyo",
        "Europe/Helsinki",
        None,
        None,
        None,
    ]


def test_an_admins_zone_is_not_given_to_the_learners_of_their_batch(world: World) -> None:
    now = interaction(None, occurred_at=None, timezone=None)
    batch = [{**now, "user_id": "bob"}, {**now, "user_id": None}]
    post(batch, claims("ada", "admins", zoneinfo="Asia/Tokyo"), form="interactions")
    zones = {record["user_id"]: record.get("timezone") for record in streamed()}
    assert zones == {"bob": None, "ada": "Asia/Tokyo"}


def test_a_derived_id_does_not_depend_on_the_spelling_of_additional_numbers(world: World) -> None:
    first, second, third = (
        post(interaction(None, additional_data={"tries": [number]}))[1]["event_id"]
        for number in (2, 2.0, 2.5)
    )
    assert first == second != third


def test_only_an_admin_may_post_an_interaction_of_somebody_else(world: World) -> None:
    of_bob = interaction("x", user_id="bob")
    assert faulty_fields(refused := post(of_bob)) == {"user_id"}
    assert refused[0] == 400
    status, body, _ = post([of_bob, interaction("y")], form="interactions")
    assert (status, [r["status"] for r in body["results"]]) == (202, ["invalid", "accepted"])
    assert post(of_bob, claims("ada", "admins"))[0] == 202
    assert [record["user_id"] for record in streamed()] == ["ann", "bob"]


def test_unknown_content_is_accepted_and_quarantined_by_the_consumer(world: World) -> None:
    assert post(interaction("x", content_id="not-yet"))[0] == 202
    fold_stream(world)
    assert [message["code"] for message in world.quarantined()] == ["unknown_content"]
    assert get("analytics")[1]["total_interactions"] == 0


def test_500_interactions_are_accepted_at_once_and_501_are_not(world: World) -> None:
    sent = [interaction(f"e{n}") for n in range(501)]
    assert post(sent, form="interactions")[0] == 400
    status, body, _ = post({"interactions": sent[:500]}, form="interactions")
    assert (status, body["accepted"]) == (202, 500)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", None])
def test_a_body_that_the_gateway_encodes_as_base64_is_accepted(
    world: World, content_type: str | None
) -> None:
    event = http_event("POST", "/progress/me/interaction", who=claims("ann"))
    if content_type:
        event["headers"]["content-type"] = content_type
    body = json.dumps(interaction("x", session_id="größe"), ensure_ascii=False)
    event |= {"body": b64encode(body.encode()).decode(), "isBase64Encoded": True}
    assert answer_of(ingest.handler(event, None))[0] == 202
    assert streamed()[0]["session_id"] == "größe"


# -- what is refused -------------------------------------------------------------------------------

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
def test_each_limit_is_answered_400_with_the_name_of_the_field(world: World, limit: str) -> None:
    changed, field = LIMITS[limit]
    bad = interaction(**{"event_id": "bad", **changed})
    answer = post(bad)
    assert answer[0] == 400
    assert faulty_fields(answer) == {field}
    assert streamed() == []


@pytest.mark.parametrize("limit", LIMITS)
def test_the_neighbours_of_an_invalid_interaction_are_accepted(world: World, limit: str) -> None:
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
def test_a_body_that_is_no_interaction_is_refused_or_listed_as_invalid(
    world: World, form: str, body: str
) -> None:
    status, answer, _ = post(body, form=form)
    if status == 202:
        assert [result["status"] for result in answer["results"]] == ["invalid"]
    else:
        assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert streamed() == []


def test_a_body_that_is_too_large_is_answered_413(world: World) -> None:
    assert post("x" * (posting.MAX_BODY_BYTES + 1))[0] == 413


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_of_another_type_is_answered_415(world: World, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    status, body, _ = post(json.dumps(interaction("x")), headers=headers)
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")


def test_a_body_that_is_not_utf_8_is_refused(world: World) -> None:
    event = http_event("POST", "/progress/me/interaction", who=claims("ann"))
    event |= {"body": b64encode(b'{"content_id": "\xff"}').decode(), "isBase64Encoded": True}
    assert answer_of(ingest.handler(event, None))[0] == 400
    assert streamed() == []


# -- when the stream fails -------------------------------------------------------------------------


def test_a_failing_stream_is_answered_503_and_a_full_one_item_by_item(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("functions.stream.time.sleep", pauses.append)

    def take_only_a(**request: Any) -> Any:
        ids = [json.loads(record["Data"])["event_id"] for record in request["Records"]]
        taken, refused = {"SequenceNumber": "1", "ShardId": "0"}, {"ErrorCode": "slow down"}
        return {"Records": [taken if event_id == "a" else refused for event_id in ids]}

    monkeypatch.setattr(aws.kinesis(), "put_records", take_only_a)
    status, body, _ = post([interaction("a"), interaction("b")], form="interactions")
    assert (status, body["accepted"]) == (202, 1)
    assert [result["status"] for result in body["results"]] == ["accepted", "unavailable"]
    assert len(pauses) == stream.MAX_PUTS - 1

    def take_only_a_then_fail(**request: Any) -> Any:
        if len(request["Records"]) == 1:
            raise TimeoutError("no answer")
        return take_only_a(**request)

    monkeypatch.setattr(aws.kinesis(), "put_records", take_only_a_then_fail)
    status, body, _ = post([interaction("a"), interaction("b")], form="interactions")
    assert [result["status"] for result in body["results"]] == ["accepted", "unavailable"]

    def take_none(**request: Any) -> Any:
        return {"Records": [{"ErrorCode": "slow down"} for _ in request["Records"]]}

    monkeypatch.setattr(aws.kinesis(), "put_records", take_none)
    for form, sent in (("interaction", interaction("a")), ("interactions", [interaction("a")])):
        status, body, headers = post(sent, form=form)
        assert (status, headers["Retry-After"]) == (503, "2")
