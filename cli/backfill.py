"""`streakline backfill-achievements`: gives learners what newer rules say."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.stack import LOCAL, Stack, on_stack, print_json
from domain.catalog import Catalog
from domain.fold import Change
from domain.learner import Learner, overdue
from functions.errors import MAX_RACES
from functions.store import Store

SEGMENTS = 4
"""Parts of the table that are gone through at once."""
PROGRESS_FILE = LOCAL / "backfill.json"


@dataclass(slots=True)
class Backfill:
    """A run over all learners: where each segment has got to, so that a run that was ended goes on there."""

    path: Path
    stack: str
    after: dict[str, Any] = field(default_factory=dict)
    """By segment: the last key that was done, None at the end."""

    @classmethod
    def resume(cls, path: Path, stack: str) -> "Backfill":
        """The run that was ended before, or a new one."""
        if path.exists() and (noted := json.loads(path.read_text()))["stack"] == stack:
            return cls(path, stack, noted["after"])
        return cls(path, stack)

    def done(self, segment: int, key: Any) -> None:
        """Note how far a segment has got."""
        self.after[str(segment)] = key
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"stack": self.stack, "after": self.after}))


@click.command("backfill-achievements")
@click.option("--announce", is_flag=True, help="Tell of the awards on the bus; default: silently.")
@click.option(
    "--rate", type=click.FloatRange(min=0.1), default=200, show_default=True, help="Learners a second."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def backfill_achievements(stack: Stack, announce: bool, rate: float, as_json: bool) -> None:
    """Give all learners the achievements that today's rules say they have earned.

    What was earned under rules that are gone stays. Run it when rules were added; a run that is ended goes on
    where it was, and running it again gives nothing twice. earned_at is the time of the run.
    """
    store = stack.store
    run = Backfill.resume(PROGRESS_FILE, stack.outputs["ViewsTableName"])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("learners", total=store.rarity().learners or None)
        learners, awards = backfill(
            store, run, rate, stack.freezes, silent=not announce, tell=lambda: progress.advance(task)
        )
    run.path.unlink(missing_ok=True)
    if as_json:
        print_json({"learners": learners, "awards": awards})
    else:
        click.echo(f"{awards:,} awards given; {learners:,} learners looked at.")


def backfill(
    store: Store, run: Backfill, rate: float, freezes: int, *, silent: bool, tell: Callable[[], None]
) -> tuple[int, int]:
    """Go over all learners; how many there were, and how many awards they were given."""
    catalog = store.full_catalog()
    pace = _Pace(rate)

    def go_over(segment: int) -> tuple[int, int]:
        learners = awards = 0
        after = run.after.get(str(segment), {})
        while after is not None:
            page, after = store.scan_states(segment, SEGMENTS, after)
            for learner in page:
                pace.wait()
                awards += give(store, learner, catalog, freezes, silent=silent)
                learners += 1
                tell()
            run.done(segment, after)
        return learners, awards

    with ThreadPoolExecutor(SEGMENTS) as pool:
        results = list(pool.map(go_over, range(SEGMENTS)))
    return sum(learners for learners, _ in results), sum(awards for _, awards in results)


def give(store: Store, learner: Learner, catalog: Catalog, freezes: int, *, silent: bool) -> int:
    """Give a learner what is overdue; how many awards. Raises RuntimeError where others are always faster."""
    for _ in range(MAX_RACES):
        awards = overdue(learner, catalog, int(datetime.now(UTC).timestamp() * 1_000_000), freezes)
        if not awards:
            return 0
        after = replace(
            learner,
            version=learner.version + 1,
            earned=learner.earned.union(award.achievement_id for award in awards),
        )
        standing = store.commit(Change(after, (), tuple(awards), 0, 0, ()), silent=silent)
        if standing is None:
            return len(awards)
        learner = standing
    raise RuntimeError("a learner's state changes faster than it can be written; run this again")


class _Pace:
    """Lets so many through a second, over all threads."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._gap
        time.sleep(turn - now)
