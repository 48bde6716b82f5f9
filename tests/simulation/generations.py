"""Histories of two generations of the views: a consumer each, and cutovers at random times.

Both consumers read the same stream, each as fast as it happens to be. The time is that of the stream: it goes
on while records arrive. The control table is read through the real code, which keeps what it has read for
five seconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cli.cutover import NOTICE_SECONDS
from domain.generations import COLOURS, FIRST, Colour, Epoch, live_at, other, to_text
from domain.refusals import refusal_of
from functions.catalog_copy import copy_catalog
from functions.generations import Generations
from functions.project import has_applied
from functions.quarantine import Quarantined
from functions.records import Received
from tests.simulation import final_checks
from tests.simulation.aws_errors import throttled
from tests.simulation.catalog_writer import CatalogWriter
from tests.simulation.dynamo import TABLE, Dynamo, Item, Key, Written
from tests.simulation.eraser import unambiguous_users
from tests.simulation.event_source import EventSource, Logged
from tests.simulation.faults import CRASH_AFTER, CRASH_BEFORE, READ_FAULTS, THROTTLED, Crash, Violation
from tests.simulation.final_checks import FinalState
from tests.simulation.history import History, Record, history
from tests.simulation.invariants import Invariants
from tests.simulation.quarantine import S3, Message, Sqs
from tests.simulation.releases import Release, Releases
from tests.simulation.simulation import Result, patched, replay_command
from tests.simulation.world import World

MAX_CUTOVERS = 4
FLEETING = ("score-", ":mastered:", ":half", ":all")
"""Parts of the names of achievements whose rule can become false again, or depends on the whole catalog.
Whether one is reached depends on the batches, and so can differ between the generations."""


def history_of_generations(seed: int) -> History:
    """Return a history in which the stream's records arrive in order, one or two seconds after the other.

    All records of a learner are in one shard, so both consumers get them in the same order. Nothing is
    damaged, erased, given up or handled by another release: other histories are about that.
    """
    drawn = history(seed)
    c = drawn.circumstances
    one_shard = c.framed_rate > 0  # A frame holds records of several learners.
    circumstances = replace(
        c,
        partitioned_by_learner=True,
        shards=1 if one_shard else c.shards,
        # Some batches hold records from before and from after a cutover.
        batch_size=max(16, c.batch_size),
        reshards=c.reshards and not one_shard,
        damaged_learners=0,
        erased_learners=0,
        refolds=0,
        counts_rarity=False,
        next_release_rate=0.0,
        expiry_rate=0.0,
        oversize_rate=0.0,
        item_bytes=400 * 1024,
        transaction_bytes=4 * 1024 * 1024,
        readers=0,
    )
    now = max((record.arrived_at for record in drawn.sent), default=0)
    records = []
    for number, record in enumerate(drawn.records):
        now += 1 + (seed + number) % 2
        records.append(record.arriving(now))
    return drawn.but(circumstances=circumstances, records=tuple(records))


class Clock:
    """The time of the stream, in seconds since 1970, and the records that have arrived by then."""

    def __init__(self, world: World, records: tuple[Record, ...]) -> None:
        self.world = world
        self.records = records
        self.now = records[0].arrived_at if records else 0

    def run(self) -> None:
        """Let time pass until every record has arrived."""
        while self.records and self.now < self.records[-1].arrived_at:
            for _ in range(self.world.below(5)):
                self.world.switch()
            self.now += 1


class Control:
    """The control table, as the functions and `streakline cutover` use it."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self.epochs: tuple[Epoch, ...] = FIRST

    def get_item(self, **_: Any) -> Item:
        """Return the item with the epochs."""
        self.world.switch()
        fault = self.world.plan.draw("epochs: get_item", READ_FAULTS)
        if fault in (CRASH_BEFORE, CRASH_AFTER):
            raise Crash("epochs: get_item")
        if fault == THROTTLED:
            raise throttled("GetItem", False, 0)
        return {"Item": {"epochs": {"S": to_text(self.epochs)}}}

    def cut_over(self, times: int) -> None:
        """Cut over so many times, each a while after the one before has begun."""
        for _ in range(times):
            for _ in range(self.world.below(90)):
                self.world.switch()
            begins = (self.clock.now + NOTICE_SECONDS) * 1000
            self.epochs = (*self.epochs, Epoch(other(self.epochs[-1].live), begins))
            self.world.seen["cutovers"] += 1
            while self.clock.now * 1000 < begins and self.clock.now < self.clock.records[-1].arrived_at:
                self.world.switch()

    def live_at(self, arrived_at: float) -> Colour:
        """Return which generation was live at a time, as it turned out."""
        return live_at(self.epochs, datetime.fromtimestamp(arrived_at, UTC))


