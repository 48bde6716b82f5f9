"""The lines of the event log: each has a record of the stream as it came, and what a replay needs besides."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, assert_never

from pydantic_core import from_json, to_json

from domain.days import day_text, microseconds, utc_day
from domain.events import Event, parse_record
from domain.exam_results import ExamResult
from domain.interaction import Interaction, InvalidInteraction, is_event_id, is_user_id, time_in
from domain.retraction import Retraction

type Kind = Literal["interaction", "exam", "retraction"]


class UnreadableLine(ValueError):
    """A line of the log can't be read. The message says why."""


class LogLine(NamedTuple):
    """One record of the stream, or one part of a framed record."""

    payload: bytes
    """As it came."""
    arrived_at: datetime | None
    """When the stream took it; None in a log that an early release wrote."""
    shard: str = ""
    sequence_number: str = ""
    part: int = 0
    """The number of the part in a framed record, from 1 on; 0 without a frame."""
    user_id: str | None = None
    event_id: str | None = None
    utc_day: str | None = None
    """The UTC day of the event, as in 2026-11-22; None if its time can't be read."""
    kind: Kind | None = None
    code: str | None = None
    """Why the record was invalid when it arrived; None if it was valid."""


def line_for(payload: bytes, arrived_at: datetime, shard: str, sequence_number: str, part: int) -> LogLine:
    """Return the line for a record, with everything about it that can be read."""
    try:
        event = parse_record(payload, arrived_at)
    except InvalidInteraction as error:
        named = _readable(payload)
        return LogLine(payload, arrived_at, shard, sequence_number, part, *named, code=error.code)
    return LogLine(
        payload,
        arrived_at,
        shard,
        sequence_number,
        part,
        event.user_id,
        event.event_id,
        day_text(event.utc_day),
        _kind(event),
    )


def _kind(event: Event) -> Kind:
    match event:
        case Interaction():
            return "interaction"
        case ExamResult():
            return "exam"
        case Retraction():
            return "retraction"
        case _:
            assert_never(event)


def _readable(payload: bytes) -> tuple[str | None, str | None, str | None]:
    """Return learner, event_id and UTC day of an invalid record, each as far as it can be read."""
    try:
        fields = from_json(payload)
    except ValueError:
        return None, None, None
    if not isinstance(fields, dict):
        return None, None, None
    user_id, event_id, occurred_at = (fields.get(n) for n in ("user_id", "event_id", "occurred_at"))
    return (
        user_id if isinstance(user_id, str) and is_user_id(user_id) else None,
        event_id if isinstance(event_id, str) and is_event_id(event_id) else None,
        _utc_day(occurred_at) if isinstance(occurred_at, str) else None,
    )


def _utc_day(occurred_at: str) -> str | None:
    try:
        return day_text(utc_day(microseconds(time_in(occurred_at))))
    except InvalidInteraction:
        return None


def to_text(line: LogLine) -> str:
    """Return a line as JSON, without a line break."""
    try:
        payload = {"payload": line.payload.decode()}
    except UnicodeDecodeError:
        payload = {"payload_base64": b64encode(line.payload).decode()}
    fields = {
        "arrived_at": None if line.arrived_at is None else _time_text(line.arrived_at),
        "shard": line.shard,
        "sequence_number": line.sequence_number,
        "part": line.part,
        "user_id": line.user_id,
        "event_id": line.event_id,
        "utc_day": line.utc_day,
        "kind": line.kind,
        "code": line.code,
        **payload,
    }
    return to_json(fields).decode()


def _time_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def line_of(text: bytes) -> LogLine:
    """Return the record in a line of the log. Raise UnreadableLine if there is none.

    Early releases wrote the bare payload. Such a line has no time of arrival.
    """
    try:
        fields = from_json(text)
    except ValueError as error:
        raise UnreadableLine(f"it is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise UnreadableLine("it is no JSON object")
    if "payload" not in fields and "payload_base64" not in fields:
        return LogLine(text.strip(), None, user_id=_readable(text)[0])
    try:
        return LogLine(
            _payload(fields),
            _arrival(fields["arrived_at"]),
            _text(fields, "shard"),
            _text(fields, "sequence_number"),
            int(fields["part"]),
            fields["user_id"],
            fields["event_id"],
            fields["utc_day"],
            fields["kind"],
            fields["code"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableLine(f"it is no line of the event log: {error!r}") from error


def _payload(fields: Mapping[str, Any]) -> bytes:
    if "payload_base64" in fields:
        return b64decode(fields["payload_base64"], validate=True)
    return _text(fields, "payload").encode()


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _arrival(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("arrived_at has no offset")
    return moment.astimezone(UTC)
