"""Test the simulator: it finds releases that lose or change what a later release has stored."""

from collections.abc import Callable
from typing import Any

import pytest

import functions.breakdowns
import functions.catalog_items
import functions.items
import functions.project
import functions.store
from domain.achievements import CERTIFICATION_ACHIEVEMENTS, learner_rules
from domain.catalog import Content
from domain.fold import Change, fold
from domain.learner import Applied, Day, Learner, Zone
from domain.tally import COUNTERS, Breakdown, tallies_of
from functions.items import Item
from functions.track_items import track_of
from tests.simulation.next_release import COUNTER, next_release
from tests.simulation.planting import Defect, check_found


def later_counters_are_dropped(patch: pytest.MonkeyPatch) -> None:
    def known(rows: Any) -> Any:
        return tallies_of([row[: len(COUNTERS)] for row in rows])

    patch.setattr(functions.breakdowns, "tallies_of", known)


def later_counters_are_dropped_when_a_day_closes(patch: pytest.MonkeyPatch) -> None:
    day_item = functions.items.day_item

    def known(breakdown: Breakdown) -> Breakdown:
        return Breakdown(
            *({name: tally._replace(unknown=()) for name, tally in group.items()} for group in breakdown)
        )

    def without(user_id: str, day: Day) -> Item:
        tallies = {code: known(breakdown) for code, breakdown in day.tallies.items()}
        return day_item(user_id, day._replace(tallies=tallies))

    patch.setattr(functions.items, "day_item", without)


def the_new_counter_is_counted_twice(patch: pytest.MonkeyPatch) -> None:
    """The next release adds an interaction's minutes to each tally twice."""
    modules = next_release()
    increments = modules["domain.tally"].increments
    new = modules["domain.tally"].COUNTERS.index(COUNTER)

    def twice(interaction: Any) -> Any:
        amounts = increments(interaction)
        return (*amounts, *(pair for pair in amounts if pair[0] == new))

    patch.setattr(modules["domain.fold"], "increments", twice)


def attributes_of_the_state_are_dropped(patch: pytest.MonkeyPatch) -> None:
    _change_states_read(patch, lambda learner: learner._replace(unknown={}))


def attributes_of_tracks_are_dropped(patch: pytest.MonkeyPatch) -> None:
    track = track_of
    patch.setattr(functions.items, "track_of", lambda item: track(item)._replace(unknown={}))


def attributes_of_digests_are_dropped_when_a_day_closes(patch: pytest.MonkeyPatch) -> None:
    applied_item = functions.items.applied_item

    def without(user_id: str, applied: Applied) -> Item:
        return applied_item(user_id, applied._replace(unknown={}))

    patch.setattr(functions.items, "applied_item", without)


def fields_of_a_zone_are_dropped(patch: pytest.MonkeyPatch) -> None:
    zone = functions.items._zone

    def without(value: Item | None) -> Zone | None:
        found = zone(value)
        return found._replace(unknown=()) if found else None

    patch.setattr(functions.items, "_zone", without)


def fields_of_a_zone_go_to_the_next_zone(patch: pytest.MonkeyPatch) -> None:
    def inherited(old: Zone | None, new: Zone | None) -> Zone | None:
        return new._replace(unknown=old.unknown) if old and new else new

    def folded(learner: Learner, *rest: Any) -> Change:
        change = fold(learner, *rest)
        after = change.learner
        after = after._replace(
            named_zone=inherited(learner.named_zone, after.named_zone),
            plain_offset=inherited(learner.plain_offset, after.plain_offset),
        )
        return change._replace(learner=after)

    patch.setattr(functions.project, "fold", folded)


def fields_of_a_content_are_dropped(patch: pytest.MonkeyPatch) -> None:
    content = functions.catalog_items._content

    def without(*given: Any) -> Content:
        return content(*given)._replace(unknown=())

    patch.setattr(functions.catalog_items, "_content", without)


def awards_of_unknown_rules_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The state keeps only the ids of known rules, so the next release gives the award again."""
    known = {rule.id for rule in (*learner_rules(), *CERTIFICATION_ACHIEVEMENTS)} | {"mastered"}

    def forgetful(learner: Learner) -> Learner:
        earned = {name for name in learner.earned if known.intersection(name.split(":"))}
        return learner._replace(earned=frozenset(earned))

    _change_states_read(patch, forgetful)


def _change_states_read(patch: pytest.MonkeyPatch, change: Callable[[Learner], Learner]) -> None:
    """Change each state when this release reads it."""
    learner_of = functions.items.learner_of
    patch.setattr(functions.items, "learner_of", lambda item: change(learner_of(item)))


MISCOUNTED = "differs from its recomputation"

DEFECTS: dict[Defect, tuple[str, ...]] = {
    later_counters_are_dropped: (MISCOUNTED,),
    later_counters_are_dropped_when_a_day_closes: (MISCOUNTED,),
    the_new_counter_is_counted_twice: (MISCOUNTED,),
    attributes_of_the_state_are_dropped: (MISCOUNTED,),
    attributes_of_tracks_are_dropped: (MISCOUNTED,),
    attributes_of_digests_are_dropped_when_a_day_closes: (MISCOUNTED,),
    fields_of_a_zone_are_dropped: (MISCOUNTED,),
    fields_of_a_zone_go_to_the_next_zone: (MISCOUNTED,),
    fields_of_a_content_are_dropped: ("the unknown fields of",),
    awards_of_unknown_rules_are_forgotten: ("is written again", "; due ["),
}
"""The defects, and the violations by which the simulator finds each."""


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_release_that_keeps_too_little(
    plant: Defect, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_found(plant, DEFECTS[plant], monkeypatch)
