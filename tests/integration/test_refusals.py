"""Refused records: bad ones and those that a full state can't take go to quarantine."""

import json
from base64 import b64decode
from typing import Any

import boto3
import pytest

from functions import items
from tests.faults import client_error, refuse_writes
from tests.integration.conftest import (
    ARRIVAL,
    BUCKET,
    World,
    interaction,
)

# -- bad records -----------------------------------------------------------------------------------

LIMITS: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    "text that is not JSON": (b"{", "malformed", ""),
    "an empty record": (b"", "malformed", ""),
    "JSON that is not an object": (b"[1]", "malformed", ""),
    "null": (b"null", "malformed", ""),
    "a NaN": (b'{"event_id": "x", "score": NaN}', "malformed", ""),
    "an infinity": (b'{"event_id": "x", "score": Infinity}', "malformed", ""),
    "a lone surrogate": (
        json.dumps(interaction("x", session_id="?")).replace("?", "\\ud800").encode(),
        "malformed",
        "",
    ),
    "binary data": (bytes(range(256)), "malformed", ""),
    "a score over 100": (interaction("x", score=100.01), "invalid", "score"),
    "a negative score": (interaction("x", score=-0.01), "invalid", "score"),
    "a score that is a string": (interaction("x", score="80"), "invalid", "score"),
    "a time without an offset": (
        interaction("x", occurred_at="2026-03-01T09:00:00"),
        "invalid",
        "occurred_at",
    ),
    "a time in the year 9999": (
        interaction("x", occurred_at="9999-12-31T23:59:59Z"),
        "too_early",
        "occurred_at",
    ),
    "a time in the year 1970": (
        interaction("x", occurred_at="1970-01-01T00:00:00Z"),
        "invalid",
        "occurred_at",
    ),
    "an offset of +15:00": (
        interaction("x", occurred_at="2026-03-01T09:00:00+15:00"),
        "invalid",
        "occurred_at",
    ),
    "a time six minutes ahead": (
        interaction("x", occurred_at="2026-03-02T12:06:00Z"),
        "too_early",
        "occurred_at",
    ),
    "300 KB of additional data": (
        interaction("x", additional_data={"text": "x" * 300_000}),
        "invalid",
        "additional_data",
    ),
    "six levels of additional data": (
        interaction("x", additional_data={"1": {"2": {"3": {"4": {"5": {}}}}}}),
        "invalid",
        "additional_data",
    ),
    "# in the event_id": (interaction("a#b"), "invalid", "event_id"),
    "# in the user_id": (interaction("x", user_id="a#b"), "invalid", "user_id"),
    "# in the content_id": (interaction("x", content_id="a#b"), "invalid", "content_id"),
    "a user_id of me": (interaction("x", user_id="me"), "invalid", "user_id"),
    "no event_id": (interaction(None), "invalid", "event_id"),
    "an unknown type": (interaction("x", interaction_type="liked"), "invalid", "interaction_type"),
    "an unknown time zone": (interaction("x", timezone="Mars/Olympus"), "unknown_timezone", "timezone"),
    "a time_spent of more than a day": (interaction("x", time_spent=86_401), "invalid", "time_spent"),
    "a session_id of 129 characters": (interaction("x", session_id="s" * 129), "invalid", "session_id"),
    "unknown content": (interaction("x", content_id="unheard-of"), "unknown_content", ""),
    "content of another certification": (
        interaction("x", certification_type="DVA"),
        "unknown_certification",
        "",
    ),
    "an unknown certification": (interaction("x", certification_type="XYZ"), "unknown_certification", ""),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_bad_record_goes_to_quarantine_and_its_neighbours_are_applied(world: World, limit: str) -> None:
    bad, code, field = LIMITS[limit]
    payload = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    outcome = world.project(interaction("before"), bad, interaction("after", user_id="bob"))
    assert (outcome.applied, outcome.duplicates) == (2, 0)
    [message] = world.quarantined()
    assert message["code"] == code
    assert message["reason"]
    if field:
        assert message["reason"].startswith(f"{field}: ")
        assert [fault["field"] for fault in message["faults"]] == [field]
    assert message["position"] == {"shard": "shardId-000000000000", "sequence_number": "2"}
    assert message["door"] == "stream"
    assert message["arrived_at"] == ARRIVAL.isoformat()
    if "payload" in message:
        assert b64decode(message["payload"]) == payload
    else:
        stored = boto3.client("s3").get_object(Bucket=BUCKET, Key=message["payload_s3"]["key"])
        assert stored["Body"].read() == payload
    assert {pk for pk, sk in world.items() if sk == "STATE"} == {"USER#ann", "USER#bob"}
    for user_id in ("ann", "bob"):
        learner = world.store.read_state(user_id)
        assert learner is not None
        assert learner.total.interactions == 1


