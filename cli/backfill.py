"""`streakline backfill-achievements`: give learners the awards of rules that were added later."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

import click

from cli.checkpoint import Checkpoint
from cli.output import print_json, progress_bar
from cli.stack import LOCAL, Stack, ask_first, on_stack, yes_option
from domain.catalog import Catalog
from domain.fold import Change
from domain.generations import Colour
from domain.learner import Learner, overdue
from functions.errors import MAX_RACES, Contended, Unreadable
from functions.store import Store

SEGMENTS = 4
"""Parts of the table that are scanned in parallel."""
PROGRESS_FILE = LOCAL / "backfill.json"


@click.command("backfill-achievements")
@click.option("--announce", is_flag=True, help="Publish the awards on the bus.  [default: don't]")
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1),
    default=200,
    show_default=True,
    help="Learners to process per second, at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@yes_option
@on_stack
def backfill_achievements(stack: Stack, announce: bool, rate: float, as_json: bool, yes: bool) -> None:
    """Give learners the awards of new rules.

    Gives every learner the achievements that they have earned under the current rules and catalog. Awards of
    retired rules stay. An interrupted run continues where it stopped, and running it again gives nothing
    twice. The awards' earned_at is the time of the run.

    Example: streakline backfill-achievements --rate 50
    """
    ask_first(
        stack, yes, f"This gives learners the awards of new rules{', and announces them' if announce else ''}"
    )
    live = stack.live
    result = _backfill_generation(stack, live, rate, silent=not announce)
    for colour in set(stack.colours) - {live}:
        # So that a cutover takes no award away. The live generation's are those that are announced.
        _backfill_generation(stack, colour, rate, silent=True)
    if as_json:
        print_json(
            {"learners": result.learners, "awards": result.awards, "unreadable": list(result.unreadable)}
        )
    else:
        click.echo(f"{result.awards:,} awards given; {result.learners:,} learners processed.")
    for reason in result.unreadable:
        click.echo(f"skipped: {reason}", err=True)
    if result.unreadable:
        raise SystemExit(1)


def _backfill_generation(stack: Stack, colour: Colour, rate: float, *, silent: bool) -> "Backfilled":
    """Process all learners of one generation of the views, and show the progress."""
    store = stack.generation(colour)
    checkpoint = Checkpoint.load(PROGRESS_FILE, store.table)
    with progress_bar() as progress:
        task = progress.add_task("learners", total=store.rarity().learners or None)
        try:
            result = backfill(
                store,
                checkpoint,
                rate,
                stack.freezes,
                silent=silent,
                on_progress=lambda: progress.advance(task),
            )
        except Contended as error:
            raise click.ClickException(f"{error}; run the command again to continue") from error
    checkpoint.path.unlink(missing_ok=True)
    return result


class Backfilled(NamedTuple):
    """The result of a backfill."""

    learners: int
    """The number of learners processed."""
    awards: int
    """The number of awards given."""
    unreadable: tuple[str, ...]
    """Why other learners were skipped."""


def backfill(
    store: Store,
    checkpoint: Checkpoint,
    rate: float,
    freezes: int,
    *,
    silent: bool,
    on_progress: Callable[[], None],
) -> Backfilled:
    """Process all learners that the checkpoint leaves, `rate` per second at most.

    Skips learners whose state can't be read. Raises Contended.
    """
    catalog = store.full_catalog()
    limiter = _RateLimiter(rate)

    def process(segment: int) -> Backfilled:
        learners = awards = 0
        unreadable: list[str] = []
        after = checkpoint.after.get(str(segment), {})
        while after is not None:
            page, after = store.scan_states(segment, SEGMENTS, after)
            for learner in page:
                on_progress()
                if isinstance(learner, Unreadable):
                    unreadable.append(str(learner))
                    continue
                limiter.wait()
                awards += award_overdue(store, learner, catalog, freezes, silent=silent)
                learners += 1
            checkpoint.save(segment, after)
        return Backfilled(learners, awards, tuple(unreadable))

    with ThreadPoolExecutor(SEGMENTS) as pool:
        results = list(pool.map(process, range(SEGMENTS)))
    return Backfilled(
        sum(result.learners for result in results),
        sum(result.awards for result in results),
        tuple(reason for result in results for reason in result.unreadable),
    )


def award_overdue(store: Store, learner: Learner, catalog: Catalog, freezes: int, *, silent: bool) -> int:
    """Give a learner the awards that are overdue, and return their number.

    Raises Contended if other writers win every race for the learner's state.
    """
    for _ in range(MAX_RACES):
        now = int(datetime.now(UTC).timestamp() * 1_000_000)
        awards, after = overdue(learner, catalog, now, freezes)
        if not awards:
            return 0
        after = after._replace(version=learner.version + 1)
        current = store.commit(Change(after, (), awards, 0, 0, ()), silent=silent)
        if current is None:
            return len(awards)
        learner = current
    raise Contended(f"lost {MAX_RACES} races for the state of one learner")


class _RateLimiter:
    """Limits how often all threads together may pass."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until it is the caller's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._interval
        time.sleep(turn - now)
