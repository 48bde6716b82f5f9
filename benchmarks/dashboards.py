"""Row 5: what a dashboard costs as a learner's history grows, against recomputing it from rows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from benchmarks.consumer import consumer
from benchmarks.figures import Figure, Plot, Series, at_most, interleaved, stated
from benchmarks.histories import contents, fixed, generated
from cli.logs import Fields
from domain.achievements import Rarity
from domain.views import READINESS_DAYS, dashboard
from functions.view_context import load_view_context

A_DAY = {100: 3, 1_000: 20, 10_000: 20, 100_000: 20}
"""Interactions a study day by length of the history: each history fills the month that a dashboard shows."""
LAST_DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 1, 23, tzinfo=UTC)
CONTENTS = 150
PERIOD = 30


def recomputed(rows: Sequence[Fields]) -> dict[str, Any]:
    """Recompute a dashboard's totals, trends and streak from all rows, as the replaced tracker did."""
    totals: Counter[str] = Counter()
    days: dict[str, Counter[str]] = {}
    categories: dict[str, Counter[str]] = {}
    touched: dict[str, set[str]] = {}
    for row in rows:
        score = row.get("score")
        day = row["occurred_at"][:10]
        for sums in (
            totals,
            days.setdefault(day, Counter()),
            categories.setdefault(row["content_id"][:5], Counter()),
        ):
            sums["interactions"] += 1
            sums["seconds"] += row["time_spent"]
            if score is not None:
                sums["scored"] += 1
                sums["score"] += score
        touched.setdefault(row["interaction_type"], set()).add(row["content_id"])
    streak, longest, before = 0, 0, None
    for text in sorted(days):
        studied = date.fromisoformat(text)
        streak = streak + 1 if before == studied - timedelta(days=1) else 1
        longest, before = max(longest, streak), studied
    return {
        "totals": totals,
        "trends": sorted(days.items())[-PERIOD:],
        "categories": categories,
        "touched": {kind: len(found) for kind, found in touched.items()},
        "longest": longest,
    }


def measured(length: int) -> dict[str, float]:
    """Return CPU in milliseconds, units, and bytes of a dashboard over a history of this length."""
    rows = contents(CONTENTS)
    history = generated(length // A_DAY[length], A_DAY[length], rows, last_day=LAST_DAY.isoformat())
    found = consumer(rows)
    found.consume(fixed(history, 500))
    user = str(history[0]["user_id"])
    store, catalog = found.projector.store, found.projector.catalog

    def read() -> object:
        context = load_view_context(
            store,
            user,
            catalog,
            Rarity(),
            freezes=0,
            period_days=max(PERIOD, READINESS_DAYS),
            today=LAST_DAY,
            now=NOW,
        )
        return dashboard(context, PERIOD, NOW)

    found.table.read_units = found.table.bytes_read = 0
    read()
    units, size = found.table.read_units, found.table.bytes_read
    repeated = max(1, 5_000 // length)
    seconds = interleaved(
        {
            "dashboard": lambda: [read() for _ in range(20)],
            "recomputing": lambda: [recomputed(history) for _ in range(repeated)],
        }
    )
    return {
        "dashboard": 1e3 * seconds["dashboard"] / 20,
        "recomputing": 1e3 * seconds["recomputing"] / repeated,
        "units": units,
        "bytes": size,
    }


def figures() -> Iterator[Figure]:
    """Yield the figures of row 5."""
    how = f"generated learner who studies every day, {CONTENTS} contents"
    by_length = {length: measured(length) for length in A_DAY}
    for length, found in by_length.items():
        yield stated(
            5,
            f"dashboard over {length:,} interactions",
            f"{found['dashboard']:.2f} ms, {found['units']:.1f} read units, {found['bytes'] / 1024:.1f} KB; "
            f"recomputing from rows {found['recomputing']:.1f} ms",
            how,
        )
    last = by_length[100_000]["dashboard"]
    name = "dashboard CPU over 100,000 interactions over that of"
    yield at_most(5, f"{name} 100", last / by_length[100]["dashboard"], 1.3, how)
    yield stated(5, f"{name} 10,000", f"{last / by_length[10_000]['dashboard']:.2f}", how)


def plots() -> Iterator[tuple[str, Plot]]:
    """Yield the plot of this row, by file name."""
    by_length = {length: measured(length) for length in A_DAY}
    series = [
        Series(name, [(length, found[name]) for length, found in by_length.items()])
        for name in ("dashboard", "recomputing")
    ]
    yield "dashboards.svg", Plot("CPU of a dashboard", "interactions of history", "ms", series)
