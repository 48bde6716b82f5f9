"""Comparing a learner in two generations: what must be equal, and which differences the log explains."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.comparing import (
    YOUNG,
    Comparison,
    Logged,
    Side,
    differences,
    due_awards,
    explain,
    is_moving,
    may_catch_up,
    side,
)
from domain.events import Event
from domain.fold import Buckets, fold
from domain.interaction import Interaction
from domain.learner import Learner
from domain.retraction import Retraction
from tests.factory import make_parsed

CATALOG = Catalog(
    {
        "SAA": assign(
            Certification("SAA"),
            [ContentMetadata("saa-1", "Storage"), ContentMetadata("saa-2", "Compute")],
            1,
        )
    }
)
MOVED = Catalog({"SAA": assign(CATALOG.certifications["SAA"], [ContentMetadata("saa-1", "Networking")], 2)})
DAY = 86_400_000_000


def on_day(day: int, event_id: str = "e-1", **fields: Any) -> Interaction:
    """Return an interaction at noon of a day, counted from the factory's."""
    first = make_parsed()
    return make_parsed(event_id=event_id, at=first.at + day * DAY, day=first.day + day, **fields)


HISTORY = [on_day(day, f"e-{day}", score=50 * (day % 3), kind="answered") for day in range(6)]


def folded(events: Sequence[Event], catalog: Catalog = CATALOG, **fields: Any) -> Side:
    change = fold(Learner("ann"), Buckets(), events, catalog)
    return side(change.learner._replace(**fields), change.days, change.digests)


def logged(events: Sequence[Event]) -> list[Logged]:
    return [Logged(event, number) for number, event in enumerate(events)]


def test_the_same_events_in_another_order_are_equal() -> None:
    live, built = folded(HISTORY, version=7), folded(HISTORY[::-1], earned=frozenset({"another"}))
    assert differences(live, built) == ()
    assert not is_moving(live, built)


def test_content_that_has_moved_differs_in_nothing_that_must_be_equal() -> None:
    assert differences(folded(HISTORY), folded(HISTORY, MOVED)) == ()


def changed(one: Side, **counters: int) -> Side:
    """Return a learner whose counters on the second day, and in total, are wrong by so much."""
    tracks, days = dict(one.learner.tracks), dict(one.days)
    number = sorted(days)[1]

    def wrong(breakdown: Any) -> Any:
        def of(tallies: Any) -> Any:
            name, tally = next(iter(tallies.items()))
            more = {counter: getattr(tally, counter) + by for counter, by in counters.items()}
            return {**tallies, name: tally._replace(**more)}

        return breakdown._replace(
            categories=of(breakdown.categories), difficulties=of(breakdown.difficulties)
        )

    tracks["SAA"] = tracks["SAA"]._replace(tallies=wrong(tracks["SAA"].tallies))
    days[number] = days[number]._replace(tallies={"SAA": wrong(days[number].tallies["SAA"])})
    return one._replace(learner=one.learner._replace(tracks=tracks), days=days)


