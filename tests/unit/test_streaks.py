"""Streaks as learners see them: which days count, what breaks a streak, and what repairs it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import views
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.days import day_number, day_text, instant
from domain.interaction import Interaction, parse
from domain.learner import Learner
from domain.streaks import RUN_PER_FREEZE, StudyCalendar, streaks, weekly_streak
from domain.views import ViewContext
from tests.factory import fold_batches, make_interaction

CATALOG = Catalog({"SAA": assign(Certification("SAA"), [ContentMetadata("saa-1")], 1)})
LONG_AFTER = instant(4_102_444_800_000_000)
"""The time at which every interaction of this file has arrived."""


def studied(number: int, at: str, zone: str | None = None) -> Interaction:
    """Return one interaction at a time (RFC 3339), in a zone."""
    return parse(make_interaction(event_id=f"e{number}", occurred_at=at, timezone=zone), LONG_AFTER)


def learner_of(history: list[Interaction], freezes: int = 0) -> Learner:
    """Return the learner after these interactions, folded one by one as they arrive."""
    return fold_batches(([interaction] for interaction in history), CATALOG, freezes).learner


def view(learner: Learner, today: str, freezes: int = 0, goal: int = 3) -> Any:
    day = day_number(date.fromisoformat(today))
    return views.streak(ViewContext(learner, {}, (), CATALOG, day, freezes, goal=goal))


@dataclass(frozen=True)
class Case:
    """The times at which somebody studied, in order of arrival, and their streak view on a day."""

    times: tuple[str | tuple[str, str], ...]
    """RFC 3339. A pair also has the zone that the app sent."""
    today: str
    current: int
    longest: int
    days: int
    """The number of study days."""
    freezes: int = 0
    frozen: tuple[str, ...] = ()
    banked: int = 0


def daily(first: str, count: int, at: str = "20:00:00+00:00") -> tuple[str, ...]:
    """Return the same time of day on `count` days in a row."""
    start = date.fromisoformat(first)
    return tuple(f"{start + timedelta(days=n)}T{at}" for n in range(count))


def helsinki(*times: str) -> tuple[tuple[str, str], ...]:
    """Return these times with the zone of Helsinki."""
    return tuple((time, "Europe/Helsinki") for time in times)


NEW_YORK, AUCKLAND, APIA = "America/New_York", "Pacific/Auckland", "Pacific/Apia"

CASES: dict[str, Case] = {
    # -- the run of study days
    "nobody has studied yet": Case((), "2026-03-10", 0, 0, 0),
    "the first day makes a streak of one": Case(daily("2026-03-10", 1), "2026-03-10", 1, 1, 1),
    "two interactions on one day are one day": Case(
        ("2026-03-10T08:00:00Z", "2026-03-10T22:00:00Z"), "2026-03-10", 1, 1, 1
    ),
    "three days in a row are three": Case(daily("2026-03-08", 3), "2026-03-10", 3, 3, 3),
    "yesterday's streak still counts this morning": Case(daily("2026-03-07", 3), "2026-03-10", 3, 3, 3),
    "a full missed day ends the streak": Case(daily("2026-03-06", 3), "2026-03-10", 0, 3, 3),
    "after a missed day the count starts again": Case(
        daily("2026-03-01", 5) + daily("2026-03-07", 2), "2026-03-08", 2, 5, 7
    ),
    "the longest streak is remembered": Case(
        daily("2026-01-01", 10) + daily("2026-03-09", 2), "2026-03-10", 2, 10, 12
    ),
    "an earlier date leaves out later days": Case(daily("2026-03-01", 9), "2026-03-04", 4, 4, 4),
    # -- late and repeated interactions
    "a day studied offline and sent late repairs the streak": Case(
        ("2026-03-08T20:00:00Z", "2026-03-10T20:00:00Z", "2026-03-09T20:00:00Z"), "2026-03-10", 3, 3, 3
    ),
    "the same interaction twice changes nothing": Case(
        ("2026-03-09T20:00:00Z", "2026-03-09T20:00:00Z", "2026-03-10T20:00:00Z"), "2026-03-10", 2, 2, 2
    ),
    "days can arrive in reverse order": Case(daily("2026-03-06", 5)[::-1], "2026-03-10", 5, 5, 5),
    "a month of study can arrive a month late": Case(
        ("2026-03-10T20:00:00Z", *daily("2026-02-01", 28)), "2026-03-10", 1, 28, 29
    ),
    "a late day before the first day extends the streak": Case(
        (*daily("2026-03-09", 2), "2026-03-08T20:00:00Z"), "2026-03-10", 3, 3, 3
    ),
    # -- the local day
    "without a zone, the offset decides the day": Case(
        ("2026-03-09T23:30:00+02:00", "2026-03-10T00:30:00+02:00"), "2026-03-10", 2, 2, 2
    ),
    "the zone takes precedence over the offset": Case(
        (("2026-03-09T23:30:00Z", "Europe/Helsinki"),), "2026-03-10", 1, 1, 1
    ),
    "a second before midnight is the same day": Case(helsinki("2026-03-10T21:59:59Z"), "2026-03-10", 1, 1, 1),
    "midnight is the next day": Case(helsinki("2026-03-09T22:00:00Z"), "2026-03-10", 1, 1, 1),
    "two hours around midnight are two days": Case(
        helsinki("2026-03-09T21:00:00Z", "2026-03-09T23:00:00Z"), "2026-03-10", 2, 2, 2
    ),
    "a zone with an offset of half an hour": Case(
        (("2026-03-09T18:29:00Z", "Asia/Kolkata"), ("2026-03-09T18:31:00Z", "Asia/Kolkata")),
        "2026-03-10",
        2,
        2,
        2,
    ),
    "a zone with an offset of three quarters of an hour": Case(
        (("2026-03-09T18:14:00Z", "Asia/Kathmandu"), ("2026-03-09T18:16:00Z", "Asia/Kathmandu")),
        "2026-03-10",
        2,
        2,
        2,
    ),
    "at +14:00 it is already tomorrow": Case(
        ("2026-03-10T00:30:00+14:00", "2026-03-09T12:00:00Z"), "2026-03-10", 2, 2, 2
    ),
    "at -12:00 it is still yesterday": Case(
        ("2026-03-09T23:30:00-12:00", "2026-03-10T12:30:00Z"), "2026-03-10", 2, 2, 2
    ),
    # -- daylight saving time
    "a day of 23 hours is one day": Case(
        helsinki("2026-03-28T20:00:00Z", "2026-03-29T18:00:00Z", "2026-03-30T18:00:00Z"),
        "2026-03-30",
        3,
        3,
        3,
    ),
    "a day of 25 hours is one day": Case(
        helsinki("2026-10-24T18:00:00Z", "2026-10-25T18:00:00Z", "2026-10-26T18:00:00Z"),
        "2026-10-26",
        3,
        3,
        3,
    ),
    "both passes of the repeated hour are on one day": Case(
        helsinki("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"), "2026-10-25", 1, 1, 1
    ),
    "the last evening of summer time belongs to its day": Case(
        helsinki("2026-10-24T20:59:00Z"), "2026-10-24", 1, 1, 1
    ),
    "after the clocks go back, midnight is an hour later in UTC": Case(
        helsinki("2026-10-25T21:30:00Z", "2026-10-25T22:30:00Z"), "2026-10-26", 2, 2, 2
    ),
    "after the clocks go forward, midnight is an hour earlier in UTC": Case(
        helsinki("2026-03-29T20:30:00Z", "2026-03-29T21:30:00Z"), "2026-03-30", 2, 2, 2
    ),
    "New York changes its clocks on other days than Helsinki": Case(
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
    # -- travel
    "a flight east shortens a day but misses none": Case(
        (("2026-03-09T01:00:00Z", NEW_YORK), ("2026-03-09T18:00:00Z", "Europe/Helsinki")),
        "2026-03-09",
        2,
        2,
        2,
    ),
    "a flight west repeats a day that counts once": Case(
        (("2026-03-09T10:00:00Z", AUCKLAND), ("2026-03-10T02:00:00Z", "Pacific/Honolulu")),
        "2026-03-09",
        1,
        1,
        1,
    ),
    "a flight east over the date line repeats a day": Case(
        (("2026-03-09T23:00:00Z", AUCKLAND), ("2026-03-10T01:00:00Z", "Pacific/Honolulu")),
        "2026-03-10",
        2,
        2,
        2,
    ),
    "the day that Samoa skipped is a missed day": Case(
        (("2011-12-30T05:00:00Z", APIA), ("2011-12-30T12:00:00Z", APIA)), "2011-12-31", 1, 1, 2
    ),
    "a move to another zone changes no earlier day": Case(
        (("2026-03-08T21:30:00Z", "Europe/Helsinki"), ("2026-03-10T03:30:00Z", NEW_YORK)),
        "2026-03-09",
        2,
        2,
        2,
    ),
    # -- the calendar
    "the 29th of February counts": Case(daily("2024-02-28", 3), "2024-03-01", 3, 3, 3),
    "a year without a 29th of February misses no day": Case(daily("2026-02-27", 3), "2026-03-01", 3, 3, 3),
    "a streak continues over New Year": Case(daily("2025-12-30", 4), "2026-01-02", 4, 4, 4),
    "the year begins first on Kiritimati": Case(
        (("2025-12-31T10:00:00Z", "Pacific/Kiritimati"), ("2025-12-31T09:59:00Z", "Pacific/Kiritimati")),
        "2026-01-01",
        2,
        2,
        2,
    ),
    # -- freezes
    "without freezes a missed day ends every streak": Case(
        daily("2026-03-01", 7) + daily("2026-03-09", 1), "2026-03-09", 1, 7, 8
    ),
    "seven days in a row bank a freeze": Case(
        daily("2026-03-01", 7), "2026-03-07", 7, 7, 7, freezes=2, banked=1
    ),
    "six days in a row bank no freeze": Case(daily("2026-03-01", 6), "2026-03-06", 6, 6, 6, freezes=2),
    "the bank holds at most the allowed freezes": Case(
        daily("2026-02-01", 28), "2026-02-28", 28, 28, 28, freezes=2, banked=2
    ),
    "a freeze keeps the streak but does not lengthen it": Case(
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
    "a day missed yesterday has already spent a freeze": Case(
        daily("2026-03-01", 7), "2026-03-09", 7, 7, 7, freezes=1, frozen=("2026-03-08",)
    ),
    "today is not missed until it is over": Case(
        daily("2026-03-01", 7), "2026-03-08", 7, 7, 7, freezes=1, banked=1
    ),
    "a late interaction on a frozen day returns the freeze": Case(
        (*daily("2026-03-01", 7), *daily("2026-03-09", 1), "2026-03-08T12:00:00Z"),
        "2026-03-09",
        9,
        9,
        9,
        freezes=1,
        banked=1,
    ),
    "a missed day restarts the count of seven": Case(
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
def test_the_streak_view(name: str) -> None:
    case = CASES[name]
    history: list[Interaction] = []
    seen: dict[Any, Interaction] = {}
    for number, when in enumerate(case.times):
        at, zone = when if isinstance(when, tuple) else (when, None)
        # A repeated time is the same interaction, delivered again.
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
    # Study days, today, goal, current, longest. 2026-03-02 is a Monday.
    "one study day makes a run of one week": (("2026-03-04",), "2026-03-08", 1, 1, 1),
    "Sunday and Monday are two weeks": (("2026-03-08", "2026-03-09"), "2026-03-09", 1, 2, 2),
    "last week's run still counts this week": (("2026-03-04",), "2026-03-12", 1, 1, 1),
    "a full missed week ends the run": (("2026-03-04",), "2026-03-16", 1, 0, 1),
    "two days do not reach a goal of three": (("2026-03-02", "2026-03-05"), "2026-03-08", 3, 0, 0),
    "three days reach a goal of three": (("2026-03-02", "2026-03-05", "2026-03-08"), "2026-03-08", 3, 1, 1),
    "days of two weeks are not added together": (
        ("2026-03-07", "2026-03-08", "2026-03-09"),
        "2026-03-09",
        3,
        0,
        0,
    ),
    "a goal not reached yet this week keeps the run": (
        ("2026-02-23", "2026-02-24", "2026-03-02", "2026-03-03", "2026-03-09"),
        "2026-03-11",
        2,
        2,
        2,
    ),
    "a goal of seven requires every day": (
        tuple(f"2026-03-0{n}" for n in range(2, 9)),
        "2026-03-08",
        7,
        1,
        1,
    ),
    "a run continues over New Year": (
        ("2025-12-22", "2025-12-31", "2026-01-07"),
        "2026-01-07",
        1,
        3,
        3,
    ),
}


@pytest.mark.parametrize("name", WEEKS)
def test_the_weekly_streak(name: str) -> None:
    days, today, goal, current, longest = WEEKS[name]
    learner = learner_of([studied(n, f"{day}T12:00:00Z") for n, day in enumerate(days)])
    found = view(learner, today, goal=goal)["weeks_with_goal" if goal > 1 else "weeks"]
    assert (found["current"], found["longest"]) == (current, longest)


def test_the_heat_map_shows_53_weeks() -> None:
    learner = Learner("ann", calendar=calendar_of(set(range(5_000, 6_000))))
    context = ViewContext(learner, {}, (), CATALOG, 5_999)
    shown = views.streak(context)["calendar"]
    assert shown == [day_text(day) for day in range(6_000 - 53 * 7, 6_000)]
    assert len(views.streak(replace(context, today=5_009))["calendar"]) == 10


def test_the_streak_view_names_the_zone_and_whether_today_has_study() -> None:
    learner = learner_of([studied(1, "2026-03-10T20:00:00Z", "Europe/Helsinki")])
    on_the_day, a_day_later = view(learner, "2026-03-10"), view(learner, "2026-03-11")
    assert (on_the_day["studied_today"], a_day_later["studied_today"]) == (True, False)
    assert on_the_day["timezone"] == "Europe/Helsinki"
    assert view(Learner("ann"), "2026-03-10")["timezone"] is None


# -- properties of any calendar --------------------------------------------------------------------

calendars = st.sets(st.integers(0, 90), max_size=80)
freezes = st.integers(0, 4)


def calendar_of(days: set[int]) -> StudyCalendar:
    calendar = StudyCalendar()
    for day in days:
        calendar = calendar.add(day)
    return calendar


def day_by_day(days: set[int], today: int, allowed: int) -> tuple[int, int, tuple[int, ...], int]:
    """Return current, longest, frozen and banked, by following the contract from day to day."""
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
def test_streaks_equal_a_count_day_by_day(days: set[int], today: int, allowed: int) -> None:
    found = streaks(calendar_of(days), today, allowed)
    assert (found.current, found.longest, found.frozen, found.banked) == day_by_day(days, today, allowed)
    assert found.total == len({day for day in days if day <= today})


@given(calendars, st.integers(0, 100), st.integers(1, 7))
def test_weekly_streaks_equal_a_count_week_by_week(days: set[int], today: int, goal: int) -> None:
    first = date(2000, 1, 1)
    weeks: dict[date, int] = {}
    for day in {day for day in days if day <= today}:
        at = first + timedelta(days=day)
        monday = at - timedelta(days=at.weekday())
        weeks[monday] = weeks.get(monday, 0) + 1
    reached = {monday for monday, count in weeks.items() if count >= goal}

    def run_until(monday: date) -> int:
        return 1 + run_until(monday - timedelta(weeks=1)) if monday in reached else 0

    longest = max(map(run_until, reached), default=0)
    last = first + timedelta(days=today)
    this_week = last - timedelta(days=last.weekday())
    current = run_until(this_week) or run_until(this_week - timedelta(weeks=1))
    found = weekly_streak(calendar_of(days), today, goal)
    assert (found.current, found.longest) == (current, longest)


@given(calendars, st.integers(0, 90), freezes)
def test_another_study_day_never_shortens_the_longest_streak(
    days: set[int], another: int, allowed: int
) -> None:
    before = streaks(calendar_of(days), freezes=allowed).longest
    assert streaks(calendar_of(days | {another}), freezes=allowed).longest >= before


@given(st.lists(st.integers(0, 40), min_size=1, max_size=25), freezes, st.randoms(use_true_random=False))
def test_order_batching_and_duplicates_do_not_change_the_streak_view(
    days: list[int], allowed: int, random: Random
) -> None:
    start = date(2026, 2, 1)
    history = [studied(n, f"{start + timedelta(days=day)}T12:00:00+01:00") for n, day in enumerate(days)]
    expected = view(learner_of(history, allowed), "2026-03-20", allowed)
    again = history + random.choices(history, k=len(history))
    random.shuffle(again)
    batches = []
    while again:
        batches.append([again.pop() for _ in range(random.randint(1, len(again)))])
    learner = fold_batches(batches, CATALOG, allowed).learner
    assert view(learner, "2026-03-20", allowed) == expected


@given(calendars, st.integers(0, 100), st.integers(0, 100))
def test_a_part_of_a_calendar_has_the_days_between_its_ends(days: set[int], first: int, last: int) -> None:
    part = calendar_of(days).between(first, last)
    assert list(part) == sorted(day for day in days if first <= day <= last)


@given(calendars)
def test_a_calendar_survives_conversion_to_bytes(days: set[int]) -> None:
    calendar = calendar_of(days)
    assert StudyCalendar.from_bytes(calendar.first, calendar.to_bytes()) == calendar
    assert list(calendar) == sorted(days)
