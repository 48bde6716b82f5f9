"""The API's routes for reading: answer dashboards from the views, each with one Query.

The time of an answer does not grow with the learner's history.
"""

import base64
import json
import os
import re
import time
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BeforeValidator

from domain import shapes, views
from domain.achievement_shapes import offered
from domain.achievements import Rarity
from domain.catalog import Catalog
from domain.contents import CatalogContents, hardest
from domain.days import day_number, microseconds, utc_day
from domain.interaction import (
    MAX_TIME_LENGTH,
    CertificationCode,
    EventId,
    InvalidInteraction,
    digest_of,
    time_in,
)
from domain.learner import Learner
from domain.refusals import Refusal, outcome_of
from domain.views import ViewContext
from functions import aws, generations
from functions.api import (
    UNKNOWN_CERTIFICATION,
    ApiError,
    InvalidRequest,
    NotFound,
    UserId,
    operation,
    requested_at,
    resolver,
    serve,
)
from functions.caller import caller, learner_id
from functions.refusals import Refusals
from functions.snapshot import prepare
from functions.store import Store
from functions.view_context import load_view_context

SHARED_SECONDS = 60
"""Maximum age of what all learners' views share: the catalog and the rarity of achievements."""
REFRESH_SECONDS = 2
"""Minimum age at which they are read again because a request needs something newer."""
PAGE = 100
"""Contents on a page of the content view, by default."""

app = resolver()

CertificationType = Annotated[
    CertificationCode | None, Query(description="Restrict the view to one certification", examples=["SAA"])
]


def _as_number(text: Any) -> Any:
    # Pydantic also accepts signs, spaces and underscores.
    if isinstance(text, str) and not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise ValueError("must be a whole number in digits")
    return text


