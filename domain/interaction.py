"""The one input: a learner's interaction with content, its parsing and its limits.

`InteractionV1` is the contract as apps write it (JSON); `Interaction` is what the fold works on.
The event alone decides its local day: neither a clock nor anything stored enters that decision.
"""

import json
import re
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import PydanticCustomError, from_json

FIRST_DAY = date(2000, 1, 1)
MAX_AHEAD = timedelta(minutes=5)
MAX_SECONDS = 86_400
MAX_ADDITIONAL_BYTES = 8 * 1024
MAX_ADDITIONAL_LEVELS = 5
MIN_OFFSET = timedelta(hours=-12)
MAX_OFFSET = timedelta(hours=14)

_FIRST_ORDINAL = FIRST_DAY.toordinal()
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-5][0-9])"
)

_ID = r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}"

Kind = Literal["viewed", "answered", "completed"]
_KINDS: dict[str, Kind] = {
    "view": "viewed",
    "viewed": "viewed",
    "answer": "answered",
    "answered": "answered",
    "complete": "completed",
    "completed": "completed",
    "finish": "completed",
    "finished": "completed",
}


class Fault(NamedTuple):
    """What is wrong with one field; `field` is empty where the fault is of the whole record."""

    field: str
    message: str


class InvalidInteraction(ValueError):
    """A record that no retry can make valid.

    `code` is stable: `malformed` (no JSON object) or `invalid` (some field is at fault).
    """

    def __init__(self, code: Literal["malformed", "invalid"], faults: tuple[Fault, ...]) -> None:
        self.code = code
        self.faults = faults
        super().__init__("; ".join(f"{f.field}: {f.message}" if f.field else f.message for f in faults))


class Interaction(NamedTuple):
    """A valid interaction, in the units that the fold adds up.

    Its identity is (user_id, day, event_id).
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
    """IANA name, or the offset (`+02:00`) where no zone is named."""
    zone_named: bool
    score: int | None
    """Hundredths, 0 to 10,000."""
    seconds: int
    certification: str | None

    @property
    def digest(self) -> int:
        """First 8 bytes of the event_id's SHA-256: what a day's bucket remembers of it."""
        return int.from_bytes(sha256(self.event_id.encode()).digest()[:8])


def is_user_id(value: str) -> bool:
    """Whether this can name a learner."""
    return value != "me" and re.fullmatch(_ID, value, re.ASCII) is not None


def day_number(day: date) -> int:
    """Days since 2000-01-01."""
    return day.toordinal() - _FIRST_ORDINAL


def day_date(number: int) -> date:
    """The date that `day_number` numbers."""
    return date.fromordinal(number + _FIRST_ORDINAL)


@lru_cache(maxsize=20_000)
def day_text(number: int) -> str:
    """The date of a day number, as `2026-03-01`. A calendar shows the same ones again and again."""
    return day_date(number).isoformat()


def instant(at: int) -> datetime:
    """The UTC time of an `Interaction.at`."""
    return _UNIX_EPOCH + timedelta(microseconds=at)


@cache
def zone_names() -> frozenset[str]:
    """The IANA names that are accepted: those of the pinned `tzdata` package."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=700)
def zone_of(name: str) -> ZoneInfo:
    """The zone of that name from the `tzdata` package, never from the machine's own files.

    The same event must fall on the same day everywhere. Raises KeyError for an unknown name.
    """
    if name not in zone_names():
        raise KeyError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def today_in(zone: str | None, now: datetime) -> date:
    """The date of `now` in a learner's latest zone (a name, or an offset); UTC where there is none."""
    if zone is None:
        return now.astimezone(UTC).date()
    if zone[0] in "+-":
        sign = -1 if zone[0] == "-" else 1
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        return (now.astimezone(UTC) + sign * offset).date()
    return now.astimezone(zone_of(zone)).date()


def _kind(value: Any) -> Any:
    if isinstance(value, str) and (kind := _KINDS.get(value.lower())):
        return kind
    raise PydanticCustomError("interaction_type", "must be viewed, answered or completed")


def _time(value: str) -> str:
    # fromisoformat alone takes more than RFC 3339: week dates, times without seconds or offset.
    if not _RFC3339.fullmatch(value):
        raise PydanticCustomError(
            "occurred_at", "must be an RFC 3339 time with an offset, such as 2026-11-24T09:30:00+01:00"
        )
    return value


def _user(value: str) -> str:
    if value == "me":
        raise PydanticCustomError("user_id", "'me' stands for the caller and names no learner")
    return value


