"""The lines of the event log: each has a record of the stream as it came, and what a replay needs besides."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, assert_never, cast, get_args

from pydantic_core import from_json, to_json

from domain.days import day_text, instant, microseconds, utc_day
from domain.events import parse_record
from domain.exam_results import ExamResult
from domain.interaction import Interaction, InvalidInteraction, is_event_id, is_user_id, time_in
from domain.retraction import Retraction

Kind = Literal["interaction", "exam", "retraction"]
_KINDS: tuple[str, ...] = get_args(Kind)


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
    local_day: str | None = None
    """The learner's local day. Only a valid interaction has one."""
    occurred_at: str | None = None
    """The time of the event in UTC, in a form whose order is that of time. A retraction has none."""


def line_for(payload: bytes, arrived_at: datetime, shard: str, sequence_number: str, part: int) -> LogLine:
    """Return the line for a record, with everything about it that can be read."""
    line = LogLine(payload, arrived_at, shard, sequence_number, part)
    try:
        event = parse_record(payload, arrived_at)
    except InvalidInteraction as error:
        return _with_what_is_readable(line._replace(code=error.code))
    valid = line._replace(user_id=event.user_id, event_id=event.event_id, utc_day=day_text(event.utc_day))
    match event:
        case Interaction():
            return valid._replace(
                kind="interaction", local_day=day_text(event.day), occurred_at=_time_text(instant(event.at))
            )
        case ExamResult():
            return valid._replace(kind="exam", occurred_at=_time_text(instant(event.at)))
        case Retraction():
            return valid._replace(kind="retraction")
        case _:
            assert_never(event)


def _with_what_is_readable(line: LogLine) -> LogLine:
    """Return the line of an invalid record with learner, event_id and time, each as far as it can be read."""
    try:
        fields = from_json(line.payload)
    except ValueError:
        return line
    if not isinstance(fields, dict):
        return line
    user_id, event_id, occurred_at = (fields.get(n) for n in ("user_id", "event_id", "occurred_at"))
    at = _readable_time(occurred_at) if isinstance(occurred_at, str) else None
    return line._replace(
        user_id=user_id if isinstance(user_id, str) and is_user_id(user_id) else None,
        event_id=event_id if isinstance(event_id, str) and is_event_id(event_id) else None,
        utc_day=None if at is None else day_text(utc_day(at)),
        occurred_at=None if at is None else _time_text(instant(at)),
    )


def _readable_time(occurred_at: str) -> int | None:
    try:
        return microseconds(time_in(occurred_at))
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
        "local_day": line.local_day,
        "occurred_at": line.occurred_at,
        "kind": line.kind,
        "code": line.code,
        **payload,
    }
    return to_json(fields).decode()


def _time_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def line_of(text: bytes) -> LogLine:
    """Return the record in a line of the log. Raise UnreadableLine if there is none.

    Early releases wrote the bare payload, which can be an array of several events. Such a line has no time
    of arrival.
    """
    try:
        fields = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise UnreadableLine(f"it is not JSON: {error}") from error
    if isinstance(fields, dict) and "arrived_at" in fields and {"payload", "payload_base64"} & fields.keys():
        return _line(fields)
    if isinstance(fields, dict | list):
        bare = _with_what_is_readable(LogLine(text.strip(), None))
        return LogLine(bare.payload, None, user_id=bare.user_id)
    raise UnreadableLine("it is no JSON object")


def _line(fields: Mapping[str, Any]) -> LogLine:
    arrived_at, part = _text(fields, "arrived_at"), fields.get("part")
    if not isinstance(part, int) or isinstance(part, bool) or part < 0:
        raise _unreadable("part", "must be a whole number from 0 on")
    kind, code = _text(fields, "kind"), _text(fields, "code")
    if kind is not None and kind not in _KINDS:
        raise _unreadable("kind", f"must be null or one of {', '.join(_KINDS)}")
    return LogLine(
        _payload(fields),
        None if arrived_at is None else _arrival(arrived_at),
        _text(fields, "shard") or "",
        _text(fields, "sequence_number") or "",
        part,
        _text(fields, "user_id"),
        _text(fields, "event_id"),
        _text(fields, "utc_day"),
        cast(Kind | None, kind),
        code,
        _text(fields, "local_day"),
        _text(fields, "occurred_at"),
    )


def _unreadable(field: str, reason: str) -> UnreadableLine:
    return UnreadableLine(f"it is no line of the event log: {field}: {reason}")


def _payload(fields: Mapping[str, Any]) -> bytes:
    payload, encoded = _text(fields, "payload"), _text(fields, "payload_base64")
    if (payload is None) == (encoded is None):
        raise _unreadable("payload", "must be text, or payload_base64 instead")
    if payload is not None:
        return payload.encode()
    try:
        return b64decode(encoded or "", validate=True)
    except binascii.Error as error:
        raise _unreadable("payload_base64", str(error)) from error


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _unreadable(name, "must be text or null")


def _arrival(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without an offset")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable("arrived_at", "must be a time with an offset") from error
