"""How much repeated answers can raise the readiness estimate, if rates make whole categories hard or easy."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain import skills
from domain.catalog import Certification, ContentMetadata, assign
from domain.skills import CONSTANTS, Answers, infer_skills
from tests.readiness_states import PERFECT, TOLERANCE, Answer, State, estimate, make_certification


class Category(NamedTuple):
    """A category, and what a learner did in it."""

    contents: int
    rate: float | None
    answered: int = 0
    right: int = 0
    """The number of right first answers."""
    questions: int = 1
    answered_by: int = 500
    active: bool = True
    name: str | None = None
    """Of the category, if two entries are about the same one."""


def catalog_of(categories: Sequence[Category]) -> Certification:
    rows = [
        ContentMetadata(
            f"c{c}-{n}",
            category.name or f"c{c}",
            questions=category.questions,
            correct_rate=category.rate,
            answered_by=category.answered_by,
        )
        for c, category in enumerate(categories)
        for n in range(category.contents)
    ]
    certification = assign(Certification("SAA"), rows, 0)
    retired = [
        ContentMetadata(f"c{c}-{n}", active=False)
        for c, category in enumerate(categories)
        for n in range(category.contents)
        if not category.active
    ]
    return assign(certification, retired, 1) if retired else certification


def first_answers(categories: Sequence[Category]) -> list[Answer]:
    """Return the first answers, of the day before today."""
    answers, start = [], 0
    for category in categories:
        answers += [
            Answer(start + n, PERFECT * (n < category.right), 1)
            for n in range(min(category.answered, category.contents))
        ]
        start += category.contents
    return answers


def rise(categories: Sequence[Category], repeated: int, score: int = PERFECT, times: int = 1) -> float:
    """Return how many points more one repetition of a content brings, after `times - 1` others."""
    certification = catalog_of(categories)
    state = State().after(first_answers(categories), certification)
    state = state.after([Answer(repeated, 0)] * (times - 1), certification, first=10_000)
    before = state.assess(certification).estimate
    after = state.after([Answer(repeated, score)], certification, first=20_000).assess(certification).estimate
    assert before is not None
    assert after is not None
    return after - before


HARD_BESIDE_EASY = [Category(20, 0.0, 20), Category(298, 0.77, questions=1_000), Category(61, 1.0)]
"""A learner who got everything wrong in a category that nobody gets right."""


def test_a_repetition_in_a_hard_category_hardly_changes_what_is_expected_of_a_large_easy_one() -> None:
    assert 0 < rise(HARD_BESIDE_EASY, 0) < 1


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("easy", [180, 300])
def test_a_category_that_is_hard_as_a_whole_gives_no_way_to_grind(rate: float, easy: int) -> None:
    assert rise([Category(25, rate, 20), Category(easy, 0.8)], 0) < 1


@pytest.mark.parametrize("active", [False, True])
def test_hard_content_that_the_exam_hardly_asks_gives_no_way_to_grind(active: bool) -> None:
    hard = Category(100, 0.0, 1, active=active, name="c0")
    asked = Category(5, 0.3, questions=1_000, name="c0")
    others = [Category(20, 0.95, 20, 20)] * 12
    assert 0 < rise([hard, asked, *others], 0) < 1


def test_questions_that_nobody_gets_right_beside_easy_ones_give_no_way_to_grind() -> None:
    shares = [(0.0, 252_000), (1.0, 748_000)]
    asked = [Category(1, rate, questions=each, answered_by=9_999, name="c0") for rate, each in shares]
    met = Category(5, 0.256, 5, answered_by=9_999, name="c0")
    others = [Category(1, 1.0, 1, answered_by=9_999)] * 26
    assert 0 < rise([met, *asked, *others], 0) < 1


categories = st.builds(
    Category,
    st.sampled_from([1, 3, 10, 25, 60]),
    st.one_of(st.none(), st.sampled_from([0.0, 0.05, 0.1, 0.5, 0.8, 1.0])),
    st.integers(0, 25),
    st.one_of(st.just(0), st.integers(0, 25)),
    st.sampled_from([1, 1_000]),
    st.sampled_from([1, 15, 500, 100_000]),
    st.booleans(),
    st.sampled_from([None, "c0"]),
)


@settings(max_examples=200)
@given(categories, st.lists(categories, max_size=3), st.integers(1, 4), st.sampled_from([0, PERFECT]))
def test_one_more_repetition_is_worth_a_point_at_most_whatever_the_rates(
    practised: Category, others: list[Category], times: int, score: int
) -> None:
    practised = practised._replace(answered=max(1, practised.answered))
    found = [practised, *others]
    assume(any(category.active for category in found))
    assert rise(found, 0, score, times) <= 1


@settings(max_examples=200)
@given(st.lists(categories, min_size=1, max_size=4), st.data())
def test_a_right_answer_to_new_content_never_lowers_the_estimate_whatever_the_rates(
    found: list[Category], data: st.DataObject
) -> None:
    found[0] = found[0]._replace(answered=max(1, found[0].answered))
    assume(any(category.active for category in found))
    certification = catalog_of(found)
    answers = first_answers(found)
    repeats = data.draw(st.lists(st.sampled_from(answers), max_size=20))
    right = [Answer(again.content, data.draw(st.sampled_from([0, PERFECT]))) for again in repeats]
    new = set(range(len(certification.contents))) - {answer.content for answer in answers}
    if new:
        before = estimate([*answers, *right], certification)
        after = estimate([*answers, *right, Answer(data.draw(st.sampled_from(sorted(new))))], certification)
        assert after >= before - TOLERANCE


def test_a_right_answer_never_lowers_the_estimate_of_who_repeats_the_easy_part_of_many_categories() -> None:
    each = [(Category(62, 0.95, 62, 62, name=f"n{n}"), Category(1, 0.0, questions=1_000)) for n in range(30)]
    found = [half._replace(name=easy.name, answered_by=9_999) for easy, hard in each for half in (easy, hard)]
    found += [Category(1, 0.018, name="n0", answered_by=9_999), Category(20, 0.03, questions=1_000_000)]
    certification = catalog_of(found)
    first = first_answers(found)
    repeats = [Answer(first[62 * n].content) for n in range(30) for _ in range(10)]
    before, after = (
        estimate(answers, certification)
        for answers in ([*first, *repeats], [*first, *repeats, Answer(63 * 30)])
    )
    assert certification.contents[63 * 30].category == "n0"
    assert after >= before - TOLERANCE


def test_the_limit_on_repeats_is_that_of_the_whole_search_for_the_skill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    easy, hard, mean = (math.exp(-easiness) for easiness in (6.9, -6.85, -6.6))
    answers = {f"c{n}": Answers([(5, easy), (36, hard)], 41, 5.0, 5, 5.0, mean) for n in range(43)}
    early = infer_skills(answers, 43 * 41, 0.0, 0.5, CONSTANTS)
    monkeypatch.setattr(skills, "_CERTAINTY", 100.0)
    assert early.learner == pytest.approx(
        infer_skills(answers, 43 * 41, 0.0, 0.5, CONSTANTS).learner, abs=1e-3
    )


def test_grinding_every_category_is_worth_a_few_points_together() -> None:
    certification = make_certification(categories=12, each=3)
    first = [Answer(n, PERFECT * (n % 3 == 0), 1, n) for n in range(36)]
    ground = [Answer(3 * n + 2, PERFECT, 0, minute) for n in range(12) for minute in range(30)]
    before, after = (estimate(answers, certification) for answers in (first, [*first, *ground]))
    assert before < after < before + 6


def test_rates_of_0_and_1_behind_which_are_many_learners_are_no_certainty() -> None:
    for rate, share in ((0.0, 10), (1.0, 90)):
        found = estimate([Answer(0)], catalog_of([Category(3, rate, answered_by=1_000_000)] * 3))
        assert abs(found - share) < 10