def _zone(value: str) -> str:
    if value not in zone_names():
        raise PydanticCustomError("timezone", "must be an IANA time zone name, such as Europe/Helsinki")
    return value


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 12.0 is whole, and null is as good as absent."""
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
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Idempotency key, unique per learner and day")
]
UserId = Annotated[str, Field(pattern=f"^{_ID}$"), AfterValidator(_user)]
ContentId = Annotated[str, Field(pattern=f"^{_ID}$")]
CertificationCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS), BeforeValidator(_whole)]
OccurredAt = Annotated[
    str,
    AfterValidator(_time),
    Field(
        description="RFC 3339 with an offset; at most 5 minutes ahead",
        json_schema_extra={"format": "date-time"},
        examples=["2026-03-01T21:30:00+02:00"],
    ),
]
_KINDS_MEANT = "Also view, answer, complete, finish, finished; in any case"


class _Fields(BaseModel):
    """What both forms of an interaction have."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    content_id: Annotated[ContentId, Field(examples=["saa-1-01"])]
    interaction_type: Annotated[Kind, BeforeValidator(_kind), Field(description=_KINDS_MEANT)]
    timezone: Annotated[
        Annotated[str, AfterValidator(_zone)] | None,
        Field(description="IANA name; decides the local day, else occurred_at's offset does"),
    ] = None
    score: Annotated[
        Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None,
        Field(description="0 to 100; kept in hundredths", examples=[87.5]),
    ] = None
    time_spent: Annotated[Seconds, Field(description="Whole seconds")] = 0
    certification_type: Annotated[
        CertificationCode | None,
        Field(description="Picks one where the content belongs to several", examples=["SAA"]),
    ] = None
    session_id: Annotated[str, Field(max_length=128)] | None = None
    additional_data: Annotated[
        Annotated[dict[str, Any], AfterValidator(_additional)] | None,
        Field(description="At most 8 KiB as JSON, and 5 levels"),
    ] = None


class InteractionV1(_Fields):
    """Version 1 of the contract: the `detail` of a bus event, the data of a stream record."""

    event_id: EventId
    user_id: UserId
    occurred_at: OccurredAt


class PostedInteractionV1(_Fields):
    """Version 1 as it is posted: what the caller leaves out, the API fills in."""

    event_id: Annotated[
        EventId | None,
        Field(description="Without it: derived from the interaction, or new where there is no time either"),
    ] = None
    user_id: Annotated[UserId | None, Field(description="Default: the learner that the path names")] = None
    occurred_at: Annotated[
        OccurredAt | None, Field(description="Default: now. Needed beside an event_id")
    ] = None


def parse_record(data: bytes, arrived_at: datetime) -> Interaction:
    """Read one stream record. `arrived_at`: its approximate arrival at the stream.

    Raises InvalidInteraction.
    """
    try:
        # Not json.loads: it takes NaN for a number, and lone surrogates for text.
        fields = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInteraction("malformed", (Fault("", f"not JSON: {error}"),)) from error
    if not isinstance(fields, dict):
        raise InvalidInteraction("malformed", (Fault("", "must be a JSON object"),))
    return parse(fields, arrived_at)


def parse(fields: dict[str, Any], arrived_at: datetime) -> Interaction:
    """Read an interaction from its fields, every fault named. Raises InvalidInteraction."""
    try:
        record = InteractionV1.model_validate(fields)
    except ValidationError as error:
        raise InvalidInteraction("invalid", _faults(error)) from error
    return _place_in_time(record, arrived_at)


def _faults(error: ValidationError) -> tuple[Fault, ...]:
    return tuple(
        Fault(str(detail["loc"][0]) if detail["loc"] else "", detail["msg"])
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    )


def _place_in_time(record: InteractionV1, arrived_at: datetime) -> Interaction:
    try:
        occurred = datetime.fromisoformat(record.occurred_at.upper())
    except ValueError as error:
        raise _invalid_time(f"is no time: {error}") from error
    offset = occurred.utcoffset() or timedelta()
    if not MIN_OFFSET <= offset <= MAX_OFFSET:
        raise _invalid_time("must have an offset from -12:00 to +14:00")
    if occurred.date() < FIRST_DAY:
        raise _invalid_time("must be on 2000-01-01 or later")
    if occurred - arrived_at > MAX_AHEAD:
        raise _invalid_time("must be at most 5 minutes ahead of its arrival")
    local = occurred.astimezone(zone_of(record.timezone)) if record.timezone else occurred
    if local.date() < FIRST_DAY:
        raise _invalid_time("must fall on a local day of 2000-01-01 or later")
    return Interaction(
        event_id=record.event_id,
        user_id=record.user_id,
        content_id=record.content_id,
        kind=record.interaction_type,
        at=(occurred - _UNIX_EPOCH) // _MICROSECOND,
        day=local.toordinal() - _FIRST_ORDINAL,
        zone=record.timezone or f"{occurred:%:z}",
        zone_named=record.timezone is not None,
        score=None if record.score is None else round(record.score * 100),
        seconds=record.time_spent,
        certification=record.certification_type,
    )


def _invalid_time(message: str) -> InvalidInteraction:
    return InvalidInteraction("invalid", (Fault("occurred_at", message),))
