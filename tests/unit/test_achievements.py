"""Achievements: the contract's thresholds and points, and awards that are given once and kept."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import achievements, views
from domain.achievements import (
    ACHIEVEMENTS,
    CATEGORY_ACHIEVEMENTS,
    CERTIFICATION_ACHIEVEMENTS,
    Achievement,
    Award,
    Rarity,
    Rules,
    category_rules,
    certification_rules,
    slug,
)
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.fold import Buckets, Change, fold
from domain.interaction import Interaction
from domain.learner import Learner, LearnerStanding, goals, overdue
from domain.standing import CategoryStanding, CertificationStanding, completed_content
from domain.tally import PERFECT, sum_of, values
from domain.views import ViewContext
from tests.factory import fold_batches, make_parsed, make_tally

HOUR = 3600
CONTENTS = [ContentMetadata(f"c-{n}", "Storage" if n < 3 else "S & R") for n in range(6)]
SAA = assign(Certification("SAA"), CONTENTS, 1)
CATALOG = Catalog({"SAA": SAA})

# docs/design.md, Achievements: what each rule requires, and its points.
RULES = {
    "streak-3": ({"longest_streak": 3}, 30),
    "streak-7": ({"longest_streak": 7}, 70),
    "streak-14": ({"longest_streak": 14}, 140),
    "streak-30": ({"longest_streak": 30}, 300),
    "streak-60": ({"longest_streak": 60}, 600),
    "streak-100": ({"longest_streak": 100}, 1000),
    "score-70": ({"scored": 10, "score": 70_000}, 100),
    "score-80": ({"scored": 10, "score": 80_000}, 200),
    "score-90": ({"scored": 10, "score": 90_000}, 500),
    "score-95": ({"scored": 10, "score": 95_000}, 1000),
    "completed-10": ({"completed_content": 10}, 50),
    "completed-50": ({"completed_content": 50}, 250),
    "completed-100": ({"completed_content": 100}, 500),
    "completed-250": ({"completed_content": 250}, 1000),
    "hours-10": ({"seconds": 10 * HOUR}, 100),
    "hours-50": ({"seconds": 50 * HOUR}, 300),
    "hours-100": ({"seconds": 100 * HOUR}, 600),
    "hours-200": ({"seconds": 200 * HOUR}, 1200),
}


def reached(*, longest_streak: int = 0, completed_content: int = 0, **counters: int) -> LearnerStanding:
    return LearnerStanding(longest_streak, completed_content, values(make_tally(**counters)))


@pytest.fixture
def contract_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave only the contract's rules, for tests that compare whole lists of awards or goals."""
    contract = {
        "ACHIEVEMENTS": RULES.keys(),
        "CERTIFICATION_ACHIEVEMENTS": {"first", "perfect-5", "half", "all"},
        "CATEGORY_ACHIEVEMENTS": {"mastered"},
    }
    with monkeypatch.context() as patch:
        for name, wanted in contract.items():
            rules = getattr(achievements, name)
            patch.setattr(achievements, name, Rules(tuple(rule for rule in rules if rule.id in wanted)))
        forget_rules()
        yield
    forget_rules()


def forget_rules() -> None:
    """Empty the caches of rules by certification and category."""
    certification_rules.cache_clear()
    category_rules.cache_clear()


def interaction(number: int, **fields: Any) -> Interaction:
    defaults = {"event_id": f"e{number}", "content_id": "c-0", "at": 1_000_000 * number, "day": 9_000}
    return make_parsed(**{**defaults, **fields})


def after(*interactions: Interaction, learner: Learner | None = None, catalog: Catalog = CATALOG) -> Change:
    return fold(learner or Learner("ann"), Buckets(), interactions, catalog)


def completed(*contents: int, score: int | None = None) -> list[Interaction]:
    return [
        interaction(n, content_id=f"c-{content}", kind="completed", score=score)
        for n, content in enumerate(contents)
    ]


def without_awards(learner: Learner) -> Learner:
    tracks = {code: track._replace(mastered={}) for code, track in learner.tracks.items()}
    return learner._replace(earned=frozenset(), tracks=tracks)


def ids(awards: Iterable[Award]) -> list[str]:
    return [award.achievement_id for award in awards]


def score_ids(awards: Iterable[Award]) -> list[str]:
    return [name for name in ids(awards) if name.startswith("score-")]


# -- the contract's rules --------------------------------------------------------------------------


