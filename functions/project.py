"""The consumer: folds the stream's interactions into the learners' views.

For a batch: one read of all states and the catalog's head, one fold and one conditional write a learner.
Invariants: every record is applied, recognised as a duplicate, or in quarantine; what fails in passing
fails the invocation after everything else was tried, and is delivered again.
"""

import math
import os
import random
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit

from domain.catalog import Catalog
from domain.interaction import Interaction, InvalidInteraction, parse_record
from domain.learner import Change, Day, Learner, closed_days, fold, is_applied
from functions import aws
from functions.observability import logger, metrics
from functions.quarantine import Position, Quarantine, Quarantined
from functions.store import STATES_PER_READ, Store, TooLarge, is_passing

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

WRITERS = 8
"""Learners committed at once: a call is mostly waiting."""
MAX_RACES = 20
"""That a learner's commit may lose to other writers before the batch is left to come again."""
FIRST_PAUSE, MAX_PAUSE = 0.005, 0.2
"""Seconds, at most, after a lost race: the first pause, and any."""
SECONDS_NEEDED = 50
"""For two calls with all their retries (functions/aws.py): one that is begun, and the quarantine's after."""
MAX_REASON_LENGTH = 500


class Contended(Exception):
    """Other writers were faster each time: the batch must come again."""


class OutOfTime(Exception):
    """The invocation ends too soon to begin with more: the batch must come again."""


class Received(NamedTuple):
    """A valid interaction, with the record it came in."""

    interaction: Interaction
    payload: bytes
    position: Position
    arrived_at: datetime

    def refused(self, code: str, reason: str) -> Quarantined:
        """Its entry in quarantine."""
        return Quarantined(self.payload, code, reason, self.position, self.arrived_at)


@dataclass(slots=True)
class Outcome:
    """What became of a batch: each of its records is in one of the first three."""

    applied: int = 0
    duplicates: int = 0
    quarantined: list[Quarantined] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)
    """Why learners' parts of it are in quarantine as `failed`."""

    def add(self, other: "Outcome") -> None:
        """Count the other's in."""
        self.applied += other.applied
        self.duplicates += other.duplicates
        self.quarantined += other.quarantined
        self.bugs += other.bugs


@dataclass(slots=True)
class Projector:
    """Folds batches; keeps the catalog in memory from one batch to the next."""

    store: Store
    quarantine: Quarantine
    freezes: int = 0
    catalog: Catalog = field(default_factory=Catalog)
    each: Callable[[Callable[[str], Outcome | Exception], Iterable[str]], Iterable[Outcome | Exception]] = map
    """How learners are gone through: one after the other, or several at a time (`Executor.map`)."""
    pause: Callable[[float], None] = time.sleep

    def project(
        self, records: Iterable[Mapping[str, Any]], time_left: Callable[[], float] = lambda: math.inf
    ) -> Outcome:
        """Bring the records of one Kinesis event into the views.

        `time_left`: seconds until the invocation is cut off; what can't be begun before comes again.
        Raises an ExceptionGroup where something could not be written, after all else was tried.
        """
        outcome = Outcome()
        by_learner: dict[str, list[Received]] = {}
        for received in map(receive, records):
            if isinstance(received, Received):
                by_learner.setdefault(received.interaction.user_id, []).append(received)
            else:
                outcome.quarantined.append(received)
        errors: list[Exception] = []
        for chunk in batched(by_learner.items(), STATES_PER_READ):
            for result in self._project_chunk(dict(chunk), time_left):
                if isinstance(result, Outcome):
                    outcome.add(result)
                else:
                    errors.append(result)
        self.quarantine.put(outcome.quarantined)
        if outcome.bugs:
            kinds = {type(bug): bug for bug in outcome.bugs}
            traces = ExceptionGroup("one of each kind", list(kinds.values()))
            logger.error("failed", extra={"learners": len(outcome.bugs)}, exc_info=traces)
        if errors:
            raise ExceptionGroup(f"{len(errors)} reads or writes of the batch failed", errors)
        return outcome

    def _project_chunk(
        self, batch: dict[str, list[Received]], time_left: Callable[[], float]
    ) -> list[Outcome | Exception]:
        if time_left() < SECONDS_NEEDED:
            return [OutOfTime()]
        try:
            return self._project_learners(batch, time_left)
        except Exception as error:  # raised again with the others', once all else was tried
            return [error]

    def _project_learners(
        self, batch: dict[str, list[Received]], time_left: Callable[[], float]
    ) -> list[Outcome | Exception]:
        learners, head = self.store.load(batch)
        self.catalog = self.store.catalog(self.catalog, head)
        if not all(self._is_known(r.interaction) for received in batch.values() for r in received):
            # It may have come between: looked up once more before anything is refused for it.
            self.catalog = self.store.catalog(self.catalog, self.store.head())
        days = self.store.load_days(
            {
                user_id: closed_days(learners[user_id], [r.interaction for r in received])
                for user_id, received in batch.items()
            }
        )

        def attempt(user_id: str) -> Outcome | Exception:
            try:
                return self._project_learner(learners[user_id], days[user_id], batch[user_id], time_left)
            except Exception as error:
                if isinstance(error, Contended | OutOfTime) or is_passing(error):
                    return error  # raised again with the others', once every learner was tried
                # It would fail each time, and hold up the learners behind it until somebody has mended it.
                reason = f"a bug, as the log tells: {error!r}"[:MAX_REASON_LENGTH]
                refused = [r.refused("failed", reason) for r in batch[user_id]]
                return Outcome(quarantined=refused, bugs=[error])

        return list(self.each(attempt, batch))

    def _is_known(self, interaction: Interaction) -> bool:
        return self.catalog.knows(interaction.content_id, interaction.certification)

    def _project_learner(
        self,
        learner: Learner,
        days: Mapping[int, Day],
        received: Sequence[Received],
        time_left: Callable[[], float],
    ) -> Outcome:
        """One learner's part of a batch: mostly one fold and one write.

        What is too much for one write is halved, by days, until it is not; an interaction that is too
        much alone is refused, and with it all that is new to its day.
        """
        outcome = Outcome()
        full: set[int] = set()
        parts = [list(received)]
        races = 0
        while parts:
            if time_left() < SECONDS_NEEDED:
                raise OutOfTime
            part = parts.pop()
            fresh = [
                r for r in part if r.interaction.day not in full or is_applied(learner, days, r.interaction)
            ]
            change = fold(learner, days, [r.interaction for r in fresh], self.catalog, self.freezes)
            try:
                standing = self.store.commit(change) if change.applied else None
            except TooLarge:
                if len(fresh) > 1:
                    parts += _halves(part)
                else:
                    full.add(fresh[0].interaction.day)
                    parts.append(part)
                continue
            if standing is None:
                outcome.add(_outcome(change, part, fresh))
                learner = change.learner
            else:
                races += 1
                if races == MAX_RACES:
                    raise Contended(f"lost {races} races for the state of one learner")
                self.pause(random.uniform(0, min(MAX_PAUSE, FIRST_PAUSE * 2**races)))
                learner = standing
                parts.append(part)
            # Days are always read after the state that guards them.
            left = [r.interaction for part in parts for r in part]
            days = self.store.load_days({learner.user_id: closed_days(learner, left)})[learner.user_id]
        return outcome


