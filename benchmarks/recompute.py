"""Row 9: recomputing everything with DuckDB, and from which share of changed history it is cheaper."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.consumer import consumer
from benchmarks.counted_table import UncountedTable
from benchmarks.figures import Figure, cpu_seconds, stated
from benchmarks.histories import History, MissingLog, fixed, moodle
from domain.streaks import longest_streak

QUERY = """
with rows as (
  select distinct on (user_id, event_id) * from read_json('{path}', format = 'newline_delimited', columns = {{
    user_id: 'VARCHAR', event_id: 'VARCHAR', content_id: 'VARCHAR', interaction_type: 'VARCHAR',
    day: 'DATE', score: 'DOUBLE', time_spent: 'BIGINT'}})
), runs as (
  select user_id, day, day - (row_number() over (partition by user_id order by day))::INT as run
  from (select distinct user_id, day from rows)
), streaks as (
  select user_id, max(length) as longest, sum(length) as days
  from (select user_id, run, count(*) as length from runs group by all) group by user_id
)
select user_id, count(*), coalesce(sum(time_spent), 0), coalesce(sum(score * 100)::BIGINT, 0), count(score),
  count(distinct content_id) filter (interaction_type = 'viewed'),
  count(distinct content_id) filter (interaction_type = 'completed'), any_value(longest), any_value(days)
from rows join streaks using (user_id) group by user_id order by user_id
"""


def recomputed(history: History) -> list[tuple[Any, ...]]:
    """Recompute totals, distinct contents and longest streaks of all learners with DuckDB."""
    # Only this benchmark needs it.
    import duckdb

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log.jsonl"
        with path.open("w") as file:
            for fields in history.interactions:
                file.write(json.dumps({**fields, "day": fields["occurred_at"][:10]}) + "\n")
        rows: list[tuple[Any, ...]] = duckdb.connect().execute(QUERY.format(path=path)).fetchall()
        return rows


def folded(history: History) -> list[tuple[Any, ...]]:
    """Return the same from the views."""
    found = consumer(history.catalog, UncountedTable())
    found.consume(fixed(history.interactions, 500))
    rows = []
    for user in sorted({str(fields["user_id"]) for fields in history.interactions}):
        learner = found.projector.store.read_state(user)
        assert learner is not None
        total = learner.total
        [track] = learner.tracks.values()
        rows.append(
            (
                user,
                total.interactions,
                total.seconds,
                total.score,
                total.scored,
                len(track.viewed),
                len(track.completed),
                longest_streak(learner.calendar),
                len(learner.calendar),
            )
        )
    return rows


def figures() -> Iterator[Figure]:
    """Yield the figures of row 9."""
    how = "Moodle log; DuckDB's time includes writing the rows as JSON lines, as an export would"
    try:
        history = moodle()
    except MissingLog as missing:
        yield stated(9, "recomputing with DuckDB", f"not measured: {missing}", how)
        return
    begun = time.perf_counter()
    theirs = recomputed(history)
    wall = time.perf_counter() - begun
    duckdb_cpu = cpu_seconds(lambda: recomputed(history))
    ours = folded(history)
    our_cpu = cpu_seconds(lambda: folded(history))
    name = "DuckDB's totals, distinct contents, study days and longest streaks equal the views"
    yield Figure(9, name, "yes" if theirs == ours else "no", "equal", theirs == ours, how)
    yield stated(
        9,
        "recomputing everything with DuckDB, and folding everything",
        f"{duckdb_cpu:.1f} s of CPU ({wall:.1f} s of time) and {our_cpu:.1f} s",
        how,
    )
    share = duckdb_cpu / our_cpu
    yield stated(9, "share of history from which recomputing is cheaper", f"{share:.0%}", how)
