"""The API's routes for exports: ask for everything that is stored about a learner, and fetch it.

An export reads the whole event log, which outlasts a request. So it is a job of a function of its own, and
ends in a link of limited life.
"""

import json
import os
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, TypedDict

from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import Field

from functions import aws
from functions.api import ApiError, NotFound, UserId, operation, requested_at, resolver, serve
from functions.caller import caller, learner_id
from functions.export_jobs import LINK_LIVES, ExportJobs, Job, Status

app = resolver()

JobId = Annotated[str, Path(description="The `job` that a POST answered", max_length=64)]


class ExportJob(TypedDict):
    """An export that was asked for."""

    job: str
    status: Status
    requested_at: str
    reason: Annotated[str | None, Field(description="Why it has failed, for a person")]
    url: Annotated[
        str | None, Field(description="Where the export can be fetched, without a token; null unless ready")
    ]
    url_expires_at: Annotated[str | None, Field(description="Ask again for a new link after it")]


@cache
def jobs() -> ExportJobs:
    """Return the jobs of this process's stack."""
    return ExportJobs(aws.dynamodb(), os.environ["CONTROL_TABLE"], aws.s3(), os.environ["EVENT_LOG_BUCKET"])


def learner_of(user_id: str) -> tuple[str, datetime]:
    """Return the learner that a request is about, and its time. Raise ApiError if the caller may not ask."""
    event = app.current_event.raw_event
    who = caller(event)
    learner = learner_id(who, user_id)
    if not who.may_write(learner):
        if who.may_read(learner):
            raise ApiError(403, "Only the learner and admins may export.")
        raise NotFound
    return learner, requested_at(event)


@operation(app.post, "/progress/<user_id>/export", "learners", status_code=HTTPStatus.ACCEPTED)
def ask_for_export(user_id: UserId) -> ExportJob:
    """Ask for everything that is stored about a learner."""
    learner, now = learner_of(user_id)
    job, is_new = jobs().ask(learner, now)
    if is_new:
        payload = json.dumps({"user_id": learner, "job": job.id})
        aws.functions().invoke(
            FunctionName=os.environ["EXPORT_FUNCTION"], InvocationType="Event", Payload=payload.encode()
        )
    return _answer(job, now)


@operation(app.get, "/progress/<user_id>/export/<job>", "learners")
def export_job(user_id: UserId, job: JobId) -> ExportJob:
    """Return how far an export is, and where it can be fetched."""
    learner, now = learner_of(user_id)
    found = jobs().find(learner, job, now)
    if found is None:
        raise ApiError(404, "There is no such export, or not any more.")
    return _answer(found, now)


def _answer(job: Job, now: datetime) -> ExportJob:
    is_ready = job.status == "ready"
    return {
        "job": job.id,
        "status": job.status,
        "requested_at": job.asked_at.isoformat(),
        "reason": job.reason,
        "url": jobs().link(job, aws.s3_signer()) if is_ready else None,
        "url_expires_at": (now + LINK_LIVES).isoformat() if is_ready else None,
    }


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request for one of the routes above."""
    return serve(app, event, context)
