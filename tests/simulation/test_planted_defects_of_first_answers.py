"""Check that the simulator finds defects of first answers that are planted in the code under test."""

from struct import unpack

import pytest

from domain import drafts
from domain.drafts import TrackDraft
from domain.first_answers import answer_bytes
from tests.simulation.planting import Defect, check_found


def the_answer_that_arrives_first_stays(patch: pytest.MonkeyPatch) -> None:
    note_first = TrackDraft._note_first

    def only_new(draft: TrackDraft, ordinal: int, bit: int, answer: bytes) -> None:
        if not draft.scored & bit:
            note_first(draft, ordinal, bit, answer)

    patch.setattr(TrackDraft, "_note_first", only_new)


def among_answers_of_a_minute_the_best_counts(patch: pytest.MonkeyPatch) -> None:
    def best_first(at: int, score: int) -> bytes:
        minute, _ = unpack(">IH", answer_bytes(at, score))
        return answer_bytes(minute * 60_000_000, 10_000 - score)

    patch.setattr(drafts, "answer_bytes", best_first)


def a_second_answer_replaces_the_first(patch: pytest.MonkeyPatch) -> None:
    note_first = TrackDraft._note_first

    def later(draft: TrackDraft, ordinal: int, bit: int, answer: bytes) -> None:
        note_first(draft, ordinal, bit, b"" if draft.scored & bit else answer)

    patch.setattr(TrackDraft, "_note_first", later)


DEFECTS: dict[Defect, tuple[str, ...]] = {
    the_answer_that_arrives_first_stays: ("differs from its recomputation",),
    among_answers_of_a_minute_the_best_counts: ("differs from its recomputation",),
    a_second_answer_replaces_the_first: ("differs from its recomputation", "was quarantined for a bug"),
}


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_planted_defect(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    check_found(plant, DEFECTS[plant], monkeypatch)