@pytest.mark.parametrize("counter", ["interactions", "seconds", "score", "perfect"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_wrong_counter_is_unexplained_and_the_log_says_which_generation_has_it(
    counter: str, by: int
) -> None:
    right, wrong = folded(HISTORY), changed(folded(HISTORY), **{counter: by})
    assert {difference.what.split(" SAA")[0] for difference in differences(wrong, right)} == {
        "sums by category",
        "sums by difficulty",
    }
    assert explain(wrong, right, logged(HISTORY), CATALOG) == "live"
    assert explain(right, wrong, logged(HISTORY), CATALOG) == "built"
    assert explain(wrong, wrong, logged(HISTORY), CATALOG) == "both"


@pytest.mark.parametrize(
    "fields",
    [
        {"viewed": 1 << 1},
        {"best": b"\x00\x07"},
        {"named_zone": (5, "Europe/Paris", ())},
        {"exams": {"SAA": ((1, True, 9000),)}},
        {"starts_at": 5},
        {"erased_at": 5},
    ],
)
def test_each_part_of_a_learner_is_compared(fields: dict[str, Any]) -> None:
    live = folded(HISTORY)
    learner = live.learner
    if fields.keys() & {"viewed", "best"}:
        track = learner.tracks["SAA"]
        value: dict[str, Any] = {
            name: type(track.viewed)(v) if name == "viewed" else v for name, v in fields.items()
        }
        built = live._replace(learner=learner._replace(tracks={"SAA": track._replace(**value)}))
    else:
        built = live._replace(learner=learner._replace(**fields))
    assert len(differences(live, built)) == 1
    assert explain(live, built, logged(HISTORY), CATALOG) == "built"


def test_a_study_day_too_many_is_unexplained() -> None:
    live = folded(HISTORY)
    calendar = live.learner.calendar.add(HISTORY[-1].day + 3)
    built = live._replace(learner=live.learner._replace(calendar=calendar))
    assert explain(live, built, logged(HISTORY), CATALOG) == "built"


def test_two_events_with_one_identity_explain_what_one_of_them_makes() -> None:
    other = HISTORY[2]._replace(score=77_00, content_id="saa-2", day=HISTORY[2].day + 1)
    events: list[Event] = [*HISTORY, other]
    live, built = folded([other, *HISTORY]), folded(events)
    assert differences(live, built)
    assert explain(live, built, logged(events), CATALOG) == {"ambiguous"}
    assert explain(built, live, logged(events), CATALOG) == {"ambiguous"}
    wrong = changed(live, seconds=5)
    assert explain(wrong, built, logged(events), CATALOG) == "live"


def test_what_was_taken_back_after_it_counted_explains_the_difference() -> None:
    taken_back = Retraction("e-2", "ann", HISTORY[2].utc_day)
    events: list[Event] = [*HISTORY, taken_back]
    live, built = folded(events), folded([taken_back, *HISTORY])
    assert not is_moving(live, built)
    assert explain(live, built, logged(events), CATALOG) == {"retracted"}


def test_a_record_that_was_refused_explains_what_only_the_built_generation_has() -> None:
    live, built = folded(HISTORY[:-1]), folded(HISTORY)
    assert is_moving(live, built)
    assert explain(live, built, logged(HISTORY), CATALOG) == {"refused"}
    assert explain(changed(live, seconds=1), built, logged(HISTORY), CATALOG) == "live"


def test_what_the_built_generation_lacks_is_unexplained_unless_it_may_come() -> None:
    live, built = folded(HISTORY), folded(HISTORY[:-1])
    now = HISTORY[-1].at + 10 * DAY
    log = logged(HISTORY)
    assert explain(live, built, log, CATALOG) == "built"
    assert not may_catch_up(live, built, log, now)
    young = [*log[:-1], Logged(HISTORY[-1], now - YOUNG + 1)]
    assert may_catch_up(live, built, young, now)
    assert not may_catch_up(live, built, log[:-1], now), "the log has had days to get it"
    assert may_catch_up(live, built, log[:-1], HISTORY[-1].at)


def test_what_the_log_lacks_is_unexplained() -> None:
    right = folded(HISTORY)
    assert explain(changed(right, seconds=1), right, logged(HISTORY[1:]), CATALOG) == "both"


def test_first_answers_that_an_older_release_did_not_keep_are_explained_and_wrong_ones_are_not() -> None:
    right = folded(HISTORY)
    track = right.learner.tracks["SAA"]

    def with_first(first: bytes, first_of: Any) -> Side:
        tracks = {"SAA": track._replace(first=first, first_of=first_of)}
        return right._replace(learner=right.learner._replace(tracks=tracks))

    older = with_first(b"", type(track.first_of)())
    assert explain(older, right, logged(HISTORY), CATALOG) == {"first_answers"}
    wrong = with_first(b"\xff" + track.first[1:], track.first_of)
    assert explain(wrong, right, logged(HISTORY), CATALOG) == "live"


def test_an_interaction_on_the_next_day_of_a_named_zone_is_explained_by_its_rules() -> None:
    zoned = [event._replace(zone="Europe/Helsinki", zone_named=True) for event in HISTORY[::2]]
    older = [zoned[0]._replace(day=zoned[0].day + 1), *zoned[1:]]
    live, built = folded(older), folded(zoned)
    assert explain(live, built, logged(zoned), CATALOG) == {"zone_rules"}
    far = folded([zoned[0]._replace(day=zoned[0].day + 7), *zoned[1:]])
    assert explain(far, built, logged(zoned), CATALOG) == "live"


def test_a_wrong_counter_on_a_day_is_not_explained_by_the_rules_of_zones() -> None:
    zoned = [event._replace(zone="Europe/Helsinki", zone_named=True) for event in HISTORY]
    right = folded(zoned)
    wrong = changed(right, seconds=1)
    only_on_the_day = wrong._replace(learner=right.learner)
    assert explain(only_on_the_day, right, logged(zoned), CATALOG) == "live"


def test_a_counter_that_later_releases_added_may_be_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.comparing.FIRST_COUNTERS", 7)
    events = [event._replace(score=100_00) for event in HISTORY]
    right = folded(events)
    assert explain(changed(right, perfect=-1), right, logged(events), CATALOG) == {"counter"}
    assert explain(changed(right, perfect=1), right, logged(events), CATALOG) == "live"
    assert explain(changed(right, seconds=-1), right, logged(events), CATALOG) == "live"


def test_an_erased_learner_who_is_in_the_built_generation_is_unexplained() -> None:
    erased = side(Learner("ann", 3, erased_at=5), (), ())
    assert explain(erased, folded(HISTORY), logged(HISTORY), CATALOG) == "built"


def test_an_award_that_is_due_and_missing_is_told_and_one_that_nobody_has_is_not() -> None:
    events = [event._replace(kind="completed") for event in HISTORY]
    live = folded(events)
    assert "SAA:first" in live.learner.earned
    built = live._replace(learner=live.learner._replace(earned=frozenset()))
    assert "SAA:first" in due_awards(live, built, CATALOG, 0)
    assert due_awards(built, built, CATALOG, 0) == []


def test_a_comparison_is_safe_only_if_nothing_is_wrong() -> None:
    whole = Comparison("blue", "green", learners=5, equal=4, explained={"refused": 1}, moving=("bob",))
    assert whole.is_safe
    assert whole.differing == 1
    assert not replace(whole, due_awards=(("ann", "streak-3"),)).is_safe
    assert not replace(whole, unreadable=("ann",)).is_safe
    assert not replace(whole, is_catalog_equal=False).is_safe
