"""The fold: the same interactions give the same state, in any order and any batching."""

from datetime import UTC, datetime, timedelta
from itertools import batched, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import NO_DIFFICULTY, Catalog, Certification, ContentMetadata, assign
from domain.first_answers import answer_bytes
from domain.fold import BucketNumbers, Buckets, MissingBucket, Refusal, fold, is_applied, needed_buckets
from domain.interaction import KINDS, Interaction, parse
from domain.learner import Learner, Zone, latest_zone
from domain.streaks import streaks
from domain.tally import COUNTERS, Breakdown, Tally, increments, total
from tests.factory import buckets_after, fold_batches, make_interaction, make_tally, needed_of

NOW = datetime(2026, 3, 31, tzinfo=UTC)
CONTENTS = [
    ContentMetadata("a", "Storage", "beginner"),
    ContentMetadata("b", "Storage", "advanced"),
    ContentMetadata("c", "Compute"),
]
CATALOG = Catalog({"SAA": assign(Certification("SAA"), CONTENTS, 1)})


def interaction(number: int, **fields: Any) -> Interaction:
    defaults = {"event_id": f"e{number}", "content_id": "a", "occurred_at": "2026-03-01T12:00:00Z"}
    return parse(make_interaction(**{**defaults, **fields}), NOW)


def noon(day: int, **fields: Any) -> Interaction:
    """Return an interaction at noon (UTC) of a day of March 2026."""
    return interaction(day, occurred_at=f"2026-03-{day:02}T12:00:00Z", **fields)


def learner_after(*batches: list[Interaction]) -> Learner:
    return fold_batches(batches, CATALOG).learner


def tally_of(*interactions: Interaction) -> Tally:
    """Return the sum of what these interactions add to every tally that they belong to."""
    return total(make_tally(**{COUNTERS[n]: amount for n, amount in increments(i)}) for i in interactions)


