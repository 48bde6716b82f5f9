"""Results of real exams: the contract of `exam.taken`, its parsing, and how a learner's results are kept.

A result is no study: it counts in no sum, study day, achievement or zone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.days import microseconds, utc_day
from domain.interaction import (
    CertificationCode,
    EventId,
    InvalidInteraction,
    OccurredAt,
    UserId,
    digest_of,
    faults_of,
    has_content,
    hundredths,
    occurred,
)


class _Fields(BaseModel):
    """The fields that both forms of a result have."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    certification_type: Annotated[CertificationCode, Field(examples=["SAA"])]
    passed: bool
    score: Annotated[
        Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None,
        Field(description="Per cent, 0 to 100; kept in hundredths", examples=[78.5]),
    ] = None


class ExamTakenV1(_Fields):
    """Version 1 of `exam.taken`: the `detail` of a bus event, or the data of a stream record."""

    event_id: EventId
    user_id: UserId
    occurred_at: OccurredAt


class PostedExamTakenV1(_Fields):
    """Version 1 of `exam.taken` as apps post it. The API fills in the fields that the caller leaves out."""

    event_id: Annotated[
        EventId | None, Field(description="Default: derived from the result, or new if occurred_at is absent")
    ] = None
    user_id: Annotated[UserId | None, Field(description="Default: the learner in the path")] = None
    occurred_at: Annotated[
        OccurredAt | None, Field(description="Default: now. Required if there is an event_id")
    ] = None


class ExamResult(NamedTuple):
    """A valid `exam.taken`. Its identity is that of an interaction: (user_id, UTC day of `at`, event_id)."""

    event_id: str
    user_id: str
    certification: str
    at: int
    """occurred_at, in microseconds since 1970 (UTC)."""
    passed: bool
    score: int | None
    """Hundredths, 0 to 10,000."""

    @property
    def digest(self) -> int:
        """The first 8 bytes of the event_id's SHA-256, stored by UTC day to recognise duplicates."""
        return digest_of(self.event_id)

    @property
    def utc_day(self) -> int:
        """The UTC day of the instant, in days since 2000-01-01."""
        return utc_day(self.at)


class Exam(NamedTuple):
    """A result as it is kept with the learner. Exams are in order of time; equal ones are all kept."""

    at: int
    """Microseconds since 1970 (UTC)."""
    passed: bool
    score: int
    """Hundredths; -1 if unknown, so that exams have an order."""
    unknown: tuple[int, ...] = ()
    """Numbers that a later release added. This one writes them back as they are."""


type Exams = Mapping[str, tuple[Exam, ...]]
"""The results of one learner by certification, the oldest first."""


def is_exam(fields: Mapping[str, Any]) -> bool:
    """Return whether a JSON object of the stream is an exam's result rather than an interaction.

    The bus passes on the detail of an event without its type, so the fields decide: a result has `passed`,
    and neither `content_id` nor `interaction_type`. It is no retraction in spite of `passed` if that is null.
    """
    if "passed" not in fields or has_content(fields):
        return False
    return fields["passed"] is not None or fields.get("retracted_on") is None


def parse_exam(fields: dict[str, Any], arrived_at: datetime) -> ExamResult:
    """Return the result with these fields. Raise InvalidInteraction with every fault in them."""
    try:
        record = ExamTakenV1.model_validate(fields)
    except ValidationError as error:
        raise InvalidInteraction("invalid", faults_of(error)) from error
    return ExamResult(
        event_id=record.event_id,
        user_id=record.user_id,
        certification=record.certification_type,
        at=microseconds(occurred(record.occurred_at, arrived_at)),
        passed=record.passed,
        score=None if record.score is None else hundredths(record.score),
    )


def with_results(exams: Exams, results: Sequence[ExamResult]) -> Exams:
    """Return a learner's exams with these results added. Their order does not matter."""
    added = dict(exams)
    for result in results:
        exam = Exam(result.at, result.passed, -1 if result.score is None else result.score)
        added[result.certification] = tuple(sorted((*added.get(result.certification, ()), exam)))
    return added
