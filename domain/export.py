"""Everything that is stored about a learner, as JSON that a person can read."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from domain import views
from domain.days import day_text, instant
from domain.first_answers import minutes_of, scores_of
from domain.learner import Learner, Track
from domain.refusals import Refusal
from domain.views import ViewContext

FORMAT = 1


class LogRecord(NamedTuple):
    """A record of the learner in the event log."""

    payload: bytes
    arrived_at: datetime
    code: str | None
    """Why it was refused as it arrived; None if it was valid."""


def export_of(
    context: ViewContext,
    refusals: Sequence[Refusal],
    log: Iterable[LogRecord] | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the export of a learner.

    `context` has all of the learner's days, up to its `today`. `log` is None if the stack keeps no event log.
    """
    learner = context.learner
    contents, _ = views.content(context, limit=sys.maxsize)
    return {
        "format": FORMAT,
        "user_id": learner.user_id,
        "exported_at": _text(now),
        "state": _state(learner),
        "totals": views.analytics(context),
        "certifications": {
            code: {"totals": views.analytics(context, code), "exams": views.exam_outcomes(learner, code)}
            for code in sorted(learner.tracks.keys() | learner.exams.keys())
        },
        "days": views.trends(context, context.today + 1)["trends"],
        "achievements": views.achievements(context)["achievements"],
        "contents": contents,
        "first_answers": {
            code: _first_answers(context, code, track) for code, track in learner.tracks.items()
        },
        "refused": [refusal._asdict() | {"utc_day": _day(refusal.utc_day)} for refusal in refusals],
        "event_log": _log(log),
    }


def _state(learner: Learner) -> dict[str, Any]:
    return {
        "latest_zone": learner.zone,
        "started_again_at": None if learner.starts_at is None else _text(instant(learner.starts_at)),
        "study_days": [day_text(number) for number in learner.calendar],
    }


def _first_answers(context: ViewContext, code: str, track: Track) -> list[dict[str, Any]]:
    contents = context.certification(code).contents
    return [
        {
            "content_id": contents[ordinal].content_id,
            "answered_at": _text(instant(minute * 60_000_000)),
            "score": score / 100,
        }
        for ordinal, minute, score in zip(
            track.first_of, minutes_of(track.first), scores_of(track.first), strict=True
        )
    ]


def _log(log: Iterable[LogRecord] | None) -> dict[str, Any]:
    """Return the records of the log, each once, in order of arrival."""
    if log is None:
        return {"kept": False, "note": "This stack keeps no event log: only the sums above are stored."}
    first: dict[bytes, LogRecord] = {}
    times: dict[bytes, int] = {}
    for record in log:
        known = first.get(record.payload)
        if known is None or record.arrived_at < known.arrived_at:
            first[record.payload] = record
        times[record.payload] = times.get(record.payload, 0) + 1
    return {
        "kept": True,
        "records": [
            {
                "received_at": _text(record.arrived_at),
                "times_received": times[record.payload],
                "refused_as": record.code,
                "record": _readable(record.payload),
            }
            for record in sorted(first.values(), key=lambda record: record.arrived_at)
        ],
    }


def _readable(payload: bytes) -> Any:
    try:
        return from_json(payload, allow_inf_nan=False)
    except ValueError:
        return payload.decode(errors="backslashreplace")


def _day(number: int | None) -> str | None:
    return None if number is None else day_text(number)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
