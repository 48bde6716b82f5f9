"""Streaks as a learner sees them: what counts as a day, what breaks a run, what mends it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import views
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.days import day_number, instant
from domain.fold import closed_days, fold
from domain.interaction import Interaction, parse
from domain.learner import Day, Learner
from domain.streaks import RUN_PER_FREEZE, StudyCalendar, streaks, weekly_streak
from domain.views import ViewContext

CATALOG = Catalog({"SAA": assign(Certification("SAA"), [ContentMetadata("saa-1")], 1)})
LONG_AFTER = instant(4_102_444_800_000_000)
"""When everything here has arrived."""


def studied(number: int, at: str, zone: str | None = None) -> Interaction:
    """One interaction at a time (RFC 3339), in a zone."""
    fields: dict[str, Any] = {
        "event_id": f"e{number}",
        "user_id": "ann",
        "content_id": "saa-1",
        "interaction_type": "viewed",
        "occurred_at": at,
    }
    return parse(fields | ({"timezone": zone} if zone else {}), LONG_AFTER)


def learner_of(history: list[Interaction], freezes: int = 0) -> Learner:
    """The learner after these interactions, folded one by one as they arrive."""
    learner, days = Learner("ann"), dict[int, Day]()
    for interaction in history:
        wanted = {number: days[number] for number in closed_days(learner, [interaction])}
        change = fold(learner, wanted, [interaction], CATALOG, freezes)
        learner = change.learner
        days |= {day.number: day for day in change.days}
    return learner


def view(learner: Learner, today: str, freezes: int = 0, goal: int = 3) -> Any:
    at = ViewContext(learner, {}, (), CATALOG, day_number(date.fromisoformat(today)), freezes, goal=goal)
    return views.streak(at)


@dataclass(frozen=True)
class Case:
    """When somebody studied, in order of arrival, and what their streak view says on a day."""

    times: tuple[str | tuple[str, str], ...]
    """RFC 3339; with the zone, where the app sent one."""
    today: str
    current: int
    longest: int
    days: int
    """Study days in all."""
    freezes: int = 0
    frozen: tuple[str, ...] = ()
    banked: int = 0


def daily(first: str, count: int, at: str = "20:00:00+00:00") -> tuple[str, ...]:
    """So many days in a row."""
    start = date.fromisoformat(first)
    return tuple(f"{start + timedelta(days=n)}T{at}" for n in range(count))


def helsinki(*times: str) -> tuple[tuple[str, str], ...]:
    return tuple((time, "Europe/Helsinki") for time in times)


NEW_YORK, AUCKLAND, APIA = "America/New_York", "Pacific/Auckland", "Pacific/Apia"

CASES: dict[str, Case] = {
    # -- what a streak is
    "nobody has studied yet": Case((), "2026-03-10", 0, 0, 0),
    "the first day makes a streak of one": Case(daily("2026-03-10", 1), "2026-03-10", 1, 1, 1),
    "two interactions on one day are one day": Case(
        ("2026-03-10T08:00:00Z", "2026-03-10T22:00:00Z"), "2026-03-10", 1, 1, 1
    ),
    "three days in a row are three": Case(daily("2026-03-08", 3), "2026-03-10", 3, 3, 3),
    "in the morning before studying, yesterday's streak stands": Case(
        daily("2026-03-07", 3), "2026-03-10", 3, 3, 3
    ),
    "a whole missed day ends the streak": Case(daily("2026-03-06", 3), "2026-03-10", 0, 3, 3),
    "after a missed day the count begins anew": Case(
        daily("2026-03-01", 5) + daily("2026-03-07", 2), "2026-03-08", 2, 5, 7
    ),
    "the longest streak is remembered": Case(
        daily("2026-01-01", 10) + daily("2026-03-09", 2), "2026-03-10", 2, 10, 12
    ),
    "looked at on an earlier day, later days are left out": Case(
        daily("2026-03-01", 9), "2026-03-04", 4, 4, 4
    ),
    # -- late and repeated
    "a day studied offline and sent later mends the streak": Case(
        ("2026-03-08T20:00:00Z", "2026-03-10T20:00:00Z", "2026-03-09T20:00:00Z"), "2026-03-10", 3, 3, 3
    ),
    "the same interaction twice changes nothing": Case(
        ("2026-03-09T20:00:00Z", "2026-03-09T20:00:00Z", "2026-03-10T20:00:00Z"), "2026-03-10", 2, 2, 2
    ),
    "days that arrive in reverse order make the same streak": Case(
        daily("2026-03-06", 5)[::-1], "2026-03-10", 5, 5, 5
    ),
    "a month of study that arrives a month late makes its streak": Case(
        ("2026-03-10T20:00:00Z", *daily("2026-02-01", 28)), "2026-03-10", 1, 28, 29
    ),
    "a late day before the first day prolongs the streak backwards": Case(
        (*daily("2026-03-09", 2), "2026-03-08T20:00:00Z"), "2026-03-10", 3, 3, 3
    ),
    # -- which day it is
    "a plain offset decides the day where no zone is sent": Case(
        ("2026-03-09T23:30:00+02:00", "2026-03-10T00:30:00+02:00"), "2026-03-10", 2, 2, 2
    ),
    "the zone outweighs the offset": Case(
        (("2026-03-09T23:30:00Z", "Europe/Helsinki"),), "2026-03-10", 1, 1, 1
    ),
    "just before midnight is today": Case(helsinki("2026-03-10T21:59:59Z"), "2026-03-10", 1, 1, 1),
    "just after midnight is tomorrow": Case(helsinki("2026-03-09T22:00:00Z"), "2026-03-10", 1, 1, 1),
    "two hours of one night over midnight are two days": Case(
        helsinki("2026-03-09T21:00:00Z", "2026-03-09T23:00:00Z"), "2026-03-10", 2, 2, 2
    ),
    "a zone of half an hour": Case(
        (("2026-03-09T18:29:00Z", "Asia/Kolkata"), ("2026-03-09T18:31:00Z", "Asia/Kolkata")),
        "2026-03-10",
        2,
        2,
        2,
    ),
    "a zone of three quarters of an hour": Case(
        (("2026-03-09T18:14:00Z", "Asia/Kathmandu"), ("2026-03-09T18:16:00Z", "Asia/Kathmandu")),
        "2026-03-10",
        2,
        2,
        2,
    ),
    "fourteen hours ahead it is tomorrow already": Case(
        ("2026-03-10T00:30:00+14:00", "2026-03-09T12:00:00Z"), "2026-03-10", 2, 2, 2
    ),
    "twelve hours behind it is still yesterday": Case(
        ("2026-03-09T23:30:00-12:00", "2026-03-10T12:30:00Z"), "2026-03-10", 2, 2, 2
    ),
    # -- daylight saving
    "the day with 23 hours counts as one": Case(
        helsinki("2026-03-28T20:00:00Z", "2026-03-29T18:00:00Z", "2026-03-30T18:00:00Z"),
        "2026-03-30",
        3,
        3,
        3,
    ),
    "the day with 25 hours counts as one": Case(
        helsinki("2026-10-24T18:00:00Z", "2026-10-25T18:00:00Z", "2026-10-26T18:00:00Z"),
        "2026-10-26",
        3,
        3,
        3,
    ),
    "the hour that comes twice is on one day": Case(
        helsinki("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"), "2026-10-25", 1, 1, 1
    ),
    "late on the last evening of summer time is that day": Case(
        helsinki("2026-10-24T20:59:00Z"), "2026-10-24", 1, 1, 1
    ),
    "after the clocks went back, midnight is an hour later": Case(
        helsinki("2026-10-25T21:30:00Z", "2026-10-25T22:30:00Z"), "2026-10-26", 2, 2, 2
    ),
    "after the clocks went forward, midnight is an hour earlier": Case(
        helsinki("2026-03-29T20:30:00Z", "2026-03-29T21:30:00Z"), "2026-03-30", 2, 2, 2
    ),
    "daylight saving in New York is on other days than in Helsinki": Case(
        (
            ("2026-03-08T03:59:00Z", NEW_YORK),
            ("2026-03-09T03:59:00Z", NEW_YORK),
            ("2026-03-10T03:59:00Z", NEW_YORK),
        ),
        "2026-03-09",
        3,
        3,
        3,
    ),
    # -- journeys
    "flying east, a short day is no missed day": Case(
        (("2026-03-09T01:00:00Z", NEW_YORK), ("2026-03-09T18:00:00Z", "Europe/Helsinki")),
        "2026-03-09",
        2,
        2,
        2,
    ),
    "flying west, a day lived twice counts once": Case(
        (("2026-03-09T10:00:00Z", AUCKLAND), ("2026-03-10T02:00:00Z", "Pacific/Honolulu")),
        "2026-03-09",
        1,
        1,
        1,
    ),
    "flying east over the date line and studying that day again": Case(
        (("2026-03-09T23:00:00Z", AUCKLAND), ("2026-03-10T01:00:00Z", "Pacific/Honolulu")),
        "2026-03-10",
        2,
        2,
        2,
    ),
    "the day that Samoa left out is a missed day": Case(
        (("2011-12-30T05:00:00Z", APIA), ("2011-12-30T12:00:00Z", APIA)), "2011-12-31", 1, 1, 2
    ),
    "moving house changes no earlier day": Case(
        (("2026-03-08T21:30:00Z", "Europe/Helsinki"), ("2026-03-10T03:30:00Z", NEW_YORK)),
        "2026-03-09",
        2,
        2,
        2,
    ),
    # -- the calendar
    "the 29th of February is a day": Case(daily("2024-02-28", 3), "2024-03-01", 3, 3, 3),
    "no 29th of February is no missed day": Case(daily("2026-02-27", 3), "2026-03-01", 3, 3, 3),
    "a streak goes over the year's end": Case(daily("2025-12-30", 4), "2026-01-02", 4, 4, 4),
    "New Year comes first on Kiritimati": Case(
        (("2025-12-31T10:00:00Z", "Pacific/Kiritimati"), ("2025-12-31T09:59:00Z", "Pacific/Kiritimati")),
        "2026-01-01",
        2,
        2,
        2,
    ),
    # -- freezes
    "without freezes a missed day ends any streak": Case(
        daily("2026-03-01", 7) + daily("2026-03-09", 1), "2026-03-09", 1, 7, 8
    ),
    "seven days in a row bank a freeze": Case(
        daily("2026-03-01", 7), "2026-03-07", 7, 7, 7, freezes=2, banked=1
    ),
    "six days in a row bank none": Case(daily("2026-03-01", 6), "2026-03-06", 6, 6, 6, freezes=2),
    "no more are banked than allowed": Case(
        daily("2026-02-01", 28), "2026-02-28", 28, 28, 28, freezes=2, banked=2
    ),
    "a freeze keeps the streak over a missed day and does not lengthen it": Case(
        daily("2026-03-01", 7) + daily("2026-03-09", 1),
        "2026-03-09",
        8,
        8,
        8,
        freezes=1,
        frozen=("2026-03-08",),
    ),
    "two missed days spend two freezes": Case(
        daily("2026-03-01", 14) + daily("2026-03-17", 1),
        "2026-03-17",
        15,
        15,
        15,
        freezes=2,
        frozen=("2026-03-15", "2026-03-16"),
    ),
    "two missed days with one freeze end the streak": Case(
        daily("2026-03-01", 7) + daily("2026-03-10", 1),
        "2026-03-10",
        1,
        7,
        8,
        freezes=1,
        frozen=("2026-03-08",),
    ),
    "yesterday missed spends a freeze already": Case(
        daily("2026-03-01", 7), "2026-03-09", 7, 7, 7, freezes=1, frozen=("2026-03-08",)
    ),
    "today is not missed yet": Case(daily("2026-03-01", 7), "2026-03-08", 7, 7, 7, freezes=1, banked=1),
    "a frozen day that was studied after all gives the freeze back": Case(
        (*daily("2026-03-01", 7), *daily("2026-03-09", 1), "2026-03-08T12:00:00Z"),
        "2026-03-09",
        9,
        9,
        9,
        freezes=1,
        banked=1,
    ),
    "a missed day starts the count of seven anew": Case(
        daily("2026-03-01", 7) + daily("2026-03-09", 6),
        "2026-03-14",
        13,
        13,
        13,
        freezes=1,
        frozen=("2026-03-08",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_streak_view_when(name: str) -> None:
    case = CASES[name]
    history: list[Interaction] = []
    seen: dict[Any, Interaction] = {}
    for number, when in enumerate(case.times):
        at, zone = when if isinstance(when, tuple) else (when, None)
        # The same time again is the same interaction, delivered again.
        history.append(seen.setdefault(when, studied(number, at, zone)))
    found = view(learner_of(history, case.freezes), case.today, case.freezes)
    assert (found["current_streak"], found["longest_streak"], found["total_study_days"]) == (
        case.current,
        case.longest,
        case.days,
    )
    assert found["freezes"] == {
        "allowed": case.freezes,
        "banked": case.banked,
        "spent": len(case.frozen),
        "days": list(case.frozen),
    }


WEEKS: dict[str, tuple[tuple[str, ...], str, int, int, int]] = {
    # study days, today, goal, current, longest. 2026-03-02 is a Monday.
    "one study day makes a week": (("2026-03-04",), "2026-03-08", 1, 1, 1),
    "Sunday and Monday are two weeks": (("2026-03-08", "2026-03-09"), "2026-03-09", 1, 2, 2),
    "this week is not over: last week's run stands": (("2026-03-04",), "2026-03-12", 1, 1, 1),
    "a whole week missed ends the run": (("2026-03-04",), "2026-03-16", 1, 0, 1),
    "two days do not reach a goal of three": (("2026-03-02", "2026-03-05"), "2026-03-08", 3, 0, 0),
    "three days reach a goal of three": (("2026-03-02", "2026-03-05", "2026-03-08"), "2026-03-08", 3, 1, 1),
    "days of two weeks are not added up": (
        ("2026-03-07", "2026-03-08", "2026-03-09"),
        "2026-03-09",
        3,
        0,
        0,
    ),
    "a goal not reached yet this week leaves the run as it is": (
        ("2026-02-23", "2026-02-24", "2026-03-02", "2026-03-03", "2026-03-09"),
        "2026-03-11",
        2,
        2,
        2,
    ),
    "a goal of seven wants every day": (
        tuple(f"2026-03-0{n}" for n in range(2, 9)),
        "2026-03-08",
        7,
        1,
        1,
    ),
    "the run goes over the year's end": (
        ("2025-12-22", "2025-12-31", "2026-01-07"),
        "2026-01-07",
        1,
        3,
        3,
    ),
}


@pytest.mark.parametrize("name", WEEKS)
def test_the_weekly_streak_when(name: str) -> None:
    days, today, goal, current, longest = WEEKS[name]
    learner = learner_of([studied(n, f"{day}T12:00:00Z") for n, day in enumerate(days)])
    found = view(learner, today, goal=goal)["weeks_with_goal" if goal > 1 else "weeks"]
    assert (found["current"], found["longest"]) == (current, longest)


def test_the_heat_map_shows_53_weeks() -> None:
    learner = Learner("ann", calendar=calendar_of(set(range(5_000, 6_000))))
    at = ViewContext(learner, {}, (), CATALOG, 5_999)
    shown = views.streak(at)["calendar"]
    assert len(shown) == 53 * 7
    assert shown == sorted(shown)
    assert len(views.streak(replace(at, today=5_009))["calendar"]) == 10


# -- of any calendar -------------------------------------------------------------------------------

calendars = st.sets(st.integers(0, 90), max_size=80)
freezes = st.integers(0, 4)


def calendar_of(days: set[int]) -> StudyCalendar:
    calendar = StudyCalendar()
    for day in days:
        calendar = calendar.add(day)
    return calendar


def day_by_day(days: set[int], today: int, allowed: int) -> tuple[int, int, tuple[int, ...], int]:
    """Current, longest, frozen, banked: the contract, told one day after the other."""
    days = {day for day in days if day <= today}
    run = longest = banked = in_a_row = 0
    frozen = []
    for day in range(min(days, default=today), today + 1):
        if day in days:
            run += 1
            in_a_row += 1
            longest = max(longest, run)
            if in_a_row % RUN_PER_FREEZE == 0:
                banked = min(allowed, banked + 1)
        elif day < today:
            in_a_row = 0
            if banked:
                banked -= 1
                frozen.append(day)
            else:
                run = 0
    return run, longest, tuple(frozen), banked


@given(calendars, st.integers(0, 100), freezes)
def test_streaks_equal_the_contract_told_day_by_day(days: set[int], today: int, allowed: int) -> None:
    found = streaks(calendar_of(days), today, allowed)
    assert (found.current, found.longest, found.frozen, found.banked) == day_by_day(days, today, allowed)
    assert found.total == len({day for day in days if day <= today})


@given(calendars, st.integers(0, 100), st.integers(1, 7))
def test_weekly_streaks_equal_counting_week_by_week(days: set[int], today: int, goal: int) -> None:
    first = date(2000, 1, 1)
    weeks: dict[date, int] = {}
    for day in {day for day in days if day <= today}:
        at = first + timedelta(days=day)
        monday = at - timedelta(days=at.weekday())
        weeks[monday] = weeks.get(monday, 0) + 1
    reached = {monday for monday, count in weeks.items() if count >= goal}
    longest = 0
    for monday in reached:
        length = 0
        while monday + timedelta(weeks=length) in reached:
            length += 1
        longest = max(longest, length)
    last = first + timedelta(days=today)
    monday = last - timedelta(days=last.weekday())
    if monday not in reached:
        monday -= timedelta(weeks=1)
    current = 0
    while monday - timedelta(weeks=current) in reached:
        current += 1
    found = weekly_streak(calendar_of(days), today, goal)
    assert (found.current, found.longest) == (current, longest)


@given(calendars, st.integers(0, 90), freezes)
def test_a_study_day_more_never_shortens_the_longest_streak(
    days: set[int], another: int, allowed: int
) -> None:
    before = streaks(calendar_of(days), freezes=allowed).longest
    assert streaks(calendar_of(days | {another}), freezes=allowed).longest >= before


@given(st.lists(st.integers(0, 40), min_size=1, max_size=25), freezes, st.randoms(use_true_random=False))
def test_any_order_any_batching_and_any_duplicates_give_the_same_streak_view(
    days: list[int], allowed: int, random: Random
) -> None:
    start = date(2026, 2, 1)
    history = [studied(n, f"{start + timedelta(days=day)}T12:00:00+01:00") for n, day in enumerate(days)]
    expected = view(learner_of(history, allowed), "2026-03-20", allowed)
    again = history + random.choices(history, k=len(history))
    random.shuffle(again)
    learner, closed = Learner("ann"), dict[int, Day]()
    while again:
        batch = [again.pop() for _ in range(random.randint(1, len(again)))]
        wanted = {number: closed[number] for number in closed_days(learner, batch)}
        change = fold(learner, wanted, batch, CATALOG, allowed)
        learner = change.learner
        closed |= {day.number: day for day in change.days}
    assert view(learner, "2026-03-20", allowed) == expected


@given(calendars, st.integers(0, 100), st.integers(0, 100))
def test_a_part_of_a_calendar_is_its_days_in_between(days: set[int], first: int, last: int) -> None:
    part = calendar_of(days).between(first, last)
    assert list(part) == sorted(day for day in days if first <= day <= last)


@given(calendars)
def test_a_calendar_comes_back_from_its_bytes(days: set[int]) -> None:
    calendar = calendar_of(days)
    assert StudyCalendar.from_bytes(calendar.first, calendar.to_bytes()) == calendar
    assert list(calendar) == sorted(days)
