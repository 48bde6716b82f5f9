"""Histories in which a second generation is rebuilt from the log while both consumers fold.

Objects of the log are duplicated, hold lines twice, disappear, and have lines that can't be read; every step
crashes, is throttled and runs out of time. At the end, the built generation's views must be the recomputation
of the same events, awards must be those that learners had, and nothing may have been written to the live one.
"""

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, cast

import pytest

import domain.rebuilding
import functions.generation_copy
import functions.replay
import functions.replay_fold
import functions.replay_lines
import functions.run_files
from domain.catalog import Catalog
from domain.comparing import Logged, Side, differences, explain, side
from domain.days import microseconds
from domain.generations import FIRST, Epoch
from domain.learner import Learner
from domain.log_line import line_for, to_text
from functions import items as stored_items
from functions.catalog_copy import copy_catalog
from functions.project import Projector
from functions.quarantine import Quarantined
from functions.rebuild_runs import LatestRun
from functions.records import Received
from functions.replay import Replay
from functions.run_files import RunFiles
from functions.store import Store
from tests.simulation import recompute
from tests.simulation.catalog_writer import CatalogWriter
from tests.simulation.corrections import Corrections, _read, correctable
from tests.simulation.dynamo import TABLE, Dynamo, Item, Key, Written
from tests.simulation.event_source import Logged as Delivered
from tests.simulation.faults import Crash, Violation
from tests.simulation.files import Files
from tests.simulation.history import History, history
from tests.simulation.reading import StoredCatalog
from tests.simulation.transient import is_transient, leaves

GREEN = "green"
RUN = "run-1"
MAX_INVOCATIONS = 60
"""Attempts of one step. The faults of a history end long before."""


def rebuildable(seed: int) -> History:
    """Return the history of a seed without what would leave open which events the views must have.

    In a third of the histories some identities are ambiguous.
    """
    if seed % 3:
        return correctable(seed)
    return correctable(seed).but(
        records=tuple(one._replace(number=0, frame="", parts=()) for one in history(seed).sent)
    )


class _Tables:
    """A client for both tables. Whoever builds one of them may only read the other."""

    def __init__(self, live: Dynamo, built: Dynamo) -> None:
        self.live = live
        self.built = built

    def _of(self, table: str) -> Any:
        return self.built if table == GREEN else self.live

    def get_item(self, **request: Any) -> Any:
        return self._of(request["TableName"]).get_item(**request)

    def batch_get_item(self, **request: Any) -> Any:
        [table] = request["RequestItems"]
        return self._of(table).batch_get_item(**request)

    def query(self, **request: Any) -> Any:
        return self._of(request["TableName"]).query(**request)

    def scan(self, **request: Any) -> Any:
        return self._of(request["TableName"]).scan(**request)

    def get_paginator(self, operation: str) -> Any:
        tables = self

        class Paginator:
            def paginate(self, **request: Any) -> Any:
                return tables._of(request["TableName"]).get_paginator(operation).paginate(**request)

        return Paginator()

    # What writes to the live table fails in the simulated DynamoDB of the other one.

    def put_item(self, **request: Any) -> Any:
        return self.built.put_item(**request)

    def transact_write_items(self, **request: Any) -> Any:
        return self.built.transact_write_items(**request)


class _Runs:
    """The control table's item about this rebuild."""

    def __init__(self) -> None:
        self.item = LatestRun(RUN, "green", 1)

    def latest(self) -> LatestRun:
        return self.item

    def finish(self, run: LatestRun, at: int) -> None:
        self.item = run._replace(finished_at=at)


class _Generations:
    """The control table's item about what is live: blue, all the time."""

    def epochs(self) -> tuple[Epoch, ...]:
        return FIRST