class CopyInvariants(Invariants):
    """The invariants of a generation whose catalog can be a copy: its version goes up by more than one."""

    def check_writes(self, changes: list[Written], release: str) -> None:
        """Check the catalog's writes, and pass the others on."""
        for key, old, new in changes:
            if key[1] == "HEAD" and new is not None and old is not None:
                if int(new["version"]["N"]) <= int(old["version"]["N"]):
                    raise Violation("a copy of the catalog goes back")
            elif key[1].startswith("CERT#") and new is not None:
                self._check_ordinals(key[1], old, new)
        super().check_writes([each for each in changes if each[0][0] != "CATALOG"], release)


class Source(EventSource):
    """An event source that delivers nothing before it has arrived."""

    clock: Clock

    def _poll(self, records: list[Logged], may_expire: bool = True) -> None:
        start = 0
        while start < len(records):
            arrived = sum(one.record.arrived_at <= self.clock.now for one in records[start:])
            if not arrived and may_expire:
                self.world.switch()
                continue
            size = 1 + self.world.below(self.circumstances.batch_size)
            size = min(size, arrived) if may_expire else size
            self._deliver(records[start : start + size], may_expire)
            start += size


class Generation:
    """One generation: its table, its consumer, and what its consumer has noted."""

    def __init__(self, simulation: "GenerationsSimulation", colour: Colour) -> None:
        world = simulation.world
        self.simulation = simulation
        self.colour = colour
        self.invariants = CopyInvariants(world) if colour == "green" else Invariants(world)
        self.dynamo = Dynamo(world, self.invariants.check_writes)
        self.releases = Releases(world, self.dynamo.client_of, TABLE)
        [self.store] = self.releases.stores.values()
        self.sqs = Sqs(world, simulation.s3, self._check_refusal)
        self.source = Source(world, self.invariants, self.releases, self._new_projector)
        self.source.clock = simulation.clock
        self.noted: set[tuple[str, str, int | None]] = set()

    def _check_refusal(self, message: Message) -> None:
        self.invariants.check_refusal(message)
        arrived_at = self.source.sent[message.position].arrived_at
        if self.simulation.control.live_at(arrived_at) != self.colour:
            raise Violation(
                f"{self.colour} quarantines {message.position}, which arrived when it was not live"
            )

    def _new_projector(self, release: Release) -> Any:
        simulation, world = self.simulation, self.simulation.world
        client: Any = simulation.control
        generations = Generations(client, "control", clock=lambda: float(simulation.clock.now))
        quarantine = release.quarantine.Quarantine(lambda: self.sqs, lambda: simulation.s3, "queue", "bucket")
        rival = simulation.generations[other(self.colour)]
        return release.project.Projector(
            self.store,
            quarantine,
            world.circumstances.freezes,
            note_refusals=self._note,
            was_live=lambda at: generations.live_at(at) == self.colour,
            follow_catalog=lambda: copy_catalog(rival.store, self.store),
            is_judged=rival.has_judged,
            pause=world.sleep,
            clock=world.clock,
        )

    def _note(self, refused: list[Quarantined]) -> None:
        self.simulation.world.switch()
        for entry in refused:
            if found := refusal_of(entry.payload, entry.code, entry.reason):
                self.noted.add(found[:3])

    def has_judged(self, one: Received) -> bool:
        """Return whether this generation's consumer has refused an event, or applied its identity."""
        self.simulation.world.switch()
        event = one.interaction
        noted = (event.user_id, event.event_id, event.utc_day) in self.noted
        return noted or has_applied(self.store, event)


