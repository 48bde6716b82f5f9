"""Run one history: the real consumer, store and fold in a simulated world, and then the final checks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from types import ModuleType
from typing import Any

import functions.erasure
import functions.rarity
from tests.simulation import final_checks
from tests.simulation.catalog_writer import CatalogWriter
from tests.simulation.damage import Damages
from tests.simulation.dynamo import TABLE, Dynamo, Item, Key
from tests.simulation.eraser import Counting, erase, erased_now, refold
from tests.simulation.event_source import EventSource
from tests.simulation.faults import Violation
from tests.simulation.final_checks import FinalState
from tests.simulation.history import History
from tests.simulation.invariants import Invariants
from tests.simulation.quarantine import S3, Sqs
from tests.simulation.reader import read_views
from tests.simulation.releases import NEXT, THIS_RELEASE, Release, Releases
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one history."""

    violation: str | None
    """The invariant that was broken, if any."""
    hits: Counter[tuple[str, str]]
    """Counts by (call site, fault); by (call site, "calls") for all calls."""
    seen: Counter[str]
    """How often the history contained each kind of event: what this run has tested."""
    fired: tuple[int, ...] = ()
    """The numbers of the faults that were injected."""
    trace: tuple[str, ...] = ()
    digest: str = ""
    """SHA-256 of the table at the end, if the run was traced."""


class Simulation:
    """A world with its services and actors."""

    def __init__(self, history: History, tracing: bool) -> None:
        self.history = history
        self.world = World(history, tracing)
        self.invariants = invariants = Invariants(self.world)
        self.dynamo = Dynamo(self.world, invariants.check_writes)
        self.damages = invariants.damages = Damages(self.world, self.dynamo)
        self.releases = Releases(self.world, self.dynamo.client_of, TABLE)
        self.s3 = S3(self.world)
        self.sqs = Sqs(self.world, self.s3, invariants.check_refusal)
        self.source = EventSource(self.world, invariants, self.releases, self._new_projector)

    def run(self) -> None:
        """Run the history and check its result. Raise Violation if an invariant is broken."""
        world, c = self.world, self.history.circumstances
        world.spawn("catalog writer", CatalogWriter(world, self.releases).apply, self.history.rows)
        if c.catalog_first:
            world.run_actors()
        self.source.start(self.history.records)
        users = sorted({record.user for record in self.history.sent})
        for n in range(c.readers):
            world.spawn(f"reader-{n}", read_views, world, self.releases, self.damages, users)
        if c.damaged_learners:
            world.spawn("damage", self.damages.run, c.damaged_learners)
        if c.erased_learners:
            world.spawn("eraser", erase, world, self.dynamo, world.shuffled(users)[: c.erased_learners])
        if c.refolds:
            new = partial(self._new_projector, THIS_RELEASE)
            world.spawn("refolder", refold, world, self.dynamo, self.source, c.refolds, new)
        counting = Counting(world, self.dynamo)
        if c.counts_rarity:
            world.spawn("counter", counting.run, 20)
        world.run_actors()
        self.source.redrive(self.sqs.messages)
        if c.counts_rarity:
            world.spawn("counter", counting.finish)
            world.run_actors()
        if c.erased_learners and world.plan.fired:
            # The next pass repeats the erasures: a mark whose answer was lost can have come after all.
            world.plan.budget = 0
            world.spawn("erasure pass", erase, world, self.dynamo, sorted(erased_now(self.dynamo)))
            world.run_actors()
        self._check()
        if self.history.seed % 8 == 0 and not c.may_refuse:
            self._check_replay()

    def _new_projector(self, release: Release) -> Any:
        world = self.world
        quarantine = release.quarantine.Quarantine(lambda: self.sqs, lambda: self.s3, "queue", "bucket")
        return release.project.Projector(
            self.releases.stores[release.name],
            quarantine,
            self.history.circumstances.freezes,
            pause=world.sleep,
            clock=world.clock,
        )

    def _check(self) -> None:
        source = self.source
        expired = frozenset(position for logged in source.expired for position, _ in logged.sent())
        final_checks.check(
            FinalState(
                self.history,
                self.dynamo.items,
                source.sent,
                expired,
                self.sqs.messages,
                self.world.seen,
                frozenset(key for key, by in self.invariants.applied_by.items() if by == NEXT),
                frozenset(key for key, by in self.invariants.awarded_by.items() if by == NEXT),
                frozenset(erased_now(self.dynamo)),
            )
        )

    def _check_replay(self) -> None:
        """Check that replaying the whole log onto the live views changes nothing but `version`."""
        before = self._items_without_versions()
        self.source.replay()
        if self._items_without_versions() != before:
            raise Violation("replaying the whole log changed the views")

    def _items_without_versions(self) -> dict[Key, Item]:
        return {
            key: {name: value for name, value in item.items() if name != "version"}
            for key, item in self.dynamo.items.items()
        }


