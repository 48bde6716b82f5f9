"""The consumer: fold the stream's interactions into the learners' views.

A batch costs one read of all states and the catalog's head, and one fold and one conditional write per
learner. Invariants: every record is applied, recognised as a duplicate, or in quarantine. A transient failure
fails the invocation, but only after everything else has been tried, and the batch is delivered again.
"""

import math
import os
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import batched, chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.catalog import Catalog
from domain.days import microseconds
from domain.erasure import learner_in
from domain.events import Event, is_known, local_day
from domain.fold import Buckets, Change, MissingBucket, fold, is_applied, needed_buckets
from domain.generations import Colour
from domain.learner import Learner
from functions import aws
from functions.batch_report import report
from functions.catalog_copy import copy_catalog
from functions.errors import MAX_RACES, Contended, TooLarge, Unreadable, is_transient
from functions.generations import is_responsible, other_table, tables
from functions.observability import logger, observed
from functions.outcome import Outcome, Trouble
from functions.quarantine import Quarantine, Quarantined
from functions.records import Received, read_record
from functions.refusals import Refusals
from functions.snapshot import prepare, reseed
from functions.store import STATES_PER_READ, Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

WRITERS = 8
"""The number of learners committed at once. A commit mostly waits for its call."""
FIRST_PAUSE, MAX_PAUSE = 0.005, 0.2
"""Maximum seconds to pause after the first lost race, and after any."""
SECONDS_NEEDED = 50
"""Seconds to reserve for the next call and for the quarantine's, with all their retries."""
MAX_TROUBLES, MAX_TROUBLED_SHARE = 3, 0.05
"""More learners in trouble than both, as a number and as a share of those seen, fail the batch."""
FLOOD_SECONDS = 600
"""How long a batch counts for that."""


class LiveIsBehind(Contended):
    """The consumer of the generation that was live has not judged a record with unknown content yet."""


class OutOfTime(Exception):
    """The invocation ends too soon to begin more work. The batch must be delivered again."""


class _RecentBatch(NamedTuple):
    """The learners of a batch of the last minutes, and those of them who were in trouble."""

    at: float
    learners: int
    troubled: frozenset[str]


