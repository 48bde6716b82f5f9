"""The API's routes for xAPI statements, which write as a learning record store's do.

Statements that are interactions go to the stream. Those that are not go to quarantine, so that none is lost,
and the sender does not repeat them for ever.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Header, Query

from domain.days import instant
from domain.foreign import is_statement
from domain.interaction import Fault, parse
from domain.xapi import (
    LAST_TIME,
    Fields,
    NotUnderstood,
    Voids,
    interaction_of,
    learner_of,
    statement_id,
)
from functions import aws
from functions.api import ApiError, InvalidRequest, operation, requested_at
from functions.caller import Caller, caller
from functions.observability import count_quarantined, logger
from functions.posting import app, listed, request_body
from functions.quarantine import NOT_UNDERSTOOD, VOIDED, Position, Quarantine, Quarantined
from functions.stream import MAX_RECORDS, put

PATH = "/xapi/statements"
VERSION_HEADER = "X-Experience-API-Version"
COUNT_HEADER = "X-Streakline-Not-Understood"
"""How many statements of a request went to quarantine. The specification fixes the body."""
VERSIONS = {"1.0": "1.0.3", "2.0": "2.0.0"}
"""The latest release of each version of xAPI, which answers name."""

Version = Annotated[str, Header(description="1.0.x or 2.0.x", alias=VERSION_HEADER, examples=["1.0.3"])]


class _Read(NamedTuple):
    """A posted statement with its id, and the interaction that it is or the reason why it is none."""

    id: str
    statement: dict[str, Any]
    fields: Fields | None
    fault: Fault | None
    code: str = NOT_UNDERSTOOD
    """Its code in quarantine, if it is none."""


@operation(app.post, PATH, "xapi")
def post_statements(version: Version) -> Response[list[str]]:
    """Record one xAPI statement, or a list of up to 500. The answer is the list of their ids."""
    who, body = _checked_request(version)
    statements = body if isinstance(body, list) else [body]
    if not 1 <= len(statements) <= MAX_RECORDS:
        raise ApiError(400, f"Send 1 to {MAX_RECORDS} statements.")
    read = _record(who, statements)
    return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, [one.id for one in read], _count(read))


@operation(app.put, PATH, "xapi", status_code=HTTPStatus.NO_CONTENT)
def put_statement(
    statement_id: Annotated[str, Query(alias="statementId", description="The statement's id, a UUID")],
    version: Version,
) -> Response[str]:
    """Record one xAPI statement with this id."""
    who, body = _checked_request(version)
    if isinstance(body, dict):
        given = body.setdefault("id", statement_id)
        if not isinstance(given, str) or given.lower() != statement_id.lower():
            raise InvalidRequest("id", "must equal statementId if both are given")
    return Response(HTTPStatus.NO_CONTENT, body="", headers=_count(_record(who, [body])))


def with_version(event: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer, also of an error, with the version of xAPI if the route is one of xAPI's."""
    if event["routeKey"].endswith(f" {PATH}"):
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        version = _version(headers.get(VERSION_HEADER.lower(), "")) or VERSIONS["1.0"]
        answer["headers"] = {**answer["headers"], VERSION_HEADER: version}
    return answer


def _version(named: str) -> str | None:
    """Return the latest release of the version that a request names; None if there is none."""
    major, _, rest = named.strip().partition(".")
    minor, _, patch = rest.partition(".")
    return VERSIONS.get(f"{major}.{minor}") if not patch or patch.isdecimal() else None


def _checked_request(version: str) -> tuple[Caller, Any]:
    """Return who sends a request, and its body. Raise ApiError if it has no valid token, version or body."""
    who = caller(app.current_event.raw_event)
    if _version(version) is None:
        raise InvalidRequest(VERSION_HEADER, "must be a version 1.0.x or 2.0.x")
    return who, request_body()


def _record(who: Caller, statements: Sequence[Any]) -> list[_Read]:
    """Put statements into the stream or into quarantine.

    Raise ApiError, and record none of them, if one has not the form of a statement (400), or is of another
    learner than the caller, who is no admin (403).
    """
    now = requested_at(app.current_event.raw_event)
    invalid = [
        Fault(str(number), fault) for number, one in enumerate(statements) if (fault := _form_fault(one))
    ]
    if invalid:
        raise ApiError(400, "Not all of these are xAPI statements.", listed(invalid))
    if not who.is_admin:
        _check_author(who, statements)
    prefixes = os.environ["XAPI_CONTENT_PREFIXES"].split(",")
    read = [_read(statement, now, prefixes, who) for statement in statements]
    if not who.is_admin:
        _check_age(read, now)
    _store(read, now)
    return read


