"""The HTTP door: puts posted interactions into the stream, valid and in their learner's name.

Answers 202 as soon as the stream has them; the views follow.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from domain.interaction import Fault, InvalidInteraction, instant, parse
from functions import aws
from functions.api import ApiError, NotFound, caller, learner_id, resolver

MAX_INTERACTIONS = 500

app = resolver()


@app.post("/progress/<user_id>/interaction")
def post_interaction(user_id: str) -> tuple[dict[str, Any], int]:
    """Take one interaction."""
    learner = _author(user_id)
    record, faults = _record(_body(), learner, datetime.now(UTC))
    if faults:
        raise ApiError(400, "The interaction is not valid.", _listed(faults))
    if _put([record]) != [None]:
        raise ApiError(503, "Try again shortly.")
    return {"event_id": record["event_id"], "status": "accepted"}, 202


@app.post("/progress/<user_id>/interactions")
def post_interactions(user_id: str) -> tuple[dict[str, Any], int]:
    """Take 1 to 500 interactions, each with a result of its own, in order."""
    learner = _author(user_id)
    body = _body()
    items = body.get("interactions") if isinstance(body, dict) else body
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_INTERACTIONS:
        raise ApiError(400, f"Send 1 to {MAX_INTERACTIONS} interactions, as a list.")
    now = datetime.now(UTC)
    checked = [_record(item, learner, now) for item in items]
    valid = [record for record, faults in checked if not faults]
    refused = iter(_put(valid) if valid else [])
    results = [
        {"status": "invalid", "event_id": record.get("event_id"), "faults": _listed(faults)}
        if faults
        else {"status": "unavailable" if next(refused) else "accepted", "event_id": record["event_id"]}
        for record, faults in checked
    ]
    accepted = sum(result["status"] == "accepted" for result in results)
    return {"accepted": accepted, "results": results}, 202


def _author(user_id: str) -> str:
    who = caller(app.current_event.raw_event)
    learner = learner_id(who, user_id)
    if not who.may_write(learner):
        raise NotFound
    return learner


def _body() -> Any:
    try:
        return json.loads(app.current_event.decoded_body or "")
    except ValueError as error:
        raise ApiError(400, f"The body is not JSON: {error}") from error
    except RecursionError as error:
        raise ApiError(400, "The body is nested too deeply.") from error


def _record(body: Any, learner: str, now: datetime) -> tuple[dict[str, Any], tuple[Fault, ...]]:
    """The stream's record of a posted interaction, what it left out filled in; and what is wrong with it."""
    if not isinstance(body, dict):
        return {}, (Fault("", "must be a JSON object"),)
    record = {**body, "user_id": body.get("user_id") or learner}
    if record["user_id"] == "me":
        record["user_id"] = learner
    if record["user_id"] != learner:
        return record, (Fault("user_id", "must be the learner that the path names"),)
    if record.get("occurred_at") is None:
        if record.get("event_id") is not None:
            message = "is needed beside an event_id: a retry could otherwise land on another day"
            return record, (Fault("occurred_at", message),)
        record["occurred_at"] = now.isoformat()
        record["event_id"] = uuid4().hex
    elif record.get("event_id") is None:
        record["event_id"] = _derived_id(record)
    try:
        interaction = parse(record, now)
    except InvalidInteraction as error:
        return record, error.faults
    max_age = timedelta(days=int(os.environ["API_MAX_EVENT_AGE_DAYS"]))
    if now - instant(interaction.at) > max_age:
        return record, (Fault("occurred_at", f"must be at most {max_age.days} days back"),)
    return record, ()


def _derived_id(record: dict[str, Any]) -> str:
    """The same interaction, posted again, gets the same id."""
    known = {name: value for name, value in record.items() if name != "event_id" and value is not None}
    try:
        text = json.dumps(known, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return "invalid"
    return sha256(text.encode()).hexdigest()[:32]


def _listed(faults: tuple[Fault, ...]) -> list[dict[str, str]]:
    return [fault._asdict() for fault in faults]


def _put(records: list[dict[str, Any]]) -> list[str | None]:
    """Put records into the stream; for each the error code where it was not taken."""
    answer = aws.kinesis().put_records(
        StreamName=os.environ["STREAM_NAME"],
        Records=[
            {"Data": json.dumps(record).encode(), "PartitionKey": record["user_id"]} for record in records
        ],
    )
    return [result.get("ErrorCode") for result in answer["Records"]]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway proxy event -> answer."""
    return app.resolve(event, context)