class _Logger:
    """Stands in for the consumer's logger."""

    def error(self, *args: object, **more: object) -> None:
        """Write nothing."""


class _Clock:
    """Stands in for the module `time`."""

    def __init__(self, world: World) -> None:
        self.sleep = world.sleep


@contextmanager
def patched(world: World, releases: Releases) -> Iterator[None]:
    """Give the code under test the history's limits, and the world's chance and clock."""
    changes = [change for release in releases.all for change in _changes(world, release)]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _changes(world: World, release: Release) -> list[tuple[ModuleType, str, Any]]:
    c = world.circumstances
    erasing = [
        (functions.erasure, "random", world.random),
        (functions.erasure, "MAX_RACES", c.max_races),
        (functions.rarity, "random", world.random),
        (functions.rarity, "STATES_AT_ONCE", c.batch_get),
        (functions.rarity, "ERASED_AT_ONCE", c.transaction_items // 3),
    ]
    project, store, items = release.project, release.store, release.items
    return [
        *(erasing if release is THIS_RELEASE else ()),
        (project, "random", world.random),
        (project, "logger", _Logger()),
        (project, "STATES_PER_READ", c.batch_get - 1),
        (project, "MAX_RACES", c.max_races),
        (release.catalog, "MAX_RACES", c.max_races),
        (store, "time", _Clock(world)),
        (store, "random", world.random),
        (store, "MAX_BATCH_GET", c.batch_get),
        (items, "MAX_TRANSACTION_ITEMS", c.transaction_items),
        (items, "MAX_TRANSACTION_BYTES", c.transaction_bytes),
        (items, "MAX_ITEM_BYTES", c.item_bytes),
        (store, "MAX_CATALOG_READS", c.max_reads),
        (store, "MAX_READ_TRIES", c.max_reads),
        (release.catalog_items, "ORDINALS_PER_PART", c.ordinals_per_part),
        (release.quarantine, "MAX_INLINE_BYTES", c.inline_bytes),
    ]


def run(history: History, tracing: bool = False) -> Result:
    """Run a history and return its result."""
    simulation = Simulation(history, tracing)
    world = simulation.world
    violation = None
    try:
        with patched(world, simulation.releases):
            simulation.run()
    except Violation as broken:
        violation = str(broken)
    except BaseException as error:
        # Not a broken invariant, but a bug in the simulator or an interrupt.
        error.add_note(f"in the history of seed {history.seed}; {replay_command(history.seed)}")
        raise
    digest = sha256(repr(sorted(simulation.dynamo.items.items())).encode()).hexdigest() if tracing else ""
    return Result(
        violation, world.plan.hits, world.seen, tuple(world.plan.fired), tuple(world.trace or ()), digest
    )


def replay_command(seed: int) -> str:
    """Return a sentence with the command that replays a seed."""
    return f"to replay it: make simulate SEED={seed}"
