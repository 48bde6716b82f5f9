"""The stream and its event source: shards of records, delivered in batches to consumers that may crash."""

import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulation.damage import UNREADABLE
from tests.simulation.faults import Crash, Violation
from tests.simulation.history import MAX_TROUBLES, Record
from tests.simulation.invariants import REDRIVABLE, Invariants
from tests.simulation.quarantine import Message
from tests.simulation.releases import Release, Releases
from tests.simulation.transient import is_transient, leaves
from tests.simulation.world import World

REDRIVEN_AFTER = 6 * 86400
"""Seconds after its first arrival at which a record is redriven."""


@dataclass(slots=True)
class Logged:
    """A record on the stream."""

    record: Record
    position: str
    """Shard and sequence number."""
    event: dict[str, Any]
    """The record as the consumer receives it."""

    def sent(self) -> list[tuple[str, Record]]:
        """Return the records without their frame, with the position of each."""
        if not self.record.parts:
            return [(self.position, self.record)]
        return [(f"{self.position}:{n}", part) for n, part in enumerate(self.record.parts, 1)]


class EventSource:
    """Delivers a stream's records to consumers until each batch succeeds or expires."""

    def __init__(
        self,
        world: World,
        invariants: Invariants,
        releases: Releases,
        new_projector: Callable[[Release], Any],
    ) -> None:
        self.world = world
        self.circumstances = world.circumstances
        self.invariants = invariants
        self.releases = releases
        self.new_projector = new_projector
        self.warm: dict[str, list[Any]] = {release.name: [] for release in releases.all}
        """Consumers of finished invocations by release. They keep their catalog for the next."""
        self.log: dict[str, Logged] = {}
        """Every record, by position."""
        self.sent = invariants.sent
        self.expired: list[Logged] = []
        """Records that were given up because of their age, and went to the on-failure destination."""

    # -- the stream --------------------------------------------------------------------------------

    def start(self, records: tuple[Record, ...]) -> None:
        """Put the records on the stream, and start an actor for each shard."""
        for number, parts in enumerate(self._shards(records)):
            self.world.spawn(f"shard-{number}", self._poll_shard, number, parts)

    def redrive(self, messages: list[Message]) -> None:
        """Deliver again what was refused for unknown content or an unreadable item, and what expired."""
        self.start_redrive(messages)
        self.world.run_actors()

    def start_redrive(self, messages: list[Message]) -> None:
        """Start an actor that delivers these again."""
        refused = {m.payload: m.position for m in messages if m.code in REDRIVABLE}
        records = [self.sent[position] for position in refused.values()]
        records += [logged.record for logged in self.expired]
        again = [
            self._append(record.arriving(record.arrived_at + REDRIVEN_AFTER), "redrive", n)
            for n, record in enumerate(records)
        ]
        self.world.seen["redriven records"] += len(refused)
        self.world.seen["expired records"] += len(self.expired)
        self.world.spawn("redrive", self._poll, again, False)

    def replay(self) -> None:
        """Deliver the whole log again, without faults."""
        self.world.plan.budget = 0
        self.world.spawn("replay", self._poll, list(self.log.values()))
        self.world.run_actors()
        self.world.seen["replays"] += 1

    def _shards(self, records: tuple[Record, ...]) -> list[list[list[Logged]]]:
        """Distribute the records over shards. Each shard is a list of a parent and its two children."""
        c = self.circumstances
        shards: list[list[list[Logged]]] = [[[], [], []] for _ in range(c.shards)]
        half = len(records) // 2 if c.reshards else len(records)
        for n, record in enumerate(records):
            hash_key = sum(record.user.encode()) if c.partitioned_by_learner else self.world.below(8)
            number = hash_key % c.shards
            part = 0 if n < half else 1 + hash_key // c.shards % 2
            shards[number][part].append(self._append(record, f"shardId-{number}{part}", n))
        return shards

    def _append(self, record: Record, shard: str, n: int) -> Logged:
        sequence_number = f"{n + 1:05}"
        position = f"{shard}:{sequence_number}"
        event = {
            "eventID": position,
            "kinesis": {
                "sequenceNumber": sequence_number,
                "partitionKey": record.user,
                "data": b64encode(record.payload).decode(),
                "approximateArrivalTimestamp": float(record.arrived_at),
            },
        }
        logged = self.log[position] = Logged(record, position, event)
        self.sent.update(logged.sent())
        if record.frame:
            self.world.seen["framed records"] += 1
            self.world.seen[f"framed records: {record.frame}"] += 1
            self.world.seen["records in frames"] += len(record.parts)
            self.world.seen["bad records in frames"] += sum(not part.valid for part in record.parts)
        return logged

    # -- delivery ----------------------------------------------------------------------------------

    def _poll_shard(self, number: int, parts: list[list[Logged]]) -> None:
        """Deliver a shard in order, and afterwards both its children at the same time."""
        parent, *children = parts
        self._poll(parent)
        for n, child in enumerate(children):
            if child:
                self.world.spawn(f"shard-{number}{n + 1}", self._poll, child)

    def _poll(self, records: list[Logged], may_expire: bool = True) -> None:
        start = 0
        while start < len(records):
            size = 1 + self.world.below(self.circumstances.batch_size)
            self._deliver(records[start : start + size], may_expire)
            start += size

    def _deliver(self, batch: list[Logged], may_expire: bool) -> None:
        """Deliver a batch, whole or in halves, until it succeeds or, if allowed, expires."""
        c, world = self.circumstances, self.world
        if world.chance(c.concurrent_delivery_rate):
            # The event source believes that its consumer died, and starts another one.
            world.spawn("second consumer", self._invoke, batch)
            world.seen["batches delivered to two consumers"] += 1
        while True:
            succeeded = self._invoke(batch)
            if succeeded and not world.chance(c.redelivery_rate):
                return
            if not succeeded and may_expire and world.chance(c.expiry_rate):
                self.expired += batch
                return
            if not succeeded and c.bisects and len(batch) > 1 and world.chance(0.5):
                middle = len(batch) // 2
                self._deliver(batch[:middle], may_expire)
                self._deliver(batch[middle:], may_expire)
                return
            world.seen["redelivered records"] += len(batch)

    # -- invocations -------------------------------------------------------------------------------

    def _invoke(self, batch: list[Logged]) -> bool:
        """Invoke a consumer with a batch, and return whether it succeeded."""
        world = self.world
        world.seen["delivered records"] += len(batch)
        release = self.releases.either()
        warm = self.warm[release.name]
        projector = warm.pop() if warm and world.chance(0.95) else self.new_projector(release)
        self.invariants.invocation_begins()
        numbers = [logged.record.number for logged in batch]
        world.note(f"batch of records {numbers} for {release.name}")
        world.seen[f"deliveries to {release.name}"] += 1
        sent = [one for logged in batch for one in logged.sent()]
        try:
            outcome = projector.project([logged.event for logged in batch], self._time_left)
        except Crash:
            world.seen["crashes"] += 1
            return False
        except Exception as error:
            errors = leaves(error)
            troubles = [e for e in errors if not is_transient(e)]
            if unexpected := [e for e in troubles if not self.invariants.may_flood(e)]:
                raise Violation(f"the consumer fails with {unexpected[0]!r}") from error
            if len(troubles) == len(errors):
                world.seen["batches that failed for many learners in trouble"] += 1
                self.invariants.check_flood(sent)
            world.note(f"the batch fails: {errors[0]!r}")
            world.seen.update(type(e).__name__ for e in errors)
            world.seen["failed batches"] += 1
            warm.append(projector)
            return False
        warm.append(projector)
        world.seen["records dropped because their learner is erased"] += outcome.erased
        accounted = outcome.applied + outcome.duplicates + outcome.erased + len(outcome.quarantined)
        if accounted != len(sent):
            raise Violation(f"the consumer accounts for {accounted} of {len(sent)} records")
        refused = {
            self.sent[str(entry.position)].user for entry in outcome.quarantined if entry.code in UNREADABLE
        }
        if len(refused) > MAX_TROUBLES:
            raise Violation(f"the records of {len(refused)} learners in trouble are refused at once")
        return True

    def _time_left(self) -> float:
        rate = self.circumstances.out_of_time_rate
        return 0.0 if rate and self.world.chance(rate) else math.inf
