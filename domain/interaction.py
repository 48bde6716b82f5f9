"""The only input: a learner's interaction with content, with its parsing and its limits.

`InteractionV1` is the contract as apps write it (JSON). `Interaction` is what the fold works on.
The event alone decides its local day: neither a clock nor stored data influences that decision.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, LiteralString, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from domain.days import day_number, microseconds, utc_day, zone_names, zone_of

FIRST_INSTANT = datetime(2000, 1, 2, tzinfo=UTC)
"""The earliest valid time. In every zone, its local day is 2000-01-01 or later."""
MAX_AHEAD = timedelta(minutes=5)
MAX_TIME_LENGTH = 40
MAX_ZONE_LENGTH = 64
MAX_SECONDS = 86_400
MAX_HUNDREDTHS = 10_000
"""A perfect score, in hundredths."""
MAX_ADDITIONAL_BYTES = 8 * 1024
MAX_ADDITIONAL_LEVELS = 5
NO_OFFSET = "+00:00"
"""The offset that says nothing about a learner's place."""
MIN_OFFSET = timedelta(hours=-12)
MAX_OFFSET = timedelta(hours=14)

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-5][0-9])"
)

_NO_TIME: Final = "must be an RFC 3339 time with an offset, such as 2026-11-24T09:30:00+01:00"

_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", re.ASCII)
"""The form of IANA names."""
_UNKNOWN_ZONE: Final = "unknown_timezone"

_EVENT_ID = r"[A-Za-z0-9_-]{1,64}"
_ID = r"[A-Za-z0-9_][A-Za-z0-9._:@+|-]{0,127}"
"""Learners and contents. It has the ids of edX, of identity providers (`auth0|abc`) and e-mail addresses."""

Kind = Literal["viewed", "answered", "completed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KIND_SPELLINGS: dict[str, Kind] = {
    **{kind: kind for kind in KINDS},
    "view": "viewed",
    "answer": "answered",
    "complete": "completed",
    "finish": "completed",
    "finished": "completed",
}


class Fault(NamedTuple):
    """One thing that is wrong. `field` is empty if the fault concerns the whole record."""

    field: str
    message: str


InvalidCode = Literal["malformed", "invalid", "too_early", "unknown_timezone"]


class InvalidInteraction(ValueError):
    """A record without a valid interaction.

    `code` is stable: `malformed` (not a JSON object) or `invalid` (at least one field is wrong). Two kinds of
    records can become valid, and have no other fault: `too_early` (a time more than five minutes ahead of the
    arrival) and `unknown_timezone` (a zone name that this release of the zones' rules lacks).
    """

    def __init__(self, code: InvalidCode, faults: tuple[Fault, ...]) -> None:
        self.code = code
        self.faults = faults
        super().__init__("; ".join(f"{f.field}: {f.message}" if f.field else f.message for f in faults))


class Interaction(NamedTuple):
    """A valid interaction, in the units that the fold adds up.

    Its identity is (user_id, UTC day of `at`, event_id). It does not depend on how time or zone are spelled.
    """

    event_id: str
    user_id: str
    content_id: str
    kind: Kind
    at: int
    """occurred_at, in microseconds since 1970 (UTC)."""
    day: int
    """The learner's local day, in days since 2000-01-01."""
    zone: str
    """The IANA name, or the offset (`+02:00`) if the event names no zone."""
    zone_named: bool
    score: int | None
    """Hundredths, 0 to 10,000."""
    seconds: int
    certification: str | None

    @property
    def digest(self) -> int:
        """The first 8 bytes of the event_id's SHA-256, stored by UTC day to recognise duplicates."""
        return digest_of(self.event_id)

    @property
    def utc_day(self) -> int:
        """The UTC day of the instant, in days since 2000-01-01."""
        return utc_day(self.at)


def digest_of(event_id: str) -> int:
    """Return the first 8 bytes of an event_id's SHA-256."""
    return int.from_bytes(sha256(event_id.encode()).digest()[:8])


def is_user_id(value: str) -> bool:
    """Return whether a learner can have this id."""
    return value != "me" and re.fullmatch(_ID, value, re.ASCII) is not None


def is_content_id(value: str) -> bool:
    """Return whether content can have this id."""
    return re.fullmatch(_ID, value, re.ASCII) is not None


def is_event_id(value: str) -> bool:
    """Return whether an interaction can have this id."""
    return re.fullmatch(_EVENT_ID, value, re.ASCII) is not None


