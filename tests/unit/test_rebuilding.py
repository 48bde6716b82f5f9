"""How a rebuild divides its work: partitions, batches, parts of a learner's events, steps, and the report."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.carrying import Carried, carried_from, carry, needed_days
from domain.content_set import ContentSet
from domain.events import Event, local_day
from domain.fold import Buckets
from domain.interaction import Interaction
from domain.learner import Applied, Learner, Track
from domain.rebuilding import (
    BATCH_BYTES,
    BATCH_OBJECTS,
    FIRST,
    MAX_BITS,
    MAX_LISTED,
    PARTITION_BYTES,
    LogObject,
    Report,
    Run,
    Step,
    after,
    batches,
    bits_for,
    first_of_each,
    folds,
    levels,
    partition_of,
    total,
)
from domain.retraction import Retraction
from tests.factory import make_parsed

DAY = 86_400_000_000


def on_day(day: int, event_id: str, **fields: object) -> Interaction:
    first = make_parsed()
    return make_parsed(**{"event_id": event_id, "at": first.at + day * DAY, "day": first.day + day, **fields})


@pytest.mark.parametrize(
    ("size", "bits"),
    [
        (0, 0),
        (PARTITION_BYTES, 0),
        (PARTITION_BYTES + 1, 1),
        (64 * PARTITION_BYTES, 6),
        (10**14, MAX_BITS),
    ],
)
def test_the_number_of_partitions_follows_from_the_size_of_the_log(size: int, bits: int) -> None:
    assert bits_for(size) == bits


def test_learners_are_spread_evenly_over_partitions_and_stay_in_theirs() -> None:
    users = [f"learner-{n}" for n in range(4_000)]
    counts = Counter(partition_of(user, 4) for user in users)
    assert len(counts) == 16
    assert max(counts.values()) < 1.3 * 4_000 / 16
    for user in users[:100]:
        assert partition_of(user, 0) == "0"
        fine, coarse = int(partition_of(user, 16), 16), int(partition_of(user, 8), 16)
        assert fine >> 8 == coarse, "a further pass divides what an earlier one has put together"
        assert (len(partition_of(user, 16)), len(partition_of(user, 9))) == (4, 3)


@pytest.mark.parametrize(("bits", "passes"), [(0, 1), (1, 1), (8, 1), (9, 2), (16, 2)])
def test_a_pass_divides_by_eight_bits(bits: int, passes: int) -> None:
    assert levels(bits) == passes


def test_a_batch_has_at_most_so_many_bytes_and_objects() -> None:
    large = [LogObject(f"{n}", BATCH_BYTES // 2, 0) for n in range(5)]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
    huge = [LogObject("a", 2 * BATCH_BYTES, 0), LogObject("b", 1, 0)]
    assert [len(batch) for batch in batches(huge)] == [1, 1]
    small = [LogObject(f"{n}", 1, 0) for n in range(BATCH_OBJECTS + 1)]
    assert [len(batch) for batch in batches(small)] == [BATCH_OBJECTS, 1]
    assert list(batches([])) == []


def test_each_event_is_folded_once_and_retractions_come_first() -> None:
    first, other = on_day(0, "a"), on_day(0, "a", score=5)
    taken_back = Retraction("b", "ann", first.utc_day)
    arrived: list[Event] = [first, first, other, taken_back, on_day(1, "b"), taken_back]
    received = [(event, n) for n, event in enumerate(arrived)]
    assert first_of_each(received) == [(taken_back, 3), (first, 0), (other, 2), (on_day(1, "b"), 4)]


def test_a_learner_with_few_days_is_folded_in_order_of_arrival() -> None:
    events: list[tuple[Event, int]] = [(on_day(day, f"{day}"), day) for day in (3, 1, 2)]
    assert list(folds(events, 6)) == [events]
    assert list(folds([], 6)) == []


@given(
    days=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    most=st.integers(4, 12),
    shift=st.integers(-1, 1),
)
def test_the_parts_of_a_learner_have_all_events_and_few_days(days: list[int], most: int, shift: int) -> None:
    events: list[tuple[Event, int]] = []
    for n, day in enumerate(days):
        one = on_day(day, f"{n}")
        events.append((one._replace(day=one.day + shift * (n % 2)), n))
    parts = list(folds(events, most))
    assert sorted(n for part in parts for _, n in part) == sorted(range(len(days)))
    if len(parts) > 1:
        for part in parts:
            own = {event.utc_day for event, _ in part} | {("local", local_day(event)) for event, _ in part}
            assert len(own) <= most + 2
        spans = [[event.utc_day for event, _ in part] for part in parts]
        for before, later in pairwise(spans):
            assert max(before) < min(later), "no UTC day is in two parts, and they are in order"


def test_the_steps_of_a_rebuild_come_in_order() -> None:
    run = Run("r", "green", since=0)
    assert after(run) == FIRST
    assert after(run.begin(FIRST, 1)) == "list"
    listed = replace(run, bits=9, listed_at=1).begin(Step("partition", 1), 1)
    assert after(listed) == Step("partition", 1, 2)
    assert after(listed.begin(Step("partition", 1, 2), 1)) == Step("fold", 1)
    assert after(listed.begin(Step("fold", 1), 1)) == Step("copy", 1)
    assert after(listed.begin(Step("copy", 1), 1)) == "end"


def test_the_log_is_listed_again_until_an_hour_after_the_consumers_begin() -> None:
    run = Run("r", "green", since=1_000, listed_at=4_599_999).begin(Step("fold", 1), 1)
    assert after(run) == "list"
    assert after(replace(run, listed_at=4_600_000)) == Step("copy", 1)


def test_reports_add_up_and_name_no_more_than_a_hundred() -> None:
    one = Report(lines=2, bad=("x",) * 70, bad_lines=70, refused={"invalid": 1}, must_cover=5)
    whole = total([one, one, Report(refused={"malformed": 2}, must_cover=3)])
    assert (whole.lines, whole.bad_lines, len(whole.bad)) == (4, 140, MAX_LISTED)
    assert whole.refused == {"invalid": 2, "malformed": 2}
    assert whole.must_cover == 5


# -- what learners take along ----------------------------------------------------------------------


def test_what_a_learner_takes_along_is_added_to_what_is_there() -> None:
    live = Learner(
        "ann",
        9,
        tracks={"SAA": Track(mastered={"SAA:mastered:storage": ContentSet(3)})},
        applied=Applied(7, frozenset({1}), retracted=frozenset({2})),
        earned=frozenset({"streak-3"}),
        starts_at=5,
    )
    taken = carried_from(live).plus(Carried(retracted={3: frozenset({4})}))
    built = Learner("ann", 2, applied=Applied(7, frozenset({8})), earned=frozenset({"hours-10"}))
    assert needed_days(built, taken) == {3}
    change = carry(built, Buckets(), taken, is_folded=False)
    assert change is not None
    after_it = change.learner
    assert (after_it.version, after_it.starts_at) == (3, 5)
    assert after_it.earned == {"streak-3", "hours-10"}
    assert after_it.applied == Applied(7, frozenset({8}), retracted=frozenset({2}))
    assert change.digests == (Applied(3, retracted=frozenset({4})),)
    assert after_it.tracks["SAA"].mastered == {"SAA:mastered:storage": ContentSet(3)}
    again = carry(after_it, Buckets({}, {3: change.digests[0]}), taken, is_folded=False)
    assert again is None


def test_a_retraction_of_a_later_day_closes_the_latest_one() -> None:
    built = Learner("ann", 2, applied=Applied(7, frozenset({8})))
    change = carry(built, Buckets(), Carried(retracted={9: frozenset({1})}), is_folded=False)
    assert change is not None
    assert change.learner.applied == Applied(9, retracted=frozenset({1}))
    assert change.digests == (Applied(7, frozenset({8})),)


def test_a_certification_of_which_the_log_has_nothing_is_left_out_after_the_fold() -> None:
    taken = Carried(mastered={"SAA": {"SAA:mastered:storage": ContentSet(3)}})
    change = carry(Learner("ann"), Buckets(), taken, is_folded=False)
    assert change is not None
    cleared = carry(change.learner, Buckets(), taken, is_folded=True)
    assert cleared is not None
    assert cleared.learner.tracks == {}
