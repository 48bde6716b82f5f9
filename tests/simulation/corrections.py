"""Histories with corrections: retractions, damaged items and refolds, while consumers fold.

The log lags behind the stream. At the end, each learner's views must be the recomputation of exactly the
events whose digests they hold: all valid ones, but for those that were retracted and left out by a refold.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from cli.refold import valid_of
from functions.errors import is_transient
from functions.quarantine import Position
from functions.records import read_data
from functions.refold import LogLags, OvertakenRefold, Refolder
from tests.simulation import recompute
from tests.simulation.catalog_writer import CatalogWriter
from tests.simulation.comparison import comparable
from tests.simulation.dynamo import TABLE, Item, Key, Written
from tests.simulation.event_source import Logged
from tests.simulation.faults import Crash, Violation
from tests.simulation.history import History, Record, history
from tests.simulation.reading import Event, Identity, StoredCatalog, day_number, digests_of, read
from tests.simulation.releases import THIS
from tests.simulation.simulation import Simulation

CHANGES = 3
"""Maximum items of a refold in one transaction beside the state, so that most refolds need several."""


def correctable(seed: int) -> History:
    """Return the history of a seed without what would leave open which events the views must have."""
    given = history(seed)
    circumstances = replace(
        given.circumstances,
        item_bytes=400 * 1024,
        transaction_bytes=4 * 1024 * 1024,
        oversize_rate=0.0,
        expiry_rate=0.0,
        next_release_rate=0.0,
        damaged_learners=0,
        readers=0,
        catalog_first=True,
    )
    return given.but(circumstances=circumstances, records=tuple(_unambiguous(given.sent)))


def _unambiguous(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records, but only one variant of each identity."""
    variants: dict[Identity, Event] = {}
    for record in records:
        event = read(record)
        if event is None or variants.setdefault(event.identity, event) == event:
            yield record._replace(number=0, frame="", parts=())


