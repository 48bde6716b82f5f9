"""Rounding that never claims more than is true, in every place where people see a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.achievements import ACHIEVEMENTS
from domain.catalog import Catalog
from domain.learner import Learner, LearnerStanding, Track
from domain.rounding import percent_text, round_percent
from domain.standing import (
    CategoryStanding,
    CertificationStanding,
    category_mastery,
    certification_percent,
    study_hours,
)
from domain.tally import Breakdown, values
from domain.views import ViewContext, analytics
from tests.factory import make_tally


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_rate_is_100_only_if_complete_and_0_only_if_nothing_is(part: int, whole: int) -> None:
    part = min(part, whole)
    rate = round_percent(part, whole)
    assert (rate == 100) == (part == whole)
    assert (rate == 0) == (part == 0)
    progress = certification_percent(CertificationStanding(part, part, whole, values(make_tally())))
    assert (progress == 100) == (part == whole)
    assert (progress == 0) == (part == 0)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 500), st.integers(0, 10_000))
def test_the_progress_of_a_mastery_is_100_only_if_it_is_reached(
    done: int, active: int, scored: int, average: int
) -> None:
    done = min(done, active)
    standing = CategoryStanding(done, active, values(make_tally(scored=scored, score=scored * average)))
    progress = category_mastery(standing)
    assert (progress >= 100) == (done == active and average >= 8_500)
    assert (progress == 0) == (done == 0 or average == 0)


@pytest.mark.parametrize(
    ("percent", "highest", "text"),
    [
        (99.6, 100, "99 %"),
        (100, 100, "100 %"),
        (0.4, 100, "1 %"),
        (0, 100, "0 %"),
        (71.97, 72, "71 %"),
        (50.4, 100, "50 %"),
    ],
)
def test_a_text_shows_a_limit_only_if_it_is_reached(percent: float, highest: float, text: str) -> None:
    assert percent_text(percent, highest) == text


@given(st.integers(0, 800_000))
def test_hours_shown_agree_with_the_achievements_for_hours(seconds: int) -> None:
    tally = make_tally(seconds=seconds)
    track = Track(Breakdown({"Storage": tally}, {"beginner": tally}))
    context = ViewContext(Learner("ann", tracks={"SAA": track}), {}, (), Catalog(), 9_000)
    shown = analytics(context)["time_spent_total_hours"]
    for rule in ACHIEVEMENTS:
        if rule.measure is study_hours:
            reached = rule.measure(LearnerStanding(0, 0, values(tally))) >= rule.target
            assert (shown >= rule.target) == reached
