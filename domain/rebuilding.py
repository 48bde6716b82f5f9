"""A rebuild of a generation of the views from the event log: its steps, how its work is divided, its report.

The log's lines are first divided by learner, and then each learner is folded once. Folding object by object
would make nearly every write a late one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal, NamedTuple, assert_never

from pydantic import TypeAdapter

from domain.events import Event, local_day
from domain.generations import Colour
from domain.retraction import Retraction

PARTITION_BYTES = 32 * 1024 * 1024
"""The compressed bytes of the log that one partition should have. A million short lines fit into it."""
BATCH_BYTES = 512 * 1024 * 1024
"""The compressed bytes of the log that one invocation divides by learner: some minutes of work."""
BATCH_OBJECTS = 1_000
"""The objects that one invocation divides at most."""
BITS_PER_LEVEL = 8
"""The bits of the learner's hash by which one pass divides: it writes at most 256 files at once."""
MAX_BITS = 16
"""At most 65,536 partitions. Those of a log of more than 2 TB are larger, and the disk still holds them."""
MAX_SEGMENTS = 100
"""The parts into which the live views are divided at most, to copy from them."""
MAX_ATTEMPTS = 3
"""How often a step is given out before the rebuild fails. Each of its items is retried within that, too."""
MARGIN_SECONDS = 3600
"""How much later than the consumer's begin the log is listed for the last time, because it lags."""
MAX_LISTED = 100
"""How many bad lines, objects and learners a report names."""
DAYS_PER_FOLD = 80
"""How many closed days, local and UTC together, one fold may have. A transaction takes 100 items."""


class LogObject(NamedTuple):
    """An object of the event log, or a file that a rebuild made of it."""

    key: str
    size: int
    """Bytes as stored."""
    modified: int
    """Milliseconds since 1970."""


# -- partitions ------------------------------------------------------------------------------------


