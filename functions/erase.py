"""The API's route for erasing: a learner, by themselves or by an admin, from all views and from the log.

The views are erased when it answers. The log, the quarantine and failed batches follow with the next pass.
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal, TypedDict

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from domain.days import instant
from functions.api import ApiError, InvalidRequest, NotFound, UserId, operation, requested_at, resolver, serve
from functions.caller import caller, learner_id
from functions.erasure import erasing

app = resolver()


class Erased(TypedDict):
    """The learner is erased from all views. Everything else follows with the next pass over the log."""

    user_id: str
    erased_at: Annotated[str, Field(description="Nothing that occurred before counts any more")]
    status: Literal["erased"]


@operation(app.delete, "/progress/<user_id>", "learners", status_code=HTTPStatus.ACCEPTED)
def erase_learner(
    user_id: UserId,
    confirm: Annotated[
        str | None,
        Query(
            description="The learner's id, or `me` if the path says so. Learners must give it", max_length=128
        ),
    ] = None,
) -> Erased:
    """Erase a learner, for good."""
    event = app.current_event.raw_event
    who = caller(event)
    learner = learner_id(who, user_id)
    if not who.may_write(learner):
        if who.may_read(learner):
            raise ApiError(403, "Only the learner and admins may erase.")
        raise NotFound
    if confirm is None and learner == who.user_id:
        raise InvalidRequest("confirm", "is needed, with your id: nothing brings back what is erased")
    if confirm not in (None, user_id, learner):
        raise InvalidRequest("confirm", "must be the id of the learner in the path")
    erasure = erasing().erase(learner, requested_at(event))
    return {"user_id": learner, "erased_at": instant(erasure.erased_at).isoformat(), "status": "erased"}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request for the route above."""
    return serve(app, event, context)
