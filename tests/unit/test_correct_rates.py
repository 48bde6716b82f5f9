"""Rates of right first answers, from interactions in any order."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.correct_rates import CorrectRate, correct_rates
from domain.interaction import Interaction
from tests.factory import make_parsed

MINUTE = 60 * 10**6


def answer(user: str, content: str, minute: int, score: int | None, **fields: object) -> Interaction:
    return make_parsed(user_id=user, content_id=content, at=minute * MINUTE, score=score, **fields)


interactions = st.lists(
    st.builds(
        answer,
        st.sampled_from(["ann", "bob", "cho"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 5),
        st.sampled_from([None, 0, 5_000, 10_000]),
        certification=st.sampled_from([None, "SAA"]),
    ),
    max_size=12,
)


def test_each_learners_earliest_answer_counts_once() -> None:
    log = [
        answer("ann", "a", 9, 10_000),
        answer("ann", "a", 3, 0),
        answer("bob", "a", 5, 10_000),
        answer("cho", "a", 1, None),
        answer("cho", "a", 2, 5_000),
        answer("ann", "b", 1, 10_000),
    ]
    assert correct_rates(log) == {(None, "a"): CorrectRate(0.5, 3), (None, "b"): CorrectRate(1.0, 1)}


def test_the_hardest_content_comes_first() -> None:
    log = [answer("ann", content, 1, score) for content, score in [("c", 9_000), ("a", 100), ("b", 100)]]
    assert [content for _, content in correct_rates(log)] == ["a", "b", "c"]


def test_content_of_two_certifications_has_two_rates() -> None:
    log = [answer("ann", "a", 1, 0, certification="SAA"), answer("ann", "a", 1, 10_000, certification="DVA")]
    assert correct_rates(log) == {("SAA", "a"): CorrectRate(0.0, 1), ("DVA", "a"): CorrectRate(1.0, 1)}


def test_answers_that_count_for_the_same_content_have_one_rate() -> None:
    log = [answer("ann", "a", 2, 10_000, certification="SAA"), answer("ann", "a", 1, 0, certification=None)]
    assert correct_rates(log, lambda named: ("SAA", named[1])) == {("SAA", "a"): CorrectRate(0.0, 1)}


def test_content_without_scores_has_no_rate() -> None:
    assert correct_rates([answer("ann", "a", 1, None)]) == {}


@given(interactions, st.randoms())
def test_order_and_repeated_interactions_never_matter(log: list[Interaction], random: Random) -> None:
    shuffled = [*log, *log[:3]]
    random.shuffle(shuffled)
    assert list(correct_rates(shuffled).items()) == list(correct_rates(log).items())


@given(interactions)
def test_a_rate_is_a_share_and_has_at_least_one_learner_behind_it(log: list[Interaction]) -> None:
    for rate, learners in correct_rates(log).values():
        assert 0 <= rate <= 1
        assert 1 <= learners <= 3
