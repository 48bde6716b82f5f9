"""The readiness estimate: order-free, monotone, within bounds, and not to be ground out."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalog import Certification, ContentMetadata, assign
from domain.content_set import ContentSet
from domain.estimate import HIGHEST
from domain.exam import least_right
from domain.learner import Track
from domain.practice import RECENT_DAYS
from domain.readiness import assess
from tests.readiness_states import (
    PERFECT,
    TODAY,
    TOLERANCE,
    Answer,
    State,
    assess_answers,
    estimate,
    make_certification,
    retired,
    with_rates,
)

PLAIN = make_certification()
MIXED = make_certification(levels=("beginner", "intermediate", "advanced", "unspecified"))
RATED = with_rates(PLAIN, [0.05, 0.4, 0.6, 0.97, 0.8])
LARGE = make_certification(each=12)

scores = st.one_of(st.sampled_from([0, PERFECT]), st.integers(0, PERFECT))
ages = st.one_of(st.integers(0, 10), st.integers(0, 2 * RECENT_DAYS))
answers = st.builds(Answer, st.integers(0, 11), scores, ages, st.integers(0, 1439))
histories = st.lists(answers, min_size=1, max_size=40)
large_histories = st.lists(
    st.builds(Answer, st.integers(0, 35), scores, ages, st.integers(0, 1439)), min_size=1, max_size=60
)
certifications = st.sampled_from([PLAIN, MIXED, RATED])


@given(histories, st.integers(0, 11), ages, st.integers(0, 1439), certifications)
def test_a_right_answer_to_new_content_never_lowers_the_estimate(
    history: list[Answer], content: int, age: int, minute: int, certification: Certification
) -> None:
    history = [answer for answer in history if answer.content != content] or [Answer((content + 1) % 12)]
    before = estimate(history, certification)
    after = estimate([*history, Answer(content, PERFECT, age, minute)], certification)
    assert after >= before - TOLERANCE


@settings(max_examples=300)
@given(large_histories, st.data(), st.sampled_from([LARGE, with_rates(LARGE, [0.1, 0.5, 0.9])]))
def test_one_more_repetition_never_raises_the_estimate_by_more_than_a_point(
    history: list[Answer], data: st.DataObject, certification: Certification
) -> None:
    repeated = data.draw(st.sampled_from(history))
    score = data.draw(scores)
    again = Answer(repeated.content, score, data.draw(st.integers(0, repeated.age)), 1439)
    state = State().after(history, certification)
    before = state.assess(certification).estimate
    after = state.after([again], certification, first=len(history)).assess(certification).estimate
    assert before is not None
    assert after is not None
    assert after <= before + 1


@pytest.mark.parametrize("right", [0, 1, 5, 12])
def test_no_series_of_repetitions_raises_the_estimate_by_more_than_a_point_each(right: int) -> None:
    first = [Answer(n, PERFECT * (n < right), 1) for n in range(36)]
    alone = retired(LARGE, *[c.content_id for c in LARGE.contents if c.category != "c0"])
    for certification in (LARGE, alone):
        state = State().after(first, certification)
        found = []
        for n in range(30):
            found.append(state.assess(certification).estimate or 0.0)
            state = state.after([Answer(n % 12)], certification, first=100 + n)
        assert all(after - before <= 1 for before, after in pairwise(found))
        assert found[-1] - found[0] < 15


@given(histories, certifications, st.integers(0, 400), st.integers(0, 400))
def test_time_alone_moves_neither_the_estimate_nor_its_interval(
    history: list[Answer], certification: Certification, days: int, more: int
) -> None:
    state = State().after(history, certification)
    early = state.assess(certification, TODAY + days)
    late = state.assess(certification, TODAY + days + more)
    assert (early.estimate, early.interval) == (late.estimate, late.interval)
    assert early.pass_probability == late.pass_probability
    assert early.practice is not None
    assert late.practice is not None
    assert late.practice <= early.practice + TOLERANCE


@given(histories, st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_a_predicted_score_never_widens_the_interval(history: list[Answer], practice: list[int]) -> None:
    state = State().after(history, PLAIN)
    width = state.assess(PLAIN).interval.width
    for number, content in enumerate(practice, len(history)):
        score = math.ceil(PERFECT * state.share(content, PLAIN))
        state = state.after([Answer(content, score, 0, 1439)], PLAIN, first=number)
        new_width = state.assess(PLAIN).interval.width
        assert new_width <= width + TOLERANCE
        width = new_width


@given(st.data(), histories, certifications)
def test_order_and_repeated_delivery_never_matter(
    data: st.DataObject, history: list[Answer], certification: Certification
) -> None:
    state = State().after(history, certification)
    order = data.draw(st.permutations(range(len(history))))
    shuffled = State()
    for n in [*order, *order[:3]]:
        shuffled = shuffled.after([history[n]], certification, first=n)
    backwards = dict(sorted(shuffled.days.items(), reverse=True))
    assert shuffled._replace(days=backwards).assess(certification) == state.assess(certification)


@given(large_histories, st.sampled_from([LARGE, with_rates(LARGE, [0.0, 0.5, 1.0])]), st.floats(0, 100))
def test_every_figure_is_within_its_bounds(
    history: list[Answer], certification: Certification, mark: float
) -> None:
    found = State().after(history, certification).assess(certification, pass_mark=mark)
    assert found.estimate is not None
    assert found.pass_probability is None or 0 < found.pass_probability < 1
    assert 0 <= found.interval.low <= found.estimate <= found.interval.high <= 100
    assert found.practice is not None
    assert 0 < found.practice < 100
    for area in found.areas:
        assert area.estimate is not None
        assert 0 <= area.interval.low <= area.estimate <= area.interval.high <= 100
        assert 0 <= area.coverage <= 1
    assert not set(found.weak) & set(found.strong)
    assert sum(area.weight for area in found.areas) == pytest.approx(1)


@given(large_histories)
def test_a_higher_pass_mark_is_never_more_probable(history: list[Answer]) -> None:
    state = State().after([*history, *map(Answer, range(36))], LARGE)
    found = [state.assess(LARGE, pass_mark=mark).pass_probability or 0.0 for mark in range(0, 101, 5)]
    assert found == sorted(found, reverse=True)


def test_a_learner_without_answers_gets_no_estimate() -> None:
    found = State().assess(PLAIN)
    assert (found.estimate, found.pass_probability, found.practice) == (None, None, None)
    assert found.interval == (0, 100)
    assert found.confidence == "low"
    assert found.weak == found.strong == ()
    assert all(area.estimate is None for area in found.areas)
    assert found.evidence == (0, 0, 0.0, 0, 0.0)


def test_a_certification_without_active_content_gets_no_estimate() -> None:
    found = assess(Track(), {}, Certification("MINE"), TODAY)
    assert (found.estimate, found.study_time, found.evidence.coverage) == (None, None, None)
    assert found.actions == ()
    state = State().after([Answer(0), Answer(1)], PLAIN)
    found = state.assess(retired(PLAIN))
    assert (found.estimate, found.practice, found.confidence) == (None, None, "low")


@pytest.mark.parametrize(
    ("code", "mark"), [("CCP", 70), ("SAA", 72), ("DOP", 75), ("SCS", 75), ("GENERAL", 70), ("MINE", 70)]
)
def test_the_default_pass_mark_depends_on_the_level(code: str, mark: float) -> None:
    certification = make_certification(code)
    assert assess(Track(), {}, certification, TODAY).pass_mark == mark
    assert assess(Track(), {}, certification, TODAY, pass_mark=60).pass_mark == 60


def test_the_highest_pass_mark_of_the_active_content_overrides_the_default() -> None:
    rows = [ContentMetadata("a", pass_mark=65), ContentMetadata("b", pass_mark=80), ContentMetadata("c")]
    certification = assign(Certification("SAA"), rows, 0)
    assert assess(Track(), {}, certification, TODAY).pass_mark == 80
    assert assess(Track(), {}, retired(certification, "b"), TODAY).pass_mark == 65


@pytest.mark.parametrize(
    ("mark", "questions", "right"),
    [(70, 65, 46), (72, 65, 47), (55, 100, 55), (70, 10, 7), (0, 65, 0), (100, 8, 8), (28.9, 1000, 289)],
)
def test_the_least_number_of_right_answers_is_exact(mark: float, questions: int, right: int) -> None:
    assert least_right(mark, questions) == right


def test_the_chance_of_passing_depends_on_whole_questions() -> None:
    state = State().after([Answer(n, PERFECT * (n % 4 > 0)) for n in range(36)], LARGE)
    chance = {
        mark: state.assess(LARGE, pass_mark=mark, questions=10).pass_probability for mark in (71, 80, 81)
    }
    assert chance[71] == chance[80], "both take 8 of 10 answers"
    assert chance[81] != chance[80]


def test_no_probability_is_near_certainty() -> None:
    best = assess_answers([Answer(n) for n in range(36)], LARGE)
    worst = assess_answers([Answer(n, 0) for n in range(36)], LARGE)
    assert best.pass_probability == HIGHEST
    assert worst.pass_probability == pytest.approx(1 - HIGHEST)


@pytest.mark.parametrize(("certification", "least"), [(LARGE, 30), (with_rates(LARGE, [0.5, 0.6]), 10)])
def test_a_probability_needs_answers_to_enough_different_contents(
    certification: Certification, least: int
) -> None:
    repeats = [Answer(n, age=1) for n in range(least - 1)] * 4
    before = assess_answers(repeats, certification)
    assert (before.pass_probability, before.confidence) == (None, "low")
    assert assess_answers([*repeats, Answer(least)], certification).pass_probability is not None


@pytest.mark.parametrize(("answered_by", "least"), [(1, 27), (5, 18), (15, 10), (500, 10), (None, 10)])
def test_rates_need_learners_behind_them_to_make_up_for_answers(answered_by: int | None, least: int) -> None:
    contents = tuple(c._replace(correct_rate=0.5, answered_by=answered_by) for c in LARGE.contents)
    rated = Certification("SAA", 1, contents)
    assert assess_answers([Answer(n) for n in range(least - 1)], rated).pass_probability is None
    assert assess_answers([Answer(n) for n in range(least)], rated).pass_probability is not None


@pytest.mark.parametrize("every", [2, 3, 5])
def test_the_chance_of_a_result_above_the_interval_is_a_tenth_at_most(every: int) -> None:
    large = make_certification(each=60)
    right, wrong = (
        State().after([Answer(n, PERFECT * ((n % every > 0) == most)) for n in range(180)], large)
        for most in (True, False)
    )

    def above(state: State) -> float:
        high = state.assess(large, questions=1_000).interval.high
        return state.assess(large, questions=1_000, pass_mark=high).pass_probability or 0.0

    assert above(right) == pytest.approx(0.1, abs=0.01)
    # Intervals of low shares are wider than they need to be, so that learning does not widen them.
    assert above(wrong) < 0.11


@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_rates_of_many_learners_say_what_to_expect_of_an_average_one(rate: float) -> None:
    rated = with_rates(LARGE, [rate], 200)
    average = [Answer(n, PERFECT * (n % 5 == 0 if rate < 0.5 else n % 5 > 0)) for n in range(10)]
    assert estimate(average, rated) == pytest.approx(100 * rate, abs=4)


def test_contents_without_a_first_answer_are_no_evidence_of_new_questions() -> None:
    state = State().after([Answer(n) for n in range(36)], LARGE)
    track = state.track(LARGE)
    assert assess(track, state.days, LARGE, TODAY).pass_probability is not None
    # An earlier release wrote states without first answers.
    earlier = track._replace(first_of=ContentSet(), first=b"")
    found = assess(earlier, state.days, LARGE, TODAY)
    assert (found.pass_probability, found.confidence) == (None, "low")
    assert found.practice is not None


def test_an_average_learner_of_an_easy_catalog_is_expected_to_be_average() -> None:
    easy = with_rates(LARGE, [0.8])
    assert estimate([Answer(n, PERFECT * (n % 5 > 0)) for n in range(15)], easy) == pytest.approx(80, abs=3.5)


def test_a_category_without_answers_is_estimated_from_the_others() -> None:
    good = assess_answers([Answer(n) for n in range(12)], LARGE)
    bad = assess_answers([Answer(n, 0) for n in range(12)], LARGE)
    practised, of_good, of_bad = good.areas[0], good.areas[2], bad.areas[2]
    assert of_good.answers == of_bad.answers == 0
    assert of_good.estimate is not None
    assert of_bad.estimate is not None
    assert of_good.estimate > of_bad.estimate + 10
    assert of_good.interval.width > practised.interval.width
    assert of_good not in good.strong


def test_days_after_today_are_not_recent_days() -> None:
    state = State().after([Answer(n) for n in range(12)], PLAIN)
    assert state.assess(PLAIN, TODAY).evidence.days == 1
    assert state.assess(PLAIN, TODAY - 1).evidence.days == 0


def test_right_answers_to_harder_content_raise_the_estimate_more() -> None:
    by_level = {
        level: [Answer(n) for n, c in enumerate(MIXED.contents) if c.difficulty == level]
        for level in ("beginner", "advanced")
    }
    assert len(by_level["beginner"]) == len(by_level["advanced"])
    assert estimate(by_level["advanced"], MIXED) > estimate(by_level["beginner"], MIXED)


def test_right_answers_to_content_that_few_get_right_raise_the_estimate_more() -> None:
    certification = with_rates(PLAIN, [0.2, 0.8])
    hard, easy = ([Answer(n) for n in range(start, 12, 2)] for start in (0, 1))
    assert estimate(hard, certification) > estimate(easy, certification) + 5


def test_the_level_does_not_matter_if_all_content_has_the_same() -> None:
    history = [Answer(n) for n in range(0, 12, 4)]
    advanced = make_certification(levels=("advanced",))
    assert estimate(history, advanced) == pytest.approx(estimate(history, PLAIN))


def test_a_rate_without_learners_behind_it_changes_nothing() -> None:
    history = [Answer(n, PERFECT * (n % 3 > 0)) for n in range(10)]
    assert assess_answers(history, with_rates(PLAIN, [0.9, 0.1], 0)) == assess_answers(history, PLAIN)


def test_a_rate_says_more_the_more_learners_are_behind_it() -> None:
    history = [Answer(n, PERFECT * (n % 2)) for n in range(6)]
    found = [estimate(history, with_rates(PLAIN, [0.9, 0.9, 0.9, 0.2], n)) for n in (0, 5, 500)]
    steps = [abs(after - found[0]) for after in found[1:]]
    assert 0 < steps[0] < steps[1]


def test_guessing_gets_at_least_the_share_of_chance_right() -> None:
    def choices(number: int | None) -> Certification:
        contents = tuple(content._replace(choices=number) for content in LARGE.contents)
        return Certification("SAA", 1, contents)

    wrong = [Answer(n, 0) for n in range(36)]
    without, four, two = (estimate(wrong, choices(number)) for number in (None, 4, 2))
    assert without < 15
    assert four == pytest.approx(25)
    assert two == pytest.approx(50)


def test_content_answered_before_is_expected_to_be_easier() -> None:
    state = State().after([Answer(0), Answer(1, 0)], PLAIN)
    known, missed, new = (state.share(n, PLAIN) for n in (0, 1, 2))
    assert known > missed > new


def test_the_estimate_is_the_mean_over_new_questions_and_practice_over_the_practised_ones() -> None:
    rated = with_rates(PLAIN, [0.3])
    state = State().after([Answer(n % 7, PERFECT * (n % 3 > 0), n) for n in range(30)], rated)
    questions = [content.questions for content in rated.contents]
    found = state.assess(rated)
    practised = sum(questions[n] * state.share(n, rated) for n in range(7)) / sum(questions[:7])
    # The memories of a category's contents are averaged.
    assert found.practice == pytest.approx(100 * practised, abs=1)
    # Content of the last category is new, so its share is that of the category's new questions.
    assert found.areas[2].estimate == pytest.approx(100 * state.share(11, rated))


def test_retired_content_is_not_in_the_exam_but_its_answers_count() -> None:
    state = State().after([Answer(n % 4) for n in range(20)], PLAIN)
    found = state.assess(retired(PLAIN, *(f"c0-{n}" for n in range(4))))
    assert [area.category for area in found.areas] == ["c1", "c2"]
    assert (found.evidence.answers, found.evidence.contents, found.evidence.coverage) == (20, 4, 0)
    assert found.estimate is not None
    assert found.estimate > estimate([Answer(0, 0)], PLAIN)


def test_content_that_moved_to_another_category_keeps_its_first_answer() -> None:
    state = State().after([Answer(n) for n in range(4)] * 2, PLAIN)
    moved = assign(PLAIN, [ContentMetadata(f"c0-{n}", "c1", "beginner", 1) for n in range(4)], 1)
    found = state.assess(moved)
    assert found.estimate is not None
    assert found.estimate > 55


def test_confidence_grows_with_evidence() -> None:
    few = assess_answers([Answer(0)], LARGE)
    some = assess_answers([Answer(n, PERFECT * (n % 3 > 0)) for n in range(31)], LARGE)
    large = make_certification(each=60)
    many = assess_answers([Answer(n, PERFECT * (n % 4 > 0)) for n in range(120)], large)
    assert (few.confidence, some.confidence, many.confidence) == ("low", "medium", "high")
