"""Measure everything that docs/performance.md explains, and print one table.

    python -m benchmarks [ROW...]

If all rows are measured, it writes benchmarks/results.md and benchmarks/plots. That takes about ten minutes.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import (
    cold_start,
    dashboards,
    dollars,
    local_stack,
    naive,
    processing,
    recompute,
    scale,
    units,
)
from benchmarks.figures import Figure, Plot, machine
from benchmarks.plots import svg

ROOT = Path(__file__).parent
MODULES: Mapping[str, Callable[[], Iterator[Figure]]] = {
    "1-3": units.figures,
    "4": processing.figures,
    "5": dashboards.figures,
    "6": cold_start.figures,
    "7": naive.figures,
    "8": scale.figures,
    "9": recompute.figures,
    "10": local_stack.figures,
    "11": dollars.figures,
}
PLOTS: Sequence[Callable[[], Iterator[tuple[str, Plot]]]] = (units.plots, processing.plots, dashboards.plots)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the rows that are named, or all. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[[], *MODULES], metavar="ROW", help=f"of {list(MODULES)}")
    rows = parser.parse_args(arguments).rows or list(MODULES)
    found: list[Figure] = []
    begun = time.monotonic()
    for name in rows:
        print(f"rows {name} …" if "-" in name else f"row {name} …", file=sys.stderr, flush=True)
        found += MODULES[name]()
    table = _table(found)
    print(table)
    if rows == list(MODULES):
        (ROOT / "plots").mkdir(exist_ok=True)
        for plots in PLOTS:
            for file, plot in plots():
                (ROOT / "plots" / file).write_text(svg(plot), "utf-8")
        took = (time.monotonic() - begun) / 60
        text = (
            "# Results of `make bench`\n\n"
            f"Measured on {machine()}; {took:.0f} minutes. [Performance](../docs/performance.md) explains "
            f"each row.\n\n{table}\n"
        )
        (ROOT / "results.md").write_text(text, "utf-8")
    return 0


def _table(figures: Sequence[Figure]) -> str:
    lines = ["| # | figure | measured | reach | reached | how |", "|---|---|---|---|---|---|"]
    for found in figures:
        reached = {None: "", True: "yes", False: "**no**"}[found.is_reached]
        lines.append(
            f"| {found.row} | {found.name} | {found.measured} | {found.reach} | {reached} | {found.how} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
