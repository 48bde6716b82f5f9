"""What became of an event: `GET /progress/{user_id}/interactions/{event_id}`."""

from datetime import timedelta
from typing import Any

import pytest

from domain.catalog import ContentMetadata
from functions import aws, project, read
from functions.catalog import CatalogWriter
from functions.refusals import KEPT, MAX_WRITES
from tests.integration.conftest import ARRIVAL, VIEWS, Context, World, interaction, stream_event
from tests.integration.http_events import Answer, Claims, answer_of, claims, faulty_fields, http_event, post
from tests.integration.template import template

TIME = "2026-03-01T09:00:00+02:00"


def consume(*interactions: dict[str, Any] | bytes, first: int = 1) -> None:
    project.handler(stream_event(*interactions, first=first), Context())


def ask(event_id: str, occurred_at: str = TIME, who: Claims | None = None, user: str = "me") -> Answer:
    path, query = f"/progress/{user}/interactions/{event_id}", {"occurred_at": occurred_at}
    return answer_of(read.handler(http_event("GET", path, who=who or claims("ann"), query=query), None))


def refusals(world: World) -> dict[tuple[str, str], Any]:
    return {key: item for key, item in world.items().items() if key[0].startswith("REFUSED#")}


def test_an_event_is_not_seen_before_it_is_applied(world: World) -> None:
    unknown: dict[str, Any] = {
        "event_id": "a",
        "status": "not_seen",
        "code": None,
        "reason": None,
        "achievements": [],
    }
    assert ask("a")[:2] == (200, unknown)
    consume(interaction("a"))
    assert ask("a")[1]["status"] == "applied"
    assert ask("b")[1]["status"] == "not_seen"


def test_an_app_can_tell_the_badge_that_a_post_has_earned(world: World) -> None:
    accepted = post({"content_id": "dva-1", "interaction_type": "completed"})[1]
    posted = interaction(accepted["event_id"], content_id="dva-1", interaction_type="completed", score=None)
    consume(posted | {"occurred_at": accepted["occurred_at"]}, interaction("b"))
    found = ask(accepted["event_id"], accepted["occurred_at"])[1]
    assert found["status"] == "applied"
    earned = {achievement["achievement_id"] for achievement in found["achievements"]}
    assert any("DVA" in name for name in earned), found
    assert ask("b")[1]["achievements"] == []


def test_a_refused_event_says_why(world: World) -> None:
    consume(interaction("a", score=101), interaction("b", content_id="nowhere"))
    status, found, _ = ask("a")
    assert (status, found["status"], found["code"]) == (200, "quarantined", "invalid")
    assert "score" in found["reason"]
    assert ask("b")[1]["code"] == "unknown_content"


def test_an_event_that_is_redriven_is_applied(world: World) -> None:
    waiting = interaction("a", content_id="later-1")
    consume(waiting)
    assert ask("a")[1]["status"] == "quarantined"
    CatalogWriter(world.store).update({"SAA": [ContentMetadata("later-1", "Storage")]}, 1)
    consume(waiting, first=2)
    assert ask("a")[1] == {
        "event_id": "a",
        "status": "applied",
        "code": None,
        "reason": None,
        "achievements": ask("a")[1]["achievements"],
    }


def test_an_id_is_of_a_utc_day(world: World) -> None:
    consume(interaction("a"), interaction("a", occurred_at="2026-02-27T09:00:00+02:00", score=-1))
    assert ask("a")[1]["status"] == "applied"
    assert ask("a", "2026-02-27T23:59:59Z")[1]["status"] == "quarantined"
    assert ask("a", "2026-02-26T09:00:00Z")[1]["status"] == "not_seen"
    assert ask("a", "2026-03-01T10:00:00 02:00")[1]["status"] == "applied", "a plus sign that was not encoded"


def test_an_event_on_an_earlier_day_is_found(world: World) -> None:
    for day in ("2026-02-20", "2026-02-24", "2026-03-01"):
        consume(interaction(f"on-{day}", occurred_at=f"{day}T12:00:00Z"))
    for day in ("2026-02-20", "2026-02-24", "2026-03-01"):
        assert ask(f"on-{day}", f"{day}T12:00:00Z")[1]["status"] == "applied"