def _kind(value: Any) -> Any:
    if isinstance(value, str) and (kind := KIND_SPELLINGS.get(value.lower())):
        return kind
    raise PydanticCustomError("interaction_type", f"must be {', '.join(KINDS[:-1])} or {KINDS[-1]}")


def _time(value: str) -> str:
    # fromisoformat alone accepts more than RFC 3339: week dates, and times without seconds or offset.
    if not _RFC3339.fullmatch(value):
        raise PydanticCustomError("occurred_at", _NO_TIME)
    return value


def _user(value: str) -> str:
    if value == "me":
        raise PydanticCustomError("user_id", "'me' stands for the caller and is not a learner's id")
    return value


def _zone(value: str) -> str:
    if value not in zone_names():
        # A later release of the zones' rules can know a name of this form.
        has_form = len(value) <= MAX_ZONE_LENGTH and _ZONE_NAME.fullmatch(value)
        kind: LiteralString = _UNKNOWN_ZONE if has_form else "timezone"
        raise PydanticCustomError(kind, "must be an IANA time zone name, such as Europe/Helsinki")
    return value


def _whole(value: Any) -> Any:
    """Accept 12.0 as 12, because JSON has one kind of number, and null as if the field were absent."""
    if value is None:
        return 0
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _levels(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_levels, value), default=0)
    return 0


def _additional(value: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
        levels = _levels(value)
    except (ValueError, RecursionError) as error:
        raise PydanticCustomError("additional_data", "must be plain JSON of at most 5 levels") from error
    if size > MAX_ADDITIONAL_BYTES:
        raise PydanticCustomError("additional_data", "must take at most 8192 bytes as JSON")
    if levels > MAX_ADDITIONAL_LEVELS:
        raise PydanticCustomError("additional_data", "must have at most 5 levels")
    return value


EventId = Annotated[
    str,
    Field(pattern=f"^{_EVENT_ID}$", description="Idempotency key, unique per learner and UTC day"),
]
UserId = Annotated[str, Field(pattern=f"^{_ID}$"), AfterValidator(_user)]
ContentId = Annotated[str, Field(pattern=f"^{_ID}$")]
CertificationCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS), BeforeValidator(_whole)]
OccurredAt = Annotated[
    str,
    Field(
        max_length=MAX_TIME_LENGTH,
        description="RFC 3339 with an offset; at most 5 minutes ahead",
        json_schema_extra={"format": "date-time"},
        examples=["2026-03-01T21:30:00+02:00"],
    ),
    AfterValidator(_time),
]
_ALSO_ACCEPTED = "Also accepted: view, answer, complete, finish and finished, in any case"


class _Fields(BaseModel):
    """The fields that both forms of an interaction have."""

    # Each function builds only the model that it uses.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    content_id: Annotated[ContentId, Field(examples=["saa-1-01"])]
    interaction_type: Annotated[Kind, BeforeValidator(_kind), Field(description=_ALSO_ACCEPTED)]
    timezone: Annotated[
        Annotated[str, AfterValidator(_zone)] | None,
        Field(description="IANA name. Decides the local day; without it, the offset of occurred_at does"),
    ] = None
    score: Annotated[
        Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None,
        Field(description="0 to 100; kept in hundredths", examples=[87.5]),
    ] = None
    time_spent: Annotated[Seconds, Field(description="Whole seconds")] = 0
    certification_type: Annotated[
        CertificationCode | None,
        Field(description="Selects one if the content belongs to several", examples=["SAA"]),
    ] = None
    session_id: Annotated[str, Field(max_length=128)] | None = None
    additional_data: Annotated[
        Annotated[dict[str, Any], AfterValidator(_additional)] | None,
        Field(description="At most 8 KiB as JSON, and 5 levels"),
    ] = None


class InteractionV1(_Fields):
    """Version 1 of the contract: the `detail` of a bus event, or the data of a stream record."""

    event_id: EventId
    user_id: UserId
    occurred_at: OccurredAt


class PostedInteractionV1(_Fields):
    """Version 1 as apps post it. The API fills in the fields that the caller leaves out."""

    event_id: Annotated[
        EventId | None,
        Field(description="Default: derived from the interaction, or new if occurred_at is absent too"),
    ] = None
    user_id: Annotated[UserId | None, Field(description="Default: the learner in the path")] = None
    occurred_at: Annotated[
        OccurredAt | None, Field(description="Default: now. Required if there is an event_id")
    ] = None


