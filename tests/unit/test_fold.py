"""The fold: the same interactions give the same state, in any order and any batching."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.interaction import Interaction, parse
from domain.learner import Day, Learner, closed_days, fold
from domain.streaks import streaks

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
    assert [(refusal.position, refusal.code) for refusal in change.refused] == [(1, "unknown_content")]


def test_a_late_interaction_mends_the_streak() -> None:
    days = [f"2026-03-0{n}T12:00:00Z" for n in (1, 2, 4)]
    learner, _, _ = folded([[interaction(n, occurred_at=at)] for n, at in enumerate(days)])
    assert streaks(learner.calendar).longest == 2
    history = [*days, "2026-03-03T12:00:00Z"]
    mended, _, _ = folded([[interaction(n, occurred_at=at)] for n, at in enumerate(history)])
    assert streaks(mended.calendar).longest == 4
    assert "streak-3" in mended.earned