@st.composite
def histories(draw: st.DrawFn) -> list[Interaction]:
    times = draw(st.lists(st.integers(0, 20 * 86_400), min_size=1, max_size=25))
    return [
        interaction(
            number,
            content_id=draw(st.sampled_from("abc")),
            interaction_type=draw(st.sampled_from(KINDS)),
            occurred_at=(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat(),
            timezone=draw(st.sampled_from([None, "Europe/Helsinki", "Pacific/Auckland"])),
            score=draw(st.none() | st.integers(0, 100)),
            time_spent=draw(st.integers(0, 4_000)),
        )
        for number, seconds in enumerate(times)
    ]


@given(histories(), st.randoms(use_true_random=False))
def test_order_batching_and_duplicates_do_not_change_the_state(
    history: list[Interaction], random: Random
) -> None:
    expected = fold_batches([history], CATALOG)
    assert expected.applied == len(history)
    shuffled = history + random.choices(history, k=len(history))
    random.shuffle(shuffled)
    size = random.randint(1, len(shuffled))
    found = fold_batches(map(list, batched(shuffled, size)), CATALOG)
    assert found.applied == len(history)

    # Whether an average is ever reached depends on the order, and so does what a mastery covers:
    # docs/design.md, Invariants.
    def comparable(learner: Learner) -> Learner:
        tracks = {code: track._replace(mastered={}) for code, track in learner.tracks.items()}
        return learner._replace(version=0, earned=frozenset(), tracks=tracks)

    assert comparable(found.learner) == comparable(expected.learner)
    latest = found.learner.latest
    assert latest is not None
    assert {n: day for n, day in found.days.items() if n != latest.number} == {
        n: day for n, day in expected.days.items() if n != latest.number
    }


@given(histories())
def test_totals_are_plain_sums(history: list[Interaction]) -> None:
    learner = learner_after(history)
    assert learner.total == tally_of(*history)
    assert learner.total.interactions == len(history)
    assert learner.total.seconds == sum(i.seconds for i in history)
    assert learner.total.score == sum(i.score or 0 for i in history)
    assert set(learner.calendar) == {i.day for i in history}
    completed = {i.content_id for i in history if i.kind == "completed"}
    assert len(learner.tracks["SAA"].completed) == len(completed)


def test_an_applied_interaction_is_a_duplicate_even_without_its_content() -> None:
    change = fold(Learner("ann"), Buckets(), [interaction(1)], CATALOG)
    again = fold(change.learner, Buckets(), [interaction(1)], Catalog())
    assert (again.applied, again.duplicates, again.refused) == (0, 1, ())
    assert again.learner == change.learner


def test_unknown_content_is_refused_and_the_other_interactions_are_applied() -> None:
    batch = [interaction(1), interaction(2, content_id="x"), interaction(3)]
    change = fold(Learner("ann"), Buckets(), batch, CATALOG)
    assert change.applied == 2
    assert change.refused == (Refusal(1, "unknown_content", "no catalog has content x"),)
    assert change.learner.total.interactions == 2


def test_a_refusal_counts_its_position_with_duplicates_included() -> None:
    batch = [interaction(1), interaction(1), interaction(2, certification_type="DVA")]
    change = fold(Learner("ann"), Buckets(), batch, CATALOG)
    assert (change.applied, change.duplicates) == (1, 1)
    reason = "content a is not in the catalog of DVA"
    assert change.refused == (Refusal(2, "unknown_certification", reason),)


def test_a_fold_that_applies_nothing_returns_the_same_learner() -> None:
    learner = Learner("ann", 7, earned=frozenset({"streak-3"}))
    change = fold(learner, Buckets(), [interaction(1, content_id="x")], CATALOG)
    assert change.learner is learner
    assert (change.days, change.awards, change.applied, change.duplicates) == ((), (), 0, 0)
    assert len(change.refused) == 1


def test_each_fold_raises_the_version_by_one() -> None:
    change = fold(Learner("ann", 7), Buckets(), [interaction(1), interaction(2)], CATALOG)
    assert (change.learner.user_id, change.learner.version) == ("ann", 8)


def test_a_track_remembers_the_best_score_of_each_content() -> None:
    learner = learner_after(
        [
            interaction(1, content_id="a", score=0),
            interaction(2, content_id="c", score=87.5),
            interaction(3, content_id="c", score=12),
            interaction(4, content_id="b"),
        ]
    )
    track = learner.tracks["SAA"]
    assert [track.best_score(n) for n in range(4)] == [0, None, 8_750, None]
    better = fold(learner, Buckets(), [interaction(5, content_id="b", score=100)], CATALOG).learner
    assert [better.tracks["SAA"].best_score(n) for n in range(4)] == [0, 10_000, 8_750, None]
    assert len(better.tracks["SAA"].best) == 6


@given(st.permutations(range(5)))
def test_a_track_keeps_the_earliest_answer_of_each_content_in_any_order(order: list[int]) -> None:
    answers = [("c", "12:03:00", 100), ("c", "12:01:59", 20), ("c", "12:01:01", 10), ("a", "12:00:00", 70)]
    history = [
        interaction(n, content_id=content, occurred_at=f"2026-03-01T{time}Z", score=score)
        for n, (content, time, score) in enumerate(answers)
    ]
    history.append(interaction(5, content_id="a"))
    track = learner_after([history[n] for n in order]).tracks["SAA"]
    assert set(track.first_of) == {0, 2}
    # Of the two answers in a minute, the lower score counts.
    assert track.first == answer_bytes(history[3].at, 7_000) + answer_bytes(history[1].at, 1_000)


def test_a_track_has_a_set_for_each_kind_and_tallies_by_category_and_difficulty() -> None:
    history = [
        interaction(1, content_id="a", interaction_type="viewed", time_spent=1),
        interaction(2, content_id="b", interaction_type="answered", time_spent=2, score=50),
        interaction(3, content_id="c", interaction_type="completed", time_spent=4, score=100),
        interaction(4, content_id="c", interaction_type="completed", time_spent=8),
    ]
    a, b, *both_c = history
    learner = learner_after(history)
    track = learner.tracks["SAA"]
    assert [set(kind) for kind in (track.viewed, track.answered, track.completed)] == [{0}, {1}, {2}]
    assert track.tallies == Breakdown(
        {"Storage": tally_of(a, b), "Compute": tally_of(*both_c)},
        {"beginner": tally_of(a), "advanced": tally_of(b), NO_DIFFICULTY: tally_of(*both_c)},
    )
    assert learner.latest is not None
    assert learner.latest.tallies == {"SAA": track.tallies}


def test_the_fold_asks_only_for_closed_buckets_that_can_exist() -> None:
    first, second, third = noon(1), noon(2), noon(3)
    change = fold(Learner("ann"), Buckets(), [first, third], CATALOG)
    assert [day.number for day in change.days] == [first.day]
    assert [applied.number for applied in change.digests] == [first.utc_day]
    assert needed_buckets(Learner("ann"), [first]) == BucketNumbers(frozenset(), frozenset())
    # The second day has no tallies, but only a read can tell that nothing was applied on it in UTC.
    assert needed_buckets(change.learner, [first, second, third, noon(4)]) == BucketNumbers(
        frozenset({first.day}), frozenset({first.utc_day, second.utc_day})
    )


def test_a_promised_day_that_is_not_given_raises_missing_bucket() -> None:
    first, second = noon(1), noon(2)
    learner = fold(Learner("ann"), Buckets(), [first, second], CATALOG).learner
    with pytest.raises(MissingBucket, match=f"day {first.day} of ann"):
        fold(learner, Buckets(), [noon(1, event_id="another")], CATALOG)


def test_the_bucket_of_its_utc_day_decides_whether_an_interaction_is_applied() -> None:
    first, second, third = noon(1), noon(2), noon(3)
    change = fold(Learner("ann"), Buckets(), [first, second], CATALOG)
    buckets = buckets_after(Buckets(), change)
    assert not is_applied(Learner("ann"), Buckets(), first)
    assert is_applied(change.learner, buckets, first)
    assert not is_applied(change.learner, Buckets(), first), "a UTC day without a bucket is empty"
    assert is_applied(change.learner, Buckets(), second), "the state has the latest UTC day"
    assert not is_applied(change.learner, buckets, third)
    for day in (1, 2):
        assert not is_applied(change.learner, buckets, noon(day, event_id="another"))


SPELLINGS = {
    "the offset of another zone": {"occurred_at": "2026-03-02T00:30:00+09:00"},
    "UTC": {"occurred_at": "2026-03-01T15:30:00Z"},
    "a time zone that the device adds later": {
        "occurred_at": "2026-03-01T15:30:00Z",
        "timezone": "Asia/Tokyo",
    },
}


@pytest.mark.parametrize("first", SPELLINGS)
@pytest.mark.parametrize("again", SPELLINGS)
def test_one_instant_in_another_spelling_is_a_duplicate(first: str, again: str) -> None:
    learner = fold(Learner("ann"), Buckets(), [interaction(1, **SPELLINGS[first])], CATALOG).learner
    # A later interaction closes the buckets.
    change = fold(learner, Buckets(), [noon(9)], CATALOG)
    buckets = buckets_after(Buckets(), change)
    repeated = interaction(1, **SPELLINGS[again])
    needed = needed_of(buckets, change.learner, [repeated])
    assert fold(change.learner, needed, [repeated], CATALOG).duplicates == 1


def test_an_event_id_used_again_on_another_utc_day_is_another_interaction() -> None:
    one, other = (interaction(1, occurred_at=f"2026-03-0{day}T00:30:00+09:00") for day in (1, 2))
    assert fold(Learner("ann"), Buckets(), [one, other], CATALOG).applied == 2


JANUARY_IN_AUCKLAND = ("2026-01-10T12:00:00+13:00", "Pacific/Auckland")
ZONES: dict[str, tuple[list[tuple[str, str | None]], str | None]] = {
    "nothing but Z says nothing about a place": ([("2026-03-01T12:00:00Z", None)], None),
    "a plain offset": ([("2026-03-01T12:00:00+03:00", None)], "+03:00"),
    "the latest name": (
        [("2026-03-01T12:00:00+02:00", "Europe/Helsinki"), ("2026-03-02T12:00:00+02:00", "Europe/Kyiv")],
        "Europe/Kyiv",
    ),
    "a later offset that contradicts the name": (
        [JANUARY_IN_AUCKLAND, ("2026-03-05T12:00:00-08:00", None)],
        "-08:00",
    ),
    "a later offset that agrees with the name, in summer time too": (
        [("2025-07-10T12:00:00+12:00", "Pacific/Auckland"), ("2026-01-05T12:00:00+13:00", None)],
        "Pacific/Auckland",
    ),
    "an earlier offset": ([("2026-01-05T12:00:00-08:00", None), JANUARY_IN_AUCKLAND], "Pacific/Auckland"),
    "a later Z": ([JANUARY_IN_AUCKLAND, ("2026-03-05T12:00:00Z", None)], "Pacific/Auckland"),
}


@pytest.mark.parametrize("name", ZONES)
def test_the_latest_zone_is_a_name_unless_a_later_offset_contradicts_it(name: str) -> None:
    times, expected = ZONES[name]
    history = [
        interaction(n, occurred_at=at, timezone=zone if zone else ...) for n, (at, zone) in enumerate(times)
    ]
    for order in permutations(history):
        assert learner_after([*order]).zone == expected
        assert learner_after(*([one] for one in order)).zone == expected


def test_a_zone_that_the_tzdata_lacks_does_not_count() -> None:
    gone, offset = Zone(9, "Mars/Olympus_Mons"), Zone(1, "+03:00")
    assert latest_zone(gone, offset) == "+03:00"
    assert latest_zone(gone, None) is None


FOURTEEN_DAYS_AROUND_A_MISSED_ONE = [noon(day) for day in range(1, 16) if day != 8]


def test_a_freeze_bridges_a_missed_day_in_streak_achievements() -> None:
    history = FOURTEEN_DAYS_AROUND_A_MISSED_ONE
    without = fold(Learner("ann"), Buckets(), history, CATALOG)
    assert without == fold(Learner("ann"), Buckets(), history, CATALOG, 0)
    assert {"streak-3", "streak-7"} <= without.learner.earned
    assert "streak-14" not in without.learner.earned
    assert "streak-14" in fold(Learner("ann"), Buckets(), history, CATALOG, 1).learner.earned


def test_a_streak_with_freezes_continues_over_batches() -> None:
    history = FOURTEEN_DAYS_AROUND_A_MISSED_ONE
    before = fold(Learner("ann"), Buckets(), history[:-1], CATALOG, 1).learner
    assert "streak-14" in fold(before, Buckets(), history[-1:], CATALOG, 1).learner.earned
    assert "streak-14" not in fold(before, Buckets(), history[-1:], CATALOG).learner.earned


def test_a_more_generous_policy_grants_a_streak_with_the_next_interaction() -> None:
    before = fold(Learner("ann"), Buckets(), FOURTEEN_DAYS_AROUND_A_MISSED_ONE, CATALOG).learner
    next_one = interaction(99, occurred_at="2026-03-15T13:00:00Z")
    assert "streak-14" in fold(before, Buckets(), [next_one], CATALOG, 1).learner.earned
    assert "streak-14" not in fold(before, Buckets(), [next_one], CATALOG).learner.earned


def test_a_late_interaction_repairs_the_streak() -> None:
    on_time = [noon(day) for day in (1, 2, 4)]
    broken = learner_after(*([one] for one in on_time))
    assert streaks(broken.calendar).longest == 2
    assert "streak-3" not in broken.earned
    repaired = learner_after(*([one] for one in (*on_time, noon(3))))
    assert streaks(repaired.calendar).longest == 4
    assert "streak-3" in repaired.earned
