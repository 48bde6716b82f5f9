"""What is said on the bus: the same at each delivery, and as the published schemas say."""

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
    [said] = announcements("ann", AWARD)
    assert isinstance(said, AchievementEarned)
    assert (said.version, said.user_id, said.achievement_id, said.points) == (1, "ann", "streak-7", 70)
    assert said.earned_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_completed_certification_is_announced_besides() -> None:
    earned, completed = announcements("ann", ALL_OF_SAA)
    assert isinstance(earned, AchievementEarned)
    assert isinstance(completed, CertificationCompleted)
    assert (completed.certification_type, completed.completed_at) == ("SAA", earned.earned_at)
    assert earned.event_id != completed.event_id


def test_each_delivery_says_the_same_and_each_award_something_else() -> None:
    assert announcements("ann", ALL_OF_SAA) == announcements("ann", ALL_OF_SAA)
    others = [("bob", AWARD), ("ann", AWARD), ("ann", AWARD._replace(achievement_id="streak-14"))]
    ids = [said.event_id for user, award in others for said in announcements(user, award)]
    assert len(set(ids)) == len(others)


@pytest.mark.parametrize("name", MODELS)
def test_a_published_schema_is_the_one_that_its_model_makes(name: str) -> None:
    published = Path(SCHEMAS / f"{name}.v1.json").read_text("utf-8")
    assert published == schema(MODELS[name]), "run: python -m cli.schemas"


@pytest.mark.parametrize("name", MODELS)
def test_a_published_schema_says_what_is_required_and_what_each_field_means(name: str) -> None:
    document = json.loads(schema(MODELS[name]))
    assert document["type"] == "object"
    assert {"event_id", "user_id"} <= set(document["required"])


def test_nothing_else_is_published() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {f"{name}.v1.json" for name in MODELS}
