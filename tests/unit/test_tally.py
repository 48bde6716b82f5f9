"""Tallies: sums that commute, and the amounts that one interaction adds to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.interaction import KINDS, Interaction, Kind
from domain.learner import LearnerStanding
from domain.tally import COUNTERS, PERFECT, Tally, counter_of, increments, sum_of, total, values
from tests.factory import make_parsed, make_tally

tallies = st.builds(make_tally, **{name: st.integers(0, 10**9) for name in COUNTERS})

FIRST_COUNTERS = ("interactions", "views", "answers", "completions", "seconds", "scored", "score", "perfect")
"""The counters of the first format, in their order. A counter that is added later has its own test."""


def added(interaction: Interaction) -> dict[str, int]:
    """Return what an interaction adds to each of the first counters, without zeros."""
    amounts = {COUNTERS[n]: amount for n, amount in increments(interaction)}
    return {name: amounts[name] for name in FIRST_COUNTERS if name in amounts}


def test_stored_counters_keep_their_positions() -> None:
    assert COUNTERS[: len(FIRST_COUNTERS)] == FIRST_COUNTERS


@given(tallies, tallies, tallies)
def test_the_order_of_addition_makes_no_difference(a: Tally, b: Tally, c: Tally) -> None:
    assert total([a, b]) == total([b, a])
    assert total([total([a, b]), c]) == total([a, total([b, c])]) == total([c, a, b])
    assert total([a, Tally()]) == a


def test_addition_adds_each_counter_to_itself() -> None:
    by_name = {name: n for n, name in enumerate(COUNTERS, 1)}
    assert total(2 * [make_tally(**by_name)]) == make_tally(**{name: 2 * n for name, n in by_name.items()})


def test_the_total_of_no_tallies_is_empty() -> None:
    assert total([]) == Tally()
    assert set(values(Tally())) == {0}


@pytest.mark.parametrize(
    ("interaction", "expected"),
    [
        (make_parsed(kind="viewed"), {"interactions": 1, "views": 1}),
        (make_parsed(kind="viewed", score=0), {"interactions": 1, "views": 1, "scored": 1}),
        (
            make_parsed(kind="answered", score=PERFECT, seconds=60),
            {"interactions": 1, "answers": 1, "seconds": 60, "scored": 1, "score": 10_000, "perfect": 1},
        ),
        (
            make_parsed(kind="completed", score=PERFECT - 1),
            {"interactions": 1, "completions": 1, "scored": 1, "score": 9_999},
        ),
    ],
    ids=["no score, no time", "a score of 0", "a perfect score", "a score just below perfect"],
)
def test_an_interaction_adds_only_what_it_has(interaction: Interaction, expected: dict[str, int]) -> None:
    assert added(interaction) == expected
    assert 0 not in dict(increments(interaction)).values()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_counted_by_exactly_one_counter(kind: Kind) -> None:
    amounts = {COUNTERS[n]: amount for n, amount in increments(make_parsed(kind=kind))}
    of_kinds = {counter_of(each) for each in KINDS}
    assert {name: amounts[name] for name in of_kinds if name in amounts} == {counter_of(kind): 1}
    assert len(of_kinds) == len(KINDS)


def test_an_average_covers_scored_interactions_and_is_unknown_without_any() -> None:
    assert Tally().average_score is None
    assert Tally(interactions=5).average_score is None
    assert Tally(interactions=5, scored=2, score=0).average_score == 0
    assert Tally(interactions=5, scored=3, score=20_000).average_score == 66.66, "rounded down"


def test_sum_of_reads_one_counter_and_refuses_an_unknown_one() -> None:
    standing = LearnerStanding(0, 0, values(Tally(seconds=7)))
    assert sum_of("seconds")(standing) == 7
    assert sum_of("seconds") is sum_of("seconds")
    with pytest.raises(ValueError, match="minutes"):
        sum_of("minutes")