@dataclass(slots=True)
class Projector:
    """The consumer of batches. It keeps the catalog in memory from one batch to the next."""

    store: Store
    quarantine: Quarantine
    freezes: int = 0
    note_refusals: Callable[[Sequence[Quarantined]], None] = lambda _: None
    """Remembers refused records, so that the API can tell what became of them."""
    was_live: Callable[[datetime], bool] = lambda _: True
    """Whether this generation of the views was the live one at a time of arrival. Refused records go to
    quarantine, and awards are announced, only by the consumer of the generation that was live then."""
    follow_catalog: Callable[[], bool] = lambda: False
    """Brings this generation's catalog up to that of the other one. Returns whether that one was ahead."""
    is_judged: Callable[[Received], bool] = lambda _: True
    """Whether the consumer of the other generation has judged a record: refused it, or applied its identity.
    Asked about unknown content that arrived when the other one was live. That one may learn the content
    before it sees the record."""
    catalog: Catalog = field(default_factory=Catalog)
    map_learners: Callable[[Callable[[str], Outcome], Iterable[str]], Iterable[Outcome]] = map
    """How to map over learners: `map`, or `Executor.map` for several at a time."""
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    """Seconds of a clock that never goes back."""
    now: Callable[[], float] = time.time
    """Seconds since 1970."""
    _recent: deque[_RecentBatch] = field(default_factory=deque)

    def project(
        self,
        records: Iterable[Mapping[str, Any]],
        time_left: Callable[[], float] = lambda: math.inf,
        outcome: Outcome | None = None,
    ) -> Outcome:
        """Apply the records of one Kinesis event to the views.

        `time_left` returns the seconds until the invocation is cut off. Work that can't begin in time is left
        for redelivery. Raise an ExceptionGroup if a read or a write failed, or if too many learners are in
        trouble, but only after all others have been tried. An `outcome` that is given is added to, so that a
        batch that fails can be reported.
        """
        outcome = outcome or Outcome()
        received = [one for record in records for one in read_record(record)]
        learners = {one.interaction.user_id for one in received if isinstance(one, Received)}
        outcome.received, outcome.learners = len(received), len(learners)
        outcome.add(self.apply(received, time_left))
        if self._is_flooded(outcome.troubles, len(learners)):
            # So much trouble at once is the release's fault. The records come again, to the next release.
            outcome.errors += [trouble.error for trouble in outcome.troubles]
        else:
            outcome.quarantined += [entry for trouble in outcome.troubles for entry in trouble.refused()]
        self._drop_erased(outcome)
        refused = [entry for entry in outcome.quarantined if self.was_live(entry.arrived_at)]
        # In this order: what is noted is in quarantine, so another generation's consumer may pass over it.
        self.quarantine.put(refused)
        self.note_refusals(refused)
        if outcome.troubles:
            kinds = {type(trouble.error): trouble.error for trouble in outcome.troubles}
            traces = ExceptionGroup("one of each kind", list(kinds.values()))
            codes = Counter(trouble.code for trouble in outcome.troubles)
            logger.error("learners in trouble", extra={"learners": dict(codes)}, exc_info=traces)
        if outcome.errors:
            raise ExceptionGroup(f"{len(outcome.errors)} parts of the batch failed", outcome.errors)
        return outcome

    def _drop_erased(self, outcome: Outcome) -> None:
        """Drop what was refused of erased learners. The fold has dropped their valid records already."""
        of = {id(entry): learner_in(entry.payload) for entry in outcome.quarantined if entry.is_invalid}
        learners = self.store.erased(sorted({user_id for user_id in of.values() if user_id}))
        if not learners:
            return
        kept = [
            entry
            for entry in outcome.quarantined
            if not _is_erased(learners.get(of.get(id(entry)) or ""), entry.arrived_at)
        ]
        outcome.erased += len(outcome.quarantined) - len(kept)
        outcome.quarantined[:] = kept

    def _is_flooded(self, troubles: Sequence[Trouble], learners: int) -> bool:
        """Return whether too many learners are in trouble, of this batch or of those of the last minutes.

        The last minutes count, because the event source halves a batch that failed: a half with few learners
        would otherwise go to quarantine, although the release is at fault. They are not the only measure,
        because the many good batches before a bad one would hide its trouble.
        """
        now = self.clock()
        while self._recent and self._recent[0].at <= now - FLOOD_SECONDS:
            self._recent.popleft()
        in_trouble = frozenset(trouble.received[0].interaction.user_id for trouble in troubles)
        self._recent.append(_RecentBatch(now, learners, in_trouble))
        if not troubles:
            return False
        troubled = frozenset[str]().union(*(batch.troubled for batch in self._recent))
        seen = sum(batch.learners for batch in self._recent)
        return _is_flood(len(troubles), learners) or _is_flood(len(troubled), seen)

    def apply(
        self, received: Iterable[Received | Quarantined], time_left: Callable[[], float] = lambda: math.inf
    ) -> Outcome:
        """Apply interactions to the views, and return what became of each. Nothing is put into quarantine."""
        outcome = Outcome()
        by_learner: dict[str, list[Received]] = {}
        for one in received:
            if isinstance(one, Received):
                by_learner.setdefault(one.interaction.user_id, []).append(one)
                outcome.late += one.is_late
            else:
                outcome.quarantined.append(one)
        for chunk in batched(by_learner.items(), STATES_PER_READ):
            outcome.add(self._project_chunk(dict(chunk), time_left))
        return outcome

    def _project_chunk(self, batch: dict[str, list[Received]], time_left: Callable[[], float]) -> Outcome:
        if time_left() < SECONDS_NEEDED:
            return Outcome(errors=[OutOfTime()])
        try:
            return self._project_learners(batch, time_left)
        except Exception as error:  # raised with the others, after everything else has been tried
            return Outcome(errors=[error])

    def _project_learners(self, batch: dict[str, list[Received]], time_left: Callable[[], float]) -> Outcome:
        learners, head = self.store.load(batch)
        self.catalog = self.store.catalog(self.catalog, head)
        if self._unknown(batch):
            # The content can be newer than the head: read the catalog again before refusing anything.
            self.catalog = self.store.catalog(self.catalog, self.store.head())
            # A live consumer does not depend on the other generation: what it refuses can be redriven.
            unjudged = [one for one in self._unknown(batch) if not self.was_live(one.arrived_at)]
            if unjudged and self.follow_catalog():
                self.catalog = self.store.catalog(self.catalog, self.store.head())
        buckets = self.store.load_buckets(
            {
                user_id: needed_buckets(learner, [r.interaction for r in batch[user_id]])
                for user_id, learner in learners.items()
                if isinstance(learner, Learner)
            }
        )

        def attempt(user_id: str) -> Outcome:
            outcome = Outcome()
            # What arrived while another generation was live is announced by that one's consumer. The parts
            # stay in order of arrival, so both consumers find the same record to bring an award.
            runs = groupby(batch[user_id], key=lambda one: self.was_live(one.arrived_at))
            parts = [list(run) for _, run in runs][::-1]
            try:
                learner = _readable(learners[user_id])
                self._project_learner(learner, _readable(buckets[user_id]), parts, time_left, outcome)
            except Exception as error:
                if isinstance(error, OutOfTime) or is_transient(error):
                    outcome.errors.append(error)
                else:
                    # It would fail every delivery, and block the learners behind this one.
                    code = error.code if isinstance(error, Unreadable) else "failed"
                    left = [received for part in parts for received in part]
                    outcome.troubles.append(Trouble(code, error, left))
            return outcome

        outcome = Outcome()
        for of_learner in self.map_learners(attempt, batch):
            outcome.add(of_learner)
        return outcome

    def _unknown(self, batch: Mapping[str, Sequence[Received]]) -> list[Received]:
        """Return the records whose content the catalog in memory lacks."""
        received = chain.from_iterable(batch.values())
        return [one for one in received if not is_known(one.interaction, self.catalog)]

    def _check_judged(self, refused: Iterable[Received]) -> None:
        """Raise LiveIsBehind if a record would be refused here that the live consumer may still apply."""
        waiting = [one for one in refused if not self.was_live(one.arrived_at)]
        if not all(map(self.is_judged, waiting)):
            raise LiveIsBehind("the live generation's consumer has not judged a record yet")
        if waiting:
            # It can have applied one just now, because it knew the content by then.
            self.follow_catalog()
            catalog = self.store.catalog(self.catalog, self.store.head())
            if any(is_known(one.interaction, catalog) for one in waiting):
                raise LiveIsBehind("the live generation's catalog has changed meanwhile")

    def _project_learner(
        self,
        learner: Learner,
        buckets: Buckets,
        parts: list[list[Received]],
        time_left: Callable[[], float],
        outcome: Outcome,
    ) -> None:
        """Apply one learner's parts of a batch, mostly in one fold and one write, and add to the outcome.

        What is done is taken out of `parts`, so that an error concerns the others alone. A part that is too
        large for one write is halved by time until it fits. An interaction that is too large alone is
        refused, together with everything else that is new to its days.
        """
        full: set[tuple[int | None, int]] = set()
        races = 0
        while parts:
            if time_left() < SECONDS_NEEDED:
                raise OutOfTime
            part = parts[-1]
            fresh = [
                r
                for r in part
                if _days(r.interaction) not in full or is_applied(learner, buckets, r.interaction)
            ]
            try:
                change = fold(learner, buckets, [r.interaction for r in fresh], self.catalog, self.freezes)
                self._check_judged(fresh[refusal.position] for refusal in change.refused)
                silent = not self.was_live(part[0].arrived_at)
                stored = self.store.commit(change, silent=silent) if change.applied else None
            except MissingBucket as error:
                # A repair or an erasure can come between the read of the state and that of its buckets.
                stored = self.store.read_state(learner.user_id) or Learner(learner.user_id)
                if stored.version == learner.version:
                    raise Unreadable(f"{error} is missing") from error
            except TooLarge:
                if len(fresh) > 1:
                    parts[-1:] = _halves(part)
                else:
                    full.add(_days(fresh[0].interaction))
                continue
            if stored is None:
                parts.pop()
                outcome.add(_outcome(change, part, fresh))
                if change.applied and not silent:
                    outcome.lags += self._lags(change, fresh)
                    outcome.awards += len(change.awards)
                learner = change.learner
            else:
                races += 1
                outcome.conflicts += 1
                if races == MAX_RACES:
                    raise Contended(f"lost {races} write races for the state of one learner")
                self.pause(random.uniform(0, min(MAX_PAUSE, FIRST_PAUSE * 2**races)))
                learner = stored
            # Always read buckets after the state that guards them.
            left = [r.interaction for part in parts for r in part]
            wanted = {learner.user_id: needed_buckets(learner, left)}
            buckets = _readable(self.store.load_buckets(wanted)[learner.user_id])

    def _lags(self, change: Change, fresh: list[Received]) -> list[int]:
        """Return the milliseconds since the arrival of everything that a commit has taken."""
        refused = {refusal.position for refusal in change.refused}
        now = self.now()
        return [
            max(0, round(1000 * (now - received.arrived_at.timestamp())))
            for position, received in enumerate(fresh)
            if position not in refused
        ]