def _as_date(text: Any) -> Any:
    # Pydantic also accepts seconds since 1970.
    if isinstance(text, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise ValueError("must be a date such as 2026-03-01")
    return text


Today = Annotated[
    Annotated[date, BeforeValidator(_as_date)] | None,
    Query(
        description="Last day that streaks and periods count; default: today in the learner's latest zone",
        examples=["2026-03-01"],
    ),
]
# The bounds stand inside of the validator: outside of it, the API's description would call them `ge` and
# `le`, which mean nothing in JSON Schema.
Goal = Annotated[
    Annotated[int, Ge(1), Le(7), BeforeValidator(_as_number)],
    Query(description="Study days a week that the learner aims for"),
]
Days = Annotated[
    Annotated[int, Ge(1), Le(365), BeforeValidator(_as_number)],
    Query(description="Length in days of the period that ends with `today`"),
]
Limit = Annotated[
    Annotated[int, Ge(1), Le(1000), BeforeValidator(_as_number)], Query(description="Contents on a page")
]


def store() -> Store:
    """Return the store of the generation of the views that is live now.

    Raise an error of AWS, or GenerationGone, if that can't be said: no answer is made from another one.
    """
    return Store(aws.dynamodb(), generations.live_table())


class _Shared(NamedTuple):
    """The catalog and the rarities of a table, and when they were read, in seconds of the monotonic clock."""

    table: str = ""
    catalog: Catalog = Catalog()
    rarity: Rarity = Rarity()
    read_at: float = float("-inf")


_shared = _Shared()


def shared(max_age: float = SHARED_SECONDS) -> _Shared:
    """Return the catalog and the rarities from memory. Read them again if they are older, in seconds."""
    global _shared
    now, live = time.monotonic(), store()
    if now - _shared.read_at >= max_age or _shared.table != live.table:
        known = _shared.catalog if _shared.table == live.table else Catalog()
        _shared = _Shared(live.table, live.catalog(known, live.head()), live.rarity(), now)
    return _shared


def view_context(
    user_id: str, today: date | None, days: int, certification: str | None = None
) -> ViewContext:
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
    if not _covers(context.catalog, context.learner):
        # The learner has met content that is newer than this process's catalog.
        context = replace(context, catalog=shared(REFRESH_SECONDS).catalog)
        if not _covers(context.catalog, context.learner):
            raise TimeoutError("the catalog is older than the learner's state")
    _check_certification(context, certification)
    return context


def _covers(catalog: Catalog, learner: Learner) -> bool:
    """Return whether a catalog has every content that a learner's state refers to."""
    for code, track in learner.tracks.items():
        touched = (track.viewed | track.answered | track.completed).bits.bit_length()
        certification = catalog.certifications.get(code)
        if certification is None or touched > len(certification.contents):
            return False
    return True


def _check_certification(context: ViewContext, code: str | None) -> None:
    """Raise ApiError 404 if neither the catalog nor the learner knows a certification."""
    learner = context.learner
    if (
        code is None
        or code in context.catalog.certifications
        or code in learner.tracks
        or code in learner.exams
    ):
        return
    # It can be newer than this process's catalog.
    if code not in shared(REFRESH_SECONDS).catalog.certifications:
        raise unknown_certification(code)


def unknown_certification(code: str) -> ApiError:
    """Return the answer about a certification that nobody knows."""
    return ApiError(404, f"There is no certification {code}.", code=UNKNOWN_CERTIFICATION)


@operation(app.get, "/progress/<user_id>/analytics", "views")
def analytics(
    user_id: UserId, certification_type: CertificationType = None, today: Today = None
) -> shapes.Analytics:
    """Return the totals over all interactions."""
    return views.analytics(view_context(user_id, today, 0, certification_type), certification_type)


@operation(app.get, "/progress/<user_id>/trends", "views")
def trends(
    user_id: UserId, days: Days = 30, certification_type: CertificationType = None, today: Today = None
) -> shapes.Trends:
    """Return each day of the period on which the learner studied."""
    return views.trends(view_context(user_id, today, days, certification_type), days, certification_type)


@operation(app.get, "/progress/<user_id>/readiness", "views")
def readiness(
    user_id: UserId, certification_type: CertificationType = None, today: Today = None
) -> shapes.Readiness | shapes.ReadinessOfAll:
    """Return the expected exam result and its uncertainty, for one certification or for each one started."""
    context = view_context(user_id, today, views.READINESS_DAYS, certification_type)
    return (
        views.readiness_of_all(context)
        if certification_type is None
        else views.readiness(context, certification_type)
    )


@operation(app.get, "/progress/<user_id>/achievements", "views")
def achievements(
    user_id: UserId,
    certification_type: CertificationType = None,
    every: Annotated[
        Literal["true", "false"], Query(alias="all", description="`true`: `next` has all that are not earned")
    ] = "false",
    today: Today = None,
) -> shapes.Achievements:
    """Return the achievements that are earned and the nearest ones that are not."""
    context = view_context(user_id, today, 0, certification_type)
    return views.achievements(context, certification_type, every=every == "true")


@operation(app.get, "/progress/<user_id>/dashboard", "views")
def dashboard(
    user_id: UserId, days: Days = 30, today: Today = None, goal: Goal = views.WEEKLY_GOAL
) -> shapes.Dashboard:
    """Return everything that a dashboard shows."""
    context = replace(view_context(user_id, today, max(days, views.READINESS_DAYS)), goal=goal)
    return views.dashboard(context, days, requested_at(app.current_event.raw_event))


@operation(app.get, "/progress/<user_id>/activity", "views")
def activity(
    user_id: UserId, days: Days = 30, certification_type: CertificationType = None, today: Today = None
) -> shapes.Activity:
    """Return how much was studied in the period, on which days, and in which areas."""
    return views.activity(view_context(user_id, today, days, certification_type), days, certification_type)


@operation(app.get, "/progress/<user_id>/streak", "views")
def streak(user_id: UserId, today: Today = None, goal: Goal = views.WEEKLY_GOAL) -> shapes.Streak:
    """Return the streaks and the study days of the last 53 weeks."""
    return views.streak(replace(view_context(user_id, today, 0), goal=goal))


@operation(app.get, "/progress/<user_id>/content", "views")
def content(
    user_id: UserId,
    certification_type: CertificationType = None,
    limit: Limit = PAGE,
    cursor: Annotated[
        str | None, Query(max_length=400, description="`next_cursor` of the previous page")
    ] = None,
    today: Today = None,
) -> shapes.ContentPage:
    """Return the contents that the learner has interacted with, page by page."""
    after = _after(cursor)
    context = view_context(user_id, today, 0, certification_type)
    page, last = views.content(context, certification_type, after, limit)
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
        match json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True)):
            case [str(code), int(ordinal)] if type(ordinal) is int and ordinal >= 0:
                return code, ordinal
    except (ValueError, RecursionError):
        pass
    raise InvalidRequest("cursor", "must be the next_cursor of an earlier page")