def receive(record: Mapping[str, Any]) -> Received | Quarantined:
    """Read one record of a Kinesis event."""
    kinesis = record["kinesis"]
    payload = b64decode(kinesis["data"])
    position = Position(record["eventID"].partition(":")[0], kinesis["sequenceNumber"])
    arrived_at = datetime.fromtimestamp(float(kinesis["approximateArrivalTimestamp"]), UTC)
    try:
        return Received(parse_record(payload, arrived_at), payload, position, arrived_at)
    except InvalidInteraction as error:
        return Quarantined(payload, error.code, str(error), position, arrived_at, error.faults)


def _halves(part: list[Received]) -> list[list[Received]]:
    """The part in two, by days; the later days first, for parts are taken from the end."""
    by_day = sorted(part, key=lambda r: r.interaction.day)
    middle = len(by_day) // 2
    return [by_day[middle:], by_day[:middle]]


def _outcome(change: Change, part: list[Received], fresh: list[Received]) -> Outcome:
    kept = set(map(id, fresh))
    return Outcome(
        change.applied,
        change.duplicates,
        [fresh[refusal.position].refused(refusal.code, refusal.reason) for refusal in change.refused]
        + [
            r.refused("state_full", "the learner's state or this day of it is full")
            for r in part
            if id(r) not in kept
        ],
    )


@cache
def projector() -> Projector:
    """The process's projector, as the environment sets it up."""
    return Projector(
        Store(aws.dynamodb(), os.environ["VIEWS_TABLE"]),
        Quarantine(aws.sqs(), aws.s3(), os.environ["QUARANTINE_URL"], os.environ["EVENT_LOG_BUCKET"]),
        int(os.environ["STREAK_FREEZES"]),
        each=ThreadPoolExecutor(WRITERS).map,
    )


@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Kinesis event -> views."""
    outcome = projector().project(event["Records"], lambda: context.get_remaining_time_in_millis() / 1000)
    codes = Counter(record.code for record in outcome.quarantined)
    logger.info(
        "batch",
        extra={"applied": outcome.applied, "duplicates": outcome.duplicates, "quarantined": dict(codes)},
    )
    metrics.add_metric("Applied", MetricUnit.Count, outcome.applied)
    metrics.add_metric("Duplicates", MetricUnit.Count, outcome.duplicates)
    metrics.add_metric("Quarantined", MetricUnit.Count, len(outcome.quarantined))