def test_one_bad_record_among_a_hundred_causes_no_retry(world: World) -> None:
    batch: list[Any] = [interaction(f"e{n}", user_id=f"learner-{n % 7}") for n in range(99)]
    batch.insert(50, b"\xff\xfe")
    assert world.project(*batch).applied == 99
    assert [message["code"] for message in world.quarantined()] == ["malformed"]
    applied = [world.store.read_state(f"learner-{n}") for n in range(7)]
    assert sum(learner.total.interactions for learner in applied if learner) == 99


def test_a_binary_record_of_a_mebibyte_is_stored_in_the_bucket(world: World) -> None:
    payload = bytes(range(256)) * 4096
    world.project(payload)
    [message] = world.quarantined()
    stored = boto3.client("s3").get_object(Bucket=BUCKET, Key=message["payload_s3"]["key"])
    assert stored["Body"].read() == payload


# -- full states -----------------------------------------------------------------------------------


def test_a_full_day_refuses_new_interactions_and_blocks_no_other_learner(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A real day is full at about 51,000 digests. The end-to-end tests fill one on the deployed stack.
    monkeypatch.setattr(items, "MAX_ITEM_BYTES", 8 * 1024)
    ids = [f"e{n}" for n in range(1_200)]
    outcome = world.project(*map(interaction, ids), interaction("x", user_id="bob"))
    assert {(record.code, record.reason) for record in outcome.quarantined} == {
        ("state_full", "the learner's state or this day is full")
    }
    refused = {record.position.sequence_number for record in outcome.quarantined}
    assert len(refused) == len(outcome.quarantined), "each record once"
    learner = world.store.read_state("ann")
    assert learner is not None
    assert learner.total.interactions == outcome.applied - 1
    assert 800 < learner.total.interactions < 1_024
    assert outcome.applied + len(outcome.quarantined) == 1_201
    assert world.store.read_state("bob") is not None

    again = world.project(*map(interaction, ids))
    assert (again.applied, again.duplicates) == (0, learner.total.interactions)
    next_day = world.project(interaction("y", occurred_at="2026-03-02T09:00:00+02:00"))
    assert next_day.applied == 1, "the full day closes and leaves the state"


def test_a_full_closed_day_still_recognises_its_duplicates(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MAX_ITEM_BYTES", 8 * 1024)
    ids = [f"e{n}" for n in range(1_200)]
    applied = world.project(*map(interaction, ids)).applied
    world.project(interaction("next", occurred_at="2026-03-02T09:00:00+02:00"))
    closed = world.item("ann", "DAY#2026-03-01")
    # A closed day has more room than the state, so it takes some of the refused interactions.
    outcome = world.project(*map(interaction, ids))
    assert outcome.duplicates == applied
    assert outcome.applied + len(outcome.quarantined) == 1_200 - applied
    full = world.project(*map(interaction, ids))
    assert (full.applied, full.duplicates) == (0, applied + outcome.applied)
    assert len(full.quarantined) == len(outcome.quarantined) > 0
    assert closed != world.item("ann", "DAY#2026-03-01")


def test_a_change_that_dynamodb_itself_finds_too_large_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "Item size has exceeded the maximum allowed size"
    refuse_writes(monkeypatch, client_error("ValidationException", "PutItem", message), times=10)
    outcome = world.project(interaction("a"), interaction("b"))
    assert outcome.applied == 0
    assert [record.code for record in outcome.quarantined] == ["state_full", "state_full"]
