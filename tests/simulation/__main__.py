"""`python -m tests.simulation`: run many random histories, or replay one. It shrinks a failing history."""

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.faults import CRASH_AFTER, CRASH_BEFORE, FAULTS, LOST, RETRIED
from tests.simulation.history import History, history
from tests.simulation.simulation import Result, replay_command, run

FULL_RUN = 20_000
"""Histories after which every call site must have met every kind of fault. Fewer may miss a rare one."""
CHUNK = 100
"""Histories that a process runs at a time."""


@dataclass
class Report:
    """The results of many histories."""

    histories: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """The violated invariant, by seed."""
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a call site was called, or met a fault."""
    seen: Counter[str] = field(default_factory=Counter)
    """How often each kind of event happened."""

    def add(self, other: "Report") -> None:
        """Add the results of other histories."""
        self.histories += other.histories
        self.failures |= other.failures
        self.hits.update(other.hits)
        self.seen.update(other.seen)

    @property
    def sites(self) -> list[str]:
        """Return the call sites of the store and of the quarantine."""
        return sorted({site for site, _ in self.hits})

    def missed_faults(self) -> list[tuple[str, str]]:
        """Return each call site that did not meet a crash before, a crash after or an unanswered success."""
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
    # This makes the run a tenth faster, and a chunk of histories leaves little garbage.
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


def simulate_all(first: int, count: int) -> Report:
    """Run the histories of `count` seeds on all cores, and show progress on standard error."""
    chunks = [range(n, min(n + CHUNK, first + count)) for n in range(first, first + count, CHUNK)]
    report = Report()
    with ProcessPoolExecutor(os.cpu_count()) as pool, _progress(count) as show:
        for part in pool.map(simulate, chunks):
            report.add(part)
            show(report.histories)
    return report


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many histories have run: as a bar on a terminal, else as a line after each tenth of them."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("histories"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=total)
            yield lambda done: progress.update(task, completed=done)
        return
    begun = time.monotonic()
    tenths = 0

    def show(done: int) -> None:
        nonlocal tenths
        if 10 * done // total > tenths:
            tenths = 10 * done // total
            seconds = time.monotonic() - begun
            print(f"{done:,} of {total:,} histories in {seconds:.0f} s", file=sys.stderr, flush=True)

    yield show


def shrunk(failing: History) -> tuple[History, Result]:
    """Remove records, catalog changes and faults from a failing history as long as it still fails."""
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
    for n, record in enumerate(records):
        if record.parts:
            # Without its frame.
            yield failing.but(records=(*records[:n], *record.parts, *records[n + 1 :]))
    for n in range(len(failing.rows)):
        yield failing.but(rows=failing.rows[:n] + failing.rows[n + 1 :])
    for fault in result.fired:
        yield failing.but(without_faults=failing.without_faults | {fault})


def coverage(report: Report) -> Table:
    """Return a table of how often each call site was called and met each kind of fault."""
    table = Table(title=f"{report.histories:,} histories", title_justify="left")
    table.add_column("call site")
    for name in ("calls", *FAULTS):
        table.add_column(name, justify="right")
    for site in report.sites:
        table.add_row(site, *(f"{report.hits[site, what] or ''}" for what in ("calls", *FAULTS)))
    return table


def explain(console: Console, seed: int) -> None:
    """Shrink a failing history and print what happens in it."""
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


@click.command()
@click.option(
    "--seeds", type=click.IntRange(min=1), default=FULL_RUN, show_default=True, help="How many to run."
)
@click.option("--first", type=int, default=0, show_default=True, help="The seed of the first one.")
@click.option("--seed", type=int, help="Replay this history only, and print what happens in it.")
def main(seeds: int, first: int, seed: int | None) -> None:
    """Run random histories with faults. Exit with 1 if one fails.

    A full run (20,000 or more) also fails if a call site did not meet every kind of fault.
    """
    console = Console(width=200 if not sys.stdout.isatty() else None)
    if seed is not None:
        result = run(history(seed), tracing=True)
        for line in result.trace:
            console.print(line, markup=False)
        console.print(
            f"seed {seed}: {result.violation or 'nothing wrong'}; the views' digest is {result.digest}"
        )
        sys.exit(result.violation is not None)
    report = simulate_all(first, seeds)
    console.print(coverage(report))
    console.print(", ".join(f"{count:,} {what}" for what, count in sorted(report.seen.items())))
    for failing, violation in sorted(report.failures.items())[:20]:
        console.print(f"seed {failing}: {violation}", markup=False)
    if report.failures:
        explain(console, min(report.failures))
        console.print(replay_command(min(report.failures)))
    missed = report.missed_faults()
    for site, what in missed:
        console.print(f"{site} did not meet: {what}")
    is_full = report.histories >= FULL_RUN
    if missed and not is_full:
        console.print(f"This is an error only in a run of {FULL_RUN:,} histories or more.")
    console.print(f"{report.histories:,} histories, {len(report.failures):,} failures")
    sys.exit(bool(report.failures or (missed and is_full)))


if __name__ == "__main__":
    main()
