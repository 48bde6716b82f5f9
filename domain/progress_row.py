"""A row of the replaced tracker's progress table as an interaction of the contract."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from math import floor, isfinite
from typing import Any

from domain.days import microseconds
from domain.interaction import KIND_SPELLINGS, Fault, InvalidInteraction, Kind, parse, time_in

KEY = ("user_id", "content_id_certification")
"""The table's partition key and sort key."""
OLD_KINDS: Mapping[str, Kind] = {
    "view": "viewed",
    "quiz": "answered",
    "chat": "viewed",
    "bookmark": "viewed",
}
"""The kind of a row by its `interaction_type`, if its `progress_type` says nothing."""
_ATTRIBUTES = {
    "occurred_at": "timestamp",
    "interaction_type": "progress_type",
}
"""The attributes of a row whose names differ from the contract's fields."""
_OPTIONAL = {"session_id", "additional_data"}
"""No view uses them, so a row whose value the contract refuses is an interaction without it."""


def interaction_of(row: Mapping[str, Any], arrived_at: datetime) -> dict[str, Any]:
    """Return the fields of the interaction in a row, given as plain values: texts, numbers, objects.

    The id is derived from learner, content, certification, kind and time. So a row has the same id whenever
    it is read, and a new one when the tracker overwrites it with what the learner did next. Raise
    InvalidInteraction with every fault, by the row's attributes.
    """
    faults: list[Fault] = []

    def attribute[T](read: Callable[[Mapping[str, Any]], T]) -> T | None:
        try:
            return read(row)
        except InvalidInteraction as error:
            faults.extend(error.faults)
            return None

    place, kind, at = attribute(_place), attribute(_kind), attribute(_time)
    seconds = attribute(_seconds)
    if faults or place is None or kind is None or at is None:
        raise InvalidInteraction("invalid", tuple(faults))
    content_id, certification = place
    identity = "|".join(map(str, (row.get("user_id"), content_id, certification, kind, microseconds(at))))
    fields = {
        "event_id": f"row-{sha256(identity.encode()).hexdigest()[:32]}",
        "user_id": row.get("user_id"),
        "content_id": content_id,
        "certification_type": certification,
        "interaction_type": kind,
        "occurred_at": at.isoformat(),
        "score": row.get("score"),
        "time_spent": seconds,
        "session_id": row.get("session_id"),
        "additional_data": row.get("additional_data"),
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        parse(fields, arrived_at)
    except InvalidInteraction as error:
        wrong = {fault.field for fault in error.faults}
        if wrong <= _OPTIONAL:
            return {name: value for name, value in fields.items() if name not in wrong}
        raise InvalidInteraction(error.code, tuple(map(_in_row, error.faults))) from error
    return fields


def _in_row(fault: Fault) -> Fault:
    return Fault(_ATTRIBUTES.get(fault.field, fault.field), fault.message)


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return content and certification. The sort key repeats both, and must not contradict them."""
    key = row.get("content_id_certification")
    if not isinstance(key, str) or "#" not in key:
        raise _faulty("content_id_certification", "must be a content and a certification, joined by #")
    content_id, _, certification = key.rpartition("#")
    for name, in_key in (("content_id", content_id), ("certification_type", certification)):
        if row.get(name) not in (None, in_key):
            raise _faulty(name, f"contradicts content_id_certification, which is {key!r}")
    return content_id, certification


def _kind(row: Mapping[str, Any]) -> Kind:
    given, old = row.get("progress_type"), row.get("interaction_type")
    if given is None:
        kind = OLD_KINDS.get(old.lower()) if isinstance(old, str) else None
        if kind is None:
            raise _faulty(
                "interaction_type", f"must be one of {', '.join(OLD_KINDS)} without a progress_type"
            )
        return kind
    kind = KIND_SPELLINGS.get(given.lower()) if isinstance(given, str) else None
    if kind is None:
        raise _faulty("progress_type", "must be viewed, answered or completed")
    return kind


def _time(row: Mapping[str, Any]) -> datetime:
    """Return the time of a row. The tracker wrote UTC without saying so."""
    text = row.get("timestamp")
    try:
        moment = (
            datetime.fromisoformat(text) if isinstance(text, str) and len(text) > len("2026-03-01") else None
        )
    except ValueError:
        moment = None
    if moment is None:
        raise _faulty("timestamp", "must be a time such as 2026-03-01T09:30:00.123456")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return time_in(moment.isoformat())
    except InvalidInteraction as error:
        raise _faulty("timestamp", error.faults[0].message) from error


def _seconds(row: Mapping[str, Any]) -> int:
    given = row.get("time_spent")
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, int | float) or not isfinite(given):
        raise _faulty("time_spent", "must be a number of seconds")
    # Parts of a second are cut off. A negative one stays negative: the contract's limits are checked with the
    # rest.
    return floor(given)


def _faulty(attribute: str, message: str) -> InvalidInteraction:
    return InvalidInteraction("invalid", (Fault(attribute, message),))
