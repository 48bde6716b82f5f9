"""The releases that a history runs beside each other: this one, and a generated next one."""

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import domain.tally
import functions.catalog
import functions.catalog_items
import functions.items
import functions.project
import functions.quarantine
import functions.store
from tests.simulation.next_release import next_release

if TYPE_CHECKING:
    from tests.simulation.world import World

THIS, NEXT = "this release", "the next release"


@dataclass(frozen=True, slots=True)
class Release:
    """The modules of a release that the simulator uses."""

    name: str
    tally: ModuleType
    catalog: ModuleType
    catalog_items: ModuleType
    items: ModuleType
    project: ModuleType
    quarantine: ModuleType
    store: ModuleType


THIS_RELEASE = Release(
    THIS,
    domain.tally,
    functions.catalog,
    functions.catalog_items,
    functions.items,
    functions.project,
    functions.quarantine,
    functions.store,
)


class Releases:
    """The releases of one history, each with its store on the same table."""

    def __init__(self, world: "World", new_client: Any, table: str) -> None:
        self.world = world
        self.all = [THIS_RELEASE]
        if world.circumstances.next_release_rate:
            modules = next_release()
            names = ("domain.tally", *(f"functions.{name}" for name in Release.__slots__[2:]))
            self.all.append(Release(NEXT, *(modules[name] for name in names)))
        self.stores = {
            release.name: release.store.Store(new_client(release.name), table) for release in self.all
        }

    def either(self) -> Release:
        """Draw the release that handles the next delivery."""
        rate = self.world.circumstances.next_release_rate
        return self.all[-1] if rate and self.world.chance(rate) else THIS_RELEASE
