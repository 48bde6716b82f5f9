"""Tallies: sums that commute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.interaction import KINDS, Interaction, Kind
from domain.learner import LearnerStanding
from domain.tally import COUNTERS, Tally, counter_of, increments, sum_of, total, values
from tests.factory import make_parsed

tallies = st.builds(Tally, **{name: st.integers(0, 10**9) for name in COUNTERS})


def added(interaction: Interaction) -> dict[str, int]:
    return {COUNTERS[n]: amount for n, amount in increments(interaction)}


@given(tallies, tallies, tallies)
def test_the_order_of_adding_makes_no_difference(a: Tally, b: Tally, c: Tally) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == total([c, a, b])
    assert a + Tally() == a


def test_an_interaction_adds_only_what_it_has() -> None:
    added = {COUNTERS[n]: amount for n, amount in increments(make_parsed(kind="viewed"))}
    assert added == {"interactions": 1, "views": 1}
    added = {
        COUNTERS[n]: amount
        for n, amount in increments(make_parsed(kind="answered", score=10_000, seconds=60))
    }
    assert added == {
        "interactions": 1,
        "answers": 1,
        "seconds": 60,
        "scored": 1,
        "score": 10_000,
        "perfect": 1,
    }


def test_an_average_is_of_scored_interactions_and_unknown_without_any() -> None:
    assert Tally().average_score is None
    assert Tally(interactions=5).average_score is None
    assert Tally(interactions=5, scored=2, score=0).average_score == 0
    assert Tally(interactions=5, scored=3, score=20_000).average_score == 66.67


def test_sum_of_reads_one_counter_and_refuses_an_unknown_one() -> None:
    standing = LearnerStanding(0, 0, values(Tally(seconds=7)))
    assert sum_of("seconds")(standing) == 7
    assert sum_of("seconds") is sum_of("seconds")
    with pytest.raises(ValueError, match="minutes"):
        sum_of("minutes")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_counted_by_exactly_one_counter(kind: Kind) -> None:
    assert added(make_parsed(kind=kind)) == {"interactions": 1, counter_of(kind): 1}


def test_the_sum_of_nothing_is_nothing() -> None:
    assert total([]) == Tally()
