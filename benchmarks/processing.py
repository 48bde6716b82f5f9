"""Row 4: CPU from a record's payload to the state, against a plain loop and against Bytewax.

The plain loop is what one would write first: parse the payload with pydantic, and add it to dictionaries. It
knows no duplicates, no streaks, no achievements, and stores nothing.
"""

import json
import os
import subprocess
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.consumer import consumer
from benchmarks.counted_table import UncountedTable
from benchmarks.figures import Figure, Plot, Series, cpu_seconds, stated
from benchmarks.histories import Batch, History, MissingLog, fixed, statistics

SIZES = (1, 10, 100, 500)
INTERACTIONS = 8_000
ROOT = Path(__file__).parents[1]


class PlainInteraction(BaseModel):
    """An interaction as the plain loop reads it."""

    event_id: str
    user_id: str
    content_id: str
    interaction_type: str
    occurred_at: datetime
    score: float | None = None
    time_spent: int = 0


type PlainState = dict[str, dict[str, Any]]


def plain_fold(state: PlainState, interaction: PlainInteraction) -> None:
    """Add an interaction to the sums of its learner."""
    learner = state[interaction.user_id]
    learner["count"] += 1
    learner["seconds"] += interaction.time_spent
    if interaction.score is not None:
        learner["scored"] += 1
        learner["score"] += interaction.score
    learner[f"day {interaction.occurred_at.date()}"] += 1
    learner[f"{interaction.interaction_type} {interaction.content_id}"] += 1


def plain_loop(batches: Sequence[Batch]) -> PlainState:
    """Fold batches the plain way."""
    state: PlainState = defaultdict(lambda: defaultdict(int))
    for batch in batches:
        for record in batch:
            plain_fold(state, PlainInteraction.model_validate_json(b64decode(record["kinesis"]["data"])))
    return state


def ours(history: History, batches: Sequence[Batch]) -> Callable[[], object]:
    """Return the work of the consumer on a table that counts nothing."""
    found = consumer(history.catalog, UncountedTable())
    return lambda: found.consume(batches)


def measured(size: int, history: History) -> dict[str, float]:
    """Return microseconds of CPU an interaction at a batch size, for the consumer and for the plain loop."""
    interactions = history.interactions[: INTERACTIONS // (4 if size == 1 else 1)]
    batches = list(fixed(interactions, size))
    found: dict[str, list[float]] = {"streakline": [], "plain loop": []}
    for _ in range(3):
        # The consumer's state must be empty, so it is made outside of the time.
        work = ours(history, batches)
        found["streakline"].append(cpu_seconds(work))
        found["plain loop"].append(cpu_seconds(lambda: plain_loop(batches)))
    return {name: 1e6 * min(seconds) / len(interactions) for name, seconds in found.items()}


def figures() -> Iterator[Figure]:
    """Yield the figures of row 4."""
    try:
        history = statistics()
    except MissingLog as missing:
        yield stated(4, "CPU an interaction", f"not measured: {missing}", "")
        return
    for size in SIZES:
        found = measured(size, history)
        ratio = found["streakline"] / found["plain loop"]
        yield stated(
            4,
            f"CPU an interaction, batches of {size}",
            f"{found['streakline']:.0f} µs; {ratio:.1f} times the plain loop ({found['plain loop']:.0f} µs)",
            "statistics log, interleaved, best of 3",
        )
    yield from _bytewax_figures()


def _bytewax_figures() -> Iterator[Figure]:
    name = "CPU an interaction at batches of 500 over Bytewax with a plain fold"
    python = os.environ.get("BYTEWAX_PYTHON")
    if not python:
        why = "not measured: set BYTEWAX_PYTHON to a Python 3.12 with Bytewax (it has no wheel for 3.13)"
        yield stated(4, name, why, "")
        return
    command = [python, "-m", "benchmarks.bytewax_flow"]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    ratio = found["streakline"] / found["bytewax"]
    measured = f"{ratio:.1f} ({found['streakline']:.0f} and {found['bytewax']:.0f} µs)"
    yield Figure(
        4, name, measured, "at most 4", ratio <= 4, f"Python {found['python']}, best of 3, interleaved"
    )


def plots() -> Iterator[tuple[str, Plot]]:
    """Yield the plot of this row, by file name."""
    try:
        history = statistics()
    except MissingLog:
        return
    by_size = {size: measured(size, history) for size in SIZES}
    series = [
        Series(name, [(size, found[name]) for size, found in by_size.items()])
        for name in ("streakline", "plain loop")
    ]
    yield "processing.svg", Plot("CPU an interaction, payload to state", "batch size", "µs", series)
