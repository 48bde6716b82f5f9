"""The events that Streakline publishes on the bus. Their JSON Schemas are generated from these models."""

from datetime import datetime
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.achievements import COMPLETE_CERTIFICATION, Award
from domain.days import instant
from domain.interaction import CertificationCode, UserId


class AchievementEarned(BaseModel):
    """`achievement.earned`, version 1: a learner has earned an achievement and keeps it."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    event_id: str = Field(description="The same at every delivery: ignore an id that you have seen before")
    user_id: UserId
    achievement_id: str
    achievement_type: str
    title: str
    description: str
    badge_icon: str
    points: int = Field(ge=0)
    certification_type: CertificationCode | None = Field(description="The certification it is about, if any")
    earned_at: datetime = Field(description="When the interaction occurred that earned it")


class CertificationCompleted(BaseModel):
    """`certification.completed`, version 1: a learner has completed all content of a certification."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    event_id: str = Field(description="The same at every delivery: ignore an id that you have seen before")
    user_id: UserId
    certification_type: CertificationCode
    completed_at: datetime = Field(description="When the interaction occurred that completed it")


class LearnerErased(BaseModel):
    """`learner.erased`, version 1: a learner was erased. Erase what you keep about them, too."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    event_id: str = Field(description="The same at every delivery: ignore an id that you have seen before")
    user_id: UserId
    erased_at: datetime = Field(description="Nothing that occurred before counts any more")


type Announcement = AchievementEarned | CertificationCompleted | LearnerErased

DETAIL_TYPES: dict[type[BaseModel], str] = {
    AchievementEarned: "achievement.earned",
    CertificationCompleted: "certification.completed",
    LearnerErased: "learner.erased",
}


def announcements(user_id: str, award: Award) -> list[Announcement]:
    """Return the announcements of an award. They are the same at each call."""
    earned = AchievementEarned(
        event_id=_event_id("achievement.earned", user_id, award.achievement_id),
        user_id=user_id,
        **{**award._asdict(), "earned_at": instant(award.earned_at)},
    )
    code = award.certification_type
    if code is None or award.achievement_id != COMPLETE_CERTIFICATION.of(code).id:
        return [earned]
    completed = CertificationCompleted(
        event_id=_event_id("certification.completed", user_id, code),
        user_id=user_id,
        certification_type=code,
        completed_at=instant(award.earned_at),
    )
    return [earned, completed]


def learner_erased(user_id: str, erased_at: datetime) -> LearnerErased:
    """Return the announcement of an erasure. It is the same at each call."""
    event_id = _event_id("learner.erased", user_id, erased_at.isoformat())
    return LearnerErased(event_id=event_id, user_id=user_id, erased_at=erased_at)


def _event_id(*identity: str) -> str:
    return sha256("#".join(identity).encode()).hexdigest()[:32]
