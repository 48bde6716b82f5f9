"""What readiness says of learners whose practice could mislead it."""

from itertools import pairwise
from random import Random

import pytest

from domain.catalog import Certification, ContentMetadata, assign
from tests.readiness_states import (
    PERFECT,
    TODAY,
    Answer,
    State,
    assess_answers,
    estimate,
    make_certification,
    retired,
)

CATALOG = make_certification(categories=6, each=12)
EACH_ONCE = range(72)


def test_one_content_answered_right_twenty_times_says_little() -> None:
    once = estimate([Answer(0)], CATALOG)
    found = assess_answers([Answer(0, minute=n) for n in range(20)], CATALOG)
    assert found.estimate == pytest.approx(once, abs=1)
    assert found.interval.width > 40
    assert (found.pass_probability, found.confidence) == (None, "low")
    assert "mock_exam" not in {action.kind for action in found.actions}
    assert found.practice is not None
    assert found.practice > 90


def test_who_flips_a_coin_is_expected_to_get_half_right_however_often_they_repeat() -> None:
    coin = Random(1)
    flips = [Answer(n % 72, PERFECT * coin.randint(0, 1), 9 - n // 72, n % 72) for n in range(720)]
    first = sum(flip.score for flip in flips[:72]) / 72 / 100
    found = assess_answers(flips, CATALOG)
    assert found.estimate == pytest.approx(first, abs=3)
    assert first == pytest.approx(50, abs=5)
    assert found.pass_probability is not None
    assert found.pass_probability < 0.1


def test_half_of_every_score_is_half_of_new_questions() -> None:
    found = assess_answers([Answer(n, PERFECT // 2) for n in EACH_ONCE], CATALOG)
    assert found.estimate == pytest.approx(50, abs=1)
    assert found.pass_probability is not None
    assert found.pass_probability < 0.1


def test_idling_changes_nothing_but_the_memory_of_what_was_practised() -> None:
    state = State().after([Answer(n, PERFECT * (n % 4 > 0)) for n in range(36)], CATALOG)
    found = [state.assess(CATALOG, TODAY + days) for days in (0, 3, 30, 63, 400)]
    assert len({(each.estimate, each.interval, each.pass_probability) for each in found}) == 1
    practice = [each.practice or 0.0 for each in found]
    assert all(before > after for before, after in pairwise(practice[:3]))
    assert found[0].estimate is not None
    assert practice[-1] > found[0].estimate, (
        "what was practised is never expected to be harder than new content"
    )


def test_a_catalog_of_one_content_never_gives_high_confidence() -> None:
    one = make_certification(categories=1, each=1)
    found = assess_answers([Answer(0, minute=n) for n in range(500)], one)
    assert (found.evidence.coverage, found.confidence, found.pass_probability) == (1, "low", None)
    assert found.estimate is not None
    assert found.estimate < 60


def test_an_exam_of_one_content_never_gives_high_confidence() -> None:
    every = [Answer(n) for n in EACH_ONCE]
    others = [content.content_id for content in CATALOG.contents[1:]]
    found = State().after(every, CATALOG).assess(retired(CATALOG, *others))
    assert (found.evidence.coverage, found.confidence) == (1, "low")
    rows = [
        ContentMetadata(c.content_id, c.category, questions=1_000_000 if c.ordinal == 0 else 1)
        for c in CATALOG.contents
    ]
    found = assess_answers(every, assign(Certification("SAA"), rows, 0))
    assert (found.evidence.coverage, found.confidence) == (1, "low"), "one content has nearly all questions"
    found = assess_answers(every, CATALOG)
    assert (found.evidence.coverage, found.confidence) == (1, "high")


def test_a_retired_certification_has_no_estimate_and_no_advice() -> None:
    found = State().after([Answer(n) for n in EACH_ONCE], CATALOG).assess(retired(CATALOG))
    assert (found.estimate, found.pass_probability, found.confidence) == (None, None, "low")
    assert (found.interval, found.areas, found.actions) == ((0, 100), (), ())


def test_forty_answers_in_a_catalog_of_ten_thousand_leave_confidence_low() -> None:
    large = make_certification(categories=10, each=1000)
    found = assess_answers([Answer(n * 250, PERFECT * (n % 4 > 0)) for n in range(40)], large)
    assert found.estimate == pytest.approx(70, abs=5)
    assert found.confidence == "low"


def test_learning_the_answers_by_heart_hardly_changes_what_is_expected_of_new_questions() -> None:
    wrong = [Answer(n, 0, 1, n) for n in EACH_ONCE]
    before = assess_answers(wrong, CATALOG)
    after = assess_answers([*wrong, *(Answer(n, PERFECT, 0, n) for n in EACH_ONCE)], CATALOG)
    assert before.estimate is not None
    assert after.estimate is not None
    assert before.estimate < after.estimate < 20
    assert after.pass_probability is not None
    assert after.pass_probability < 0.1
    assert before.practice is not None
    assert after.practice is not None
    assert after.practice > before.practice + 30


def test_an_average_near_the_mark_is_not_told_to_pass_for_sure() -> None:
    first = [Answer(n, PERFECT * (n % 4 > 0), 3, n) for n in EACH_ONCE]
    found = assess_answers([*first, *(Answer(n, PERFECT, 0, n) for n in EACH_ONCE)], CATALOG)
    assert found.estimate == pytest.approx(74, abs=3)
    assert found.pass_probability is not None
    assert 0.3 < found.pass_probability < 0.7
    assert found.practice is not None
    assert found.practice > 90


def test_practising_other_content_of_a_category_does_not_refresh_what_was_answered_long_ago() -> None:
    old = [Answer(n, PERFECT * (n % 2), 30, n) for n in range(11)]
    idle, busy, repeated = (
        State().after([*old, *more], CATALOG).share(1, CATALOG)
        for more in ([], [Answer(11, 0)], [Answer(n, PERFECT * (n % 2)) for n in range(11)])
    )
    assert busy == pytest.approx(idle, abs=0.03)
    assert repeated > idle + 0.1


def test_the_practice_score_is_that_of_content_as_old_as_its_own_answers() -> None:
    first = [Answer(n, PERFECT * (n % 3 > 0), 4 * (n % 12), n) for n in EACH_ONCE]
    state = State().after(first, CATALOG)
    found = state.assess(CATALOG)
    shares = [state.share(content.ordinal, CATALOG) * content.questions for content in CATALOG.contents]
    mean = 100 * sum(shares) / sum(content.questions for content in CATALOG.contents)
    assert found.practice == pytest.approx(mean, abs=1)
    without_memory = found.estimate or 0.0
    assert (found.practice or 0.0) < without_memory + 20


def test_no_chance_is_told_if_nothing_of_the_exam_was_practised() -> None:
    retired_rows = [ContentMetadata(c.content_id, active=False) for c in CATALOG.contents]
    new = [ContentMetadata(f"new-{n}", "new") for n in range(40)]
    state = State().after([Answer(n) for n in EACH_ONCE], CATALOG)
    found = state.assess(assign(CATALOG, [*retired_rows, *new], 1))
    assert (found.evidence.coverage, found.pass_probability, found.confidence) == (0, None, "low")
    assert found.interval.width > 18


def test_no_chance_is_told_for_twelve_categories_after_practice_in_one() -> None:
    twelve = make_certification(categories=12, each=30)
    assert assess_answers([Answer(n) for n in range(30)], twelve).pass_probability is None
    assert assess_answers([Answer(n * 11) for n in range(30)], twelve).pass_probability is not None


def test_a_category_never_met_is_less_certain_unless_rates_say_how_hard_it_is() -> None:
    practised = State().after([Answer(n, PERFECT * (n % 2)) for n in range(36)], CATALOG)
    known = tuple(c._replace(correct_rate=0.5, answered_by=500) for c in CATALOG.contents)
    plain, rated = (practised.assess(each) for each in (CATALOG, Certification("SAA", 1, known)))
    widths = [found.areas[5].interval.width for found in (plain, rated)]
    assert widths[0] > widths[1] + 3


def test_a_category_that_gets_another_name_is_assessed_as_before_and_so_is_its_practice() -> None:
    answers = [Answer(n, PERFECT * (n < 12), 2, n) for n in EACH_ONCE]
    state = State().after(answers, CATALOG)
    rows = [
        ContentMetadata(each.content_id, f"{each.category} new", each.difficulty, each.questions)
        for each in CATALOG.contents
    ]
    before, after = state.assess(CATALOG), state.assess(assign(CATALOG, rows, 1))
    assert before.weak
    assert [f"{area.category} new" for area in before.weak] == [area.category for area in after.weak]
    assert [f"{area.category} new" for area in before.strong] == [area.category for area in after.strong]
    assert [area.answers for area in after.areas] == [12] * 6
    assert (after.estimate, after.practice) == pytest.approx((before.estimate, before.practice))
    assert [action.kind for action in after.actions] == [action.kind for action in before.actions]
