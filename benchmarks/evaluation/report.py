"""The evaluation's tables, in Markdown, and its reliability plot."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from benchmarks.evaluation.log import Row
from benchmarks.evaluation.measures import (
    Outcome,
    auc,
    bins,
    brier,
    calibration_error,
    correlation_limit,
    log_loss,
    pearson,
)
from benchmarks.evaluation.predictions import PASS_MARKS, SHIPPED, LastThird, Predictions, predict_log
from domain.catalog import Certification
from domain.skills import CONSTANTS


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace(" --- ", "---") for cells in lines)


def answers_table(predictions: Predictions) -> str:
    """Return how well each estimate predicts the next answer."""
    return _table(
        ("next answer", "AUC", "log-loss", "Brier", "calibration error"),
        [
            (
                name,
                f"{auc(outcomes):.3f}",
                f"{log_loss(outcomes):.4f}",
                f"{brier(outcomes):.4f}",
                f"{calibration_error(outcomes):.3f}",
            )
            for name, outcomes in predictions.answers.items()
        ],
    )


def reliability_table(outcomes: Sequence[Outcome]) -> str:
    """Return how often answers were right, by predicted probability."""
    return _table(
        ("predicted", "right", "answers"),
        [(f"{b.predicted:.3f}", f"{b.happened:.3f}", str(b.size)) for b in bins(outcomes)],
    )


def last_thirds_table(last_thirds: Sequence[LastThird]) -> str:
    """Return how well each estimate predicts the share right in the last third."""
    shares = [third.share for third in last_thirds]
    rows = []
    for name in last_thirds[0].expected:
        expected = [third.expected[name] for third in last_thirds]
        errors = [100 * (e - share) for e, share in zip(expected, shares, strict=True)]
        correlated = f"{pearson(expected, shares):.3f}"
        rows.append((name, correlated, f"{fmean(map(abs, errors)):.1f} points", f"{fmean(errors):+.1f}"))
    return _table(("last third", "correlation", "mean absolute error", "mean error"), rows)


def coverage(last_thirds: Sequence[LastThird]) -> float:
    """Return the share of the last thirds whose result lies in the 80% interval."""
    return fmean(third.is_covered for third in last_thirds)


def interval_summary(last_thirds: Sequence[LastThird]) -> str:
    """Return how good the 80% interval is, and the highest correlation that chance allows."""
    limit = correlation_limit(
        [third.share for third in last_thirds], [third.questions for third in last_thirds]
    )
    width = 100 * fmean(third.high - third.low for third in last_thirds)
    return (
        f"The 80% interval covers {coverage(last_thirds):.1%} of the results. Its mean width is "
        f"{width:.0f} points.\nChance limits the correlation to about {limit:.2f}."
    )


def passing_table(last_thirds: Sequence[LastThird]) -> str:
    """Return how well the pass probability separates those who pass from those who don't."""
    rows = []
    for mark in PASS_MARKS:
        outcomes = [
            Outcome(third.pass_probabilities[mark], third.share >= mark / 100) for third in last_thirds
        ]
        passed = f"{fmean(o.happened for o in outcomes):.0%}"
        predicted = f"{fmean(o.predicted for o in outcomes):.0%}"
        rows.append((f"{mark}%", passed, f"{auc(outcomes):.3f}", predicted, f"{brier(outcomes):.3f}"))
    return _table(("pass mark", "passed", "AUC", "mean probability", "Brier"), rows)


def tuning_table(log: Mapping[str, Sequence[Row]], certification: Certification) -> str:
    """Return the effect of each constant while the others stay as they are."""
    tried: Mapping[str, Sequence[float]] = {
        "prior": (-1.0, 0.0),
        "between_learners": (0.5, 1.0, 4.0),
        "between_categories": (0.1, 0.5),
        "met": (0.5, 0.75, 1.5),
        "known": (1.5, 2.0, 3.0),
    }
    variants = {
        SHIPPED: CONSTANTS,
        **{
            f"{name} {value}": CONSTANTS._replace(**{name: value})
            for name, values in tried.items()
            for value in values
        },
        **{
            f"met {met:g}, known {known:g}": CONSTANTS._replace(met=met, known=known)
            for met, known in ((0.75, 2.0), (0.5, 1.5), (0.0, 0.0))
        },
    }
    predictions = predict_log(log, certification, {}, variants)
    shares = [third.share for third in predictions.last_thirds]
    rows = []
    for name, outcomes in predictions.answers.items():
        correlated = pearson([third.expected[name] for third in predictions.last_thirds], shares)
        rows.append(
            (
                "as shipped" if name == SHIPPED else name,
                f"{auc(outcomes):.3f}",
                f"{log_loss(outcomes):.4f}",
                f"{calibration_error(outcomes):.3f}",
                f"{correlated:.3f}",
            )
        )
    return _table(("constants", "AUC", "log-loss", "calibration error", "correlation"), rows)


def drift_table(log: Mapping[str, Sequence[Row]], certification: Certification) -> str:
    """Return the effect of the constant `drift` on the interval."""
    rows = []
    for drift in (0.0, 0.01, 0.015, 0.02, 0.03):
        variants = {SHIPPED: CONSTANTS._replace(drift=drift)}
        predictions = predict_log(log, certification, {}, variants)
        rows.append((f"{drift}", f"{coverage(predictions.last_thirds):.1%}"))
    return _table(("drift", "the 80% interval covers"), rows)


_SIZE, _LEFT, _TOP = 320, 44, 12


def _x(p: float) -> float:
    return round(_LEFT + p * _SIZE, 1)


def _y(p: float) -> float:
    return round(_TOP + (1 - p) * _SIZE, 1)


def reliability_plot(outcomes: Sequence[Outcome]) -> str:
    """Return the reliability plot as SVG. The size of a dot shows the number of answers."""
    found = bins(outcomes)
    most = max(b.size for b in found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE + _LEFT + 16} {_SIZE + _LEFT + 20}" '
        'font-family="sans-serif" font-size="11" role="img">',
        "<title>Reliability: share of right answers by predicted probability</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#999" stroke-dasharray="4 4"/>',
        f'<path d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}" stroke="#333" fill="none"/>',
    ]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(f'<text x="{_x(tick)}" y="{_y(0) + 14}" text-anchor="middle">{tick:.0%}</text>')
        parts.append(f'<text x="{_x(0) - 5}" y="{_y(tick) + 4}" text-anchor="end">{tick:.0%}</text>')
    points = " ".join(f"{_x(b.predicted)},{_y(b.happened)}" for b in found)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#2563eb"/>')
    for b in found:
        radius = round(2 + 7 * math.sqrt(b.size / most), 1)
        parts.append(
            f'<circle cx="{_x(b.predicted)}" cy="{_y(b.happened)}" r="{radius}" fill="#2563eb" '
            f'fill-opacity=".7"><title>{b.predicted:.0%} predicted, {b.happened:.0%} right, '
            f"{b.size} answers</title></circle>"
        )
    middle = _y(0.5)
    parts += [
        f'<text x="{_x(0.5)}" y="{_y(0) + 32}" text-anchor="middle">predicted</text>',
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">right</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)