def test_the_contract_has_these_rules_with_these_points() -> None:
    points = {name: points for name, (_, points) in RULES.items()}
    assert {rule.id: rule.points for rule in ACHIEVEMENTS} == points, "add a new rule to RULES"


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_fulfilled_at_its_threshold_and_not_just_below(name: str) -> None:
    [rule] = [rule for rule in ACHIEVEMENTS if rule.id == name]
    threshold, _ = RULES[name]
    assert rule.measure(reached(**threshold)) >= rule.target
    below = dict(threshold)
    below[list(below)[-1]] -= 1
    assert rule.measure(reached(**below)) < rule.target


@pytest.mark.parametrize("first", [0, 1, 4, 9])
def test_the_tenth_content_completed_earns_the_award_in_any_batching(first: int) -> None:
    contents = [ContentMetadata(f"c-{n}") for n in range(12)]
    catalog = Catalog({"SAA": assign(Certification("SAA"), contents, 1)})
    # Each content is completed twice, which counts once.
    history = completed(*(n // 2 for n in range(22)))
    found = fold_batches([history[: 2 * first], history[2 * first :]], catalog)
    awards = [award for award in found.awards if award.achievement_id == "completed-10"]
    assert [award.earned_at for award in awards] == [history[18].at]


def test_nine_scores_earn_no_award_for_an_average() -> None:
    perfect = [interaction(n, score=PERFECT) for n in range(10)]
    assert score_ids(after(*perfect[:9]).awards) == []
    assert {"score-70", "score-80", "score-90", "score-95"} <= {*score_ids(after(*perfect).awards)}


def test_the_first_content_completed_earns_the_first_step_once() -> None:
    assert "SAA:first" not in ids(after(interaction(1), interaction(2, kind="viewed")).awards)
    assert ids(after(*completed(0)).awards).count("SAA:first") == 1
    assert ids(after(*completed(0, 0, 1)).awards).count("SAA:first") == 1


def test_half_and_all_are_measured_on_the_active_catalog() -> None:
    assert "SAA:half" in ids(after(*completed(0, 1, 2)).awards)
    assert "SAA:half" not in ids(after(*completed(0, 1)).awards)
    assert "SAA:all" in ids(after(*completed(*range(6))).awards)
    assert "SAA:all" not in ids(after(*completed(*range(5))).awards)
    retired = Catalog({"SAA": assign(SAA, [ContentMetadata("c-5", active=False)], 2)})
    assert "SAA:all" in ids(after(*completed(*range(5)), catalog=retired).awards)


def test_five_perfect_scores_in_a_certification_earn_an_award() -> None:
    scored = [interaction(n, score=PERFECT if n < 5 else PERFECT - 1) for n in range(6)]
    assert "SAA:perfect-5" in ids(after(*scored).awards)
    assert "SAA:perfect-5" not in ids(after(*scored[1:]).awards)


def test_mastery_requires_the_whole_category_with_an_average_of_85() -> None:
    assert "SAA:mastered:storage" in ids(after(*completed(0, 1, 2, score=8_500)).awards)
    assert "SAA:mastered:storage" not in ids(after(*completed(0, 1, 2, score=8_499)).awards)
    assert "SAA:mastered:storage" not in ids(after(*completed(0, 1, score=PERFECT)).awards)
    assert "SAA:mastered:storage" not in ids(after(*completed(0, 1, 2)).awards), "nothing is scored"


def test_every_rule_has_all_its_texts_and_its_own_id() -> None:
    rules: list[Achievement[Any]] = [*ACHIEVEMENTS, *CERTIFICATION_ACHIEVEMENTS, *CATEGORY_ACHIEVEMENTS]
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert all((rule.id, rule.type, rule.title, rule.description, rule.icon))
        assert rule.points > 0
        assert rule.target > 0


def test_adding_an_achievement_takes_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Achievement[Any]("seconds-60", "time", "First Minute", "", "⏱️", 1, sum_of("seconds"), 60)
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", Rules((*ACHIEVEMENTS, quick)))
    assert "seconds-60" not in ids(after(interaction(1, seconds=59)).awards)
    change = after(interaction(1, seconds=60))
    assert ids(change.awards).count("seconds-60") == 1
    assert "seconds-60" not in ids(goal.achievement for goal in goals(change.learner, CATALOG))


# -- ids -------------------------------------------------------------------------------------------


def test_ids_consist_of_codes_and_slugs() -> None:
    assert slug("Storage") == "storage"
    assert slug("Elastic Compute") == "elastic-compute"
    assert slug("S & R") != slug("S / R"), "a digest tells them apart"
    assert slug("Größe").isascii()
    assert f"SAA:mastered:{slug('S & R')}" in [rule.id for rule in category_rules("SAA", "S & R")]
    for rule in certification_rules("SAA"):
        assert rule.id.startswith("SAA:")
        assert rule.certification == "SAA"


@given(st.text(min_size=1, max_size=60))
def test_a_slug_has_only_letters_digits_and_hyphens(name: str) -> None:
    assert slug(name)
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


# -- awards ----------------------------------------------------------------------------------------


def test_earned_at_is_the_time_of_the_interaction_that_reached_the_target() -> None:
    history = completed(0, 1, 2, 3)
    change = after(*history)
    earned_at = {award.achievement_id: award.earned_at for award in change.awards}
    assert (earned_at["SAA:first"], earned_at["SAA:half"]) == (history[0].at, history[2].at)
    again = after(*history, *completed(0, 1, 2, 3), learner=change.learner)
    assert (again.applied, again.awards) == (0, ())


def test_a_streak_is_earned_on_the_day_that_completes_it() -> None:
    days = [interaction(n, day=9_000 + n) for n in range(7)]
    found = fold_batches(([one] for one in days), CATALOG)
    earned_at = {award.achievement_id: award.earned_at for award in found.awards}
    assert (earned_at["streak-3"], earned_at["streak-7"]) == (days[2].at, days[6].at)
    assert "streak-14" not in earned_at


def test_an_award_is_kept_when_its_rule_becomes_false_again() -> None:
    change = after(*(interaction(n, score=9_600) for n in range(10)))
    assert "score-95" in change.learner.earned
    worse = after(*(interaction(n, score=0) for n in range(10, 60)), learner=change.learner)
    assert worse.learner.total.average_score == 16
    assert worse.learner.earned >= change.learner.earned
    assert score_ids(worse.awards) == []
    better = after(*(interaction(n, score=PERFECT) for n in range(100, 3_000)), learner=worse.learner)
    assert score_ids(better.awards) == [], "no award is given twice"


def test_an_award_is_complete_without_its_rule() -> None:
    [first] = [award for award in after(*completed(0)).awards if award.achievement_id == "SAA:first"]
    assert first._asdict() == {
        "achievement_id": "SAA:first",
        "achievement_type": "certification",
        "title": "SAA: First Step",
        "description": "Complete a first content of SAA",
        "badge_icon": "🌱",
        "points": 20,
        "earned_at": 0,
        "certification_type": "SAA",
    }


def test_categories_that_differ_only_in_case_are_mastered_once() -> None:
    contents = [ContentMetadata("n-1", "Networking"), ContentMetadata("n-2", "networking")]
    catalog = Catalog({"SAA": assign(Certification("SAA"), contents, 1)})
    both = [interaction(n, content_id=f"n-{n}", kind="completed", score=PERFECT) for n in (1, 2)]
    together = fold_batches([both], catalog)
    assert ids(together.awards).count("SAA:mastered:networking") == 1
    apart = fold_batches([both[:1], both[1:]], catalog)
    assert apart.awards == together.awards
    assert apart.learner.earned == together.learner.earned
    nothing_awarded = without_awards(together.learner)
    assert ids(overdue(nothing_awarded, catalog, 7).awards).count("SAA:mastered:networking") == 1


# -- overdue awards and goals ----------------------------------------------------------------------


def test_a_new_rule_is_overdue_for_learners_who_already_fulfil_it(monkeypatch: pytest.MonkeyPatch) -> None:
    change = after(*completed(0, 1, 2))
    assert overdue(change.learner, CATALOG, 7) == ((), change.learner)
    three = Achievement[Any]("completed-3", "completion", "Three", "", "✅", 5, completed_content, 3)
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", Rules((three,)))
    [award] = overdue(change.learner, CATALOG, 7).awards
    assert (award.achievement_id, award.points, award.earned_at) == ("completed-3", 5, 7)


def test_a_learner_keeps_the_award_of_a_retired_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    earned = Learner("ann", earned=frozenset({"completed-3"}))
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", Rules(()))
    assert "completed-3" in after(interaction(50), learner=earned).learner.earned


def test_everything_reached_is_overdue_if_nothing_was_awarded() -> None:
    badly = [interaction(10 + n, content_id=f"c-{n}", kind="completed", score=8_499) for n in (3, 4, 5)]
    learner = after(*completed(0, 1, 2, score=PERFECT), *badly).learner
    assert learner.earned >= {"SAA:all", "SAA:mastered:storage"}
    found = overdue(without_awards(learner), CATALOG, 7)
    assert {*ids(found.awards)} == learner.earned
    assert {award.earned_at for award in found.awards} == {7}
    assert found.learner == learner


def test_goals_and_overdue_awards_follow_the_streak_policy() -> None:
    learner = after(*(interaction(n, day=9_000 + n) for n in range(15) if n != 7)).learner

    def streak_days(freezes: int) -> tuple[int, int]:
        values = {goal.achievement.achievement_id: goal.value for goal in goals(learner, CATALOG, freezes)}
        return values["streak-14"], values["streak-30"]

    assert streak_days(freezes=0) == (7, 7)
    assert streak_days(freezes=1) == (14, 14)
    assert overdue(learner, CATALOG, 7).awards == ()
    assert "streak-14" in ids(overdue(learner, CATALOG, 7, 1).awards)


def test_goals_show_the_progress_in_a_certification_and_its_categories() -> None:
    change = after(*completed(0, 1, score=8_600), interaction(9, content_id="c-5", score=PERFECT))
    found = {
        goal.achievement.achievement_id: (goal.value, goal.target) for goal in goals(change.learner, CATALOG)
    }
    assert found["SAA:half"] == (33, 50)
    assert found["SAA:all"] == (33, 100)
    assert found["SAA:perfect-5"] == (1, 5)
    assert found["SAA:mastered:storage"] == (66, 100)
    assert found[f"SAA:mastered:{slug('S & R')}"] == (0, 100)
    assert "SAA:first" not in found, "it is earned"


def test_a_certification_without_a_catalog_keeps_its_goals_at_zero() -> None:
    change = after(*completed(0))
    found = {goal.achievement.achievement_id: goal.value for goal in goals(change.learner, Catalog())}
    assert found["SAA:half"] == found["SAA:all"] == 0
    assert not [name for name in found if "mastered" in name]


# -- what is missing -------------------------------------------------------------------------------


def missing(learner: Learner, achievement_id: str, catalog: Catalog = CATALOG) -> list[tuple[Any, ...]]:
    [goal] = [g for g in goals(learner, catalog) if g.achievement.achievement_id == achievement_id]
    return [tuple(condition) for condition in goal.missing]


def test_a_mastery_says_whether_contents_or_the_average_are_missing() -> None:
    only_average = after(*completed(0, 1, 2, score=8_420)).learner
    assert missing(only_average, "SAA:mastered:storage") == [("average_score", 84.2, 85)]
    only_contents = after(*completed(0, 1, score=PERFECT)).learner
    assert missing(only_contents, "SAA:mastered:storage") == [("contents", 2, 3)]
    both = after(*completed(0)).learner
    assert missing(both, "SAA:mastered:storage") == [("contents", 1, 3), ("average_score", None, 85)]


def test_an_average_that_is_high_enough_says_how_many_scores_are_missing() -> None:
    five = after(*(interaction(n, score=7_250) for n in range(5))).learner
    assert missing(five, "score-70") == [("scores", 5, 10)]
    assert missing(five, "score-80") == [("scores", 5, 10), ("average_score", 72.5, 80)]
    assert missing(after(interaction(1)).learner, "score-70") == [
        ("scores", 0, 10),
        ("average_score", None, 70),
    ]


def test_half_of_an_odd_number_of_contents_is_rounded_up() -> None:
    odd = Catalog({"SAA": assign(Certification("SAA"), CONTENTS[:5], 1)})
    learner = after(*completed(0, 1), catalog=odd).learner
    assert missing(learner, "SAA:half", odd) == [("contents", 2, 3)]
    assert missing(learner, "SAA:all", odd) == [("contents", 2, 5)]
    third = interaction(9, content_id="c-2", kind="completed")
    assert "SAA:half" in after(third, learner=learner, catalog=odd).learner.earned


counters = st.fixed_dictionaries(
    {"scored": st.integers(0, 30), "average": st.integers(0, 10_000), "seconds": st.integers(0, 800_000)}
)


@given(st.integers(0, 120), st.integers(0, 300), counters, st.integers(0, 40), st.integers(0, 40))
def test_nothing_is_missing_exactly_if_an_achievement_is_reached(
    streak: int, contents: int, drawn: dict[str, int], done: int, active: int
) -> None:
    score = drawn["average"] * drawn["scored"]
    tally = make_tally(scored=drawn["scored"], score=score, seconds=drawn["seconds"], perfect=done)
    sums = values(tally)
    done = min(done, active)
    standings: list[tuple[Any, Any]] = [
        *((rule, LearnerStanding(streak, contents, sums)) for rule in ACHIEVEMENTS),
        *((rule, CertificationStanding(done, done, active, sums)) for rule in CERTIFICATION_ACHIEVEMENTS),
        *((rule, CategoryStanding(done, active, sums)) for rule in CATEGORY_ACHIEVEMENTS),
    ]
    for rule, standing in standings:
        assert (rule.measure(standing) >= rule.target) == (rule.missing(standing) == ()), rule.id


def test_a_rule_without_conditions_misses_its_measure() -> None:
    rule = Achievement[Any]("minutes-1", "time", "", "", "", 1, sum_of("seconds"), 60)
    assert rule.missing(reached(seconds=59)) == (("count", 59, 60),)
    assert rule.missing(reached(seconds=60)) == ()


def test_retiring_the_last_missing_content_shows_the_achievements_as_reached() -> None:
    learner = after(*completed(0, 1, 2, 3, 4, score=PERFECT)).learner
    retired = assign(SAA, [ContentMetadata("c-5", active=False)], 2)
    catalog = Catalog({"SAA": retired})
    found = views.achievements(ViewContext(learner, {}, (), catalog, 9_000))
    shown = {goal["achievement_id"]: goal["progress"] for goal in found["next"]}
    category = f"SAA:mastered:{slug('S & R')}"
    for name in ("SAA:all", category):
        assert shown[name] == {"value": 100, "target": 100, "missing": [], "reached": True}
    next_one = after(interaction(9, content_id="c-3"), learner=learner, catalog=catalog)
    assert {*ids(next_one.awards)} == {"SAA:all", category}
    assert {*ids(overdue(learner, catalog, 7).awards)} == {"SAA:all", category}


# -- the view --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("contract_rules")
def test_the_view_shows_the_nearest_goals_with_their_progress() -> None:
    change = after(*completed(0, 1), interaction(9, seconds=5 * HOUR))
    rarity = Rarity(4, {"SAA:first": 1})
    found = views.achievements(ViewContext(change.learner, {}, change.awards, CATALOG, 9_000, rarity=rarity))
    shown = [(goal["achievement_id"], *goal["progress"].values()) for goal in found["next"]]
    assert shown == [
        ("SAA:half", 33, 50, [{"kind": "contents", "value": 2, "target": 3}], False),
        ("hours-10", 5, 10, [{"kind": "hours", "value": 5, "target": 10}], False),
        ("streak-3", 1, 3, [{"kind": "study_days", "value": 1, "target": 3}], False),
    ]
    [first] = found["achievements"]
    assert (first["achievement_id"], first["rarity"], first["earned_at"]) == (
        "SAA:first",
        0.25,
        "1970-01-01T00:00:00Z",
    )
    assert (found["total_points"], found["total_achievements"]) == (20, 1)


@pytest.mark.usefixtures("contract_rules")
def test_points_are_the_sum_of_all_awards() -> None:
    change = after(*completed(*range(6), score=PERFECT))
    context = ViewContext(change.learner, {}, change.awards, CATALOG, 9_000)
    points = {award.achievement_id: award.points for award in change.awards}
    mastered = {f"SAA:mastered:{slug(name)}": 300 for name in ("Storage", "S & R")}
    assert points == {"SAA:first": 20, "SAA:half": 250, "SAA:all": 1000, "SAA:perfect-5": 100, **mastered}
    assert views.achievements(context)["total_points"] == 1970


@pytest.mark.usefixtures("contract_rules")
def test_31_backdated_perfect_scores_earn_what_the_operations_document_says() -> None:
    rows = [ContentMetadata(f"c-{n}", f"Category {n % 4}") for n in range(31)]
    catalog = Catalog({"SAA": assign(Certification("SAA"), rows, 1)})
    month = [
        interaction(n, content_id=f"c-{n}", kind="completed", score=PERFECT, day=9_000 + n) for n in range(31)
    ]
    awards = after(*month, catalog=catalog).awards
    assert sum(award.points for award in awards) == 4_960
    assert sum(award.points for award in awards if award.achievement_type == "streak") == 540


def test_a_share_is_at_most_1_and_unknown_before_any_learner_is_counted() -> None:
    assert Rarity().share("streak-3") is None
    assert Rarity(0, {"streak-3": 1}).share("streak-3") is None
    assert Rarity(1, {"streak-3": 2}).share("streak-3") == 1
    assert Rarity(3, {"streak-3": 1}).share("streak-3") == 0.3333
    assert Rarity(3).share("streak-7") == 0
