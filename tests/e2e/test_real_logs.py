"""Emit a real log to the deployed stack, and compare the views with a recomputation from the logs' rows.

Real logs are not part of the repository: they are in ../shared/data beside it. Without them these tests are
skipped. test_faults makes the same comparison with the demo's generated log, and tests/long with another one.
"""

import csv
import gzip
import json
import re
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.demo_log import demo_catalog, demo_log
from domain import shapes, views
from domain.days import day_number
from domain.views import ViewContext
from tests.e2e.conftest import REPOSITORY, Deployed

DATA = REPOSITORY.parent / "shared" / "data"
MOODLE = DATA / "moodle_course_events.csv.gz"
STATISTICS = DATA / "statistics_practice.csv.gz"

SETTLE_SECONDS = 120

type Row = dict[str, Any]
"""The fields user, content, kind, day (the local date), score (or None), seconds and category."""


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def moodle_rows() -> list[Row]:
    # Written again instead of imported from cli/logs.py, to test it independently.
    kinds = {
        "Course activity completion updated": "completed",
        "Quiz attempt submitted": "answered",
        "A submission has been submitted.": "answered",
        "Submission created.": "answered",
        "Choice answer added": "answered",
        "Quiz attempt reviewed": "viewed",
    }
    rows: list[Row] = []
    for row in rows_of(MOODLE):
        name = row["event_name"]
        kind = "viewed" if re.search(r"viewed\.?$", name) else kinds.get(name)
        if kind:
            content = re.sub(r"[^a-z0-9]+", "-", row["context"].lower()).strip("-")
            rows.append(
                {
                    "user": row["user"],
                    "content": content,
                    "kind": kind,
                    "day": row["timecreated"][:10],
                    "score": None,
                    "seconds": 0,
                    "component": row["component"],
                }
            )
    components: dict[str, Counter[str]] = defaultdict(Counter)
    for found in rows:
        components[found["content"]][found["component"]] += 1
    for found in rows:
        counts = components[found["content"]]
        found["category"] = min(counts, key=lambda name: (-counts[name], name))
    return rows


def statistics_rows() -> list[Row]:
    return [
        {
            "user": row["learner"],
            "content": row["item"],
            "kind": "viewed" if row["outcome"] == "STUDY" else "answered",
            "day": row["time"][:10],
            "score": {"CORRECT": 100, "INCORRECT": 0, "STUDY": None}[row["outcome"]],
            "seconds": int(row["duration_seconds"]),
            "category": row["topic"],
        }
        for row in rows_of(STATISTICS)
    ]


def demo_rows() -> list[Row]:
    """Return the valid, distinct interactions of the demo as rows, without using the code under test."""
    category = {row.content_id: row.category for row in demo_catalog()}
    rows: dict[tuple[str, str], Row] = {}
    for fields in demo_log().interactions:
        if not fields["event_id"].startswith("demo"):
            rows[fields["user_id"], fields["event_id"]] = {
                "user": fields["user_id"],
                "content": fields["content_id"],
                "kind": fields["interaction_type"],
                "day": fields["occurred_at"][:10],
                "score": fields.get("score"),
                "seconds": fields["time_spent"],
                "category": category[fields["content_id"]],
            }
    return list(rows.values())


def recomputed(rows: list[Row]) -> dict[str, Any]:
    """Recompute from one learner's rows what this learner's views must contain."""
    days = sorted({date.fromisoformat(row["day"]) for row in rows})
    longest = run = 0
    for number, day in enumerate(days):
        run = run + 1 if number and day - days[number - 1] == timedelta(days=1) else 1
        longest = max(longest, run)
    distinct = {kind: {r["content"] for r in rows if r["kind"] == kind} for kind in ("viewed", "completed")}
    return {
        "interactions": len(rows),
        "answers": sum(row["kind"] == "answered" for row in rows),
        "viewed": len(distinct["viewed"]),
        "completed": len(distinct["completed"]),
        "average": average(rows),
        "seconds": sum(row["seconds"] for row in rows),
        "categories": categories(rows),
        "days": [day.isoformat() for day in days],
        "longest": longest,
        "trends": {
            day.isoformat(): {
                "interactions": len(of_day),
                "completed": sum(row["kind"] == "completed" for row in of_day),
                "average": average(of_day),
                "seconds": sum(row["seconds"] for row in of_day),
                "categories": categories(of_day),
            }
            for day in days
            if (of_day := [row for row in rows if row["day"] == day.isoformat()])
        },
    }


def average(rows: list[Row]) -> float | None:
    scores = [row["score"] for row in rows if row["score"] is not None]
    # Rounded down to two decimals, in whole hundredths.
    return sum(round(100 * score) for score in scores) // len(scores) / 100 if scores else None


def categories(rows: list[Row]) -> dict[str, tuple[int, float | None, int]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["category"]].append(row)
    return {
        name: (len(found), average(found), sum(row["seconds"] for row in found))
        for name, found in groups.items()
    }