class Rebuilding(Corrections):
    """A simulation with a log, a second table with a consumer of its own, and a rebuild."""

    def __init__(self, given: History, tracing: bool = False) -> None:
        super().__init__(given, tracing)
        self.is_ambiguous = given.seed % 3 == 0
        self.green = Dynamo(self.world, self._check_green, GREEN)
        self.tables: Any = _Tables(self.dynamo, self.green)
        self.files = Files(self.world)
        self.runs = _Runs()
        self.first_of_consumer = 0
        """The number of the first record that the new generation's consumer reads."""
        self.delivered = 0
        """How many of the records are in the log's objects."""
        self.since = self.files.now
        self.taken_along: dict[Key, Item] = {}
        """The awards that were there when the last step of the rebuild began."""
        self.erased: str | None = None

    def run(self) -> None:
        """Run the history and check its result. Raise Violation if an invariant is broken."""
        world = self.world
        world.spawn("catalog writer", CatalogWriter(world, self.releases).apply, self.history.rows)
        world.run_actors()
        records = list(self.history.records)
        for retraction in () if self.is_ambiguous else self._retractions():
            records.insert(self.random.randrange(len(records) + 1), retraction)
        self.source.start(tuple(record.numbered(n) for n, record in enumerate(records)))
        if world.chance(0.3):
            # The live views have everything before the rebuild begins.
            world.run_actors()
        self.first_of_consumer = world.below(len(self.source.log) + 1)
        if world.chance(0.2):
            self._erase_at_once()
        world.spawn("firehose", self._deliver_log)
        world.spawn("green consumer", self._consume)
        world.spawn("step functions", self._rebuild)
        world.run_actors()
        world.plan.budget = 0
        self._check_rebuilt()

    # -- the log -----------------------------------------------------------------------------------

    def _deliver_log(self) -> None:
        """Write the log's objects, later than the records arrive."""
        records = list(self.source.log.values())
        while self.delivered < len(records):
            for _ in range(self.world.below(12)):
                self.world.switch()
            size = 1 + self.world.below(10)
            some = records[self.delivered : self.delivered + size]
            self._put_object(f"log/2026/11/{20 + self.delivered % 7}/{self.delivered:05}", some)
            self.delivered += len(some)

    def _put_object(self, key: str, records: list[Delivered]) -> None:
        world = self.world
        lines: list[str] = []
        for record in records:
            for one in _read(record):
                assert isinstance(one, Received | Quarantined)
                where = one.position
                line = line_for(one.payload, one.arrived_at, where.shard, where.sequence_number, where.part)
                # Firehose delivers at least once, and early releases wrote the payload alone.
                lines += [to_text(line)] * (2 if world.chance(0.1) else 1)
        if world.chance(0.1):
            lines.insert(world.below(len(lines) + 1), "nonsense")
        body = gzip.compress("\n".join(lines).encode())
        if world.chance(0.1):
            body = b"".join(gzip.compress(f"{line}\n".encode()) for line in lines)
        self.files.put(key, body)
        if world.chance(0.2):
            self.files.put(f"{key}-again", body)
            world.seen["duplicated objects"] += 1
            if world.chance(0.5):
                world.spawn(f"remove {key}", self._remove, f"{key}-again")
        if world.chance(0.1):
            self.files.put(f"{key}-cut", body[: len(body) // 2])
        if world.chance(0.1):
            self.files.put(f"{key}-foreign", b"\x89PNG\r\n\x1a\n")

    def _remove(self, key: str) -> None:
        for _ in range(self.world.below(60)):
            self.world.switch()
        self.files.objects.pop(key, None)

    # -- the consumer of the generation that is built -----------------------------------------------------

    def _consume(self) -> None:
        records = list(self.source.log.values())[self.first_of_consumer :]
        while records:
            size = 1 + self.world.below(8)
            some, records = records[:size], records[size:]
            for _ in range(self.world.below(4)):
                self.world.switch()
            while not self._invoke_consumer(some):
                pass

    def _invoke_consumer(self, records: list[Delivered]) -> bool:
        projector = Projector(
            Store(self.tables, GREEN),
            None,  # type: ignore[arg-type]  # nothing is put into it
            self.history.circumstances.freezes,
            was_live=lambda _: False,
            follow_catalog=lambda: copy_catalog(Store(self.tables, TABLE), Store(self.tables, GREEN)),
            pause=self.world.sleep,
            clock=self.world.clock,
        )
        projector.quarantine = _NoQuarantine()  # type: ignore[assignment]
        try:
            projector.project([record.event for record in records])
        except Crash:
            return False
        except Exception as error:
            self._must_be_transient(error)
            return False
        return not self.world.chance(0.1)

    # -- the rebuild -------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Do what Step Functions does."""
        for _ in range(self.world.below(40)):
            self.world.switch()
        while True:
            planned = self._try(lambda: self._replay().plan("green"), "plan")
            if planned["next"] == "end":
                return
            if planned["next"] == "wait":
                self.world.switch()
                continue
            self._map(json.loads(self.files.objects[planned["items"]]))

    def _map(self, items: list[dict[str, str]]) -> None:
        """Do the items, several at the same time, and some of them twice."""
        if items and "copy" in items[0]["step"] and not items[0]["step"].startswith("0-"):
            self.taken_along = {k: i for k, i in self.dynamo.items.items() if k[1].startswith("EARNED#")}
        left = [item for item in items for _ in range(2 if self.world.chance(0.1) else 1)]
        ended = 0

        def work() -> None:
            nonlocal ended
            while left:
                item = left.pop()
                self._try(lambda item=item: self._work(item), item["step"])
            ended += 1

        workers = 1 + self.world.below(3)
        for n in range(workers):
            self.world.spawn(f"worker-{n}", work)
        while ended < workers:
            self.world.switch()

    def _work(self, item: dict[str, str]) -> None:
        while not self._replay().work(item["step"], item["item"], self._seconds_left):
            self.world.seen["invocations that ran out of time"] += 1

    def _seconds_left(self) -> float:
        return 0.0 if self.world.chance(0.2) else math.inf

    def _try(self, what: Any, name: str) -> Any:
        for _ in range(MAX_INVOCATIONS):
            try:
                return what()
            except Crash:
                self.world.seen[f"crashes of {name.split('-')[-2] if '-' in name else name}"] += 1
            except Exception as error:
                self._must_be_transient(error)
                self.world.seen[f"failures of {name.split('-')[-2] if '-' in name else name}"] += 1
                self.world.note(f"{name} fails with {error!r}")
        raise Violation(f"{name} fails again and again")

    def _must_be_transient(self, error: Exception) -> None:
        names = {"NotWritten", "CatalogLags", "FileNotFoundError"}
        for leaf in leaves(error):
            if not is_transient(leaf) and type(leaf).__name__ not in names:
                raise Violation(f"it fails with {leaf!r}") from error

    def _replay(self) -> Replay:
        world = self.world
        return Replay(
            RunFiles(lambda: cast(Any, self.files), "bucket", RUN),
            self.runs,  # type: ignore[arg-type]
            _Generations(),  # type: ignore[arg-type]
            {"blue": Store(self.tables, TABLE), "green": Store(self.tables, GREEN)},
            self.history.circumstances.freezes,
            since=int(self.since.timestamp()),
            pause=world.sleep,
            clock=world.clock,
            now=self._now,
        )

    def _now(self) -> datetime:
        """An hour after the consumer's begin, the log has everything that the consumer does not read."""
        is_late = self.delivered >= self.first_of_consumer
        self.files.now = self.since + timedelta(seconds=3601 if is_late else 60)
        return self.files.now

    # -- erasures ----------------------------------------------------------------------------------

    def _erase_at_once(self) -> None:
        """Erase a learner of the live generation before the rebuild begins."""
        self.erased = self.random.choice(self.users)
        pk = f"USER#{self.erased}"
        old = self.dynamo.items.get((pk, "STATE"))
        version = int(old["version"]["N"]) if old else 0
        for key in [key for key in self.dynamo.items if key[0] == pk]:
            del self.dynamo.items[key]
        learner = Learner(self.erased, version + 1, erased_at=microseconds(self.since))
        self.dynamo.items[pk, "STATE"] = stored_items.state_item(learner)
        self.world.seen["erased learners"] += 1

    # -- checks ------------------------------------------------------------------------------------

    def _check_green(self, changes: list[Written], release: str) -> None:
        """Check that versions go up by 1, that awards are silent, and that states are written with all."""
        users = {pk for (pk, _), _, _ in changes if pk.startswith("USER#")}
        if with_state := users - {pk for (pk, sk), _, _ in changes if sk == "STATE"}:
            raise Violation(f"items of {sorted(with_state)} are written without the state's version")
        for (pk, sk), old, new in changes:
            self.world.note(f"green: wrote {pk} {sk}")
            if sk == "STATE":
                expected = 1 + (int(old["version"]["N"]) if old else 0)
                if int(new["version"]["N"]) != expected:
                    raise Violation(f"{pk} {sk} goes to version {new['version']['N']}, not {expected}")
                if old and "erased_at" in old:
                    raise Violation(f"{pk} is written over a tombstone")
            if sk.startswith("EARNED#") and "silent" not in new:
                raise Violation(f"{pk} {sk} would be announced")

    def _check_rebuilt(self) -> None:
        if self.runs.item.finished_at is None:
            raise Violation("the rebuild has not ended")
        catalog = StoredCatalog.of(self.green.items, self.history.circumstances.ordinals_per_part)
        events = self._logged()
        known = Store(self.tables, TABLE).full_catalog()
        for user in self.users:
            items = {key: item for key, item in self.green.items.items() if key[0] == f"USER#{user}"}
            if user == self.erased:
                if [key[1] for key in items] != ["STATE"] or "erased_at" not in items[
                    f"USER#{user}", "STATE"
                ]:
                    raise Violation(f"{user} was erased, and {sorted(items)} are there")
                continue
            if not self.is_ambiguous:
                self.check_learner(user, items, catalog)
            self._check_awards(user, items, catalog)
            self._check_compared(user, events.get(user, []), known)
        self.world.seen["rebuilt"] += 1

    def _check_awards(self, user: str, items: Mapping[Key, Item], catalog: StoredCatalog) -> None:
        for key, award in self.taken_along.items():
            if key[0] == f"USER#{user}" and items.get(key, {}).get("award") != award["award"]:
                raise Violation(f"{key} was not taken along: {items.get(key)}")
        state = items.get((f"USER#{user}", "STATE"))
        if state is None:
            return
        earned = set(json.loads(state["earned"]["S"]))
        if earned != {key[1].removeprefix("EARNED#") for key in items if key[1].startswith("EARNED#")}:
            raise Violation(f"{user}: the items of awards are not those of {sorted(earned)}")
        if not self.is_ambiguous and not self.retracted:
            events = [event for event in self.sent.values() if event.user == user and catalog.knows(event)]
            due = recompute.learner(user, events, catalog, self.history.circumstances.freezes, True).due
            if events and not due <= earned:
                raise Violation(f"{user} earned {sorted(earned)}, and {sorted(due - earned)} are due")

    def _logged(self) -> dict[str, list[Logged]]:
        found: dict[str, list[Logged]] = {}
        for delivered in self.source.log.values():
            for one in _read(delivered):
                if isinstance(one, Received):
                    logged = Logged(one.interaction, microseconds(one.arrived_at))
                    found.setdefault(one.interaction.user_id, []).append(logged)
        for events in found.values():
            events.sort(key=lambda logged: logged.arrived_at)
        return found

    def _check_compared(self, user: str, events: list[Logged], catalog: Catalog) -> None:
        """Check that `compare` finds the generations equal, or explains why they are not."""
        live, built = (_side(each.items, user) for each in (self.dynamo, self.green))
        found = differences(live, built)
        self.world.seen["equal learners" if not found else "differing learners"] += 1
        if found:
            why = explain(live, built, events, catalog, self.history.circumstances.freezes)
            if isinstance(why, str):
                raise Violation(f"{user}: {found} are unexplained; wrong is {why}")
            for reason in why:
                self.world.seen[f"explained: {reason}"] += 1


class _NoQuarantine:
    def put(self, records: Any) -> None:
        if records:
            raise Violation("a consumer of views that are not live refuses records")


def _side(items: Mapping[Key, Item], user: str) -> Side:
    own = [item for key, item in items.items() if key[0] == f"USER#{user}"]
    states = [stored_items.learner_of(item) for item in own if item["sk"]["S"] == "STATE"]
    return side(
        states[0] if states else Learner(user),
        [stored_items.day_of(item) for item in own if item["sk"]["S"].startswith("DAY#")],
        [stored_items.applied_of(item) for item in own if item["sk"]["S"].startswith("APPLIED#")],
    )


class _Quiet:
    def __getattr__(self, name: str) -> Any:
        return lambda *args, **more: None


@contextmanager
def small(simulation: Rebuilding) -> Iterator[None]:
    """Give the rebuild's modules small limits, so that histories of few records reach them."""
    world = simulation.world
    changes: list[tuple[ModuleType, str, Any]] = [
        (functions.replay_fold, "random", world.random),
        (functions.replay_fold, "logger", _Quiet()),
        (functions.replay_fold, "EVENTS_AT_ONCE", world.random.choice((3, 10, 10_000))),
        (functions.replay_fold, "STATES_PER_READ", world.random.choice((1, 2, 99))),
        (functions.replay_fold, "DAYS_PER_FOLD", world.random.choice((4, 80))),
        (functions.replay_fold, "MAX_TRIES", world.random.choice((2, 12))),
        (functions.generation_copy, "random", world.random),
        (functions.generation_copy, "MAX_AWARDS", world.random.choice((1, 2))),
        (functions.replay, "MAX_ATTEMPTS", MAX_INVOCATIONS),
        (functions.replay, "WRITTEN_LATE", timedelta(seconds=world.random.choice((0, 86400)))),
        (functions.replay, "LEARNERS_PER_SEGMENT", 1),
        (functions.run_files, "MAX_DELETED", 2),
        (domain.rebuilding, "PARTITION_BYTES", world.random.choice((100, 2_000, 10**9))),
        (domain.rebuilding, "BATCH_OBJECTS", world.random.choice((1, 3, 1_000))),
        (domain.rebuilding, "BITS_PER_LEVEL", 1),
        (functions.replay_lines, "BITS_PER_LEVEL", 1),
        (domain.rebuilding, "MAX_BITS", 3),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in changes:
            patch.setattr(module, name, value)
        yield
