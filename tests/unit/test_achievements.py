"""Achievements: each rule's threshold and points as the contract has them; earned once, and for good."""

from dataclasses import replace
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
    category_rules,
    certification_rules,
    slug,
)
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.fold import Change, fold
from domain.interaction import Interaction
from domain.learner import Day, Learner, LearnerStanding, goals, overdue
from domain.tally import PERFECT, Tally, sum_of, values
from domain.views import ViewContext
from tests.factory import make_parsed

HOUR = 3600
CONTENTS = [ContentMetadata(f"c-{n}", "Storage" if n < 3 else "S & R") for n in range(6)]
SAA = assign(Certification("SAA"), CONTENTS, 1)
CATALOG = Catalog({"SAA": SAA})

# Of DESIGN, section 6: what is measured, from where on, what it is worth.
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
    return LearnerStanding(longest_streak, completed_content, values(Tally(**counters)))


def interaction(number: int, **fields: Any) -> Interaction:
    defaults = {"content_id": "c-0", "at": 1_000_000 * number, "day": 9_000}
    return make_parsed(event_id=f"e{number}", **{**defaults, **fields})


def after(*interactions: Interaction, learner: Learner | None = None, catalog: Catalog = CATALOG) -> Change:
    return fold(learner or Learner("ann"), {}, interactions, catalog)


def completed(*contents: int, score: int | None = None) -> list[Interaction]:
    return [
        interaction(n, content_id=f"c-{content}", kind="completed", score=score)
        for n, content in enumerate(contents)
    ]


def ids(awards: Any) -> list[str]:
    return [award.achievement_id for award in awards]


def test_there_are_the_eighteen_of_the_contract() -> None:
    assert {rule.id: rule.points for rule in ACHIEVEMENTS} == {
        name: points for name, (_, points) in RULES.items()
    }


@pytest.mark.parametrize("rule", ACHIEVEMENTS, ids=lambda rule: rule.id)
def test_a_rule_is_fulfilled_at_its_threshold_and_not_a_bit_below(rule: Achievement[Any]) -> None:
    threshold, _ = RULES[rule.id]
    assert rule.measure(reached(**threshold)) >= rule.target
    below = dict(threshold)
    below[list(below)[-1]] -= 1
    assert rule.measure(reached(**below)) < rule.target


