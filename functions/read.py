"""The read API: answers dashboards from the views, one Query each, and computes nothing that grows."""

import base64
import json
import os
import time
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from domain import views
from domain.catalog import Catalog
from domain.interaction import day_number, today_in
from domain.learner import Learner
from domain.views import Standpoint, View
from functions import aws
from functions.api import ApiError, NotFound, caller, learner_id, resolver
from functions.store import Store, Stored

CATALOG_SECONDS = 60
"""How old the catalog that views are made with may be."""
PAGE = 100

app = resolver()

UserId = Annotated[str, Path(description="A learner's id, or `me`")]
CertificationType = Annotated[str | None, Query(max_length=64, description="One certification only")]
Today = Annotated[
    date | None,
    Query(description="What streaks and periods are counted to; default: today in the learner's latest zone"),
]
Days = Annotated[int, Query(ge=1, le=365, description="Length of the period, in days up to `today`")]


@cache
def store() -> Store:
    """The process's store, as the environment sets it up."""
    return Store(aws.dynamodb(), os.environ["VIEWS_TABLE"])


_catalog = Catalog()
_catalog_read_at = float("-inf")


def catalog() -> Catalog:
    """The catalog from memory, looked at again when it is 60 seconds old."""
    global _catalog, _catalog_read_at
    now = time.monotonic()
    if now - _catalog_read_at >= CATALOG_SECONDS:
        _catalog = store().catalog(_catalog, store().head())
        _catalog_read_at = now
    return _catalog


def standpoint(user_id: str, today: date | None, days: int) -> Standpoint:
    """What a view of a learner is made from: one Query. Raises NotFound.

    Authorises before it reads. A learner without interactions has an empty view, for themselves.
    """
    who = caller(app.current_event.raw_event)
    learner = learner_id(who, user_id)
    if not who.may_read(learner):
        raise NotFound
    now = datetime.now(UTC)
    # The zone is known only from the state: read a day more than a zone can lie behind UTC.
    first = day_number(today or now.date()) - days - 1
    stored = store().read(learner, first)
    if stored is None:
        if learner != who.user_id:
            raise NotFound
        stored = Stored(Learner(learner), {}, ())
    zone = stored.learner.zone
    return Standpoint(
        learner=stored.learner,
        days=stored.days,
        awards=stored.awards,
        catalog=catalog(),
        today=day_number(today or today_in(zone.name if zone else None, now)),
        freezes=int(os.environ["STREAK_FREEZES"]),
    )


@app.get("/progress/<user_id>/analytics")
def analytics(user_id: UserId, certification_type: CertificationType = None, today: Today = None) -> View:
    """Totals of everything applied."""
    return views.analytics(standpoint(user_id, today, 0), certification_type)


@app.get("/progress/<user_id>/trends")
def trends(
    user_id: UserId, days: Days = 30, certification_type: CertificationType = None, today: Today = None
) -> View:
    """Each day with study in the period."""
    return views.trends(standpoint(user_id, today, days), days, certification_type)


@app.get("/progress/<user_id>/readiness")
def readiness(user_id: UserId, certification_type: CertificationType = None, today: Today = None) -> View:
    """An estimate of the exam result, with its uncertainty."""
    return views.readiness(standpoint(user_id, today, views.READINESS_DAYS), certification_type)


@app.get("/progress/<user_id>/achievements")
def achievements(user_id: UserId, certification_type: CertificationType = None, today: Today = None) -> View:
    """What was earned, and what is near."""
    return views.achievements(standpoint(user_id, today, 0), certification_type)


@app.get("/progress/<user_id>/dashboard")
def dashboard(user_id: UserId, days: Days = 30, today: Today = None) -> View:
    """All of it at a glance."""
    at = standpoint(user_id, today, max(days, views.READINESS_DAYS))
    return views.dashboard(at, days, datetime.now(UTC))


@app.get("/progress/<user_id>/activity")
def activity(
    user_id: UserId, days: Days = 30, certification_type: CertificationType = None, today: Today = None
) -> View:
    """How much was studied in the period, when, and what."""
    return views.activity(standpoint(user_id, today, days), days, certification_type)


@app.get("/progress/<user_id>/streak")
def streak(user_id: UserId, today: Today = None) -> View:
    """Streaks and study days."""
    return views.streak(standpoint(user_id, today, 0))


@app.get("/progress/<user_id>/content")
def content(
    user_id: UserId,
    certification_type: CertificationType = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = PAGE,
    cursor: Annotated[
        str | None, Query(max_length=400, description="`next_cursor` of the page before")
    ] = None,
) -> View:
    """What was touched, content by content."""
    view = views.content(standpoint(user_id, None, 0), certification_type, _after(cursor), limit)
    seen = view.pop("next")
    return {
        **view,
        "next_cursor": base64.urlsafe_b64encode(json.dumps(seen).encode()).decode() if seen else None,
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
def certifications() -> View:
    """What there is to learn."""
    caller(app.current_event.raw_event)
    return views.certifications(catalog())


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway proxy event -> answer."""
    return app.resolve(event, context)
