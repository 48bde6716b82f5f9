"""Test the simulator: it finds consumers that misread frames, or let one learner's trouble spread."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

import functions.framing
import functions.items
import functions.project
import functions.quarantine
import functions.records
from domain.learner import Applied, Learner
from functions.errors import Unreadable
from functions.framing import Part
from functions.outcome import Outcome, Trouble
from functions.project import Projector
from functions.quarantine import Position, Quarantined
from functions.records import Received
from functions.store import Store
from tests.simulation.planting import Defect, check_found

# -- frames ----------------------------------------------------------------------------------------


def the_part_of_a_position_is_lost(patch: pytest.MonkeyPatch) -> None:
    position = functions.quarantine._position

    def without(given: Position) -> dict[str, str | int]:
        return position(given._replace(part=0))

    patch.setattr(functions.quarantine, "_position", without)


def parts_are_counted_from_0(patch: pytest.MonkeyPatch) -> None:
    read_data = functions.records.read_data

    def renumbered(*given: Any) -> list[Any]:
        read = read_data(*given)
        if not read[0].position.part:
            return read
        return [one._replace(position=one.position._replace(part=n)) for n, one in enumerate(read)]

    patch.setattr(functions.records, "read_data", renumbered)


def a_frame_ends_at_its_first_bad_part(patch: pytest.MonkeyPatch) -> None:
    unframe = functions.framing.unframe

    def until_bad(data: bytes) -> tuple[Part, ...]:
        parts = unframe(data)
        faulty = [n for n, part in enumerate(parts) if part.fault]
        return parts[: faulty[0] + 1] if faulty else parts

    patch.setattr(functions.records, "unframe", until_bad)


def a_bad_part_refuses_its_whole_frame(patch: pytest.MonkeyPatch) -> None:
    unframe = functions.framing.unframe

    def all_or_nothing(data: bytes) -> tuple[Part, ...]:
        parts = unframe(data)
        if any(part.fault for part in parts):
            return tuple(part._replace(fault="another part is bad") for part in parts)
        return parts

    patch.setattr(functions.records, "unframe", all_or_nothing)


# -- learners in trouble ---------------------------------------------------------------------------


def neighbours_of_an_unreadable_learner_are_refused(patch: pytest.MonkeyPatch) -> None:
    load = Store.load

    def one_for_all(store: Store, user_ids: Iterable[str]) -> Any:
        learners, head = load(store, user_ids)
        for state in list(learners.values()):
            if isinstance(state, Unreadable):
                return dict.fromkeys(learners, state), head
        return learners, head

    patch.setattr(Store, "load", one_for_all)


def an_unreadable_learner_fails_the_batch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Projector, "_is_flooded", lambda projector, troubles, learners: bool(troubles))


def a_flood_is_refused_learner_by_learner(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Projector, "_is_flooded", lambda *_: False)


def a_flood_stops_the_other_learners(patch: pytest.MonkeyPatch) -> None:
    """If many states of a batch are unreadable, the consumer applies nothing of it."""
    apply = Projector.apply

    def checked_before(
        projector: Projector, received: Iterable[Received | Quarantined], *rest: Any
    ) -> Outcome:
        received = list(received)
        of_learners: dict[str, list[Received]] = {}
        for one in received:
            if isinstance(one, Received):
                of_learners.setdefault(one.interaction.user_id, []).append(one)
        states = {user: projector.store.load([user])[0][user] for user in of_learners}
        troubles = [
            Trouble(state.code, state, of_learners[user])
            for user, state in states.items()
            if isinstance(state, Unreadable)
        ]
        if len(troubles) > functions.project.MAX_TROUBLES:
            return Outcome(troubles=troubles)
        return apply(projector, received, *rest)

    patch.setattr(Projector, "apply", checked_before)


def unreadable_digests_are_taken_for_empty(patch: pytest.MonkeyPatch) -> None:
    applied_of = functions.items.applied_of

    def or_empty(item: Mapping[str, Any]) -> Applied:
        try:
            return applied_of(dict(item))
        except Unreadable:
            return Applied(functions.items._day_in(item["sk"]["S"]))

    patch.setattr(functions.items, "applied_of", or_empty)


def later_formats_are_read_as_this_one(patch: pytest.MonkeyPatch) -> None:
    learner_of = functions.items.learner_of

    def in_any_format(item: Mapping[str, Any]) -> Learner:
        return learner_of({**item, "format": {"N": str(functions.items.FORMAT)}})

    patch.setattr(functions.items, "learner_of", in_any_format)


def records_of_unreadable_learners_are_dropped(patch: pytest.MonkeyPatch) -> None:
    put = functions.quarantine.Quarantine.put

    def careless(quarantine: Any, records: Any) -> None:
        put(quarantine, [record for record in records if record.code != "unreadable_state"])

    patch.setattr(functions.quarantine.Quarantine, "put", careless)


LOST = "is neither in the views nor in quarantine"
MISPLACED = "has not the payload that was sent there"
OF_READABLE = "of a readable learner"
HELD_UP = "is held up by the trouble of other learners"

DEFECTS: dict[Defect, tuple[str, ...]] = {
    the_part_of_a_position_is_lost: (MISPLACED,),
    parts_are_counted_from_0: (MISPLACED,),
    a_frame_ends_at_its_first_bad_part: ("the consumer accounts for",),
    a_bad_part_refuses_its_whole_frame: (", but quarantined for",),
    neighbours_of_an_unreadable_learner_are_refused: (OF_READABLE, HELD_UP),
    an_unreadable_learner_fails_the_batch: ("the consumer fails with",),
    a_flood_is_refused_learner_by_learner: ("learners in trouble are refused at once",),
    a_flood_stops_the_other_learners: (HELD_UP,),
    unreadable_digests_are_taken_for_empty: ("differs from its recomputation", LOST),
    later_formats_are_read_as_this_one: ("is written over a later format",),
    records_of_unreadable_learners_are_dropped: (LOST,),
}
"""The defects, and the violations by which the simulator finds each."""


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_consumer_that_spreads_trouble(
    plant: Defect, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_found(plant, DEFECTS[plant], monkeypatch)
