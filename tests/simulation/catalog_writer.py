"""The consumer of the content table's stream, which writes the catalog."""

from typing import Any

from tests.simulation.faults import Crash, Violation
from tests.simulation.history import Row
from tests.simulation.releases import Releases
from tests.simulation.transient import is_transient
from tests.simulation.world import World

UNUSABLE = {
    "eventName": "REMOVE",
    "dynamodb": {"Keys": {"content_id": {"S": "ä"}, "certification_type": {"S": ""}}},
}
"""A change of a row whose key no interaction can name."""


class CatalogWriter:
    """Applies the content table's changes to the catalog, batch after batch."""

    def __init__(self, world: World, releases: Releases, copies: tuple[Any, ...] = ()) -> None:
        self.world = world
        self.releases = releases
        self.copies = copies
        """The stores of other generations of the views."""
        self.now = 1_790_000_000_000_000
        """Microseconds since 1970."""
        self.idle: dict[str, list[Any]] = {release.name: [] for release in releases.all}
        """Processes of each release that wait for a batch, with the catalog in their memory."""

    def apply(self, batches: tuple[tuple[Row, ...], ...]) -> None:
        """Deliver each batch until it succeeds, some to two consumers at the same time."""
        c, world = self.world.circumstances, self.world
        for batch in batches:
            records = [row.stream_record() for row in batch]
            if world.chance(0.05):
                records.append(UNUSABLE)
            finished: list[bool] = []
            concurrent = world.chance(c.concurrent_delivery_rate)
            if concurrent:
                world.spawn(
                    "second catalog writer", lambda r=records, done=finished: done.append(self._update(r))
                )
            while not self._update(records) or world.chance(c.redelivery_rate):
                world.switch()
            # The table's stream is delivered in order: both consumers must end before the next batch.
            while concurrent and not finished:
                world.switch()

    def _update(self, records: list[dict[str, Any]]) -> bool:
        """Invoke the consumer with a batch, and return whether it succeeded."""
        world = self.world
        self.now += 1 + world.below(1_000_000)
        # The consumers' clocks differ.
        now = self.now - world.below(3) * world.below(3_000_000)
        release = self.releases.either()
        changes, _ = release.catalog.changes_of(records)
        idle = self.idle[release.name]
        store = self.releases.stores[release.name]
        writer = idle.pop() if idle else release.catalog.CatalogWriter(store, self.copies)
        try:
            writer.update(changes, now)
        except Crash:
            return False
        except Exception as error:
            idle.append(writer)
            if not is_transient(error):
                raise Violation(f"updating the catalog fails with {error!r}") from error
            world.seen[f"{type(error).__name__} while updating the catalog"] += 1
            return False
        idle.append(writer)
        return True
