"""Check that the simulator finds defects of exam results that are planted in the code under test."""

from collections.abc import Sequence

import pytest

from domain import fold as fold_module
from domain.exam_results import Exam, ExamResult, Exams, with_results
from tests.simulation.planting import Defect, check_found


def results_are_in_order_of_arrival(patch: pytest.MonkeyPatch) -> None:
    def in_order_of_arrival(exams: Exams, results: Sequence[ExamResult]) -> Exams:
        added = dict(exams)
        for result in results:
            exam = Exam(result.at, result.passed, -1 if result.score is None else result.score)
            added[result.certification] = (*added.get(result.certification, ()), exam)
        return added

    patch.setattr(fold_module, "with_results", in_order_of_arrival)


def results_are_not_remembered(patch: pytest.MonkeyPatch) -> None:
    def forgetful(draft: fold_module._Draft, result: ExamResult, utc_day: int, digest: int) -> None:
        draft._exams.append(result)

    patch.setattr(fold_module._Draft, "apply_exam", forgetful)


def only_the_latest_result_is_kept(patch: pytest.MonkeyPatch) -> None:
    def latest(exams: Exams, results: Sequence[ExamResult]) -> Exams:
        return {code: of_code[-1:] for code, of_code in with_results(exams, results).items()}

    patch.setattr(fold_module, "with_results", latest)


DEFECTS: dict[Defect, tuple[str, ...]] = {
    results_are_in_order_of_arrival: ("differs from its recomputation",),
    results_are_not_remembered: ("differs from its recomputation", "is lost", "the views have digests"),
    only_the_latest_result_is_kept: ("differs from its recomputation",),
}


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_planted_defect(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    check_found(plant, DEFECTS[plant], monkeypatch)
