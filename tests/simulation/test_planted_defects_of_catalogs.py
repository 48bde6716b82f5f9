"""Test the simulator: defects of the catalog's parts and of masteries must break the expected invariant."""

from collections.abc import Mapping

import pytest

from domain.catalog import Certification
from domain.drafts import TrackDraft
from domain.learner import Track
from functions.catalog_items import Head, Part
from functions.store import Store
from tests.simulation.planting import Defect, check_found


def parts_older_than_the_head_are_accepted(patch: pytest.MonkeyPatch) -> None:
    read = Store._parts

    def any_version(store: Store, wanted: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], Part]:
        return read(store, dict.fromkeys(wanted, 0))

    patch.setattr(Store, "_parts", any_version)


def a_writer_trusts_its_memory(patch: pytest.MonkeyPatch) -> None:
    read = Store.certification

    def remembered(store: Store, code: str, known: Certification | None, head: Head) -> Certification:
        return known or read(store, code, known, head)

    patch.setattr(Store, "certification", remembered)


def masteries_are_awarded_without_their_contents(patch: pytest.MonkeyPatch) -> None:
    freeze = TrackDraft.freeze

    def forgetful(draft: TrackDraft) -> Track:
        return freeze(draft)._replace(mastered=draft.before.mastered)

    patch.setattr(TrackDraft, "freeze", forgetful)


DEFECTS: dict[Defect, tuple[str, ...]] = {
    parts_older_than_the_head_are_accepted: ("but the catalog has it", "an ordinal was reassigned"),
    a_writer_trusts_its_memory: ("an ordinal was reassigned", "the catalog differs", "to version"),
    masteries_are_awarded_without_their_contents: ("but has the contents of",),
}


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_planted_defect(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    check_found(plant, DEFECTS[plant], monkeypatch)