class GenerationsSimulation:
    """A world with two generations of the views."""

    def __init__(self, drawn: History, tracing: bool = False) -> None:
        self.history = drawn
        self.world = World(drawn, tracing)
        self.clock = Clock(self.world, drawn.records)
        self.control = Control(self.world, self.clock)
        self.s3 = S3(self.world)
        self.generations: Mapping[Colour, Generation] = {c: Generation(self, c) for c in COLOURS}

    def run(self) -> None:
        """Run the history and check its result. Raise Violation if an invariant is broken."""
        world, both = self.world, list(self.generations.values())
        blue, green = both
        writer = CatalogWriter(world, blue.releases, (green.store,))
        world.spawn("catalog writer", writer.apply, self.history.rows)
        if self.history.circumstances.catalog_first:
            world.run_actors()
        world.spawn("clock", self.clock.run)
        world.spawn("cutovers", self.control.cut_over, world.below(MAX_CUTOVERS))
        for one in both:
            one.source.start(self.history.records)
        world.run_actors()
        messages = [message for one in both for message in one.sqs.messages]
        # What is redriven arrives days later, when no cutover is near.
        self.clock.now += 7 * 86400
        for one in both:
            one.source.start_redrive(messages)
        world.run_actors()
        self._check()

    def _check(self) -> None:
        both = list(self.generations.values())
        messages = [message for one in both for message in one.sqs.messages]
        for one in both:
            final_checks.check(
                FinalState(
                    self.history,
                    one.dynamo.items,
                    one.source.sent,
                    frozenset(),
                    messages,
                    self.world.seen,
                    by_next=frozenset(),
                    awarded_by_next=frozenset(),
                    erased=frozenset(),
                )
            )
        blue, green = (one.dynamo.items for one in both)
        if _catalog(blue) != _catalog(green):
            raise Violation("the catalogs of the generations differ")
        if self.history.circumstances.catalog_first:
            self._check_announced(blue, green)

    def _check_announced(self, blue: Mapping[Key, Item], green: Mapping[Key, Item]) -> None:
        """Check that each award that both consumers must reach at the same record is announced by one."""
        # Which of two events with one identity counts depends on the batches, too.
        users = {f"USER#{user}" for user in unambiguous_users(self.generations["blue"].source)}
        names = [
            {key for key in items if key[1].startswith("EARNED#") and key[0] in users}
            for items in (blue, green)
        ]
        for key in names[0] | names[1]:
            if any(part in key[1] for part in FLEETING):
                continue
            announced = [key in items and "silent" not in items[key] for items in (blue, green)]
            if sum(announced) != 1:
                raise Violation(f"{key} is announced by {sum(announced)} consumers")
            self.world.seen[f"awards announced by {COLOURS[announced.index(True)]}"] += 1


def _catalog(items: Mapping[Key, Item]) -> dict[Key, Item]:
    return {key: item for key, item in items.items() if key[0] == "CATALOG"}


def run_generations(drawn: History) -> Result:
    """Run a history of two generations and return its result."""
    simulation = GenerationsSimulation(drawn)
    world = simulation.world
    violation = None
    try:
        with patched(world, simulation.generations["blue"].releases):
            simulation.run()
    except Violation as broken:
        violation = str(broken)
    except BaseException as error:
        error.add_note(f"in the history of seed {drawn.seed}; {replay_command(drawn.seed)}")
        raise
    return Result(violation, Counter(world.plan.hits), world.seen, tuple(world.plan.fired))
