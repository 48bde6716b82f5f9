"""The evaluation's tables, in Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from benchmarks.evaluation.measures import (
    Outcome,
    auc,
    bins,
    bootstrap,
    brier,
    calibration_error,
    expected_error,
    log_loss,
    pearson,
)
from benchmarks.evaluation.predictions import MARKS, RealExam, Told


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace(" --- ", "---") for cells in lines)


def answers_table(answers: Mapping[str, Sequence[Outcome]]) -> str:
    """Return how well each estimate predicts the next answer."""
    return table(
        ("next answer", "AUC", "log-loss", "Brier", "calibration error"),
        [
            (
                name,
                f"{auc(outcomes):.3f}",
                f"{log_loss(outcomes):.4f}",
                f"{brier(outcomes):.4f}",
                f"{calibration_error(outcomes):.3f}",
            )
            for name, outcomes in answers.items()
        ],
    )


def reliability_table(outcomes: Sequence[Outcome], event: str) -> str:
    """Return how often an event happened, by predicted probability."""
    return table(
        ("predicted", event, "number"),
        [(f"{b.predicted:.2f}", f"{b.happened:.2f}", str(b.size)) for b in bins(outcomes)],
    )


_AGES = ((0, 0, "the same day"), (1, 3, "1–3 days"), (4, 13, "4–13 days"), (14, None, "14 days or more"))


def repeats_table(outcomes: Sequence[Outcome], ages: Sequence[int | None]) -> str:
    """Return how often repeated answers were predicted and found right, by days since the item's last answer.

    `ages`: of each outcome; None for a first answer, which is left out.
    """
    rows = []
    for low, high, name in _AGES:
        group = [
            outcome
            for outcome, age in zip(outcomes, ages, strict=True)
            if age is not None and age >= low and (high is None or age <= high)
        ]
        if group:
            told, right = fmean(o.predicted for o in group), fmean(o.happened for o in group)
            rows.append((name, str(len(group)), f"{told:.0%}", f"{right:.0%}"))
    return table(("the item was last answered", "answers", "told", "right"), rows)


type Pair = tuple[float, float]
"""An expected share and the share of right answers, 0 to 1."""


def correlation_of(pairs: Sequence[Pair]) -> float:
    """Return the correlation of expected and observed shares."""
    return pearson([expected for expected, _ in pairs], [share for _, share in pairs])


def error_of(pairs: Sequence[Pair]) -> float:
    """Return the mean absolute error in points."""
    return 100 * fmean(abs(expected - share) for expected, share in pairs)


def bias_of(pairs: Sequence[Pair]) -> float:
    """Return the mean error in points; it is positive if too much is expected."""
    return 100 * fmean(expected - share for expected, share in pairs)


def coverage_of(cases: Sequence[Told]) -> float:
    """Return the share of results that lie in the 80% interval."""
    return fmean(case.is_covered for case in cases)


def exams_table(models: Mapping[str, Sequence[Told]], others: Mapping[str, Sequence[Pair]]) -> str:
    """Return how well each estimate predicts exams on items that were never practised."""
    rows = []
    for name, cases in models.items():
        pairs = [(case.expected, case.share) for case in cases]
        width = 100 * fmean(case.high - case.low for case in cases)
        covered = _with_interval(coverage_of, cases, ".2f")
        rows.append((name, *_pair_columns(pairs), f"{covered}, width {width:.0f}"))
    rows += [(name, *_pair_columns(pairs), "") for name, pairs in others.items()]
    header = ("never practised items", "r", "mean absolute error", "bias", "80% interval covers")
    return table(header, rows)


def _pair_columns(pairs: Sequence[Pair]) -> tuple[str, str, str]:
    return (
        _with_interval(correlation_of, pairs, ".3f"),
        _with_interval(error_of, pairs, ".1f"),
        _with_interval(bias_of, pairs, "+.1f"),
    )


def _with_interval[T](measure: Callable[[Sequence[T]], float], cases: Sequence[T], form: str) -> str:
    low, high = bootstrap(cases, measure)
    return f"{measure(cases):{form}} ({low:{form}} to {high:{form}})"


def chance_floor(cases: Sequence[Told]) -> float:
    """Return the mean absolute error, in points, that chance leaves to whoever knows the true shares."""
    return 100 * fmean(expected_error(case.expected, case.questions) for case in cases)


def passing_table(models: Mapping[str, Sequence[Told]]) -> str:
    """Return how the probability of passing agrees with the results, at marks that 10 to 90% pass."""
    rows = []
    for name, cases in models.items():
        for mark in MARKS:
            outcomes = [
                Outcome(chance, case.passed(mark))
                for case in cases
                if (chance := case.chances[mark]) is not None
            ]
            if not outcomes:
                continue
            passed = fmean(o.happened for o in outcomes)
            if 0.1 <= passed <= 0.9:
                rows.append(
                    (
                        name,
                        f"{mark}%",
                        str(len(outcomes)),
                        f"{passed:.0%}",
                        f"{fmean(o.predicted for o in outcomes):.0%}",
                        f"{brier(outcomes):.3f}",
                        f"{passed * (1 - passed):.3f}",
                        f"{auc(outcomes):.2f}",
                    )
                )
    header = ("estimate", "mark", "told", "passed", "mean probability", "Brier", "of the base rate", "AUC")
    return table(header, rows)


def passing_outcomes(cases: Iterable[Told]) -> list[Outcome]:
    """Return the probabilities told at pass marks of 50 to 80%, and whether they came true."""
    return [
        Outcome(chance, case.passed(mark))
        for case in cases
        for mark, chance in case.chances.items()
        if mark >= 50 and chance is not None
    ]


def real_exams_report(exams: Sequence[RealExam]) -> str:
    """Return how what was told agrees with the results of real exams; "" without any."""
    parts: list[str] = []
    outcomes = [
        Outcome(exam.told.pass_probability, exam.taken.passed)
        for exam in exams
        if exam.told.pass_probability is not None
    ]
    if outcomes:
        base = fmean(outcome.happened for outcome in outcomes)
        parts += [
            reliability_table(outcomes, "passed a real exam"),
            f"Brier {brier(outcomes):.3f}; of the base rate {base * (1 - base):.3f}",
        ]
    scored = [(exam.told, exam.taken.score) for exam in exams if exam.taken.score is not None]
    if scored:
        pairs = [((told.estimate or 0.0) / 100, score / 100) for told, score in scored]
        covered = fmean(told.interval.low <= score <= told.interval.high for told, score in scored)
        parts.append(
            f"Scores of {len(scored)} real exams: mean absolute error {error_of(pairs):.1f} points, bias "
            f"{bias_of(pairs):+.1f}; the 80% interval covers {covered:.2f}"
        )
    return "\n\n".join(parts)
