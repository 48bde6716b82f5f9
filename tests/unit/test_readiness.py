"""The readiness estimate: monotone, within bounds, and honest about what it does not know."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.estimate import CERTAIN, content_share
from domain.fold import Buckets, fold
from domain.learner import Day, Learner, Track
from domain.practice import RECENT_DAYS
from domain.readiness import Readiness, assess
from tests.factory import buckets_after, make_parsed, needed_of

TODAY = 9_800
PERFECT = 10_000
TOLERANCE = 1e-4
"""Percentage points: Newton's method stops this close to the solution."""


class Answer(NamedTuple):
    content: int
    """Ordinal."""
    score: int
    """Hundredths."""
    age: int
    """Days before `TODAY`."""


def make_certification(
    code: str = "SAA", levels: Sequence[str] = ("beginner",), categories: int = 3, each: int = 4
) -> Certification:
    ids = [(f"c{c}", f"c{c}-{n}") for c in range(categories) for n in range(each)]
    return assign(
        Certification(code),
        [
            ContentMetadata(content, category, levels[n % len(levels)], 1 + n % 3)
            for n, (category, content) in enumerate(ids)
        ],
        0,
    )


PLAIN = make_certification()
MIXED = make_certification(levels=("beginner", "intermediate", "advanced", "unspecified"))


class State(NamedTuple):
    """A learner's state and day buckets."""

    learner: Learner = Learner("u")
    days: Mapping[int, Day] = MappingProxyType({})

    def after(
        self, answers: Sequence[Answer], certification: Certification, first: int = 0, seconds: int = 0
    ) -> "State":
        """Return the state after these answers. Their event ids count up from `first`."""
        learner, buckets = self.learner, Buckets(self.days)
        for n, answer in enumerate(answers, first):
            interaction = make_parsed(
                event_id=f"e{n}",
                user_id="u",
                content_id=certification.contents[answer.content].content_id,
                at=n,
                day=TODAY - answer.age,
                score=answer.score,
                seconds=seconds,
            )
            needed = needed_of(buckets, learner, [interaction])
            change = fold(learner, needed, [interaction], Catalog({certification.code: certification}))
            learner = change.learner
            buckets = buckets_after(buckets, change)
        latest = {learner.latest.number: learner.latest} if learner.latest else {}
        return State(learner, {**buckets.days, **latest})

    def track(self, certification: Certification) -> Track:
        return self.learner.tracks.get(certification.code, Track())

    def assess(
        self, certification: Certification, today: int = TODAY, pass_mark: float | None = None
    ) -> Readiness:
        return assess(self.track(certification), self.days, certification, today, pass_mark=pass_mark)

    def share(self, content: int, certification: Certification) -> float:
        return content_share(
            certification.contents[content],
            self.track(certification),
            self.days.values(),
            certification,
            TODAY,
        )


def assess_answers(answers: Sequence[Answer], certification: Certification = PLAIN) -> Readiness:
    return State().after(answers, certification).assess(certification)


def estimate(answers: Sequence[Answer], certification: Certification = PLAIN) -> float:
    found = assess_answers(answers, certification).estimate
    assert found is not None
    return found


scores = st.one_of(st.sampled_from([0, PERFECT]), st.integers(0, PERFECT))
ages = st.one_of(st.integers(0, 10), st.integers(0, 2 * RECENT_DAYS))
answers = st.builds(Answer, st.integers(0, 11), scores, ages)
histories = st.lists(answers, min_size=1, max_size=40)
certifications = st.sampled_from([PLAIN, MIXED])


@given(histories, st.integers(0, 11), ages, certifications)
def test_a_further_right_answer_never_lowers_the_estimate(
    history: list[Answer], content: int, age: int, certification: Certification
) -> None:
    before = estimate(history, certification)
    after = estimate([*history, Answer(content, PERFECT, age)], certification)
    assert after >= before - TOLERANCE


