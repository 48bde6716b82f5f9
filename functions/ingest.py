"""The API's routes for writing: validate posted interactions and put them into the stream.

The answer is 202 as soon as the stream has them. The views follow within seconds.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict, assert_never
from uuid import uuid4

from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import Field

from domain.days import instant
from domain.events import Fact
from domain.exam_results import ExamResult, ExamTakenV1, parse_exam
from domain.foreign import foreign_form
from domain.interaction import Fault, Interaction, InteractionV1, InvalidInteraction, is_event_id, parse
from functions import aws, posting, xapi
from functions.api import ApiError, InvalidRequest, NotFound, UserId, operation, requested_at, serve
from functions.caller import Caller, caller, learner_id
from functions.posting import listed, request_body
from functions.snapshot import prepare
from functions.stream import MAX_RECORDS, put

app = posting.app
"""It has the routes of xAPI, too."""


class ListedFault(TypedDict):
    """The fault in one field."""

    field: str
    message: str


class Accepted(TypedDict):
    """The stream has the event. The views follow within seconds."""

    event_id: str
    occurred_at: Annotated[str, Field(description="With event_id and learner, it identifies the event")]
    status: Literal["accepted"]


class Result(TypedDict):
    """The result for one of several interactions. Send it again if `unavailable`, but not if `invalid`."""

    status: Literal["accepted", "invalid", "unavailable"]
    event_id: str | None
    occurred_at: NotRequired[str]
    faults: NotRequired[list[ListedFault]]


class Results(TypedDict):
    """The results for all interactions, in the order in which they were sent."""

    accepted: int
    results: list[Result]


class _Checked(NamedTuple):
    """A posted event with its omitted fields filled in, and its faults."""

    record: dict[str, Any]
    faults: Sequence[Fault] = ()


class _Contract(NamedTuple):
    """What a posted event must be."""

    name: str
    fields: Iterable[str]
    parse: Callable[[dict[str, Any], datetime], Fact]


_INTERACTION = _Contract("interaction", InteractionV1.model_fields, parse)
_EXAM = _Contract("exam result", ExamTakenV1.model_fields, parse_exam)


@operation(app.post, "/progress/<user_id>/interaction", "interactions", status_code=HTTPStatus.ACCEPTED)
def post_interaction(
    user_id: UserId,
    idempotency_key: Annotated[
        str | None, Header(description="Used as the event_id", alias="Idempotency-Key")
    ] = None,
) -> Accepted:
    """Record one interaction."""
    return _accepted(user_id, idempotency_key, _INTERACTION)


@operation(app.post, "/progress/<user_id>/exam", "exams", status_code=HTTPStatus.ACCEPTED)
def post_exam(
    user_id: UserId,
    idempotency_key: Annotated[
        str | None, Header(description="Used as the event_id", alias="Idempotency-Key")
    ] = None,
) -> Accepted:
    """Record the result of an exam."""
    return _accepted(user_id, idempotency_key, _EXAM)


def _accepted(user_id: str, idempotency_key: str | None, contract: _Contract) -> Accepted:
    """Put the posted event into the stream. Raise ApiError if it is not valid."""
    who, learner, now = _author(user_id)
    body = request_body()
    message = f"The {contract.name} is not valid."
    if idempotency_key is not None and isinstance(body, dict):
        # The IETF's draft has the key in quotes.
        if len(idempotency_key) > 1 and idempotency_key[0] == idempotency_key[-1] == '"':
            idempotency_key = idempotency_key[1:-1]
        if body.get("event_id") not in (None, idempotency_key):
            fault = Fault("event_id", "must equal the Idempotency-Key if both are given")
            raise ApiError(400, message, listed([fault]))
        body["event_id"] = idempotency_key
    record, faults = _checked(body, who, learner, now, contract)
    if faults:
        raise ApiError(400, message, listed(faults))
    if not all(put([record])):
        raise TimeoutError("the stream did not take the record")
    return {"event_id": record["event_id"], "occurred_at": record["occurred_at"], "status": "accepted"}


@operation(app.post, "/progress/<user_id>/interactions", "interactions", status_code=HTTPStatus.ACCEPTED)
def post_interactions(
    user_id: UserId,
    idempotency_key: Annotated[
        str | None, Header(description="Refused: give each an event_id", alias="Idempotency-Key")
    ] = None,
) -> Results:
    """Record 1 to 500 interactions. Each has a result of its own, in the same order."""
    who, learner, now = _author(user_id)
    if idempotency_key is not None:
        message = "works for one interaction; here, give each interaction an event_id"
        raise InvalidRequest("Idempotency-Key", message)
    body = request_body()
    items = body.get("interactions") if isinstance(body, dict) else body
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_RECORDS:
        raise ApiError(400, f"Send 1 to {MAX_RECORDS} interactions, as a list.")
    checked = [_checked(item, who, learner, now, _INTERACTION) for item in items]
    valid = [record for record, faults in checked if not faults]
    taken = iter(put(valid) if valid else [])
    results = [_invalid(one) if one.faults else _result(one.record, next(taken)) for one in checked]
    if {result["status"] for result in results} == {"unavailable"}:
        raise TimeoutError("the stream took none of the records")
    return {"accepted": sum(result["status"] == "accepted" for result in results), "results": results}


def _invalid(checked: _Checked) -> Result:
    event_id = checked.record.get("event_id")
    return {
        "status": "invalid",
        # Text that is not valid is never sent back: it may not even be encodable.
        "event_id": event_id if isinstance(event_id, str) and is_event_id(event_id) else None,
        "faults": [{"field": fault.field, "message": fault.message} for fault in checked.faults],
    }


def _result(record: dict[str, Any], taken: bool) -> Result:
    status: Literal["accepted", "unavailable"] = "accepted" if taken else "unavailable"
    return {"status": status, "event_id": record["event_id"], "occurred_at": record["occurred_at"]}


def _author(user_id: str) -> tuple[Caller, str, datetime]:
    """Return who posts, for which learner, and when. Raise ApiError if they may not."""
    event = app.current_event.raw_event
    who = caller(event)
    learner = learner_id(who, user_id)
    if not who.may_write(learner):
        if who.may_read(learner):
            raise ApiError(403, "Only the learner and admins may write.")
        raise NotFound
    return who, learner, requested_at(event)


def _checked(body: Any, who: Caller, learner: str, now: datetime, contract: _Contract) -> _Checked:
    """Check an event that `who` posts for `learner` at `now`, and fill in what it omits."""
    if not isinstance(body, dict):
        return _Checked({}, [Fault("", "must be a JSON object")])
    # Fields that are not part of the contract are dropped.
    record = {name: body[name] for name in contract.fields if body.get(name) is not None}
    if record.get("user_id") in (None, "me"):
        record["user_id"] = learner
    if record["user_id"] != learner and not who.is_admin:
        return _Checked(record, [Fault("user_id", "must be the learner that the path names")])
    if "occurred_at" not in record:
        if "event_id" in record:
            message = "is required with an event_id: otherwise a retry could count on another day"
            return _Checked(record, [Fault("occurred_at", message)])
        record |= {"occurred_at": now.isoformat(), "event_id": uuid4().hex}
        own = record["user_id"] == who.user_id
        if own and contract is _INTERACTION and "timezone" not in record and who.zone:
            # Otherwise the interaction would fall on the UTC day, although the app knows the learner's zone.
            record["timezone"] = who.zone
    derived = "event_id" not in record
    try:
        event = contract.parse({"event_id": "derived", **record} if derived else record, now)
    except InvalidInteraction as error:
        form = foreign_form(body)
        return _Checked(record, [Fault("", form)] if form else error.faults)
    max_age = timedelta(days=int(os.environ["API_MAX_EVENT_AGE_DAYS"]))
    if now - instant(event.at) > max_age:
        return _Checked(record, [Fault("occurred_at", f"must be at most {max_age.days} days ago")])
    return _Checked({"event_id": _derived_id(event, record), **record} if derived else record)


def _derived_id(event: Fact, record: dict[str, Any]) -> str:
    """Return an id that is the same whenever the same event is posted, however it is spelled.

    It uses the instant, and neither zone nor offset.
    """
    text = json.dumps(_facts(event, record), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


def _facts(event: Fact, record: dict[str, Any]) -> list[Any]:
    match event:
        case Interaction():
            return [
                event.user_id,
                event.content_id,
                event.kind,
                event.at,
                event.score,
                event.seconds,
                event.certification,
                record.get("session_id"),
                _plain_numbers(record.get("additional_data")),
            ]
        case ExamResult():
            return ["exam.taken", event.user_id, event.certification, event.at, event.passed, event.score]
        case _:
            assert_never(event)


def _plain_numbers(value: Any) -> Any:
    """Return a JSON value in which 1.0 and 1 are the same number, as they are in JSON."""
    match value:
        case dict():
            return {name: _plain_numbers(inner) for name, inner in value.items()}
        case list():
            return [_plain_numbers(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request for one of the routes above."""
    return xapi.with_version(event, serve(app, event, context))


prepare(aws.kinesis, aws.sqs, aws.s3)
