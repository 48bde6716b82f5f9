"""Rates of right first answers, from interactions in any order."""

from collections.abc import Iterable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.correct_rates import CorrectRate, FirstAnswers, Subject, correct_rates, rates_of
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


def summed(log: Iterable[Interaction]) -> list[FirstAnswers]:
    """Return the first answers in a log, as the query of the event log sums them up."""
    first: dict[tuple[Subject, str], tuple[int, int]] = {}
    for one in log:
        if one.score is not None:
            key = ((one.certification, one.content_id), one.user_id)
            new = (one.at // MINUTE, one.score)
            first[key] = min(new, first.get(key, new))
    sums: dict[Subject, tuple[int, int]] = {}
    found = []
    for (subject, learner), (minute, score) in first.items():
        if sum(other[1] == subject[1] and who == learner for other, who in first) > 1:
            found.append(FirstAnswers(subject, score, 1, learner, f"{minute:09}"))
        else:
            before = sums.get(subject, (0, 0))
            sums[subject] = (before[0] + score, before[1] + 1)
    return [*found, *(FirstAnswers(subject, *both) for subject, both in sums.items())]


@given(interactions, st.sampled_from(["SAA", "DVA"]))
def test_sums_give_the_same_rates_however_certifications_are_named(
    log: list[Interaction], place: str
) -> None:
    def resolve(subject: Subject) -> Subject:
        return (subject[0] or place, subject[1])

    assert rates_of(summed(log), resolve) == correct_rates(log, resolve)
    assert rates_of(summed(log), lambda named: named) == correct_rates(log)
