"""Tallies: sums that commute."""

from hypothesis import given
from hypothesis import strategies as st

from domain.interaction import Interaction
from domain.tally import COUNTERS, Tally, increments, total, values

tallies = st.builds(Tally, *[st.integers(0, 10**9)] * len(COUNTERS))


def interaction(kind: str, score: int | None = None, seconds: int = 0) -> Interaction:
    return Interaction("e", "u", "c", kind, 0, 0, "UTC", False, score, seconds, None)  # type: ignore[arg-type]  # a str


@given(tallies, tallies, tallies)
def test_the_order_of_adding_makes_no_difference(a: Tally, b: Tally, c: Tally) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == total([c, a, b])
    assert a + Tally() == a


def test_an_interaction_adds_only_what_it_has() -> None:
    added = {COUNTERS[n]: amount for n, amount in increments(interaction("viewed"))}
    assert added == {"interactions": 1, "views": 1}
    added = {COUNTERS[n]: amount for n, amount in increments(interaction("answered", 10_000, 60))}
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


def test_values_are_open_for_adding_and_the_tally_is_not() -> None:
    tally = Tally(1, 2)
    opened = values(tally)
    opened[0] += 1
    assert tally == Tally(1, 2)


def test_the_sum_of_nothing_is_nothing() -> None:
    assert total([]) == Tally()
