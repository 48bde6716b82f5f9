"""`python -m tests.simulation`: run many histories, or replay one; a failure is shrunk before it is told."""

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.faults import CRASH_AFTER, CRASH_BEFORE, FAULTS, LOST, RETRIED
from tests.simulation.history import History, history
from tests.simulation.simulation import Result, run

CHUNK = 100
"""Histories that a process takes at once."""
WRITES = ("put_item", "transact_write_items")


@dataclass
class Report:
    """What many histories came to."""

    histories: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """Seed -> what was seen that must not happen."""
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Report") -> None:
        """Take another's in."""
        self.histories += other.histories
        self.failures |= other.failures
        self.hits.update(other.hits)
        self.seen.update(other.seen)

    @property
    def sites(self) -> list[str]:
        """The call-sites of the store and of the quarantine."""
        return sorted({site for site, _ in self.hits})

    def unhit(self) -> list[tuple[str, str]]:
        """Call-sites that no crash before, no crash after, or no unanswered success has hit."""
        return [
            (site, what)
            for site in self.sites
            for what, faults in (
                ("crash before", (CRASH_BEFORE,)),
                ("crash after", (CRASH_AFTER,)),
                ("unanswered success", (LOST, RETRIED)),
            )
            if not any(self.hits[site, fault] for fault in faults)
        ]


def simulate(seeds: Iterable[int]) -> Report:
    """Run the histories of these seeds."""
    report = Report()
    # A tenth faster: what a part of the histories leaves behind is little.
    gc.disable()
    for seed in seeds:
        result = run(history(seed))
        report.histories += 1
        report.hits.update(result.hits)
        report.seen.update(result.seen)
        if result.violation is not None:
            report.failures[seed] = result.violation
    gc.enable()
    return report


def simulate_all(first: int, count: int) -> Iterator[Report]:
    """Run histories on all cores; a report for each part of them."""
    parts = [range(n, min(n + CHUNK, first + count)) for n in range(first, first + count, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(simulate, parts)


def shrunk(failing: History) -> tuple[History, Result]:
    """The history without what it fails without, too: records, changes of the catalog, faults."""
    result = run(failing)
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(failing, result):
            tried = run(candidate)
            if tried.violation is not None:
                failing, result, smaller = candidate, tried, True
                break
    return failing, run(failing, tracing=True)


def _smaller(failing: History, result: Result) -> Iterator[History]:
    records = failing.records
    for size in (len(records) // 2, len(records) // 4, 1):
        for start in range(0, len(records), size) if size else ():
            yield failing.but(records=records[:start] + records[start + size :])
    for n in range(len(failing.rows)):
        yield failing.but(rows=failing.rows[:n] + failing.rows[n + 1 :])
    for fault in result.fired:
        yield failing.but(without_faults=failing.without_faults | {fault})


def coverage(report: Report) -> Table:
    """How often each call-site was hit by what."""
    table = Table(title=f"{report.histories:,} histories", title_justify="left")
    table.add_column("call-site")
    for name in ("calls", *FAULTS):
        table.add_column(name, justify="right")
    for site in report.sites:
        table.add_row(site, *(f"{report.hits[site, what] or ''}" for what in ("calls", *FAULTS)))
    return table


def explain(console: Console, seed: int) -> None:
    """Shrink a failing history, and print what happens in it."""
    small, result = shrunk(history(seed))
    console.print(f"[bold]seed {seed}, shrunk to {len(small.records)} records[/] ({small.circumstances})")
    for batch in small.rows:
        for row in batch:
            console.print(f"  catalog: {row}", markup=False)
    for record in small.records:
        console.print(f"  record {record.number}: {record.payload!r}", markup=False)
    for line in result.trace:
        console.print(line, markup=False)
    console.print(f"[red]{result.violation}")


@click.command(help=__doc__)
@click.option("--seeds", type=int, default=20_000, show_default=True, help="How many histories.")
@click.option("--first", type=int, default=0, help="The first one's seed.")
@click.option("--seed", type=int, help="Replay this one, and print what happens in it.")
def main(seeds: int, first: int, seed: int | None) -> None:
    """Run them; exit with 1 where one fails, or where a kind of fault was not tried everywhere."""
    console = Console(width=200 if not sys.stdout.isatty() else None)
    if seed is not None:
        result = run(history(seed), tracing=True)
        for line in result.trace:
            console.print(line, markup=False)
        console.print(
            f"seed {seed}: {result.violation or 'nothing wrong'}; the views' digest is {result.digest}"
        )
        sys.exit(result.violation is not None)
    report = Report()
    columns = (TextColumn("histories"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=seeds)
        for part in simulate_all(first, seeds):
            report.add(part)
            progress.advance(task, part.histories)
    console.print(coverage(report))
    console.print(", ".join(f"{count:,} {what}" for what, count in sorted(report.seen.items())))
    for failing, violation in sorted(report.failures.items())[:20]:
        console.print(f"seed {failing}: {violation}", markup=False)
    if report.failures:
        explain(console, min(report.failures))
        console.print(f"replay it: make simulate SEED={min(report.failures)}")
    for site, what in report.unhit():
        console.print(f"[red]never hit by a {what}: {site}")
    console.print(f"{report.histories:,} histories, {len(report.failures):,} failures")
    sys.exit(bool(report.failures or report.unhit()))


if __name__ == "__main__":
    main()
