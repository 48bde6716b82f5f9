"""Test the simulator: it finds erasures that leave something, and consumers that bring something back."""

from collections.abc import Sequence
from typing import Any

import pytest

import domain.fold
import functions.erasure
import functions.project
import functions.refold
from functions import items
from functions.erasure import Eraser
from functions.rarity import Insert, LearnerCounter
from tests.simulation.history import history
from tests.simulation.planting import Defect, check_found


def the_state_is_deleted_instead_of_replaced(patch: pytest.MonkeyPatch) -> None:
    def deleted(eraser: Eraser, user_id: str, erased_at: int) -> bool:
        key = items.key(user_id, items.STATE)
        delete: Any = {"Delete": {"TableName": eraser.table, "Key": key}}
        eraser.client.transact_write_items(TransactItems=[delete])
        return True

    def without_check(eraser: Eraser, user_id: str, found: Sequence[Any]) -> bool:
        for item in found:
            delete: Any = {"TableName": eraser.table, "Key": {"pk": item["pk"], "sk": item["sk"]}}
            eraser.client.transact_write_items(TransactItems=[{"Delete": delete}])
        return True

    patch.setattr(Eraser, "_bury", deleted)
    patch.setattr(Eraser, "_delete", without_check)


def a_tombstone_is_written_whatever_is_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.erasure, "unchanged", lambda state: {})


def everything_else_is_deleted_before_the_state_is_replaced(patch: pytest.MonkeyPatch) -> None:
    bury, others = Eraser._bury, Eraser._others

    def erase(eraser: Eraser, user_id: str, erased_at: int) -> None:
        for item in others(eraser, user_id):
            delete: Any = {"TableName": eraser.table, "Key": {"pk": item["pk"], "sk": item["sk"]}}
            eraser.client.transact_write_items(TransactItems=[{"Delete": delete}])
        bury(eraser, user_id, erased_at)

    patch.setattr(Eraser, "erase", erase)


def the_consumer_folds_onto_a_tombstone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(domain.fold, "is_dropped", lambda learner, event: False)


def a_refold_replaces_whatever_is_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.refold, "unchanged", lambda state: {})


def a_mark_is_taken_back_without_a_condition(patch: pytest.MonkeyPatch) -> None:
    deletion = LearnerCounter._deletion

    def unconditional(counter: LearnerCounter, insert: Insert) -> Any:
        made = deletion(counter, insert)
        return {name: value for name, value in made.items() if name != "ConditionExpression"}

    patch.setattr(LearnerCounter, "_deletion", unconditional)


def inserts_are_counted_although_the_learner_is_erased(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LearnerCounter, "uncount_erased", lambda counter, inserts: None)


LEFT = ("after the learner was erased", "still has")
DEFECTS: dict[Defect, tuple[str, ...]] = {
    the_state_is_deleted_instead_of_replaced: ("is lost", "to version 1, not", "differs from its"),
    a_tombstone_is_written_whatever_is_stored: ("goes to version",),
    everything_else_is_deleted_before_the_state_is_replaced: (*LEFT, "unreadable", "the counters are"),
    the_consumer_folds_onto_a_tombstone: LEFT,
    a_refold_replaces_whatever_is_stored: (*LEFT, "goes to version"),
    a_mark_is_taken_back_without_a_condition: ("the counters are",),
    inserts_are_counted_although_the_learner_is_erased: ("still has", "the counters are"),
}


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_a_planted_defect_is_found(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    check_found(plant, DEFECTS[plant], monkeypatch, history)
