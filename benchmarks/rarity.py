"""Model how many awards a second can be counted within DynamoDB's limits. The target is at least 2,000.

python -m benchmarks.rarity

The limits are documented: a key, and each partition of a table, take 1,000 write units a second; a
transactional write of an item of up to 1 KB costs two; a transaction has at most 100 items, and is
cancelled if one that is in progress has an item in common with it. How long a transaction takes is not
documented: the model assumes 10 ms and half a millisecond for each item.

The arithmetic without contention: the counter of one achievement takes 1,000 / 2 = 500 transactions a
second on one key. A transaction of 100 items counts 99 awards of one achievement, so 2,000 awards a second
need 21 transactions, or 42 of the key's 1,000 write units. Each transaction takes 60 ms, so on one key more
than one would be in progress on average (21 * 0.06 = 1.3); on each of 8 keys it is one sixth of one. The
marks cost two write units each, so 2,000 awards a second need those of at least 4 partitions.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from functions.rarity import MAX_TRIES, SHARDS, Insert, max_pause, transactions

UNITS = 1_000
"""Write units a second that a key and a partition take."""
UNITS_PER_WRITE = 2
SECONDS = 20
BATCH = 1_000
PARTITIONS = 16
"""Partitions of the table, and so shards of its stream. Each shard has one consumer at a time."""


class Way(NamedTuple):
    """A way to count: how many keys a counter has, and how a batch is split into transactions."""

    shards: int
    split: Callable[[list[Insert]], Iterator[list[Insert]]]


def one_by_one(batch: list[Insert]) -> Iterator[list[Insert]]:
    """Yield one transaction for each insert, as the first release counted."""
    yield from ([insert] for insert in batch)


BEFORE = Way(1, one_by_one)
AFTER = Way(SHARDS, transactions)


class _Limit:
    """The write units that a key or a partition has left: at most those of one second."""

    def __init__(self) -> None:
        self.left, self.at = float(UNITS), 0.0

    def take(self, now: float, units: float) -> bool:
        self.left, self.at = min(UNITS, self.left + (now - self.at) * UNITS), now
        if self.left < units:
            return False
        self.left -= units
        return True


class Model:
    """The counters' keys, the partitions, and the consumers that count as fast as they can."""

    def __init__(self, way: Way, achievements: int, seed: int) -> None:
        self.way = way
        self.achievements = achievements
        self.random = random.Random(seed)
        self.now = 0.0
        self.counted = 0
        self.done = 0
        self.conflicts = 0
        self._held: set[str] = set()
        self._keys: dict[str, _Limit] = {}

    def run(self) -> None:
        """Run all consumers for the time of the model, from an endless backlog."""
        consumers = [self._consumer(number) for number in range(PARTITIONS)]
        turns = [(self.random.random() / 10, number) for number in range(PARTITIONS)]
        heapq.heapify(turns)
        while turns[0][0] < SECONDS:
            self.now, number = heapq.heappop(turns)
            heapq.heappush(turns, (self.now + next(consumers[number]), number))

    def _consumer(self, number: int) -> Iterator[float]:
        """Count batch after batch. Yield the seconds until the next step."""
        partition = _Limit()
        learner = 0
        while True:
            batch = []
            for _ in range(BATCH):
                learner += 1
                achievement = self.random.randrange(self.achievements)
                batch.append(Insert(f"USER#{number}-{learner}", f"EARNED#{achievement}"))
            for part in self.way.split(batch):
                yield from self._transaction(part, partition)

    def _transaction(self, part: list[Insert], partition: _Limit) -> Iterator[float]:
        attempt = 0
        while True:
            shard = self.random.randrange(self.way.shards)
            counters = {f"{insert.counter}#{shard}" for insert in part}
            seconds = 0.01 + 0.0005 * (len(part) + len(counters))
            fits = partition.take(self.now, UNITS_PER_WRITE * len(part)) & all(
                self._keys.setdefault(key, _Limit()).take(self.now, UNITS_PER_WRITE) for key in counters
            )
            if fits and not counters & self._held:
                self._held |= counters
                yield seconds
                self._held -= counters
                self.counted += len(part)
                self.done += 1
                return
            self.conflicts += fits
            # A batch that gives up comes again, which takes no less time.
            attempt = min(attempt + 1, MAX_TRIES)
            yield seconds + self.random.uniform(0, max_pause(attempt - 1))


def model_of(way: Way, achievements: int, seed: int = 1) -> Model:
    """Return the model after its run, with awards of so many achievements, each as often."""
    model = Model(way, achievements, seed)
    model.run()
    return model


def main() -> None:
    """Print the awards counted a second, before and after, and the transactions that met another one."""
    print(f"{PARTITIONS} partitions, {SHARDS} keys a counter: awards counted a second (conflicts)")
    print(f"{'achievements':>14} {'one by one, one key':>22} {'in batches':>22}")
    for achievements in (1, 30, 3_000):
        figures = []
        for way in (BEFORE, AFTER):
            model = model_of(way, achievements)
            conflicts = model.conflicts / (model.conflicts + model.done)
            figures.append(f"{model.counted / SECONDS:12,.0f} ({conflicts:6.1%})")
        print(f"{achievements:14,} " + " ".join(figures))


if __name__ == "__main__":
    main()