def partition[T](values: Iterable[T], key: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    """Return the values for which the key is False, and those for which it is True."""
    parts: tuple[list[T], list[T]] = ([], [])
    for value in values:
        parts[key(value)].append(value)
    return parts


def _is_erased(learner: Learner | None, arrived_at: datetime) -> bool:
    """Return whether a record without a readable time is of an erased learner, or from before a new start."""
    if learner is None:
        return False
    return learner.starts_at is None or microseconds(arrived_at) < learner.starts_at


def _is_flood(troubled: int, learners: int) -> bool:
    return troubled > max(MAX_TROUBLES, MAX_TROUBLED_SHARE * learners)


def _readable[T](found: T | Unreadable) -> T:
    if isinstance(found, Unreadable):
        raise found
    return found


def _halves(part: list[Received]) -> list[list[Received]]:
    """Split a part in two by time. The later half comes first, because parts are taken from the end."""
    by_time = sorted(part, key=lambda r: r.interaction.at)
    middle = len(by_time) // 2
    return [by_time[middle:], by_time[:middle]]


def _days(event: Event) -> tuple[int | None, int]:
    return local_day(event), event.utc_day


def _outcome(change: Change, part: list[Received], fresh: list[Received]) -> Outcome:
    kept = set(map(id, fresh))
    return Outcome(
        change.applied,
        change.duplicates,
        quarantined=[
            fresh[refusal.position].refused(refusal.code, refusal.reason) for refusal in change.refused
        ]
        + [
            r.refused("state_full", "the learner's state or this day is full")
            for r in part
            if id(r) not in kept
        ],
        erased=change.erased,
    )


@cache
def projector() -> Projector:
    """Return the projector of this process, configured by the environment.

    It folds into one generation of the views, whichever is live.
    """
    colour: Colour = "green" if os.environ["GENERATION"] == "green" else "blue"
    own = Store(aws.dynamodb(), tables()[colour])
    made = Projector(
        own,
        Quarantine(aws.sqs, aws.s3, os.environ["QUARANTINE_URL"], os.environ["EVENT_LOG_BUCKET"]),
        int(os.environ["STREAK_FREEZES"]),
        Refusals(own.client, own.table).note,
        was_live=lambda arrived_at: is_responsible(colour, arrived_at),
        map_learners=ThreadPoolExecutor(WRITERS).map,
    )
    if other := other_table(colour):
        refusals, rival = Refusals(own.client, other), Store(own.client, other)
        made.follow_catalog = lambda: copy_catalog(rival, own)
        made.is_judged = lambda one: refusals.has(one.interaction) or has_applied(rival, one.interaction)
    return made


def has_applied(store: Store, event: Event) -> bool:
    """Return whether a generation has applied an event, or another one with its identity."""
    try:
        return event.digest in store.read_applied(event.user_id, [event.utc_day])[event.utc_day]
    except Unreadable:
        return False


@observed
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Fold a Kinesis event into the views."""
    reseed()
    consumer, outcome = projector(), Outcome()
    is_live = consumer.was_live(datetime.now(UTC))
    try:
        consumer.project(event["Records"], lambda: context.get_remaining_time_in_millis() / 1000, outcome)
    finally:
        report(outcome, None if is_live else os.environ["GENERATION"])


prepare(projector, aws.sqs, aws.s3)
