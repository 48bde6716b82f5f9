"""Plots as SVG: lines over a logarithmic axis."""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Plot

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 110, 28, 40
COLOURS = ("#2563eb", "#b45309", "#15803d")


def svg(plot: Plot) -> str:
    """Return a plot as SVG. Both axes are logarithmic."""
    xs = [x for series in plot.series for x, _ in series.points]
    ys = [y for series in plot.series for _, y in series.points]
    x_ticks, y_ticks = _ticks(xs), _ticks(ys)

    def x_of(x: float) -> float:
        return round(LEFT + _share(x, x_ticks) * (WIDTH - LEFT - RIGHT), 1)

    def y_of(y: float) -> float:
        return round(HEIGHT - BOTTOM - _share(y, y_ticks) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11" role="img">',
        f"<title>{escape(plot.title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-size="13">{escape(plot.title)}</text>',
    ]
    for tick in x_ticks:
        parts.append(
            f'<text x="{x_of(tick)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:,g}</text>'
            f'<path d="M{x_of(tick)} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>'
        )
    for tick in y_ticks:
        parts.append(
            f'<text x="{LEFT - 6}" y="{y_of(tick) + 4}" text-anchor="end">{tick:,g}</text>'
            f'<path d="M{LEFT} {y_of(tick)}H{WIDTH - RIGHT}" stroke="#eee"/>'
        )
    for series, colour in zip(plot.series, COLOURS, strict=False):
        points = " ".join(f"{x_of(x)},{y_of(y)}" for x, y in series.points)
        x, y = series.points[-1]
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{x_of(x)}" cy="{y_of(y)}" r="3" fill="{colour}"/>' for x, y in series.points),
            f'<text x="{x_of(x) + 8}" y="{y_of(y) + 4}" fill="{colour}">{escape(series.name)}</text>',
        ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts += [
        f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(plot.x)}</text>',
        f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">'
        f"{escape(plot.y)}</text>",
        "</svg>\n",
    ]
    return "\n".join(parts)


def _ticks(values: Sequence[float]) -> list[float]:
    """Return the powers of ten around the values, at least two."""
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    return [10.0**power for power in range(low, high + 1)]


def _share(value: float, ticks: Sequence[float]) -> float:
    low, high = math.log10(ticks[0]), math.log10(ticks[-1])
    return (math.log10(value) - low) / (high - low)
