"""The events on the bus: the same at each delivery, and as the published schemas describe them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.schemas import MODELS, SCHEMAS, schema
from domain.achievements import Award
from domain.announcements import AchievementEarned, CertificationCompleted, announcements

AWARD = Award("streak-7", "streak", "7 Day Streak", "Study 7 days in a row", "🔥", 70, 1_772_366_400_000_000)
ALL_OF_SAA = AWARD._replace(achievement_id="SAA:all", certification_type="SAA")


def test_an_award_is_announced_as_earned() -> None:
    [earned] = announcements("ann", AWARD)
    assert isinstance(earned, AchievementEarned)
    assert (earned.version, earned.user_id) == (1, "ann")
    expected = {**AWARD._asdict(), "earned_at": datetime(2026, 3, 1, 12, tzinfo=UTC)}
    assert earned.model_dump(include=set(expected)) == expected


def test_completing_a_certification_is_announced_separately() -> None:
    earned, completed = announcements("ann", ALL_OF_SAA)
    assert isinstance(earned, AchievementEarned)
    assert isinstance(completed, CertificationCompleted)
    assert (completed.certification_type, completed.completed_at) == ("SAA", earned.earned_at)
    assert earned.event_id != completed.event_id


def test_an_announcement_is_the_same_at_every_delivery_and_unique_to_its_award() -> None:
    assert announcements("ann", ALL_OF_SAA) == announcements("ann", ALL_OF_SAA)
    others = [("bob", AWARD), ("ann", AWARD), ("ann", AWARD._replace(achievement_id="streak-14"))]
    ids = [published.event_id for user, award in others for published in announcements(user, award)]
    assert len(set(ids)) == len(others)


@pytest.mark.parametrize("name", MODELS)
def test_a_published_schema_matches_its_model(name: str) -> None:
    published = Path(SCHEMAS / f"{name}.v1.json").read_text("utf-8")
    assert published == schema(MODELS[name]), "run: python -m cli.schemas"


REQUIRED = {
    "interaction.recorded": {"event_id", "user_id", "content_id", "interaction_type", "occurred_at"},
    "exam.taken": {"event_id", "user_id", "certification_type", "occurred_at", "passed"},
    "interaction.retracted": {"event_id", "user_id", "retracted_on"},
    "achievement.earned": {"event_id", "user_id", "achievement_id", "points", "earned_at"},
    "certification.completed": {"event_id", "user_id", "certification_type", "completed_at"},
    "learner.erased": {"event_id", "user_id", "erased_at"},
    "content.metadata": {"content_id", "certification_type"},
}


@pytest.mark.parametrize("name", MODELS)
def test_a_published_schema_requires_the_fields_that_consumers_rely_on(name: str) -> None:
    document = json.loads(schema(MODELS[name]))
    assert document["type"] == "object"
    assert document["description"]
    assert REQUIRED[name] <= set(document["required"]) <= set(document["properties"])


def test_every_published_schema_belongs_to_a_model() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {f"{name}.v1.json" for name in MODELS}