def test_an_event_without_a_readable_time_is_found_by_its_id(world: World) -> None:
    consume(interaction("a", occurred_at="yesterday"))
    assert ask("a", "2026-02-28T00:00:00Z")[1]["code"] == "invalid"


def test_a_learner_whose_only_event_was_refused_is_told_and_so_is_an_admin(world: World) -> None:
    consume(interaction("a", score=101))
    assert ask("a")[1]["status"] == "quarantined"
    for group in ("admins", "instructors"):
        assert ask("a", who=claims("ada", group), user="ann")[1]["status"] == "quarantined"
        assert ask("b", who=claims("ada", group), user="ann")[0] == 404


def test_nobody_else_is_told_anything(world: World) -> None:
    consume(interaction("a"), interaction("b", score=101))
    for event_id in ("a", "b", "c"):
        assert ask(event_id, who=claims("eve"), user="ann")[0] == 404
        assert ask(event_id, who=claims("eve"))[1]["status"] == "not_seen"


@pytest.mark.parametrize("occurred_at", ["", "yesterday", "2026-03-01", "2026-02-30T00:00:00Z", "x" * 41])
def test_a_time_that_is_none_is_answered_400(world: World, occurred_at: str) -> None:
    answer = ask("a", occurred_at)
    assert (answer[0], faulty_fields(answer)) == (400, {"occurred_at"})


@pytest.mark.parametrize("event_id", ["e 1", "a/b", "..", "%61", "é", "x" * 65])
def test_an_id_that_no_event_can_have_is_answered_400(world: World, event_id: str) -> None:
    answer = ask(event_id)
    assert (answer[0], faulty_fields(answer)) == (400, {"event_id"})


def test_a_refusal_is_kept_as_long_as_the_quarantine_keeps_the_record(world: World) -> None:
    consume(interaction("a", score=101), b"not JSON")
    [item] = refusals(world).values()
    assert item["expires_at"] == {"N": str(int((ARRIVAL + KEPT).timestamp()))}
    resources = template()["Resources"]
    assert resources["Quarantine"]["Properties"]["MessageRetentionPeriod"] == KEPT / timedelta(seconds=1)
    expiry = resources["ViewsTable"]["Properties"]["TimeToLiveSpecification"]
    assert expiry == {"AttributeName": "expires_at", "Enabled": True}


def test_many_refusals_are_noted_once_each_in_few_calls(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    consume(*(interaction(f"e{n % 30}", score=101) for n in range(60)))
    assert len(refusals(world)) == 30
    assert world.operations().count("BatchWriteItem") == -(-30 // MAX_WRITES)


def test_refusals_that_dynamodb_leaves_unwritten_are_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = aws.dynamodb().batch_write_item, []
    monkeypatch.setattr("functions.refusals.time.sleep", lambda _: None)

    def half(RequestItems: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            return {"UnprocessedItems": RequestItems}
        return write(RequestItems=RequestItems)

    monkeypatch.setattr(aws.dynamodb(), "batch_write_item", half)
    consume(interaction("a", score=101))
    assert ask("a")[1]["status"] == "quarantined"
    monkeypatch.setattr(
        aws.dynamodb(), "batch_write_item", lambda RequestItems: {"UnprocessedItems": RequestItems}
    )
    world.quarantined()
    with pytest.raises(TimeoutError, match="left 1 refusals unwritten"):
        consume(interaction("b", score=101), interaction("c"), first=9)
    assert len(world.quarantined()) == 1, "what is noted is in quarantine, so the note comes second"
    assert ask("c")[1]["status"] == "applied"


def test_refusals_are_in_no_view(world: World) -> None:
    consume(interaction("a"))
    before = world.store.read("ann", 0)
    consume(interaction("b", score=101), first=2)
    assert world.store.read("ann", 0) == before
    assert aws.dynamodb().describe_table(TableName=VIEWS)["Table"]["ItemCount"] == len(world.items())
