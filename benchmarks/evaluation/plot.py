"""The evaluation's reliability plot."""

import math
from collections.abc import Sequence

from benchmarks.evaluation.measures import Outcome, bins

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