def _form_fault(statement: Any) -> str | None:
    """Return why something is not a statement at all. A learning record store refuses such a batch, too."""
    if not isinstance(statement, dict):
        return "must be a JSON object"
    if not is_statement(statement):
        return "must have actor, verb and object"
    try:
        statement_id(statement)
    except NotUnderstood as error:
        return str(error)
    return None


def _check_author(who: Caller, statements: Sequence[dict[str, Any]]) -> None:
    """Raise ApiError if an actor is not the caller."""
    for statement in statements:
        try:
            learner = learner_of(statement)
        except NotUnderstood:
            learner = None
        if learner != who.user_id:
            message = (
                "Only admins may send statements of others: the name of the actor's account must be your id."
            )
            raise ApiError(403, message)


def _read(statement: dict[str, Any], now: datetime, prefixes: Sequence[str], who: Caller) -> _Read:
    """Return a statement with its id and, if it has no time at all, with the time of the request.

    Only admins can take back statements: learners could take back their worst answers.
    """
    if statement.get("timestamp") is None and statement.get("stored") is None:
        statement = {**statement, "id": statement.get("id") or str(uuid4()), "stored": now.isoformat()}
    known_as = statement_id(statement)
    statement = {**statement, "id": known_as}
    try:
        return _Read(known_as, statement, interaction_of(statement, prefixes), None)
    except Voids as error:
        if who.is_admin:
            return _Read(known_as, statement, None, error.fault, VOIDED)
        return _Read(known_as, statement, None, Fault("verb.id", "only admins can void statements"))
    except NotUnderstood as error:
        return _Read(known_as, statement, None, error.fault)


def _check_age(read: Sequence[_Read], now: datetime) -> None:
    """Raise ApiError if an interaction is older than a learner may post: old ones can buy streaks."""
    max_age = timedelta(days=int(os.environ["API_MAX_EVENT_AGE_DAYS"]))
    too_old = [
        Fault(f"{number}.timestamp", f"must be at most {max_age.days} days ago")
        for number, one in enumerate(read)
        if one.fields is not None and now - instant(parse(one.fields, LAST_TIME).at) > max_age
    ]
    if too_old:
        raise ApiError(400, "Some statements are too old.", listed(too_old))


def _store(read: Sequence[_Read], now: datetime) -> None:
    """Put interactions into the stream, and what is not understood into quarantine.

    Raise an error that is answered 503 if that fails. The sender then repeats the request, and what was
    stored is recognised by its id.
    """
    interactions = [one.fields for one in read if one.fields is not None]
    refused = [_quarantined(one, one.fault, now) for one in read if one.fault is not None]
    if refused:
        quarantine = Quarantine(aws.sqs, aws.s3, os.environ["QUARANTINE_URL"], os.environ["EVENT_LOG_BUCKET"])
        try:
            quarantine.put(refused)
        except RuntimeError as error:
            raise TimeoutError("the quarantine did not take the statements") from error
        count_quarantined(Counter(entry.code for entry in refused).items())
    if interactions and not all(put(interactions)):
        raise TimeoutError("the stream did not take all statements")
    reasons = Counter(one.reason if one.code == NOT_UNDERSTOOD else one.code for one in refused)
    logger.info("statements", extra={"accepted": len(interactions), "not_understood": dict(reasons)})


def _quarantined(one: _Read, fault: Fault, now: datetime) -> Quarantined:
    """Return a statement's entry in quarantine. The same statement has the same position."""
    payload = json.dumps(one.statement).encode()
    position = Position("xapi", sha256(payload).hexdigest()[:32])
    reason = f"{fault.field}: {fault.message}" if fault.field else fault.message
    return Quarantined(payload, one.code, reason, position, now, (fault,), "api")


def _count(read: Sequence[_Read]) -> dict[str, Any]:
    return {COUNT_HEADER: str(sum(one.fields is None for one in read))}
