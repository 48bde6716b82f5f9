"""Rebuild a generation of the views from the event log, as Step Functions asks for it step by step.

`plan` says what comes next and stores the items of that step; Step Functions invokes this function for each
of them, and then `plan` again. Everything can be done twice: an item that is done has a report, and what is
not done when a step ends is given out again.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, assert_never

from aws_lambda_powertools.metrics import MetricUnit

from domain.generations import Colour, other
from domain.rebuilding import (
    FIRST,
    MAX_ATTEMPTS,
    MAX_SEGMENTS,
    REPORT,
    LogObject,
    Report,
    Run,
    Step,
    after,
    batches,
    bits_for,
    levels,
    total,
)
from functions import aws
from functions.catalog_copy import copy_catalog
from functions.generation_copy import GenerationCopy
from functions.generations import CACHED_SECONDS, Generations, generations, tables
from functions.log_objects import LOG, LOG_ERRORS
from functions.observability import logger, metrics
from functions.project import WRITERS, Projector
from functions.quarantine import Quarantine
from functions.rebuild_runs import LatestRun, Runs
from functions.replay_fold import SECONDS_NEEDED, Folder
from functions.replay_lines import divide
from functions.run_files import RunFiles
from functions.store import Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CATALOG = "catalog"
"""The item of a copy that is about the catalog. The others are segments of the table."""
LEARNERS_PER_SEGMENT = 20_000
FILED_LATE = timedelta(days=8)
"""How far in the past the date in the key of a new object can be. The stream keeps records for seven days."""
WRITTEN_LATE = timedelta(days=1)
"""How much older than a listing an object can be that the listing did not show: uploads take time."""
WAIT_SECONDS = 300
"""How long Step Functions waits before it asks again whether the log is late enough."""


class GenerationIsLive(Exception):
    """The generation that is built is live, or is about to be. A rebuild never writes to it."""


class Superseded(Exception):
    """Another rebuild has begun, or this one was marked as over."""


class Stuck(Exception):
    """Some items of a step fail again and again."""


@dataclass(slots=True)
class Replay:
    """One rebuild: what its steps do."""

    files: RunFiles
    runs: Runs
    generations: Generations
    stores: dict[str, Store]
    """The store of each generation that exists, by colour."""
    freezes: int = 0
    since: int = 0
    """When the green generation's consumer began to read, in seconds since 1970; 0 if at the beginning."""
    map_learners: Callable[..., Any] = map
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _latest: LatestRun | None = field(default=None)
    _latest_read_at: float = field(default=-math.inf)

    # -- what may be written -----------------------------------------------------------------------

    def guard(self, colour: Colour) -> None:
        """Raise GenerationIsLive or Superseded if this rebuild may not write to a generation any more."""
        # A cutover is announced before it happens, so its epoch is seen here before the generation is live.
        if self.generations.epochs()[-1].live == colour:
            raise GenerationIsLive(f"the {colour} generation is live, and a rebuild never writes to it")
        now = self.clock()
        if now - self._latest_read_at > CACHED_SECONDS:
            self._latest, self._latest_read_at = self.runs.latest(), now
        if self._latest is None or self._latest.run != self.files.run:
            raise Superseded("another rebuild has begun")
        if self._latest.finished_at is not None:
            raise Superseded("this rebuild is over")

    # -- what comes next ---------------------------------------------------------------------------

    def plan(self, colour: Colour) -> dict[str, Any]:
        """Return what comes next: `work` on items, `wait`, or `end`.

        Raise Stuck if items fail again and again.
        """
        run = self.files.load() or Run(self.files.run, colour, self.since if colour == "green" else 0)
        if run.finished_at is not None:
            self._end(run)
            return {"next": "end"}
        self.guard(run.colour)
        while True:
            if run.step is not None:
                done = self.files.done(run.step)
                left = [name for name in self.files.items(run.step) if name not in done]
                if left:
                    return self._given_out(run, run.step, left)
            following = after(run)
            match following:
                case Step():
                    run = run.begin(following, self._begin(following, run))
                case "list":
                    if run.listed_at and self.now().timestamp() < run.last_listing():
                        wait = min(WAIT_SECONDS, math.ceil(run.last_listing() - self.now().timestamp()))
                        return {"next": "wait", "seconds": wait}
                    run = self._list(run)
                case "end":
                    run = replace(run, step=None, finished_at=int(self.now().timestamp() * 1000))
                    self.files.save(run)
                    self._end(run)
                    return {"next": "end"}
                case _:
                    assert_never(following)
            self.files.save(run)

    def _given_out(self, run: Run, step: Step, left: list[str]) -> dict[str, Any]:
        if run.attempts == MAX_ATTEMPTS:
            raise Stuck(
                f"{len(left)} of {run.items} items of the step {step.name} failed {MAX_ATTEMPTS} times, "
                f"{left[0]} for one; the log of the replay function says why. Resume when it is mended."
            )
        self.files.save(replace(run, attempts=run.attempts + 1))
        return {"next": "work", "items": self.files.write_left(step, left)}

    def _begin(self, step: Step, run: Run) -> int:
        """Store the items of a step, and return their number."""
        match step.kind:
            case "copy":
                learners = self.stores[other(run.colour)].rarity().learners
                segments = min(MAX_SEGMENTS, 1 + learners // LEARNERS_PER_SEGMENT)
                names = [CATALOG, *(f"{n}-of-{segments}" for n in range(segments))]
            case "partition":
                names = list(self._divided_again(step))
            case "fold":
                names = list(self.files.folders(self.files.lines_of(_last_pass(run))))
            case _:
                assert_never(step.kind)
        self.files.write_items(step, names)
        return len(names)

    def _divided_again(self, step: Step) -> Iterator[str]:
        """Yield the items of a further pass over lines, and store what each is about."""
        lines = self.files.lines_of(replace(step, level=step.level - 1))
        for partition in self.files.folders(lines):
            for n, batch in enumerate(batches(self.files.list(f"{lines}{partition}/"))):
                name = f"{partition}-{n:06}"
                self.files.write_todo(step, name, batch)
                yield name

    def _list(self, run: Run) -> Run:
        """List the log's objects that no listing has found before, and begin a round with them."""
        began = self.now()
        step = Step("partition", run.step.round + 1 if run.step else 1)
        size = 0
        young: list[str] = []

        def new_objects() -> Iterator[LogObject]:
            nonlocal size
            seen = self.files.seen(step.round - 1)
            for one in self._objects(run.listed_at):
                if one.modified >= (began - WRITTEN_LATE).timestamp() * 1000:
                    young.append(one.key)
                is_old = one.modified < run.listed_at - WRITTEN_LATE.total_seconds() * 1000
                if not is_old and one.key not in seen:
                    size += one.size
                    yield one

        names = []
        for n, batch in enumerate(batches(new_objects())):
            names.append(f"{n:06}")
            self.files.write_todo(step, names[-1], batch)
        self.files.write_items(step, names)
        self.files.write_seen(step.round, young)
        must_cover = total(self.files.reports(FIRST)).must_cover
        run = replace(
            run,
            since=max(run.since, must_cover),
            bits=bits_for(size),
            listed_at=int(began.timestamp() * 1000),
        )
        return run.begin(step, len(names))

    def _objects(self, listed_at: int) -> Iterator[LogObject]:
        """Yield the log's objects. After a listing, those of old days are left out."""
        first = ""
        if listed_at:
            first = f"{LOG}{datetime.fromtimestamp(listed_at / 1000, UTC) - FILED_LATE:%Y/%m/%d}"
        return chain(self.files.list(LOG, first), self.files.list(LOG_ERRORS))

    def _end(self, run: Run) -> None:
        """Store the report of the whole rebuild, and let another one begin."""
        report = total(self.files.reports(read_all=self.map_learners))
        self.files.write(f"{self.files.root}report.json", REPORT.dump_json(report))
        latest = self.runs.latest()
        if latest and latest.run == run.run and latest.finished_at is None:
            self.runs.finish(latest, run.finished_at or 0)

    # -- items -------------------------------------------------------------------------------------

    def work(self, step_name: str, item: str, time_left: Callable[[], float]) -> bool:
        """Do an item of the step that is under way. Return False if time ran out before its end."""
        run = self.files.load()
        if run is None or run.step is None or run.step.name != step_name:
            raise Superseded(f"the step {step_name} is over")
        step = run.step
        if self.files.report(step, item) is not None:
            return True
        self.guard(run.colour)
        used: str | None = None
        match step.kind:
            case "copy":
                report = self._copy(run, step, item, time_left)
            case "partition":
                report = divide(self.files, step, item, run.bits)
            case "fold":
                used = self.files.lines_of(_last_pass(run), item)
                report = self._folder(run.colour).fold(step, item, used, time_left)
            case _:
                assert_never(step.kind)
        if report is None:
            return False
        if step.kind == "partition" and step.level > 1:
            inputs = [one.key for one in self.files.todo(step, item)]
        else:
            inputs = [one.key for one in self.files.list(used)] if used else []
        if self.files.report(step, item) is None:
            self.files.finish(step, item, report)
        self.files.delete(inputs)
        return True

    def _folder(self, colour: Colour) -> Folder:
        live = self.stores[other(colour)]
        projector = Projector(
            self.stores[colour],
            _no_quarantine(),
            self.freezes,
            # Nothing is announced. Content is unknown only if the live generation does not know it either.
            was_live=lambda _: False,
            follow_catalog=lambda: copy_catalog(live, self.stores[colour]),
            map_learners=self.map_learners,
            pause=self.pause,
            clock=self.clock,
        )
        return Folder(self.files, projector, lambda: self.guard(colour), self.pause, self.clock)

    def _copy(self, run: Run, step: Step, item: str, time_left: Callable[[], float]) -> Report | None:
        """Copy the catalog, or one segment of the live table; None if time ran out before its end."""
        live, built = self.stores[other(run.colour)], self.stores[run.colour]
        copy = GenerationCopy(
            built.client, live.table, built.table, lambda: self.guard(run.colour), self.pause
        )
        if item == CATALOG:
            copy_catalog(live, built)
            return Report()
        segment, segments = map(int, item.split("-of-"))
        progress = self.files.progress(step, item) or {"after": {}, "report": {}}
        position, report = progress["after"], REPORT.validate_python(progress["report"], strict=False)
        while position is not None:
            learners, faults, position = copy.live_learners(segment, segments, position)
            report = report.plus(Report(troubled=tuple(faults), learners_in_trouble=len(faults)))
            for learner in learners:
                copied = copy.copy_learner(learner, is_folded=step.round > 0)
                must_cover = int(self.now().timestamp()) if copied.is_reset else 0
                again = (learner.user_id,) if copied.must_reset else ()
                report = report.plus(
                    Report(
                        awards=copied.awards,
                        tombstones=copied.tombstones,
                        must_cover=must_cover,
                        started_again=again,
                    )
                )
            if position is not None and time_left() < SECONDS_NEEDED:
                kept = {"after": position, "report": REPORT.dump_python(report, mode="json")}
                self.files.keep_progress(step, item, kept)
                return None
        return report


def _last_pass(run: Run) -> Step:
    """Return the pass over the lines after which they are folded."""
    return Step("partition", run.step.round if run.step else 1, levels(run.bits))


def _no_quarantine() -> Quarantine:
    """Return a quarantine for a projector that only applies events: nothing is ever put into it."""
    return Quarantine(aws.sqs, aws.s3, "", "")


@cache
def _writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITERS)


def replay(run: str) -> Replay:
    """Return a rebuild of this process's stack, configured by the environment."""
    client = aws.dynamodb()
    return Replay(
        RunFiles(aws.s3, os.environ["EVENT_LOG_BUCKET"], run),
        Runs(client, os.environ["CONTROL_TABLE"]),
        generations(),
        {colour: Store(client, table) for colour, table in tables().items()},
        int(os.environ["STREAK_FREEZES"]),
        int(os.environ.get("GREEN_SINCE", "0")),
        map_learners=_writers().map,
    )


@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Plan a rebuild, or do one of its items."""
    one = replay(event["run"])
    if "item" not in event:
        planned = {"run": event["run"], "colour": event["colour"], **one.plan(event["colour"])}
        logger.info("planned", extra=planned)
        return planned
    is_done = one.work(event["step"], event["item"], lambda: context.get_remaining_time_in_millis() / 1000)
    metrics.add_metric("RebuildItems", MetricUnit.Count, int(is_done))
    return {"done": is_done}
