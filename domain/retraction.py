"""Retractions: the contract of `interaction.retracted`, and its parsing.

A retraction takes back an interaction or an exam's result that should not count: it was entered by mistake,
or an attempt was graded again. It has the identity of what it takes back.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from domain.days import day_number, microseconds, start_of, utc_day
from domain.interaction import (
    FIRST_INSTANT,
    MAX_AHEAD,
    EventId,
    Fault,
    InvalidInteraction,
    UserId,
    digest_of,
    faults_of,
    has_content,
)


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text or day < FIRST_INSTANT.date():
        raise ValueError(f"must be a date as in 2026-11-22, at the earliest {FIRST_INSTANT.date()}")
    return text


UtcDate = Annotated[
    str,
    Field(json_schema_extra={"format": "date"}, examples=["2026-11-22"]),
    AfterValidator(_day),
]


class InteractionRetractedV1(BaseModel):
    """Version 1 of `interaction.retracted`: the `detail` of a bus event, or the data of a stream record."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    event_id: Annotated[EventId, Field(description="The event_id of what is taken back")]
    user_id: UserId
    retracted_on: Annotated[
        UtcDate, Field(description="The UTC day on which the event that is taken back occurred")
    ]


class Retraction(NamedTuple):
    """A valid retraction. Its identity (user_id, UTC day, event_id) is that of the event it takes back."""

    event_id: str
    user_id: str
    utc_day: int
    """The UTC day of what is taken back, in days since 2000-01-01."""

    @property
    def digest(self) -> int:
        """The first 8 bytes of the event_id's SHA-256."""
        return digest_of(self.event_id)

    @property
    def at(self) -> int:
        """The beginning of the UTC day, in microseconds since 1970. A retraction has no time of its own."""
        return start_of(self.utc_day)


def is_retraction(fields: Mapping[str, Any]) -> bool:
    """Return whether a JSON object of the stream is a retraction.

    The bus passes on the detail of an event without its type, so the fields decide.
    """
    return fields.get("retracted_on") is not None and not has_content(fields)


def parse_retraction(fields: dict[str, Any], arrived_at: datetime) -> Retraction:
    """Return the retraction with these fields. Raise InvalidInteraction with every fault in them."""
    try:
        record = InteractionRetractedV1.model_validate(fields)
    except ValidationError as error:
        raise InvalidInteraction("invalid", faults_of(error)) from error
    number = day_number(date.fromisoformat(record.retracted_on))
    if number > utc_day(microseconds(arrived_at + MAX_AHEAD)):
        raise InvalidInteraction("too_early", (Fault("retracted_on", "must not be after its arrival"),))
    return Retraction(record.event_id, record.user_id, number)
