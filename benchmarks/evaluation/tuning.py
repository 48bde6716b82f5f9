"""The effect of each constant of the model, on tuning learners only."""

from collections.abc import Sequence

from benchmarks.evaluation.log import Row, is_second_half, with_rates
from benchmarks.evaluation.measures import log_loss
from benchmarks.evaluation.predictions import (
    MIN_ITEMS,
    RATED,
    SHIPPED,
    ExamCase,
    Told,
    exam_case,
    next_answers,
    told,
)
from benchmarks.evaluation.report import bias_of, correlation_of, coverage_of, error_of, table
from domain.catalog import Certification
from domain.skills import CONSTANTS, Constants

TRIED = {
    "unpractised": (-1.0, 0.0),
    "between_learners": (0.3, 1.0),
    "between_catalogs": (0.0, 0.3),
    "between_categories": (0.05, 0.3),
    "unmet": (0.0, 0.4),
    "repeat": (0.0, 0.4),
    "worse_repeat": (0.0, 0.3),
    "met": (0.5, 1.5),
    "known": (2.0, 3.2),
    "drift": (0.02, 0.04),
}


def tuning_table(tuning: dict[str, list[Row]], certification: Certification) -> str:
    """Return the effect of each constant while the others stay as they are.

    The rates of each half of the learners come from the other half.
    """
    halves = [
        {name: rows for name, rows in tuning.items() if is_second_half(name) == second}
        for second in (False, True)
    ]
    rated = [with_rates(certification, other.values()) for other in reversed(halves)]
    cases = [
        [case for history in half.values() if (case := exam_case(history, certification))] for half in halves
    ]
    if not any(cases):
        return f"No tuning learner has {MIN_ITEMS} items in the last third that they had never practised."
    variants = {"as shipped": CONSTANTS} | {
        f"{name} {value}": CONSTANTS._replace(**{name: value})
        for name, values in TRIED.items()
        for value in values
    }
    histories = list(tuning.values())
    return table(
        ("constants", "log-loss", *(f"{name}: r, error, bias, covered" for name in (SHIPPED, RATED))),
        [
            (name, *_row(histories, cases, certification, rated, constants))
            for name, constants in variants.items()
        ],
    )


def _row(
    histories: Sequence[Sequence[Row]],
    cases: Sequence[Sequence[ExamCase]],
    certification: Certification,
    rated: Sequence[Certification],
    constants: Constants,
) -> tuple[str, str, str]:
    answers = next_answers(histories, {SHIPPED: certification}, {}, constants)[SHIPPED]
    plain = [told(case, certification, constants) for half in cases for case in half]
    with_known = [
        told(case, known, constants) for half, known in zip(cases, rated, strict=True) for case in half
    ]
    return f"{log_loss(answers):.4f}", _summary(plain), _summary(with_known)


def _summary(cases: Sequence[Told]) -> str:
    pairs = [(case.expected, case.share) for case in cases]
    return (
        f"{correlation_of(pairs):.3f}, {error_of(pairs):.1f}, {bias_of(pairs):+.1f}, {coverage_of(cases):.2f}"
    )
