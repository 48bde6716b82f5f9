"""A reader of the views, which checks that each read is consistent while writes go on."""

from typing import Any

from tests.simulation.damage import UNREADABLE, Damages
from tests.simulation.faults import Crash, Violation
from tests.simulation.releases import Release, Releases
from tests.simulation.transient import is_transient
from tests.simulation.world import World

READS = 6


def read_views(world: World, releases: Releases, damages: Damages, users: list[str]) -> None:
    """Read the views and the digests of randomly chosen learners."""
    for _ in range(READS):
        user = users[world.below(len(users))]
        release = releases.either()
        store = releases.stores[release.name]
        try:
            state = store.read_state(user)
            stored = store.read(user, 0)
            if state and stored:
                _check_days(release, stored)
                # A local day overlaps with the UTC days of the same, the previous and the next date.
                utc_days = {number + shift for number in state.calendar for shift in (-1, 0, 1)}
                applied = store.read_applied(user, utc_days)
        except Crash:
            continue
        except Exception as error:
            # An eventually consistent read may find an item that was repaired meanwhile.
            if getattr(error, "code", None) in UNREADABLE & damages.in_trouble(user, 0):
                world.seen["reads of unreadable learners"] += 1
                continue
            if not is_transient(error):
                raise Violation(f"reading fails with {error!r}") from error
            continue
        if state and stored:
            digests = sum(map(len, applied.values()))
            if "erased_at" in damages.dynamo.items.get((f"USER#{user}", "STATE"), {}):
                continue  # Perhaps between the reads.
            if digests < state.total.interactions:
                raise Violation(f"a read finds {digests} digests of {state.total.interactions} interactions")


def _check_days(release: Release, stored: Any) -> None:
    """Check that no day is missing, and that each was written as a whole."""
    missing = set(stored.learner.calendar) - set(stored.days)
    if missing:
        raise Violation(f"a read lacks the days {sorted(missing)}")
    for number, day in stored.days.items():
        for breakdown in day.tallies.values():
            by_category = release.tally.total(breakdown.categories.values())
            if by_category != breakdown.total or not by_category.interactions:
                raise Violation(f"a read finds the sums {breakdown} on day {number}")
