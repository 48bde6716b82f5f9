"""The actors around erasures: who erases learners, who counts them, and who refolds them from the log."""

from collections.abc import Callable
from typing import Any

import functions.erasure
import functions.rarity
import functions.refold
import functions.store
from functions.records import Received, read_record
from tests.simulation.dynamo import TABLE, Dynamo
from tests.simulation.event_source import EventSource
from tests.simulation.faults import Crash, Violation
from tests.simulation.reading import Event, Identity, read
from tests.simulation.transient import is_transient
from tests.simulation.world import World

ERASED_AT = 1_800_000_000_000_000
"""Microseconds since 1970."""
REFOLDS_TRIES = 30


def erase(world: World, dynamo: Dynamo, users: list[str]) -> None:
    """Erase learners one after the other, each as often as it takes, and some of them once more."""
    for user in users:
        for _ in range(world.below(80)):
            world.switch()
        client: Any = dynamo.client_of("an erasure")
        eraser = functions.erasure.Eraser(client, TABLE, world.sleep)
        while not _succeeds(world, "erasing", eraser.erase, user, ERASED_AT) or world.chance(0.2):
            world.switch()
        world.seen["erased learners"] += 1


class Counting:
    """Delivers the table's inserts to the counter, some of them more than once."""

    def __init__(self, world: World, dynamo: Dynamo) -> None:
        self.world = world
        self.dynamo = dynamo
        self.done = 0
        client: Any = dynamo.client_of("the counter")
        self.counter = functions.rarity.LearnerCounter(client, TABLE, world.sleep)

    def run(self, deliveries: int) -> None:
        """Make some deliveries, while others write."""
        for _ in range(deliveries):
            self._deliver()
            for _ in range(self.world.below(8)):
                self.world.switch()

    def finish(self) -> None:
        """Deliver everything that is left."""
        while self.done < len(self.dynamo.inserted):
            self._deliver()

    def _deliver(self) -> None:
        world, inserted = self.world, self.dynamo.inserted
        end = min(len(inserted), self.done + 1 + world.below(8))
        again = max(0, self.done - world.below(4) * world.below(4))
        keys = [key for key in inserted[again:end] if key[1] == "STATE" or key[1].startswith("EARNED#")]
        inserts = [functions.rarity.Insert(*key) for key in keys]
        if _succeeds(world, "counting", _count, self.counter, inserts):
            self.done = end


def _count(counter: Any, inserts: list[Any]) -> None:
    counter.count(inserts)
    counter.uncount_erased(inserts)


def refold(
    world: World, dynamo: Dynamo, source: EventSource, times: int, new_projector: Callable[[], Any]
) -> None:
    """Damage randomly chosen learners, and refold each from the log until it succeeds or can't.

    Not those with an ambiguous identity: the log has another variant first, and awards of the other stay.
    """
    users = unambiguous_users(source)
    if not users:
        return
    client: Any = dynamo.client_of("a refold")
    for _ in range(times):
        for _ in range(world.below(60)):
            world.switch()
        user = users[world.below(len(users))]
        _damage(dynamo, user)
        for _ in range(REFOLDS_TRIES):
            try:
                catalog = functions.store.Store(client, TABLE).full_catalog()
                freezes = world.circumstances.freezes
                refolder = functions.refold.Refolder(client, TABLE, catalog, freezes)
                result = refolder.refold(refolder.read(user), _events(source, user))
                for error in new_projector().apply(result.left).errors:
                    raise error
            except Crash:
                continue
            except functions.refold.Erased:
                world.seen["refolds of erased learners"] += 1
                break
            except (functions.refold.LogLags, functions.refold.OvertakenRefold) as error:
                world.seen[f"refolds: {type(error).__name__}"] += 1
            except Exception as error:
                if not is_transient(error):
                    raise Violation(f"refolding fails with {error!r}") from error
            else:
                world.seen["refolds"] += 1
                break
            world.switch()


def _damage(dynamo: Dynamo, user: str) -> None:
    """Give a learner's state something that a refold mends, so that it writes."""
    key = f"USER#{user}", "STATE"
    state = dynamo.items.get(key)
    if state is not None and "erased_at" not in state and "exams" not in state:
        dynamo.items[key] = {**state, "exams": {"M": {}}}


def unambiguous_users(source: EventSource) -> list[str]:
    """Return the learners of whom no two different events with the same identity were sent."""
    variants: dict[Identity, list[Event]] = {}
    for record in source.sent.values():
        event = read(record)
        if event is not None and event not in variants.setdefault(event.identity, []):
            variants[event.identity].append(event)
    ambiguous = {identity[0] for identity, events in variants.items() if len(events) > 1}
    return sorted({identity[0] for identity in variants} - ambiguous)


def _events(source: EventSource, user: str) -> list[Any]:
    """Return a learner's valid events that have been on the stream, in order of arrival."""
    found = [one for logged in source.log.values() for one in read_record(logged.event)]
    received = [one for one in found if isinstance(one, Received) and one.interaction.user_id == user]
    return sorted(received, key=lambda one: one.arrived_at)


def _succeeds(world: World, what: str, call: Any, *arguments: Any) -> bool:
    """Call something that may fail, and return whether it succeeded."""
    try:
        call(*arguments)
    except Crash:
        return False
    except Exception as error:
        leaves = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        if not all(map(is_transient, leaves)):
            raise Violation(f"{what} fails with {error!r}") from error
        world.seen[f"failures while {what}"] += 1
        return False
    return True


def erased_now(dynamo: Dynamo) -> set[str]:
    """Return the learners whose state is a tombstone."""
    return {
        pk.removeprefix("USER#")
        for (pk, sk), item in dynamo.items.items()
        if sk == "STATE" and "erased_at" in item
    }
