"""A reader of the views, which checks that each read is consistent while writes go on."""

from domain.learner import Day
from functions.store import Store
from tests.simulation.faults import Crash, Violation
from tests.simulation.transient import is_transient
from tests.simulation.world import World

READS = 6


def read_views(world: World, store: Store, users: list[str]) -> None:
    """Read the views of randomly chosen learners."""
    for _ in range(READS):
        user = users[world.below(len(users))]
        try:
            store.read_state(user)
            stored = store.read(user, 0)
        except Crash:
            continue
        except Exception as error:
            if not is_transient(error):
                raise Violation(f"reading fails with {error!r}") from error
            continue
        if stored is None:
            continue
        missing = set(stored.learner.calendar) - set(stored.days)
        if missing:
            raise Violation(f"a read lacks the days {sorted(missing)}")
        for number, day in stored.days.items():
            _check_sum(number, day)


def _check_sum(number: int, day: Day) -> None:
    counted = sum(breakdown.total.interactions for breakdown in day.tallies.values())
    if counted != len(day.digests):
        raise Violation(
            f"a read finds {counted} interactions on day {number}, but {len(day.digests)} digests"
        )
