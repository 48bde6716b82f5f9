"""What the stream carries: interactions, and results of exams."""

from datetime import datetime
from typing import Any, assert_never

from pydantic_core import from_json

from domain.catalog import Catalog
from domain.exam_results import ExamResult, is_exam, parse_exam
from domain.foreign import foreign_form
from domain.interaction import Fault, Interaction, InvalidInteraction, parse

type Event = Interaction | ExamResult


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
        return parse_exam(fields, arrived_at) if is_exam(fields) else parse(fields, arrived_at)
    except InvalidInteraction as error:
        if form := foreign_form(fields):
            raise InvalidInteraction("invalid", (Fault("", form),)) from error
        raise


def is_known(event: Event, catalog: Catalog) -> bool:
    """Return whether the catalog has what an event is about."""
    match event:
        case Interaction():
            return catalog.knows(event.content_id, event.certification)
        case ExamResult():
            return event.certification in catalog.certifications
        case _:
            assert_never(event)


def local_day(event: Event) -> int | None:
    """Return the local day on which an event counts; None for a result, which counts on none."""
    match event:
        case Interaction():
            return event.day
        case ExamResult():
            return None
        case _:
            assert_never(event)
