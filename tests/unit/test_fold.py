"""The fold: the same interactions give the same state, in any order and any batching."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import NO_DIFFICULTY, Catalog, Certification, ContentMetadata, assign
from domain.fold import Refusal, closed_days, fold, is_applied
from domain.interaction import Interaction, parse
from domain.learner import Day, Learner, Zone
from domain.streaks import streaks
from domain.tally import Breakdown, Tally

NOW = datetime(2026, 3, 31, tzinfo=UTC)
CONTENTS = [
    ContentMetadata("a", "Storage", "beginner"),
    ContentMetadata("b", "Storage", "advanced"),
    ContentMetadata("c", "Compute"),
]
CATALOG = Catalog({"SAA": assign(Certification("SAA"), CONTENTS, 1)})


def interaction(number: int, **fields: Any) -> Interaction:
    whole = {
        "event_id": f"e{number}",
        "user_id": "ann",
        "content_id": "a",
        "interaction_type": "answered",
        "occurred_at": "2026-03-01T12:00:00Z",
        **fields,
    }
    return parse(whole, NOW)


@st.composite
def histories(draw: st.DrawFn) -> list[Interaction]:
    times = draw(st.lists(st.integers(0, 20 * 86_400), min_size=1, max_size=25))
    return [
        interaction(
            number,
            content_id=draw(st.sampled_from("abc")),
            interaction_type=draw(st.sampled_from(["viewed", "answered", "completed"])),
            occurred_at=(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat(),
            timezone=draw(st.sampled_from([None, "Europe/Helsinki", "Pacific/Auckland"])),
            score=draw(st.none() | st.integers(0, 100)),
            time_spent=draw(st.integers(0, 4_000)),
        )
        for number, seconds in enumerate(times)
    ]


def folded(batches: list[list[Interaction]]) -> tuple[Learner, dict[int, Day], int]:
    """The state after these batches, the closed days, and how many interactions were applied."""
    learner, days, applied = Learner("ann"), dict[int, Day](), 0
    for batch in batches:
        wanted = closed_days(learner, batch)
        change = fold(learner, {number: days[number] for number in wanted}, batch, CATALOG)
        learner = change.learner
        days |= {day.number: day for day in change.days}
        applied += change.applied
    return replace(learner, version=0), days, applied


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_any_batching_and_any_duplicates_give_one_state(
    history: list[Interaction], random: Any
) -> None:
    expected, expected_days, applied = folded([history])
    assert applied == len(history)
    shuffled = history + random.choices(history, k=len(history))
    random.shuffle(shuffled)
    size = random.randint(1, len(shuffled))
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    found, days, again = folded(batches)
    assert again == len(history)
    # An average can be reached in one order and not in another: the contract's exception.
    assert replace(found, earned=frozenset()) == replace(expected, earned=frozenset())
    latest = found.latest
    assert latest is not None
    assert {n: day for n, day in days.items() if n != latest.number} == {
        n: day for n, day in expected_days.items() if n != latest.number
    }


@given(histories())
def test_totals_are_plain_sums(history: list[Interaction]) -> None:
    learner, _, _ = folded([history])
    assert learner.total.interactions == len(history)
    assert learner.total.seconds == sum(i.seconds for i in history)
    assert learner.total.score == sum(i.score or 0 for i in history)
    assert set(learner.calendar) == {i.day for i in history}
    assert len(learner.tracks["SAA"].completed) == len(
        {i.content_id for i in history if i.kind == "completed"}
    )


def test_what_was_applied_once_is_a_duplicate_whatever_became_of_the_catalog() -> None:
    change = fold(Learner("ann"), {}, [interaction(1)], CATALOG)
    again = fold(change.learner, {}, [interaction(1)], Catalog())
    assert (again.applied, again.duplicates, again.refused) == (0, 1, ())
    assert again.learner == change.learner


def test_unknown_content_is_refused_and_its_neighbours_are_applied() -> None:
    given_them = [interaction(1), interaction(2, content_id="x"), interaction(3)]
    change = fold(Learner("ann"), {}, given_them, CATALOG)
    assert change.applied == 2
    assert change.refused == (Refusal(1, "unknown_content", "no catalog has content x"),)
    assert change.learner.total.interactions == 2


def test_content_of_another_certification_is_refused_and_a_duplicate_before_it_is_none_of_it() -> None:
    given_them = [interaction(1), interaction(1), interaction(2, certification_type="DVA")]
    change = fold(Learner("ann"), {}, given_them, CATALOG)
    assert (change.applied, change.duplicates) == (1, 1)
    reason = "content a is not in the catalog of DVA"
    assert change.refused == (Refusal(2, "unknown_certification", reason),)


def test_a_fold_that_applies_nothing_leaves_the_learner_as_it_was() -> None:
    learner = Learner("ann", 7, earned=frozenset({"streak-3"}))
    change = fold(learner, {}, [interaction(1, content_id="x")], CATALOG)
    assert change.learner is learner
    assert (change.days, change.awards, change.applied, change.duplicates) == ((), (), 0, 0)
    assert len(change.refused) == 1


def test_each_fold_is_one_version_on() -> None:
    change = fold(Learner("ann", 7), {}, [interaction(1), interaction(2)], CATALOG)
    assert (change.learner.user_id, change.learner.version) == ("ann", 8)


def test_a_track_remembers_the_best_score_of_each_content() -> None:
    history = [
        interaction(1, content_id="a", score=0),
        interaction(2, content_id="c", score=87.5),
        interaction(3, content_id="c", score=12),
        interaction(4, content_id="b"),
    ]
    learner, _, _ = folded([history])
    track = learner.tracks["SAA"]
    assert [track.best_score(n) for n in range(4)] == [0, None, 8_750, None]
    better = fold(learner, {}, [interaction(5, content_id="b", score=100)], CATALOG).learner
    assert [better.tracks["SAA"].best_score(n) for n in range(4)] == [0, 10_000, 8_750, None]
    assert len(better.tracks["SAA"].best) == 6


def test_a_tracks_sets_are_by_kind_and_its_tallies_by_category_and_difficulty() -> None:
    history = [
        interaction(1, content_id="a", interaction_type="viewed", time_spent=1),
        interaction(2, content_id="b", interaction_type="answered", time_spent=2, score=50),
        interaction(3, content_id="c", interaction_type="completed", time_spent=4, score=100),
        interaction(4, content_id="c", interaction_type="completed", time_spent=8),
    ]
    learner, _, _ = folded([history])
    track = learner.tracks["SAA"]
    assert [set(kind) for kind in (track.viewed, track.answered, track.completed)] == [{0}, {1}, {2}]
    assert track.tallies == Breakdown(
        {
            "Storage": Tally(2, views=1, answers=1, seconds=3, scored=1, score=5_000),
            "Compute": Tally(2, completions=2, seconds=12, scored=1, score=10_000, perfect=1),
        },
        {
            "beginner": Tally(1, views=1, seconds=1),
            "advanced": Tally(1, answers=1, seconds=2, scored=1, score=5_000),
            NO_DIFFICULTY: Tally(2, completions=2, seconds=12, scored=1, score=10_000, perfect=1),
        },
    )
    assert learner.latest is not None
    assert learner.latest.tallies == {"SAA": track.tallies}


def test_the_fold_asks_for_closed_days_that_have_a_bucket_and_for_no_other() -> None:
    first, second, third = (interaction(n, occurred_at=f"2026-03-0{n}T12:00:00Z") for n in (1, 2, 3))
    change = fold(Learner("ann"), {}, [first, second], CATALOG)
    learner = change.learner
    assert [day.number for day in change.days] == [first.day]
    assert closed_days(Learner("ann"), [first]) == set()
    assert closed_days(learner, [first, second, third]) == {first.day}
    with pytest.raises(KeyError):
        fold(learner, {}, [first], CATALOG)


def test_whether_an_interaction_is_applied_is_told_by_its_day() -> None:
    first, second, third = (interaction(n, occurred_at=f"2026-03-0{n}T12:00:00Z") for n in (1, 2, 3))
    change = fold(Learner("ann"), {}, [first, second], CATALOG)
    days = {day.number: day for day in change.days}
    assert not is_applied(Learner("ann"), {}, first)
    assert is_applied(change.learner, days, first)
    assert is_applied(change.learner, days, second)
    assert is_applied(change.learner, {}, second), "the latest day is in the state"
    assert not is_applied(change.learner, days, third)
    for occurred_at in ("2026-03-01T13:00:00Z", "2026-03-02T13:00:00Z"):
        assert not is_applied(change.learner, days, interaction(9, occurred_at=occurred_at))
    # Unheard of for a state that was stored; such a state has a calendar, and a bucket of each day in it.
    closed = replace(change.learner, latest=None)
    assert is_applied(closed, days, first)


def test_the_latest_named_zone_is_the_learners_and_outweighs_any_later_offset() -> None:
    early, late = "2026-03-01T12:00:00+02:00", "2026-03-05T12:00:00+03:00"
    helsinki = interaction(1, occurred_at=early, timezone="Europe/Helsinki")
    kyiv = interaction(2, occurred_at=early.replace("03-01", "03-02"), timezone="Europe/Kyiv")
    offset = interaction(3, occurred_at=late)
    zone = Zone(True, kyiv.at, "Europe/Kyiv")
    for order in ([helsinki, kyiv, offset], [offset, kyiv, helsinki], [kyiv, offset, helsinki]):
        assert folded([order])[0].zone == zone
        assert folded([[one] for one in order])[0].zone == zone
    assert folded([[offset]])[0].zone == Zone(False, offset.at, "+03:00")


def fourteen_days_but_one_missed() -> list[Interaction]:
    days = [day for day in range(1, 16) if day != 8]
    return [interaction(day, occurred_at=f"2026-03-{day:02}T12:00:00Z") for day in days]


def test_a_freeze_bridges_a_day_in_streak_achievements_where_the_policy_has_any() -> None:
    history = fourteen_days_but_one_missed()
    without = fold(Learner("ann"), {}, history, CATALOG)
    assert without == fold(Learner("ann"), {}, history, CATALOG, 0)
    assert without.learner.earned == {"streak-3", "streak-7"}
    assert "streak-14" in fold(Learner("ann"), {}, history, CATALOG, 1).learner.earned


def test_a_streak_goes_on_over_batches_under_the_same_policy() -> None:
    history = fourteen_days_but_one_missed()
    before = fold(Learner("ann"), {}, history[:-1], CATALOG, 1).learner
    assert "streak-14" in fold(before, {}, history[-1:], CATALOG, 1).learner.earned
    assert "streak-14" not in fold(before, {}, history[-1:], CATALOG).learner.earned


def test_a_kinder_policy_gives_a_streak_its_award_with_the_next_interaction_of_any_day() -> None:
    history = fourteen_days_but_one_missed()
    before = fold(Learner("ann"), {}, history, CATALOG).learner
    more = interaction(99, occurred_at="2026-03-15T13:00:00Z")
    assert "streak-14" in fold(before, {}, [more], CATALOG, 1).learner.earned
    assert "streak-14" not in fold(before, {}, [more], CATALOG).learner.earned


def test_a_late_interaction_mends_the_streak() -> None:
    days = [f"2026-03-0{n}T12:00:00Z" for n in (1, 2, 4)]
    learner, _, _ = folded([[interaction(n, occurred_at=at)] for n, at in enumerate(days)])
    assert streaks(learner.calendar).longest == 2
    history = [*days, "2026-03-03T12:00:00Z"]
    mended, _, _ = folded([[interaction(n, occurred_at=at)] for n, at in enumerate(history)])
    assert streaks(mended.calendar).longest == 4
    assert "streak-3" in mended.earned