def has_content(fields: Mapping[str, Any]) -> bool:
    """Return whether a JSON object of the stream has what only interactions have. Null is as good as absent.

    A table of all kinds of events has null in the columns that the other kinds do not have.
    """
    return fields.get("content_id") is not None or fields.get("interaction_type") is not None


def parse(fields: dict[str, Any], arrived_at: datetime) -> Interaction:
    """Return the interaction with these fields. Raise InvalidInteraction with every fault in them."""
    try:
        record = InteractionV1.model_validate(fields)
    except ValidationError as error:
        if [detail["type"] for detail in error.errors()] == [_UNKNOWN_ZONE]:
            raise _unknown_zone(fields, arrived_at, faults_of(error)) from error
        raise InvalidInteraction("invalid", faults_of(error)) from error
    return _place_in_time(record, arrived_at)


def _unknown_zone(
    fields: dict[str, Any], arrived_at: datetime, faults: tuple[Fault, ...]
) -> InvalidInteraction:
    """Return the error of an interaction with an unknown zone, with the faults that its time has besides."""
    try:
        parse({**fields, "timezone": None}, arrived_at)
    except InvalidInteraction as other:
        code: InvalidCode = "invalid" if other.code == "invalid" else "unknown_timezone"
        return InvalidInteraction(code, (*faults, *other.faults))
    return InvalidInteraction("unknown_timezone", faults)


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Return the faults that a model found."""
    return tuple(
        Fault(str(detail["loc"][0]) if detail["loc"] else "", detail["msg"])
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    )


def occurred(occurred_at: str, arrived_at: datetime) -> datetime:
    """Return the time in an RFC 3339 text. Raise InvalidInteraction if no event can have it."""
    moment = _moment(occurred_at.upper())
    offset = moment.utcoffset() or timedelta()
    if not MIN_OFFSET <= offset <= MAX_OFFSET:
        raise _invalid_time("must have an offset from -12:00 to +14:00")
    if moment < FIRST_INSTANT:
        raise _invalid_time("must be at 2000-01-02T00:00:00Z or later")
    if moment - arrived_at > MAX_AHEAD:
        raise _invalid_time("must be at most 5 minutes ahead of its arrival", "too_early")
    return moment


def time_in(text: str) -> datetime:
    """Return the time in an occurred_at, however far ahead. Raise InvalidInteraction if it is none."""
    if len(text) > MAX_TIME_LENGTH or not _RFC3339.fullmatch(text):
        raise _invalid_time(_NO_TIME)
    return occurred(text, datetime.max.replace(tzinfo=UTC))


def _place_in_time(record: InteractionV1, arrived_at: datetime) -> Interaction:
    moment = occurred(record.occurred_at, arrived_at)
    local = moment.astimezone(zone_of(record.timezone)) if record.timezone else moment
    return Interaction(
        event_id=record.event_id,
        user_id=record.user_id,
        content_id=record.content_id,
        kind=record.interaction_type,
        at=microseconds(moment),
        day=day_number(local),
        zone=record.timezone or f"{moment:%:z}",
        zone_named=record.timezone is not None,
        score=None if record.score is None else hundredths(record.score),
        seconds=record.time_spent,
        certification=record.certification_type,
    )


def hundredths(score: float) -> int:
    """Return a score in hundredths. Only a score of exactly 100 is perfect."""
    return min(round(score * 100), MAX_HUNDREDTHS - (score < 100))


def _moment(text: str) -> datetime:
    """Return the time in an RFC 3339 text. A leap second is the last microsecond of its UTC minute."""
    leap = text[17:19] == "60"
    if leap:
        text = f"{text[:17]}59.999999{text[19:].lstrip('.0123456789')}"
    try:
        moment = datetime.fromisoformat(text)
        in_utc = moment.astimezone(UTC) if leap else moment
    except (ValueError, OverflowError) as error:
        raise _invalid_time(f"is not a time: {error}") from error
    if leap and f"{in_utc:%H:%M}" != "23:59":
        raise _invalid_time("can have the second 60 only at 23:59:60 UTC")
    return moment


def _invalid_time(message: str, code: InvalidCode = "invalid") -> InvalidInteraction:
    return InvalidInteraction(code, (Fault("occurred_at", message),))
