"""The stream and its event source: shards of records, delivered in batches to consumers that may crash."""

import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functions.project import Projector
from tests.simulation.faults import Crash, Violation
from tests.simulation.history import Record
from tests.simulation.invariants import UNKNOWN, Invariants
from tests.simulation.quarantine import Message
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


class EventSource:
    """Delivers a stream's records to consumers until each batch succeeds or expires."""

    def __init__(self, world: World, invariants: Invariants, new_projector: Callable[[], Projector]) -> None:
        self.world = world
        self.circumstances = world.circumstances
        self.invariants = invariants
        self.new_projector = new_projector
        self.warm: list[Projector] = []
        """Consumers of finished invocations, which keep their catalog for the next."""
        self.log: dict[str, Logged] = {}
        """Every record, by position."""
        self.expired: list[Logged] = []
        """Records that were given up because of their age, and went to the on-failure destination."""

    # -- the stream --------------------------------------------------------------------------------

    def start(self, records: tuple[Record, ...]) -> None:
        """Put the records on the stream, and start an actor for each shard."""
        for number, parts in enumerate(self._shards(records)):
            self.world.spawn(f"shard-{number}", self._poll_shard, number, parts)

    def redrive(self, messages: list[Message]) -> None:
        """Deliver again what was refused for unknown content, and what expired."""
        refused = {message.payload: message.position for message in messages if message.code in UNKNOWN}
        records = [
            self.log[position].record._replace(payload=payload) for payload, position in refused.items()
        ]
        records += [logged.record for logged in self.expired]
        again = [
            self._append(record._replace(arrived_at=record.arrived_at + REDRIVEN_AFTER), "redrive", n)
            for n, record in enumerate(records)
        ]
        self.world.seen["redriven records"] += len(refused)
        self.world.seen["expired records"] += len(self.expired)
        self.world.spawn("redrive", self._poll, again, False)
        self.world.run_actors()

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
        projector = self.warm.pop() if self.warm and world.chance(0.95) else self.new_projector()
        self.invariants.invocation_begins()
        world.note(f"batch of records {[logged.record.number for logged in batch]}")
        try:
            outcome = projector.project([logged.event for logged in batch], self._time_left)
        except Crash:
            world.seen["crashes"] += 1
            return False
        except Exception as error:
            errors = leaves(error)
            if unexpected := [e for e in errors if not is_transient(e)]:
                raise Violation(f"the consumer fails with {unexpected[0]!r}") from error
            world.note(f"the batch fails: {errors[0]!r}")
            world.seen.update(type(e).__name__ for e in errors)
            world.seen["failed batches"] += 1
            self.warm.append(projector)
            return False
        self.warm.append(projector)
        accounted = outcome.applied + outcome.duplicates + len(outcome.quarantined)
        if accounted != len(batch):
            raise Violation(f"the consumer accounts for {accounted} of {len(batch)} records")
        return True

    def _time_left(self) -> float:
        rate = self.circumstances.out_of_time_rate
        return 0.0 if rate and self.world.chance(rate) else math.inf