class Corrections(Simulation):
    """A simulation with actors that retract, damage and refold."""

    def __init__(self, given: History, tracing: bool = False) -> None:
        super().__init__(given, tracing)
        self.random = Random(given.seed * 7 + 1)
        self.sent: dict[Identity, Event] = {
            event.identity: event for event in map(read, given.records) if event is not None
        }
        self.users = sorted({user for user, _, _ in self.sent})
        self.retracted: set[Identity] = set()
        self.damages: dict[str, int] = {}  # type: ignore[assignment]  # those of the base class are of its own
        """The number of the last damage of each learner who was not refolded since."""
        self.noted: dict[tuple[str, int], set[bytes]] = {}
        """The digests that were noted as retracted, by learner and UTC day."""
        self.applied: dict[tuple[str, int], set[bytes]] = {}
        for client in (self.dynamo, self.releases.stores[THIS].client):
            client.check_writes = self._check_writes

    def run(self) -> None:
        """Run the history and check its result. Raise Violation if an invariant is broken."""
        world = self.world
        world.spawn("catalog writer", CatalogWriter(world, self.releases).apply, self.history.rows)
        world.run_actors()
        records = list(self.history.records)
        for retraction in self._retractions():
            records.insert(self.random.randrange(len(records) + 1), retraction)
        self.source.start(tuple(record.numbered(n) for n, record in enumerate(records)))
        self.spawn_actors()
        world.run_actors()
        world.plan.budget = 0
        # A wrong counter can only be seen from outside. Whoever sees it refolds the learner.
        for user in list(self.damages):
            self.refold(user, 1.0)
        self.check()

    def spawn_actors(self) -> None:
        """Start the actors that work beside the consumers."""
        for n in range(1 + self.world.below(2)):
            self.world.spawn(f"refold-{n}", self._refold_some)
        if self.world.chance(0.5):
            self.world.spawn("damage", self._damage_some)

    def _retractions(self) -> Iterator[Record]:
        for identity in self.random.sample(sorted(self.sent), min(len(self.sent), self.random.randrange(5))):
            user, day, event_id = identity
            self.retracted.add(identity)
            fields = {"event_id": event_id, "user_id": user, "retracted_on": f"{day}"}
            # It is no interaction, so the checks of interactions must not read it.
            yield Record(0, user, json.dumps(fields).encode(), self.history.records[0].arrived_at, False)

    # -- actors ------------------------------------------------------------------------------------

    def _refold_some(self) -> None:
        for _ in range(6):
            for _ in range(self.world.below(8)):
                self.world.switch()
            self.refold(self.random.choice(self.users), self.random.choice((1.0, 1.0, 0.8, 0.3)))

    def refold(self, user: str, share: float) -> None:
        """Refold a learner from a share of the log."""
        world, store = self.world, self.releases.stores[THIS]
        damage = self.damages.get(user)
        try:
            refolder = Refolder(self.dynamo, TABLE, store.full_catalog(), self.history.circumstances.freezes)  # type: ignore[arg-type]
            stored = refolder.read(user)
            log = list(self.source.log.values())
            received = [one for logged in log[: round(share * len(log))] for one in _read(logged)]
            events = valid_of(user, received)
            world.note(f"refolds {user} from {len(events)} events")
            result = refolder.refold(stored, events)
            if result.left:
                outcome = self._new_projector(self.releases.all[0]).apply(result.left)
                world.seen["events that a refold found besides"] += outcome.applied
                if outcome.errors:
                    raise outcome.errors[0]
        except LogLags:
            world.seen["LogLags"] += 1
        except (Exception, Crash) as error:
            if not isinstance(error, OvertakenRefold | Crash) and not is_transient(error):
                raise Violation(f"a refold fails with {error!r}") from error
            world.seen[f"refolds that ended with {type(error).__name__}"] += 1
            # Some of its transactions may have been written. It must be run again.
            self.damages[user] = -world.steps
        else:
            world.seen["refolds"] += 1
            world.seen["refolds that changed something"] += bool(result.changed)
            world.seen["refolds in several transactions"] += len(result.changed) > CHANGES
            if damage is not None and self.damages.get(user) == damage:
                del self.damages[user]

    def _damage_some(self) -> None:
        for n in range(2):
            for _ in range(self.world.below(20)):
                self.world.switch()
            keys = [key for key in self.dynamo.items if key[1].startswith("DAY#") or key[1] == "STATE"]
            if not keys:
                continue
            key = self.random.choice(sorted(keys))
            item = self.dynamo.items[key]
            wrong: Item = {"exams": {"M": {}}} if key[1] == "STATE" else {"tallies": {"M": {}}}
            self.dynamo.items[key] = {**item, **wrong}
            self.damages[key[0].removeprefix("USER#")] = n
            self.world.seen["damaged items"] += 1

    def _check_writes(self, changes: list[Written], release: str) -> None:
        """Check that a learner's items are written with the state, and that what was retracted stays out."""
        self.invariants.check_writes(changes, release)
        users = {pk for (pk, _), _, _ in changes if pk.startswith("USER#")}
        if with_state := users - {pk for (pk, sk), _, _ in changes if sk == "STATE"}:
            raise Violation(f"items of {sorted(with_state)} are written without the state's version")
        for (pk, sk), _, new in changes:
            for field, found in (("digests", self.applied), ("retracted", self.noted)):
                for number, digest in digests_of(sk, new, field):
                    of_day = found.setdefault((pk, number), set())
                    was_retracted = digest in self.noted.get((pk, number), ())
                    if field == "digests" and digest not in of_day and was_retracted:
                        raise Violation(f"{pk}: a retracted event is applied")
                    of_day.add(digest)

    # -- the final check ---------------------------------------------------------------------------

    def check(self) -> None:
        """Raise Violation if the views are not those of the events that they must have."""
        catalog = StoredCatalog.of(self.dynamo.items, self.history.circumstances.ordinals_per_part)
        for user in self.users:
            items = {key: item for key, item in self.dynamo.items.items() if key[0] == f"USER#{user}"}
            self.check_learner(user, items, catalog)

    def check_learner(self, user: str, items: Mapping[Key, Item], catalog: StoredCatalog) -> None:
        """Raise Violation if a learner's items are not those of the events that they must have."""
        held = {found for (_, sk), item in items.items() for found in digests_of(sk, item)}
        noted = {found for (_, sk), item in items.items() for found in digests_of(sk, item, "retracted")}
        for identity in self.retracted:
            event = self.sent[identity]
            if event.user == user and (day_number(event.utc_day), event.digest) not in noted:
                raise Violation(f"{identity} was retracted, and the views don't say so")
        events = []
        for identity, event in self.sent.items():
            if event.user != user or not catalog.knows(event):
                continue
            if (day_number(event.utc_day), event.digest) in held:
                events.append(event)
                held.discard((day_number(event.utc_day), event.digest))
                self.world.seen["retracted events that wait for a refold"] += identity in self.retracted
            elif identity in self.retracted:
                self.world.seen["retracted events that are left out"] += 1
            else:
                raise Violation(f"{identity} is lost: it is not in the views")
        if held:
            raise Violation(f"{user}: the views have digests of interactions that were never sent")
        expected = recompute.learner(user, events, catalog, self.history.circumstances.freezes, True)
        stored = _views(items)
        recomputed = _views(expected.items)
        if not events:
            # Nothing but retractions is left.
            stored = {key: item for key, item in stored.items() if key[1] != "STATE"}
        for key in sorted(stored.keys() | recomputed.keys()):
            if stored.get(key) != recomputed.get(key):
                raise Violation(
                    f"{key} differs from its recomputation:\n"
                    f"  stored:     {stored.get(key)}\n  recomputed: {recomputed.get(key)}"
                )


def _read(logged: Logged) -> Iterator[object]:
    kinesis = logged.event["kinesis"]
    position = Position(logged.event["eventID"].partition(":")[0], kinesis["sequenceNumber"])
    arrived_at = datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC)
    return iter(read_data(b64decode(kinesis["data"]), position, arrived_at))


def _views(items: Mapping[Key, Item]) -> dict[Key, Item]:
    """Return the items that show what was counted, without the digests."""
    return {
        key: {name: value for name, value in comparable(item, False).items() if name != "applied"}
        for key, item in items.items()
        if key[1] == "STATE" or key[1].startswith("DAY#")
    }
