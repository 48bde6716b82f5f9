"""What the stream carries: interactions, results of exams, and retractions of both."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_never

from pydantic_core import from_json

from domain.catalog import Catalog
from domain.exam_results import ExamResult, is_exam, parse_exam
from domain.foreign import foreign_form
from domain.interaction import Fault, Interaction, InvalidInteraction, parse
from domain.retraction import Retraction, is_retraction, parse_retraction

type Fact = Interaction | ExamResult
"""What a learner did."""
type Event = Fact | Retraction


def parse_record(data: bytes, arrived_at: datetime) -> Event:
    """Return the event in one stream record. Raise InvalidInteraction if there is none.

    `arrived_at` is the record's approximate arrival at the stream.
    """
    try:
        # json.loads would accept NaN as a number and lone surrogates as text.
        fields = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInteraction("malformed", (Fault("", f"not JSON: {error}"),)) from error
    if not isinstance(fields, dict):
        raise InvalidInteraction("malformed", (Fault("", "must be a JSON object"),))
    return parse_event(fields, arrived_at)


def parse_event(fields: dict[str, Any], arrived_at: datetime) -> Event:
    """Return the event with these fields.

    Raise InvalidInteraction with every fault in them, or with the name of the other format that they have.
    """
    try:
        if is_exam(fields):
            return parse_exam(fields, arrived_at)
        return parse_retraction(fields, arrived_at) if is_retraction(fields) else parse(fields, arrived_at)
    except InvalidInteraction as error:
        if form := foreign_form(fields):
            raise InvalidInteraction("invalid", (Fault("", form),)) from error
        raise


def detail_type(fields: Mapping[str, Any]) -> str:
    """Return the detail-type under which the bus takes a JSON object of the stream."""
    if is_exam(fields):
        return "exam.taken"
    return "interaction.retracted" if is_retraction(fields) else "interaction.recorded"


def is_known(event: Event, catalog: Catalog) -> bool:
    """Return whether the catalog has what an event is about."""
    match event:
        case Interaction():
            return catalog.knows(event.content_id, event.certification)
        case ExamResult():
            return event.certification in catalog.certifications
        case Retraction():
            return True
        case _:
            assert_never(event)


def local_day(event: Event) -> int | None:
    """Return the local day on which an event counts; None for one that counts on none."""
    match event:
        case Interaction():
            return event.day
        case ExamResult() | Retraction():
            return None
        case _:
            assert_never(event)
