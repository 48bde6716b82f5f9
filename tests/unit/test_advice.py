"""The advice: what to do next, and the study time left."""

import pytest

from tests.readiness_states import PERFECT, TODAY, Answer, State, assess_answers, make_certification

SMALL = make_certification()
LARGE = make_certification(each=24)


def test_a_learner_without_answers_is_advised_to_take_a_diagnostic_quiz() -> None:
    found = State().assess(SMALL)
    assert [action.kind for action in found.actions] == ["diagnostic_quiz"]
    assert found.actions[0].content_id in SMALL.by_id
    # The typical hours of the certification, because the learner's pace is unknown.
    assert found.study_time == (80, 120)


def test_actions_name_what_to_practise_and_why() -> None:
    history = [Answer(n, PERFECT * (n < 24)) for n in range(48)]
    found = assess_answers(history, LARGE)
    assert [area.category for area in found.weak] == ["c1"]
    by_kind = {action.kind: action for action in found.actions}
    practise, start = by_kind["practise"], by_kind["start"]
    assert practise.category == "c1"
    assert practise.reason.startswith("On new questions of this category we expect ")
    assert practise.reason.endswith(" %, below the pass mark of 72 %.")
    assert (start.category, start.content_id) == ("c2", "c2-0")
    assert start.reason == (
        "This category is 33 % of the exam, and you have no scored answers in it. Its estimate is uncertain."
    )


def test_new_content_is_advised_before_content_that_was_answered() -> None:
    [practise] = [
        action
        for action in assess_answers([Answer(n, 0) for n in range(6)], LARGE).actions
        if action.category == "c0"
    ]
    assert practise.content_id == "c0-6"
    every = [Answer(n, 5_000 if n == 3 else 6_000) for n in range(12)]
    [practise] = [action for action in assess_answers(every, SMALL).actions if action.category == "c0"]
    assert practise.content_id == "c0-3", "of content that was all answered, the one with the lowest score"


@pytest.mark.parametrize(("count", "words"), [(1, "only 1 scored answer"), (3, "only 3 scored answers")])
def test_the_reason_to_start_a_category_gives_the_number_of_answers(count: int, words: str) -> None:
    history = [Answer(n) for n in range(count)]
    [start] = [action for action in assess_answers(history, SMALL).actions if action.category == "c0"]
    assert f"you have {words} in it" in start.reason


def test_a_mock_exam_is_recommended_to_a_learner_who_is_ready() -> None:
    ready = assess_answers([Answer(n) for n in range(72)], LARGE)
    assert [action.kind for action in ready.actions] == ["mock_exam"]
    assert ready.actions[0].reason == (
        "On new questions we expect 94 %. Your estimated chance of passing is 95 %. A mock exam with "
        "questions that are new to you can check it."
    )


def refreshed(age: int, history: list[Answer]) -> list[str | None]:
    """Return the content that is advised for a refresh after so many days."""
    found = State().after(history, LARGE).assess(LARGE, TODAY + age, pass_mark=40)
    return [action.content_id for action in found.actions if action.kind == "refresh"]


def test_a_refresh_is_advised_once_much_of_what_was_practised_is_forgotten() -> None:
    history = [Answer(n, PERFECT * (n % 4 > 0), 0, n) for n in range(72)]
    advised = [bool(refreshed(age, history)) for age in range(30)]
    assert advised == sorted(advised), "what is forgotten does not come back"
    assert not advised[1]
    assert advised[14], "no need to wait for a month"
    found = State().after(history, LARGE).assess(LARGE, TODAY + 20, pass_mark=40)
    reasons = [action.reason for action in found.actions if action.kind == "refresh"]
    assert reasons[0] == (
        "You now get about 81 % of the questions of this category right that you have practised. Just after "
        "practice it would be about 95 %."
    )


def test_who_would_get_nearly_everything_right_anyhow_needs_no_refresh() -> None:
    assert refreshed(300, [Answer(n) for n in range(72)]) == []


def test_a_refresh_repeats_what_is_remembered_least() -> None:
    worst = [Answer(n, 4_000 if n == 7 else 9_000 if n % 3 else 5_000, 0, n) for n in range(24)]
    assert refreshed(50, worst)[0] == "c0-7"
    same = [Answer(n, 8_000, 0, 100 - n) for n in range(24)]
    assert refreshed(50, same)[0] == "c0-23", "of contents with the same score, the oldest first answer"


def test_a_mock_exam_is_not_recommended_at_low_confidence() -> None:
    large = make_certification(each=100)
    found = assess_answers([Answer(n) for n in range(40)], large)
    assert found.confidence == "low"
    assert found.pass_probability is not None
    assert found.pass_probability > 0.8
    assert "mock_exam" not in {action.kind for action in found.actions}
    assert found.actions


def test_there_is_advice_as_long_as_passing_is_not_likely() -> None:
    history = [Answer(n, PERFECT * (n % 4 > 0), 0, n) for n in range(72)]
    found = assess_answers(history, LARGE)
    assert found.pass_probability is not None
    assert found.pass_probability < 0.8
    [practise] = found.actions
    assert (practise.kind, practise.category) == ("practise", "c0")
    assert practise.reason == "On new questions of this category we expect 73 %. More of it would help most."


def test_study_time_uses_the_learners_own_pace_once_it_is_known() -> None:
    history = [Answer(n % 6) for n in range(18)]
    hurried = State().after(history, SMALL, seconds=60).assess(SMALL).study_time
    steady = State().after(history, SMALL, seconds=3600).assess(SMALL).study_time
    assert hurried is not None
    assert steady is not None
    assert 80 * 0.5 < hurried.low < 80
    assert hurried.low / hurried.high == pytest.approx(80 / 120)
    # 18 hours for half of the contents are 36 hours for all of them.
    assert (steady.low + steady.high) / 2 < 36


def test_study_time_is_unknown_without_typical_hours_and_pace() -> None:
    mine = make_certification("MINE")
    assert State().after([Answer(n % 6) for n in range(18)], mine).assess(mine).study_time is None


@pytest.mark.parametrize("missing", [None, "c0"])
def test_a_category_without_new_content_is_repeated_from_its_lowest_score(missing: str | None) -> None:
    """Whether or not content of another category, with lower ordinals, has no score yet."""
    answers = [
        Answer(content.ordinal, 2_000 if content.content_id == "c1-13" else 4_000)
        for content in LARGE.contents
        if content.category != missing
    ]
    contents = {action.category: action.content_id for action in assess_answers(answers, LARGE).actions}
    assert contents["c1"] == "c1-13"
    assert contents["c0"] == "c0-0"