def bits_for(size: int) -> int:
    """Return the number of bits of the learners' hash that divide so many bytes of the log well."""
    partitions = -(-size // PARTITION_BYTES)
    return min(MAX_BITS, max(0, partitions - 1).bit_length())


def levels(bits: int) -> int:
    """Return the number of passes that divide by so many bits: at least one."""
    return max(1, -(-bits // BITS_PER_LEVEL))


def partition_of(user_id: str, bits: int) -> str:
    """Return the name of a learner's partition: the first bits of the SHA-256 of the id, in hexadecimal."""
    number = int.from_bytes(sha256(user_id.encode()).digest()[:4]) >> 32 - bits
    return f"{number:0{-(-max(bits, 1) // 4)}x}"


def batches(objects: Iterable[LogObject]) -> Iterator[list[LogObject]]:
    """Yield the objects in parts that one invocation can divide by learner."""
    batch: list[LogObject] = []
    size = 0
    for one in objects:
        if batch and (size + one.size > BATCH_BYTES or len(batch) == BATCH_OBJECTS):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


# -- what of a learner is folded at once -----------------------------------------------------------------


def first_of_each[T](received: Iterable[tuple[Event, T]]) -> list[tuple[Event, T]]:
    """Return events in the order in which a learner's fold needs them, each once.

    They are of one learner, in order of arrival. Retractions come first, so that what they take back is
    left out. Different events with one identity all stay: the first one that the catalog knows will count, as
    on the stream.
    """
    retractions: dict[Event, tuple[Event, T]] = {}
    others: dict[Event, tuple[Event, T]] = {}
    for one in received:
        of_kind = retractions if isinstance(one[0], Retraction) else others
        of_kind.setdefault(one[0], one)
    return [*retractions.values(), *others.values()]


def folds[T](events: Sequence[tuple[Event, T]], most: int) -> Iterator[list[tuple[Event, T]]]:
    """Yield a learner's events in parts that close at most `most` days, so that each fits into one write.

    A learner with few days has one part, in the order given. Otherwise the parts are in order of their UTC
    days, so that a later part changes no day that an earlier one has closed.
    """
    if len(set[Any]().union(*(_days(event) for event, _ in events))) <= most:
        if events:
            yield list(events)
        return
    part: list[tuple[Event, T]] = []
    days: set[tuple[str, int]] = set()
    # In order of arrival within a UTC day: events with one identity are of the same day.
    in_order = sorted(events, key=lambda one: (one[0].utc_day, not isinstance(one[0], Retraction)))
    for one in in_order:
        own = _days(one[0])
        # A UTC day is never cut in two: its retractions and its digests belong together.
        if part and len(days | own) > most and one[0].utc_day != part[-1][0].utc_day:
            yield part
            part, days = [], set()
        part.append(one)
        days |= own
    yield part


def _days(event: Event) -> set[tuple[str, int]]:
    own = {("utc", event.utc_day)}
    day = local_day(event)
    return own if day is None else own | {("local", day)}


# -- steps -----------------------------------------------------------------------------------------

type Kind = Literal["copy", "partition", "fold"]


@dataclass(frozen=True)
class Step:
    """A step of a rebuild: something to do for each of many items.

    `copy` takes along what the log does not have. `partition` divides lines by learner, in one pass for each
    level. `fold` folds the learners of each partition. A round has the objects that one listing has found.
    """

    kind: Kind
    round: int
    level: int = 1

    @property
    def name(self) -> str:
        """The name under which the step's files are stored."""
        return f"{self.round}-{self.kind}-{self.level}"


FIRST = Step("copy", 0)


@dataclass(frozen=True)
class Run:
    """How far a rebuild is. It is stored after each step."""

    run: str
    colour: Colour
    """The generation that is built."""
    since: int
    """When its consumer began to read the stream, in seconds since 1970: the log must cover this time."""
    step: Step | None = None
    """The step under way; None before the first, and after the last."""
    attempts: int = 0
    """How often the step was given out."""
    items: int = 0
    """The number of the step's items."""
    bits: int = 0
    """The bits of the learners' hash by which this round is divided."""
    listed_at: int = 0
    """When the round's listing began, in milliseconds since 1970."""
    finished_at: int | None = None
    """In milliseconds since 1970."""

    def covers(self) -> bool:
        """Return whether the latest listing is late enough."""
        return self.listed_at >= 1000 * self.last_listing()

    def last_listing(self) -> int:
        """Return when the log may be listed for the last time, in seconds since 1970."""
        return self.since + MARGIN_SECONDS if self.since else 0

    def begin(self, step: Step, items: int) -> "Run":
        """Return the run with this step under way."""
        return replace(self, step=step, items=items, attempts=0)


RUN: TypeAdapter[Run] = TypeAdapter(Run)


def after(run: Run) -> Step | Literal["list", "end"]:
    """Return what follows a step all of whose items are done: another step, another listing, or the end."""
    step = run.step
    if step is None:
        return FIRST
    match step.kind:
        case "copy":
            return "list" if step.round == 0 else "end"
        case "partition":
            more = step.level < levels(run.bits)
            return replace(step, level=step.level + 1) if more else Step("fold", step.round)
        case "fold":
            # What was earned or erased meanwhile is taken along at the end, too.
            return Step("copy", step.round) if run.covers() else "list"
        case _:
            assert_never(step.kind)


# -- report ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What became of the log's lines. Nothing is left out without being counted here."""

    objects: int = 0
    lines: int = 0
    gone: tuple[str, ...] = ()
    """Objects that had disappeared when they were to be read: at most a hundred of them."""
    objects_gone: int = 0
    bad: tuple[str, ...] = ()
    """Lines and rests of objects that can't be read, with the reason: at most a hundred."""
    bad_lines: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Records that the consumer would put into quarantine, by code."""
    learners: int = 0
    applied: int = 0
    duplicates: int = 0
    erased: int = 0
    """Events of erased learners, and of others from before they started again."""
    troubled: tuple[str, ...] = ()
    """Learners who could not be folded, with the reason: at most a hundred."""
    learners_in_trouble: int = 0
    awards: int = 0
    """Awards that were taken along."""
    tombstones: int = 0
    """Erased learners who were taken along."""
    started_again: tuple[str, ...] = ()
    """Learners who were erased and started again while the rebuild ran: refold them. At most a hundred."""
    must_cover: int = 0
    """A time that the log must cover besides that of the consumer's begin, in seconds since 1970."""

    def plus(self, other: "Report") -> "Report":
        """Return the sum of two reports."""
        values: dict[str, Any] = {}
        for name, mine in vars(self).items():
            others = getattr(other, name)
            if isinstance(mine, tuple):
                values[name] = (*mine, *others)[:MAX_LISTED]
            elif isinstance(mine, dict):
                values[name] = dict(sorted((Counter(mine) + Counter(others)).items()))
            else:
                values[name] = max(mine, others) if name == "must_cover" else mine + others
        return Report(**values)


REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def total(reports: Iterable[Report]) -> Report:
    """Return the sum of reports."""
    found = Report()
    for report in reports:
        found = found.plus(report)
    return found
