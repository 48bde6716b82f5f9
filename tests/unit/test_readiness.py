"""Readiness: monotone, sane, and honest about what it does not know."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.estimate import CERTAIN, content_share
from domain.fold import closed_days, fold
from domain.interaction import Interaction
from domain.learner import Day, Learner, Track
from domain.practice import RECENT_DAYS
from domain.readiness import Readiness, assess

TODAY = 9_800
PERFECT = 10_000
TOLERANCE = 1e-4  # percentage points: where Newton's method stops


class Answer(NamedTuple):
    content: int
    score: int
    age: int


def catalog(
    code: str = "SAA", levels: Sequence[str] = ("beginner",), categories: int = 3, each: int = 4
) -> Certification:
    names = [(f"c{c}", f"c{c}-{n}") for c in range(categories) for n in range(each)]
    return assign(
        Certification(code),
        [
            ContentMetadata(content, category, levels[n % len(levels)], 1 + n % 3)
            for n, (category, content) in enumerate(names)
        ],
        0,
    )


PLAIN = catalog()
MIXED = catalog(levels=("beginner", "intermediate", "advanced", "unspecified"))


class State(NamedTuple):
    learner: Learner = Learner("u")
    days: Mapping[int, Day] = MappingProxyType({})

    def after(
        self, answers: Sequence[Answer], certification: Certification, first: int = 0, seconds: int = 0
    ) -> "State":
        learner, days = self.learner, dict(self.days)
        for n, (content, score, age) in enumerate(answers, first):
            interaction = Interaction(
                f"e{n}", "u", certification.contents[content].content_id, "answered", n, TODAY - age,
                "+00:00", False, score, seconds, None,
            )  # fmt: skip
            needed = {number: days[number] for number in closed_days(learner, [interaction])}
            change = fold(learner, needed, [interaction], Catalog({certification.code: certification}))
            learner = change.learner
            days.update((day.number, day) for day in change.days)
            if learner.latest:
                days[learner.latest.number] = learner.latest
        return State(learner, days)

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


def assessed(answers: Sequence[Answer], certification: Certification = PLAIN) -> Readiness:
    return State().after(answers, certification).assess(certification)


def estimate(answers: Sequence[Answer], certification: Certification = PLAIN) -> float:
    found = assessed(answers, certification).estimate
    assert found is not None
    return found


scores = st.one_of(st.sampled_from([0, PERFECT]), st.integers(0, PERFECT))
ages = st.one_of(st.integers(0, 10), st.integers(0, 2 * RECENT_DAYS))
answer = st.builds(Answer, st.integers(0, 11), scores, ages)
histories = st.lists(answer, min_size=1, max_size=40)
catalogs = st.sampled_from([PLAIN, MIXED])


@settings(deadline=None)
@given(histories, st.integers(0, 11), ages, catalogs)
def test_a_further_right_answer_never_lowers_the_estimate(
    history: list[Answer], content: int, age: int, certification: Certification
) -> None:
    before = estimate(history, certification)
    after = estimate([*history, Answer(content, PERFECT, age)], certification)
    assert after >= before - TOLERANCE


@settings(deadline=None)
@given(histories, st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_practice_answered_as_predicted_never_widens_the_interval(
    history: list[Answer], practice: list[int]
) -> None:
    state = State().after(history, PLAIN)
    before = state.assess(PLAIN)
    width = before.interval.width
    count = len(history)
    for content in practice:
        score = math.ceil(PERFECT * state.share(content, PLAIN))
        state = state.after([Answer(content, score, 0)], PLAIN, first=count)
        count += 1
        narrower = state.assess(PLAIN).interval.width
        assert narrower <= width + TOLERANCE
        width = narrower


@settings(deadline=None)
@given(histories, st.integers(0, 11), st.integers(2, 10), catalogs)
def test_practice_answered_about_as_predicted_never_widens_the_interval(
    history: list[Answer], content: int, times: int, certification: Certification
) -> None:
    """Whole answers, right or wrong, as near to what was predicted as they come, but not below."""
    state = State().after(history, certification)
    right = math.ceil(times * state.share(content, certification))
    practice = [Answer(content, PERFECT * (n < right), 0) for n in range(times)]
    after = state.after(practice, certification, first=len(history))
    assert (
        after.assess(certification).interval.width <= state.assess(certification).interval.width + TOLERANCE
    )


@settings(deadline=None)
@given(st.data(), histories, catalogs)
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


@settings(deadline=None)
@given(histories, catalogs, st.floats(0, 100))
def test_figures_lie_where_they_must(
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


def test_the_extremes_stay_in_bounds() -> None:
    best = assessed([Answer(n % 12, PERFECT, 0) for n in range(400)])
    worst = assessed([Answer(n % 12, 0, 0) for n in range(400)])
    assert best.pass_probability == CERTAIN
    assert worst.pass_probability == pytest.approx(1 - CERTAIN)
    assert best.estimate is not None
    assert 97 < best.estimate < 100
    assert worst.estimate is not None
    assert 0 < worst.estimate < 10
    assert best.confidence == "high"
    assert {area.category for area in best.strong} == {"c0", "c1", "c2"}
    assert len(worst.weak) == 3


def test_nothing_to_go_on_invents_nothing() -> None:
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
    # Typical of the certification, not of the learner.
    assert found.study_time == (80, 120)


def test_without_content_there_is_no_exam() -> None:
    empty = Certification("MINE")
    found = assess(Track(), {}, empty, TODAY)
    assert found.estimate is None
    assert found.study_time is None
    assert found.evidence.coverage is None
    assert found.actions == ()
    gone = assign(PLAIN, [ContentMetadata(c.content_id, active=False) for c in PLAIN.contents], 1)
    state = State().after([Answer(0, PERFECT, 0)] * 3, PLAIN)
    assert state.assess(gone).estimate is None


@pytest.mark.parametrize(
    ("code", "mark"), [("CCP", 70), ("SAA", 72), ("DOP", 75), ("SCS", 75), ("GENERAL", 70), ("MINE", 70)]
)
def test_the_pass_mark_goes_by_the_level(code: str, mark: float) -> None:
    certification = catalog(code)
    assert assess(Track(), {}, certification, TODAY).pass_mark == mark
    assert assess(Track(), {}, certification, TODAY, pass_mark=60).pass_mark == 60


def test_a_category_leans_on_the_others() -> None:
    good = [Answer(n % 4, PERFECT, 0) for n in range(20)]
    bad = [Answer(n % 4, 0, 0) for n in range(20)]
    of_good, of_bad = (assessed(history).areas[2] for history in (good, bad))
    assert of_good.answers == of_bad.answers == 0
    assert of_good.estimate is not None
    assert of_bad.estimate is not None
    assert of_good.estimate > of_bad.estimate + 10
    practised = assessed(good).areas[0]
    assert of_good.interval.width > practised.interval.width
    assert of_good not in assessed(good).strong


def test_old_answers_weigh_less() -> None:
    recent = [Answer(n % 12, PERFECT, 0) for n in range(24)]
    old = [Answer(n % 12, PERFECT, 60) for n in range(24)]
    older = [Answer(n % 12, PERFECT, 300) for n in range(24)]
    assert estimate(recent) > estimate(old) > estimate(older)
    assert assessed(recent).interval.width < assessed(old).interval.width
    assert estimate(older) == pytest.approx(estimate([Answer(n % 12, PERFECT, 90) for n in range(24)]))
    assert assessed(old).evidence.effective_answers == pytest.approx(6)
    # What comes after `today` counts by the overall sums alone.
    assert State().after(recent, PLAIN).assess(PLAIN, TODAY - 1).evidence.days == 0


def test_harder_content_has_to_be_shown() -> None:
    beginner = [Answer(n, PERFECT, 0) for n, c in enumerate(MIXED.contents) if c.difficulty == "beginner"] * 4
    advanced = [Answer(n, PERFECT, 0) for n, c in enumerate(MIXED.contents) if c.difficulty == "advanced"] * 4
    assert len(beginner) == len(advanced)
    assert estimate(advanced, MIXED) > estimate(beginner, MIXED)
    # Where all is alike, there is nothing to be shown first.
    assert estimate(beginner, catalog(levels=("advanced",))) == pytest.approx(estimate(beginner, PLAIN))


def test_known_content_is_expected_to_stay_known() -> None:
    state = State().after([Answer(0, PERFECT, 0), Answer(1, 0, 0)], PLAIN)
    known, missed, new = (state.share(n, PLAIN) for n in (0, 1, 2))
    assert known > missed > new


def test_the_estimate_is_the_mean_of_the_contents() -> None:
    state = State().after([Answer(n % 7, PERFECT * (n % 3 > 0), n) for n in range(30)], PLAIN)
    questions = [c.questions for c in PLAIN.contents]
    mean = sum(q * state.share(n, PLAIN) for n, q in enumerate(questions)) / sum(questions)
    assert state.assess(PLAIN).estimate == pytest.approx(100 * mean)


def test_retired_content_is_not_asked_but_counts() -> None:
    state = State().after([Answer(n % 4, PERFECT, 0) for n in range(20)], PLAIN)
    retired = assign(PLAIN, [ContentMetadata(f"c0-{n}", active=False) for n in range(4)], 1)
    found = state.assess(retired)
    assert [area.category for area in found.areas] == ["c1", "c2"]
    assert found.evidence.answers == 20
    assert found.evidence.coverage == 0


def test_actions_say_where_and_why() -> None:
    found = assessed([Answer(n % 8, PERFECT * (n % 8 < 4), 0) for n in range(48)])
    assert [area.category for area in found.weak] == ["c1"]
    by_kind = {action.kind: action for action in found.actions}
    assert by_kind["practise"].category == "c1"
    assert by_kind["start"].category == "c2"
    assert by_kind["start"].content_id == "c2-0"
    assert all(action.reason for action in found.actions)
    ready = assessed([Answer(n % 12, PERFECT, 0) for n in range(60)])
    assert [action.kind for action in ready.actions] == ["mock_exam"]
    faded = (
        State().after([Answer(n % 12, PERFECT, 50) for n in range(240)], PLAIN).assess(PLAIN, pass_mark=40)
    )
    assert {action.kind for action in faded.actions} == {"mock_exam", "refresh"}


def test_study_time_goes_by_the_learners_own_pace_once_known() -> None:
    history = [Answer(n % 6, PERFECT, 0) for n in range(18)]
    hurried = State().after(history, PLAIN, seconds=60).assess(PLAIN).study_time
    steady = State().after(history, PLAIN, seconds=3600).assess(PLAIN).study_time
    assert hurried is not None
    assert steady is not None
    coverage = 11 / 24
    assert hurried == pytest.approx((80 * (1 - coverage), 120 * (1 - coverage)), rel=0.2)
    # 18 hours for half of the contents: 36 for all of them.
    assert (steady.low + steady.high) / 2 < 36
    mine = catalog("MINE")
    assert State().after(history, mine).assess(mine).study_time is None


def test_confidence_grows_with_evidence() -> None:
    few = assessed([Answer(0, PERFECT, 0)])
    some = assessed([Answer(n % 6, PERFECT * (n % 3 > 0), 0) for n in range(40)])
    many = assessed([Answer(n % 12, PERFECT * (n % 4 > 0), 0) for n in range(120)])
    assert (few.confidence, some.confidence, many.confidence) == ("low", "medium", "high")


def test_a_catalog_can_say_what_the_pass_mark_is() -> None:
    rows = [ContentMetadata("a", pass_mark=65), ContentMetadata("b", pass_mark=80), ContentMetadata("c")]
    certification = assign(Certification("SAA"), rows, 0)
    assert assess(Track(), {}, certification, TODAY).pass_mark == 80
    without_b = assign(certification, [ContentMetadata("b", active=False)], 1)
    assert assess(Track(), {}, without_b, TODAY).pass_mark == 65