def seen(analytics: shapes.Analytics, trends: shapes.Trends, streak: shapes.Streak) -> dict[str, Any]:
    """Return the same figures as `recomputed`, taken from the views."""
    return {
        "interactions": analytics["total_interactions"],
        "answers": analytics["total_questions_answered"],
        "viewed": analytics["total_content_viewed"],
        "completed": analytics["total_content_completed"],
        "average": analytics["average_score"],
        "seconds": analytics["time_spent_total_seconds"],
        "categories": breakdown(analytics["categories"]),
        "days": streak["calendar"],
        "longest": streak["longest_streak"],
        "trends": {
            trend["date"]: {
                "interactions": trend["metrics"]["total_interactions"],
                "completed": trend["metrics"]["completed_count"],
                "average": trend["metrics"]["avg_score"],
                "seconds": trend["metrics"]["total_time"],
                "categories": breakdown(trend["category_breakdown"]),
            }
            for trend in trends["trends"]
        },
    }


def breakdown(groups: Mapping[str, shapes.Sums]) -> dict[str, tuple[int, float | None, int]]:
    return {
        name: (sums["count"], sums["avg_score"], sums["time_spent"])
        for name, sums in groups.items()
        if sums["count"]
    }


def items(stack: Deployed) -> dict[tuple[str, str], Row]:
    """Return every item of the views table without its version, once every award is published and counted."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = items_now(stack)
        learners = {pk for (pk, sk), item in found.items() if sk == "STATE" and "erased_at" not in item}
        counted = {pk for pk, sk in found if sk == "COUNTED"}
        waiting = [key for key, item in found.items() if "award" in item and not item.keys() & {"counted"}]
        if learners == counted and not waiting:
            return found
        assert time.monotonic() < deadline, f"{len(waiting)} awards are still not counted"
        time.sleep(1)


def items_now(stack: Deployed) -> dict[tuple[str, str], Row]:
    pages = (
        stack.stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.outputs["ViewsTableName"], ConsistentRead=True)
    )
    return {
        (item["pk"]["S"], item["sk"]["S"]): {name: value for name, value in item.items() if name != "version"}
        for page in pages
        for item in page["Items"]
    }


def check_every_view(stack: Deployed, rows: list[Row], today: date) -> None:
    """Check that each learner's views equal the recomputation, and for some learners also over HTTP."""
    store = stack.stack.store
    catalog = store.full_catalog()
    by_user: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_user[row["user"]].append(row)
    token = stack.token("instructors")
    for number, (user, found) in enumerate(sorted(by_user.items())):
        stored = store.read(user, day_number(today) - 365)
        assert stored is not None, user
        at = ViewContext(stored.learner, stored.days, stored.awards, catalog, day_number(today))
        expected = recomputed(found)
        assert seen(views.analytics(at), views.trends(at, 365), views.streak(at)) == expected, user
        if number % 25 == 0:
            analytics, trends, streak = (
                over_http(f"{stack.api_url}/progress/{user}/{view}?today={today}{more}", token)
                for view, more in (("analytics", ""), ("trends", "&days=365"), ("streak", ""))
            )
            assert seen(analytics, trends, streak) == expected, user


def over_http(url: str, token: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": token})) as answer:
        return json.load(answer)


def log(path: Path, *values: Any) -> Any:
    """Return the parameters of a test of this log, which is skipped if the log is absent."""
    absent = pytest.mark.skipif(not path.exists(), reason=f"shared/data/{path.name} is absent")
    return pytest.param(path, *values, marks=absent)


def emit_and_wait(stack: Deployed, *arguments: str) -> Row:
    emitted = stack.streakline("emit", *arguments)
    waited = stack.streakline("wait", "--timeout", "400")
    assert waited["missing"] == 0
    return {**emitted, **waited}


@pytest.mark.parametrize("path", [log(MOODLE)], ids=["moodle"])
def test_views_of_a_real_log_equal_recomputation_and_a_second_emit_changes_nothing(
    stack: Deployed, path: Path
) -> None:
    rows = moodle_rows()
    assert len(rows) == 88_818
    check_log(stack, path, "moodle", "stream", rows, date(2019, 10, 27))
    longest = (recomputed([r for r in rows if r["user"] == u])["longest"] for u in {r["user"] for r in rows})
    assert max(longest) == 36


def check_log(stack: Deployed, path: Path, form: str, door: str, expected: list[Row], today: date) -> None:
    """Emit a log twice. Check that each learner's views equal the recomputation, and that they stay so."""
    summary = emit_and_wait(stack, str(path), "--format", form, "--door", door)
    assert (summary["emitted"], summary["learners"]) == (
        len(expected),
        len({row["user"] for row in expected}),
    )
    assert summary["in_views"] == len(expected), "the interactions of a log are distinct"
    assert summary["quarantined"] == {}
    check_every_view(stack, expected, today)
    before = items(stack)
    again = emit_and_wait(stack, str(path), "--format", form)
    assert again["in_views"] == len(expected)
    assert items(stack) == before