@given(histories, st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_a_predicted_score_never_widens_the_interval(history: list[Answer], practice: list[int]) -> None:
    state = State().after(history, PLAIN)
    width = state.assess(PLAIN).interval.width
    for number, content in enumerate(practice, len(history)):
        score = math.ceil(PERFECT * state.share(content, PLAIN))
        state = state.after([Answer(content, score, 0)], PLAIN, first=number)
        new_width = state.assess(PLAIN).interval.width
        assert new_width <= width + TOLERANCE
        width = new_width


@given(histories, st.integers(0, 11), st.integers(2, 10), certifications)
def test_answers_right_as_often_as_predicted_never_widen_the_interval(
    history: list[Answer], content: int, times: int, certification: Certification
) -> None:
    """Each answer is right or wrong. Their share is the lowest possible one that reaches the prediction."""
    state = State().after(history, certification)
    right = math.ceil(times * state.share(content, certification))
    practice = [Answer(content, PERFECT * (n < right), 0) for n in range(times)]
    after = state.after(practice, certification, first=len(history))
    assert (
        after.assess(certification).interval.width <= state.assess(certification).interval.width + TOLERANCE
    )


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


@given(histories, certifications, st.floats(0, 100))
def test_every_figure_is_within_its_bounds(
    history: list[Answer], certification: Certification, mark: float
) -> None:
    found = State().after(history, certification).assess(certification, pass_mark=mark)
    assert found.estimate is not None
    assert found.pass_probability is not None
    assert 0 < found.pass_probability < 1
    assert 0 <= found.interval.low <= found.estimate <= found.interval.high <= 100
    for area in found.areas:
        assert area.estimate is not None
        assert 0 <= area.interval.low <= area.estimate <= area.interval.high <= 100
        assert 0 <= area.coverage <= 1
    assert not set(found.weak) & set(found.strong)
    assert sum(area.weight for area in found.areas) == pytest.approx(1)


def test_all_right_and_all_wrong_stay_within_bounds() -> None:
    best = assess_answers([Answer(n % 12, PERFECT, 0) for n in range(400)])
    worst = assess_answers([Answer(n % 12, 0, 0) for n in range(400)])
    assert best.pass_probability == CERTAIN
    assert worst.pass_probability == pytest.approx(1 - CERTAIN)
    assert best.estimate is not None
    assert 97 < best.estimate < 100
    assert worst.estimate is not None
    assert 0 < worst.estimate < 10
    assert best.confidence == "high"
    assert {area.category for area in best.strong} == {"c0", "c1", "c2"}
    assert len(worst.weak) == 3


def test_a_learner_without_answers_gets_no_estimate() -> None:
    found = State().assess(PLAIN)
    assert found.estimate is None
    assert found.pass_probability is None
    assert found.interval == (0, 100)
    assert found.confidence == "low"
    assert found.weak == found.strong == ()
    assert all(area.estimate is None for area in found.areas)
    assert [action.kind for action in found.actions] == ["diagnostic_quiz"]
    assert found.actions[0].content_id in PLAIN.by_id
    assert found.evidence == (0, 0.0, 0, 0.0)
    # The typical hours of the certification, because the learner's pace is unknown.
    assert found.study_time == (80, 120)


def test_a_certification_without_active_content_gets_no_estimate() -> None:
    found = assess(Track(), {}, Certification("MINE"), TODAY)
    assert found.estimate is None
    assert found.study_time is None
    assert found.evidence.coverage is None
    assert found.actions == ()
    retired = assign(PLAIN, [ContentMetadata(c.content_id, active=False) for c in PLAIN.contents], 1)
    state = State().after([Answer(0, PERFECT, 0)] * 3, PLAIN)
    assert state.assess(retired).estimate is None


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
    without_b = assign(certification, [ContentMetadata("b", active=False)], 1)
    assert assess(Track(), {}, without_b, TODAY).pass_mark == 65


def test_a_category_without_answers_is_estimated_from_the_others() -> None:
    good = assess_answers([Answer(n % 4, PERFECT, 0) for n in range(20)])
    bad = assess_answers([Answer(n % 4, 0, 0) for n in range(20)])
    practised, of_good, of_bad = good.areas[0], good.areas[2], bad.areas[2]
    assert of_good.answers == of_bad.answers == 0
    assert of_good.estimate is not None
    assert of_bad.estimate is not None
    assert of_good.estimate > of_bad.estimate + 10
    assert of_good.interval.width > practised.interval.width
    assert of_good not in good.strong


def test_older_answers_weigh_less() -> None:
    recent = [Answer(n % 12, PERFECT, 0) for n in range(24)]
    old = [Answer(n % 12, PERFECT, 60) for n in range(24)]
    oldest = [Answer(n % 12, PERFECT, 300) for n in range(24)]
    assert estimate(recent) > estimate(old) > estimate(oldest)
    assert assess_answers(recent).interval.width < assess_answers(old).interval.width
    assert estimate(oldest) == pytest.approx(estimate([Answer(n % 12, PERFECT, 90) for n in range(24)]))
    assert assess_answers(old).evidence.effective_answers == pytest.approx(6)


def test_days_after_today_are_not_recent_days() -> None:
    state = State().after([Answer(n % 12, PERFECT, 0) for n in range(24)], PLAIN)
    assert state.assess(PLAIN, TODAY).evidence.days == 1
    assert state.assess(PLAIN, TODAY - 1).evidence.days == 0


def test_right_answers_to_harder_content_raise_the_estimate_more() -> None:
    by_level = {
        level: [Answer(n, PERFECT, 0) for n, c in enumerate(MIXED.contents) if c.difficulty == level] * 4
        for level in ("beginner", "advanced")
    }
    assert len(by_level["beginner"]) == len(by_level["advanced"])
    assert estimate(by_level["advanced"], MIXED) > estimate(by_level["beginner"], MIXED)


def test_difficulty_does_not_matter_if_all_content_is_equally_hard() -> None:
    history = [Answer(n, PERFECT, 0) for n in range(0, 12, 4)]
    assert estimate(history, make_certification(levels=("advanced",))) == pytest.approx(estimate(history))


def test_content_answered_before_is_expected_to_be_easier() -> None:
    state = State().after([Answer(0, PERFECT, 0), Answer(1, 0, 0)], PLAIN)
    known, missed, new = (state.share(n, PLAIN) for n in (0, 1, 2))
    assert known > missed > new


def test_the_estimate_is_the_mean_over_the_questions() -> None:
    state = State().after([Answer(n % 7, PERFECT * (n % 3 > 0), n) for n in range(30)], PLAIN)
    questions = [content.questions for content in PLAIN.contents]
    mean = sum(q * state.share(n, PLAIN) for n, q in enumerate(questions)) / sum(questions)
    assert state.assess(PLAIN).estimate == pytest.approx(100 * mean)


def test_retired_content_is_not_in_the_exam_but_its_answers_count() -> None:
    state = State().after([Answer(n % 4, PERFECT, 0) for n in range(20)], PLAIN)
    retired = assign(PLAIN, [ContentMetadata(f"c0-{n}", active=False) for n in range(4)], 1)
    found = state.assess(retired)
    assert [area.category for area in found.areas] == ["c1", "c2"]
    assert found.evidence.answers == 20
    assert found.evidence.coverage == 0


def test_actions_name_what_to_practise_and_why() -> None:
    found = assess_answers([Answer(n % 8, PERFECT * (n % 8 < 4), 0) for n in range(48)])
    assert [area.category for area in found.weak] == ["c1"]
    by_kind = {action.kind: action for action in found.actions}
    practise, start = by_kind["practise"], by_kind["start"]
    assert practise.category == "c1"
    assert practise.reason.startswith("We expect ")
    assert practise.reason.endswith("% in this category, below the pass mark of 72%.")
    assert (start.category, start.content_id) == ("c2", "c2-0")
    assert start.reason == (
        "This category is 38% of the exam, and you have no scored answers in it. Its estimate is uncertain."
    )


@pytest.mark.parametrize(("count", "words"), [(1, "only 1 scored answer"), (3, "only 3 scored answers")])
def test_the_reason_to_start_a_category_gives_the_number_of_answers(count: int, words: str) -> None:
    history = [Answer(n, PERFECT, 0) for n in range(count)]
    [start] = [action for action in assess_answers(history).actions if action.category == "c0"]
    assert f"you have {words} in it" in start.reason


def test_a_mock_exam_is_recommended_to_a_learner_who_is_ready() -> None:
    ready = assess_answers([Answer(n % 12, PERFECT, 0) for n in range(60)])
    assert [action.kind for action in ready.actions] == ["mock_exam"]
    assert ready.actions[0].reason == "Your estimated chance of passing is 99%. Take a mock exam to check it."


def test_a_refresh_is_recommended_for_what_was_not_practised_recently() -> None:
    state = State().after([Answer(n % 12, PERFECT, 50) for n in range(240)], PLAIN)
    found = state.assess(PLAIN, pass_mark=40)
    assert [action.kind for action in found.actions] == ["mock_exam", "refresh", "refresh", "refresh"]
    assert "for more than 30 days" in found.actions[1].reason


def test_study_time_uses_the_learners_own_pace_once_it_is_known() -> None:
    history = [Answer(n % 6, PERFECT, 0) for n in range(18)]
    hurried = State().after(history, PLAIN, seconds=60).assess(PLAIN).study_time
    steady = State().after(history, PLAIN, seconds=3600).assess(PLAIN).study_time
    assert hurried is not None
    assert steady is not None
    coverage = 11 / 24
    assert hurried == pytest.approx((80 * (1 - coverage), 120 * (1 - coverage)), rel=0.2)
    # 18 hours for half of the contents are 36 hours for all of them.
    assert (steady.low + steady.high) / 2 < 36


def test_study_time_is_unknown_without_typical_hours_and_pace() -> None:
    mine = make_certification("MINE")
    history = [Answer(n % 6, PERFECT, 0) for n in range(18)]
    assert State().after(history, mine).assess(mine).study_time is None


def test_confidence_grows_with_evidence() -> None:
    few = assess_answers([Answer(0, PERFECT, 0)])
    some = assess_answers([Answer(n % 6, PERFECT * (n % 3 > 0), 0) for n in range(40)])
    many = assess_answers([Answer(n % 12, PERFECT * (n % 4 > 0), 0) for n in range(120)])
    assert (few.confidence, some.confidence, many.confidence) == ("low", "medium", "high")