@operation(app.get, "/progress/<user_id>/interactions/<event_id>", "interactions")
def event_outcome(
    user_id: UserId,
    event_id: Annotated[EventId, Path(description="The event_id that was sent, or that a POST answered")],
    occurred_at: Annotated[
        str,
        Query(
            max_length=MAX_TIME_LENGTH,
            description="Its occurred_at: an event_id is unique for each learner and UTC day",
            examples=["2026-03-01T21:30:00+02:00"],
        ),
    ],
) -> shapes.EventOutcome:
    """Return what became of an interaction or exam result, and the achievements that it brought."""
    event = app.current_event.raw_event
    who = caller(event)
    learner = learner_id(who, user_id)
    if not who.may_read(learner):
        raise NotFound
    at = microseconds(_time(occurred_at))
    number = utc_day(at)
    # From a day that no learner reaches: the awards are wanted, and no days.
    live = store()
    stored = live.read(learner, day_number(date.max))
    applied = digest_of(event_id) in live.read_applied(learner, [number])[number]
    refusal = None if applied else _refusal(learner, event_id, number)
    if stored is None and refusal is None and learner != who.user_id:
        raise NotFound
    return outcome_of(
        event_id,
        at,
        applied=applied,
        refusal=refusal,
        awards=stored.awards if stored else (),
        rarity=shared().rarity,
    )


def _refusal(learner: str, event_id: str, utc_day: int) -> Refusal | None:
    # After a cutover, what arrived before it was noted by the consumer of the other generation.
    tables = sorted(generations.tables().values(), key=lambda table: table != store().table)
    found = (Refusals(aws.dynamodb(), table).find(learner, event_id, utc_day) for table in tables)
    return next(filter(None, found), None)


def _time(text: str) -> datetime:
    # A plus sign that a client did not encode arrives as a blank. No time has a blank before its offset.
    spelled = re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text)
    try:
        return time_in(spelled)
    except InvalidInteraction as error:
        raise InvalidRequest("occurred_at", error.faults[0].message) from error


@operation(app.get, "/certifications", "views")
def certifications() -> shapes.Certifications:
    """Return the certifications that the catalog offers."""
    caller(app.current_event.raw_event)
    return views.certifications(shared().catalog)


@operation(app.get, "/content", "views")
def catalog_content(
    certification_type: CertificationType = None,
    limit: Limit = PAGE,
) -> CatalogContents:
    """Return the catalog's contents for instructors and admins, the hardest first."""
    if not caller(app.current_event.raw_event).may_read_all:
        raise ApiError(403, "Only instructors and admins may see how hard contents are.")
    catalog = shared().catalog
    if certification_type is not None and certification_type not in catalog.certifications:
        # It can be newer than this process's catalog.
        catalog = shared(REFRESH_SECONDS).catalog
        if certification_type not in catalog.certifications:
            raise unknown_certification(certification_type)
    return hardest(catalog, certification_type, limit)


@operation(app.get, "/achievements", "views")
def offered_achievements() -> shapes.OfferedAchievements:
    """Return the achievements that can be earned, with their points and how rare they are."""
    caller(app.current_event.raw_event)
    return offered(shared().catalog, shared().rarity)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request for one of the routes above."""
    return serve(app, event, context)


prepare(aws.dynamodb, generations.generations)
