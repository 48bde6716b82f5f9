"""What a benchmark reports: figures, each with what it should reach and how it was made."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """One figure of the table."""

    row: int
    """The row of the table in docs/performance.md that it belongs to."""
    name: str
    measured: str
    reach: str
    """What it should reach; empty if it is only stated."""
    is_reached: bool | None
    """None if it is only stated."""
    how: str


class Series(NamedTuple):
    """A line of a plot."""

    name: str
    points: Sequence[tuple[float, float]]


class Plot(NamedTuple):
    """Lines over a logarithmic axis."""

    title: str
    x: str
    y: str
    series: Sequence[Series]


def at_most(row: int, name: str, value: float, limit: float, how: str, form: str = ".2f") -> Figure:
    """Return a figure that should be at most `limit`."""
    return Figure(row, name, f"{value:{form}}", f"at most {limit:g}", value <= limit, how)


def stated(row: int, name: str, measured: str, how: str) -> Figure:
    """Return a figure without a limit."""
    return Figure(row, name, measured, "", None, how)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this process, in seconds, that some work takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def interleaved(works: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return the median CPU time of each work. Their runs take turns, so that noise hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    return {name: median(found) for name, found in seconds.items()}


def machine() -> str:
    """Return a description of the machine."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} cores, {model}, {platform.system()}, Python {sys.version.split()[0]}"


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
