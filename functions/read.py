"""The read API: answers dashboards from the views, one Query each, and computes nothing that grows."""

import base64
import json
import os
import time
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Annotated, Any, NamedTuple

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query

from domain import shapes, views
from domain.achievements import Rarity
from domain.catalog import Catalog
from domain.interaction import CertificationCode
from domain.views import ViewContext
from functions import aws
from functions.api import ApiError, NotFound, UserId, caller, learner_id, requested_at, resolver, serve
from functions.store import Store
from functions.view_context import load_view_context

SHARED_SECONDS = 60
"""How old what all views are made with may be: the catalog, and how rare achievements are."""
PAGE = 100

app = resolver()

CertificationType = Annotated[
    CertificationCode | None, Query(description="One certification only", examples=["SAA"])
]
Today = Annotated[
    date | None,
    Query(
        description="What streaks and periods are counted to; default: today in the learner's latest zone",
        examples=["2026-03-01"],
    ),
]
Goal = Annotated[int, Query(ge=1, le=7, description="Study days that the learner wants of each week")]
Days = Annotated[int, Query(ge=1, le=365, description="Length of the period, in days up to `today`")]


@cache
def store() -> Store:
    """The process's store, as the environment sets it up."""
    return Store(aws.dynamodb(), os.environ["VIEWS_TABLE"])


class _Shared(NamedTuple):
    """What all views are made with, and when it was read, in seconds of the monotonic clock."""

    catalog: Catalog = Catalog()
    rarity: Rarity = Rarity()
    read_at: float = float("-inf")


_shared = _Shared()


def shared() -> _Shared:
    """The catalog and the rarities from memory, looked at again when they are 60 seconds old."""
    global _shared
    now = time.monotonic()
    if now - _shared.read_at >= SHARED_SECONDS:
        catalog = store().catalog(_shared.catalog, store().head())
        _shared = _Shared(catalog, store().rarity(), now)
    return _shared


def view_context(user_id: str, today: date | None, days: int) -> ViewContext:
    """Return the context of a learner's views, in one Query.

    Raise NotFound, before anything is read, if the caller may not see the learner. Learners without
    interactions see empty views of themselves; to others they do not exist.
    """
    event = app.current_event.raw_event
    who = caller(event)
    learner = learner_id(who, user_id)
    if not who.may_read(learner):
        raise NotFound
    context = load_view_context(
        store(),
        learner,
        shared().catalog,
        shared().rarity,
        freezes=int(os.environ["STREAK_FREEZES"]),
        period_days=days,
        today=today,
        now=requested_at(event),
    )
    if context.learner.version == 0 and learner != who.user_id:
        raise NotFound
    return context


@app.get("/progress/<user_id>/analytics")
def analytics(
    user_id: UserId, certification_type: CertificationType = None, today: Today = None
) -> shapes.Analytics:
    """Totals of everything applied."""
    return views.analytics(view_context(user_id, today, 0), certification_type)


@app.get("/progress/<user_id>/trends")
def trends(
    user_id: UserId, days: Days = 30, certification_type: CertificationType = None, today: Today = None
) -> shapes.Trends:
    """Each day with study in the period."""
    return views.trends(view_context(user_id, today, days), days, certification_type)


@app.get("/progress/<user_id>/readiness")
def readiness(
    user_id: UserId, certification_type: CertificationType = None, today: Today = None
) -> shapes.Readiness | shapes.ReadinessOfAll:
    """An estimate of the exam result, with its uncertainty; by certification where none is named."""
    context = view_context(user_id, today, views.READINESS_DAYS)
    return (
        views.readiness_of_all(context)
        if certification_type is None
        else views.readiness(context, certification_type)
    )


@app.get("/progress/<user_id>/achievements")
def achievements(
    user_id: UserId, certification_type: CertificationType = None, today: Today = None
) -> shapes.Achievements:
    """What was earned, and what is near."""
    return views.achievements(view_context(user_id, today, 0), certification_type)


@app.get("/progress/<user_id>/dashboard")
def dashboard(
    user_id: UserId, days: Days = 30, today: Today = None, goal: Goal = views.WEEKLY_GOAL
) -> shapes.Dashboard:
    """All of it at a glance."""
    context = replace(view_context(user_id, today, max(days, views.READINESS_DAYS)), goal=goal)
    return views.dashboard(context, days, requested_at(app.current_event.raw_event))


@app.get("/progress/<user_id>/activity")
def activity(
    user_id: UserId, days: Days = 30, certification_type: CertificationType = None, today: Today = None
) -> shapes.Activity:
    """How much was studied in the period, when, and what."""
    return views.activity(view_context(user_id, today, days), days, certification_type)


@app.get("/progress/<user_id>/streak")
def streak(user_id: UserId, today: Today = None, goal: Goal = views.WEEKLY_GOAL) -> shapes.Streak:
    """Streaks, and the study days of a year."""
    return views.streak(replace(view_context(user_id, today, 0), goal=goal))


@app.get("/progress/<user_id>/content")
def content(
    user_id: UserId,
    certification_type: CertificationType = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Contents of a page")] = PAGE,
    cursor: Annotated[
        str | None, Query(max_length=400, description="`next_cursor` of the page before")
    ] = None,
    today: Today = None,
) -> shapes.ContentPage:
    """What was touched, content by content."""
    context = view_context(user_id, today, 0)
    page, last = views.content(context, certification_type, _after(cursor), limit)
    return {
        "user_id": context.learner.user_id,
        "certification_type": certification_type,
        "content": page,
        "next_cursor": base64.urlsafe_b64encode(json.dumps(last).encode()).decode() if last else None,
    }


def _after(cursor: str | None) -> tuple[str, int] | None:
    if cursor is None:
        return None
    try:
        code, ordinal = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return str(code), int(ordinal)
    except (ValueError, TypeError) as error:
        fault = {"field": "cursor", "message": "must be the next_cursor of an earlier page"}
        raise ApiError(400, "The request is not valid.", [fault]) from error


@app.get("/certifications")
def certifications() -> shapes.Certifications:
    """What there is to learn."""
    caller(app.current_event.raw_event)
    return views.certifications(shared().catalog)


@app.get("/openapi.json", include_in_schema=False, cache_control="public, max-age=300")
def openapi() -> Response[str]:
    """Describe this API."""
    from functions.openapi import document  # Costs more to import than any view does.

    return Response(200, content_types.APPLICATION_JSON, document())


@app.get("/docs", include_in_schema=False)
def docs() -> Response[str]:
    """A page to try the API on, where the stack has one."""
    if os.environ["DOCS_UI"] != "on":
        raise ApiError(404, "There is no such resource.")
    from functions.openapi import page

    return Response(200, content_types.TEXT_HTML, page(), compress=True)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway proxy event -> answer."""
    return serve(app, event, context)