@pytest.mark.parametrize("first", [0, 1, 4, 9])
def test_the_tenth_content_completed_is_the_tenth_in_whatever_batches_they_come(first: int) -> None:
    catalog = Catalog(
        {"SAA": assign(Certification("SAA"), [ContentMetadata(f"c-{n}") for n in range(12)], 1)}
    )
    # Each twice: what is completed again is no further content.
    history = completed(*(n // 2 for n in range(22)))
    before = after(*history[: 2 * first], catalog=catalog)
    then = after(*history[2 * first :], learner=before.learner, catalog=catalog)
    awards = [award for award in (*before.awards, *then.awards) if award.achievement_id == "completed-10"]
    assert [award.earned_at for award in awards] == [history[18].at]


def test_an_average_of_nine_scores_says_nothing_yet() -> None:
    perfect = [interaction(n, score=PERFECT) for n in range(10)]
    assert not [a for a in ids(after(*perfect[:9]).awards) if a.startswith("score")]
    assert [a for a in ids(after(*perfect).awards) if a.startswith("score")] == [
        "score-70",
        "score-80",
        "score-90",
        "score-95",
    ]


def test_one_content_completed_is_a_certifications_first_step() -> None:
    assert ids(after(*completed(0)).awards) == ["SAA:first"]
    assert ids(after(*completed(0, 0, 0)).awards) == ["SAA:first"], "once, whatever is repeated"


def test_half_and_all_of_the_active_catalog() -> None:
    assert "SAA:half" in ids(after(*completed(0, 1, 2)).awards)
    assert "SAA:half" not in ids(after(*completed(0, 1)).awards)
    assert "SAA:all" in ids(after(*completed(*range(6))).awards)
    retired = Catalog({"SAA": assign(SAA, [ContentMetadata("c-5", active=False)], 2)})
    assert "SAA:all" in ids(after(*completed(*range(5)), catalog=retired).awards)


def test_five_perfect_scores_in_a_certification() -> None:
    scored = [interaction(n, score=PERFECT if n < 5 else PERFECT - 1) for n in range(6)]
    assert "SAA:perfect-5" in ids(after(*scored).awards)
    assert "SAA:perfect-5" not in ids(after(*scored[1:]).awards)


def test_a_category_is_mastered_when_all_of_it_is_completed_with_85_on_average() -> None:
    assert "SAA:mastered:storage" in ids(after(*completed(0, 1, 2, score=8_500)).awards)
    assert "SAA:mastered:storage" not in ids(after(*completed(0, 1, 2, score=8_499)).awards)
    assert "SAA:mastered:storage" not in ids(after(*completed(0, 1, score=PERFECT)).awards)
    assert "SAA:mastered:storage" not in ids(after(*completed(0, 1, 2)).awards), "nothing was scored"


def test_ids_are_built_from_codes_and_slugs() -> None:
    assert slug("Storage") == "storage"
    assert slug("Elastic Compute") == "elastic-compute"
    assert slug("S & R") != slug("S / R"), "told apart where letters alone would not"
    assert slug("Größe").isascii()
    assert [rule.id for rule in category_rules("SAA", "S & R")] == [f"SAA:mastered:{slug('S & R')}"]
    for rule in certification_rules("SAA"):
        assert rule.id.startswith("SAA:")
        assert rule.certification == "SAA"


@given(st.text(min_size=1, max_size=60))
def test_a_slug_is_plain_whatever_the_category_is_called(name: str) -> None:
    assert slug(name)
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_earned_at_is_the_time_of_the_interaction_that_reached_it_and_stays() -> None:
    history = completed(0, 1, 2, 3)
    change = after(*history)
    assert {a.achievement_id: a.earned_at for a in change.awards} == {
        "SAA:first": history[0].at,
        "SAA:half": history[2].at,
    }
    again = after(*history, *completed(0, 1, 2, 3), learner=change.learner)
    assert (again.applied, again.awards) == (0, ())


def test_what_was_earned_stays_though_the_rule_becomes_false_again() -> None:
    good = [interaction(n, score=9_600) for n in range(10)]
    change = after(*good)
    assert "score-95" in change.learner.earned
    worse = after(*(interaction(n, score=0) for n in range(10, 60)), learner=change.learner)
    assert worse.learner.earned >= change.learner.earned
    assert worse.awards == ()
    better = after(*(interaction(n, score=PERFECT) for n in range(100, 3_000)), learner=worse.learner)
    assert not [a for a in ids(better.awards) if a.startswith("score")], "and is not earned again"


def test_adding_an_achievement_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Achievement[Any]("seconds-60", "time", "First Minute", "", "⏱️", 1, sum_of("seconds"), 60)
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", (*ACHIEVEMENTS, quick))
    change = after(interaction(1, seconds=60))
    assert ids(change.awards) == ["seconds-60"]
    assert "seconds-60" not in [goal.achievement.achievement_id for goal in goals(change.learner, CATALOG)]


def test_new_rules_find_what_is_overdue_and_retired_ones_keep_what_was_earned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = after(*completed(0, 1, 2))
    assert overdue(change.learner, CATALOG, 7) == []
    one = Achievement[Any](
        "completed-3", "completion", "Three", "", "✅", 5, lambda s: int(s.completed_content), 3
    )
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", (one,))
    [award] = overdue(change.learner, CATALOG, 7)
    assert (award.achievement_id, award.points, award.earned_at) == ("completed-3", 5, 7)
    earned = replace(change.learner, earned=change.learner.earned | {"completed-3"})
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", ())
    assert "completed-3" in fold(earned, {}, [interaction(50)], CATALOG).learner.earned


def test_categories_that_differ_in_case_alone_are_mastered_once() -> None:
    contents = [ContentMetadata("n-1", "Networking"), ContentMetadata("n-2", "networking")]
    catalog = Catalog({"SAA": assign(Certification("SAA"), contents, 1)})
    both = [interaction(n, content_id=f"n-{n}", kind="completed", score=PERFECT) for n in (1, 2)]
    together = fold(Learner("ann"), {}, both, catalog)
    assert ids(together.awards).count("SAA:mastered:networking") == 1
    first = fold(Learner("ann"), {}, both[:1], catalog)
    second = fold(first.learner, {}, both[1:], catalog)
    assert [*first.awards, *second.awards] == list(together.awards)
    assert second.learner.earned == together.learner.earned
    nothing_awarded = replace(together.learner, earned=frozenset())
    assert ids(tuple(overdue(nothing_awarded, catalog, 7))).count("SAA:mastered:networking") == 1


def test_goals_and_what_is_overdue_go_by_the_streak_policy() -> None:
    history = [interaction(n, day=9_000 + n) for n in range(15) if n != 7]
    learner = after(*history).learner
    plain = {goal.achievement.achievement_id: goal.value for goal in goals(learner, CATALOG)}
    assert (plain["streak-14"], plain["streak-30"]) == (7, 7)
    bridged = {goal.achievement.achievement_id: goal.value for goal in goals(learner, CATALOG, 1)}
    assert (bridged["streak-14"], bridged["streak-30"]) == (14, 14)
    assert overdue(learner, CATALOG, 7) == []
    assert [award.achievement_id for award in overdue(learner, CATALOG, 7, 1)] == ["streak-14"]


def test_all_that_rules_of_every_kind_say_is_overdue_where_nothing_was_awarded_yet() -> None:
    badly = [interaction(10 + n, content_id=f"c-{n}", kind="completed", score=8_499) for n in (3, 4, 5)]
    learner = after(*completed(0, 1, 2, score=PERFECT), *badly).learner
    assert learner.earned >= {"SAA:all", "SAA:mastered:storage"}
    found = overdue(replace(learner, earned=frozenset()), CATALOG, 7)
    assert {award.achievement_id for award in found} == learner.earned
    assert {award.earned_at for award in found} == {7}


def test_goals_say_how_far_along_a_certification_and_its_categories_are() -> None:
    change = after(*completed(0, 1, score=8_600), interaction(9, content_id="c-5", score=PERFECT))
    found = {
        goal.achievement.achievement_id: (goal.value, goal.target) for goal in goals(change.learner, CATALOG)
    }
    assert found["SAA:half"] == (33, 50)
    assert found["SAA:all"] == (33, 100)
    assert found["SAA:perfect-5"] == (1, 5)
    assert found["SAA:mastered:storage"][0] == 66
    assert found[f"SAA:mastered:{slug('S & R')}"][0] == 0
    assert "SAA:first" not in found, "it is earned"


def test_a_certification_that_no_catalog_has_any_more_keeps_its_goals_without_contents() -> None:
    change = after(*completed(0))
    found = {goal.achievement.achievement_id: goal.value for goal in goals(change.learner, Catalog())}
    assert found["SAA:half"] == found["SAA:all"] == 0
    assert not [name for name in found if "mastered" in name]


def test_progress_says_how_far_along_the_nearest_are() -> None:
    change = after(*completed(0, 1), interaction(9, seconds=5 * HOUR))
    at = ViewContext(change.learner, {}, change.awards, CATALOG, 9_000, rarity=Rarity(4, {"SAA:first": 1}))
    found = views.achievements(at)
    assert [goal["achievement_id"] for goal in found["next"]] == [
        "SAA:half",
        "SAA:mastered:storage",
        "hours-10",
    ]
    assert found["next"][0]["progress"] == {"value": 33, "target": 50}
    assert found["next"][2]["progress"] == {"value": 5, "target": 10}
    [first] = found["achievements"]
    assert (first["achievement_id"], first["rarity"], first["earned_at"]) == (
        "SAA:first",
        0.25,
        "1970-01-01T00:00:00Z",
    )
    assert found["total_points"] == 20


def test_points_are_the_sum_of_what_was_earned() -> None:
    change = after(*completed(*range(6), score=PERFECT))
    at = ViewContext(change.learner, {}, change.awards, CATALOG, 9_000)
    points = {award.achievement_id: award.points for award in change.awards}
    mastered = {f"SAA:mastered:{slug(name)}": 300 for name in ("Storage", "S & R")}
    assert points == {"SAA:first": 20, "SAA:half": 250, "SAA:all": 1000, "SAA:perfect-5": 100, **mastered}
    assert views.achievements(at)["total_points"] == 1970


def test_every_achievement_is_complete() -> None:
    rules: list[Achievement[Any]] = [*ACHIEVEMENTS, *CERTIFICATION_ACHIEVEMENTS, *CATEGORY_ACHIEVEMENTS]
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert all((rule.id, rule.type, rule.title, rule.description, rule.icon))
        assert rule.points > 0
        assert rule.target > 0


def test_a_streak_of_days_is_earned_on_the_day_that_completes_it() -> None:
    days = [interaction(n, day=9_000 + n) for n in range(7)]
    learner, closed, earned = Learner("ann"), dict[int, Day](), dict[str, int]()
    for one in days:
        change = fold(learner, closed, [one], CATALOG)
        learner, closed = change.learner, closed | {day.number: day for day in change.days}
        earned |= {award.achievement_id: award.earned_at for award in change.awards}
    assert earned == {"streak-3": days[2].at, "streak-7": days[6].at}


def test_an_award_says_all_that_a_retired_rule_can_no_longer_say() -> None:
    [award] = after(*completed(0)).awards
    assert award == Award(
        "SAA:first",
        "certification",
        "SAA: First Step",
        "Complete a first content of SAA",
        "🌱",
        20,
        0,
        "SAA",
    )


def test_a_share_is_never_more_than_all_and_unknown_before_anybody_is_counted() -> None:
    assert Rarity().share("streak-3") is None
    assert Rarity(0, {"streak-3": 1}).share("streak-3") is None
    assert Rarity(1, {"streak-3": 2}).share("streak-3") == 1
    assert Rarity(3, {"streak-3": 1}).share("streak-3") == 0.3333
    assert Rarity(3).share("streak-7") == 0
