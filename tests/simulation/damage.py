"""Damage stored items while a history runs, and repair them later.

A damaged item is one learner's trouble. An item that a consumer overwrites meanwhile is repaired thereby: the
consumer had read it before.
"""

from dataclasses import dataclass, field
from math import inf

from tests.simulation.dynamo import Dynamo, Item, Key
from tests.simulation.history import MAX_TROUBLES
from tests.simulation.world import World

UNREADABLE = {"unreadable_state", "later_format"}
"""The reasons for refusal that end once the item is repaired."""
FORMAT = 2
"""The format of states that this release writes."""
_WRONG: Item = {"NULL": True}


@dataclass(slots=True)
class Damage:
    """One damaged item, and how long it was damaged."""

    key: Key
    code: str
    """The reason for which its learner's records are refused."""
    repaired: Item
    damaged: Item | None
    """None if the item is gone."""
    since: int
    """The step of the world."""
    until: float = inf

    @property
    def user(self) -> str:
        return self.key[0].removeprefix("USER#")


@dataclass(slots=True)
class Damages:
    """Damages items, and remembers when each of them was damaged."""

    world: World
    dynamo: Dynamo
    done: list[Damage] = field(default_factory=list)

    def run(self, learners: int) -> None:
        """Damage an item of each of so many learners, and repair them after a while, up to three times."""
        world = self.world
        for _ in range(1 + world.below(3)):
            current: list[Damage] = []
            self._wait(60)
            for _ in range(5):
                users = self._users()
                if len(users) >= min(learners, MAX_TROUBLES + 1):
                    break
                self._wait(30)
            for user in world.shuffled(sorted(users & self._users()))[:learners]:
                current.append(self._damage(user, 0.9 if learners > MAX_TROUBLES else 0.4))
            self._wait(120)
            for damage in current:
                self._repair(damage)

    def in_trouble(self, user: str, since: float) -> set[str]:
        """Return the reasons for which records of a learner may have been refused since a step."""
        return {damage.code for damage in self.done if damage.user == user and damage.until >= since}

    @property
    def may_flood(self) -> bool:
        """Return whether so many learners were in trouble that a batch may have failed for it."""
        return len({damage.user for damage in self.done}) > MAX_TROUBLES

    def _users(self) -> set[str]:
        """Return the partition keys of the learners who are not erased."""
        stored = self.dynamo.items.items()
        return {pk for (pk, sk), item in stored if sk == "STATE" and "erased_at" not in item}

    def _wait(self, most: int) -> None:
        for _ in range(self.world.below(most)):
            self.world.switch()

    def _damage(self, pk: str, state_rate: float) -> Damage:
        world, items = self.world, self.dynamo.items
        keys = sorted(key for key in items if key[0] == pk)
        # The state is in every batch's way, a closed day in that of late records, and an award in nobody's.
        closed = [key for key in keys if key[1].startswith(("APPLIED#", "DAY#"))]
        others = closed if closed and world.chance(0.8) else keys
        key = (pk, "STATE") if world.chance(state_rate) else others[world.below(len(others))]
        repaired = items[key]
        name, damaged = _choose(world, key[1], repaired)
        code = "unreadable_state"
        if name == "later format":
            # A later release migrates the state, and its rollback takes that back. Each is a write.
            code = "later_format"
            version = int(repaired["version"]["N"])
            damaged = {**repaired, "format": {"N": str(FORMAT + 1)}, "version": {"N": str(version + 1)}}
            repaired = {**repaired, "version": {"N": str(version + 2)}}
        damage = Damage(key, code, repaired, damaged, world.steps)
        self.done.append(damage)
        self._store(key, damaged)
        world.seen["unreadable items"] += 1
        world.seen[f"unreadable items: {name}"] += 1
        world.note(f"damaged {key}: {name}")
        return damage

    def _repair(self, damage: Damage) -> None:
        state = self.dynamo.items.get((damage.key[0], "STATE"), {})
        if "erased_at" in state:
            self.world.seen["unreadable items of erased learners"] += 1
        elif self.dynamo.items.get(damage.key) is damage.damaged:
            self._store(damage.key, damage.repaired)
            self.world.note(f"repaired {damage.key}")
        damage.until = self.world.steps

    def _store(self, key: Key, item: Item | None) -> None:
        self.dynamo.before.setdefault(key, []).append(self.dynamo.items.get(key))
        if item is None:
            del self.dynamo.items[key]
        else:
            self.dynamo.items[key] = item


def _choose(world: World, sk: str, item: Item) -> tuple[str, Item | None]:
    """Return a kind of damage, and the item with it; None if it is not a change of the item's values."""
    needed: tuple[str, ...]
    kinds: tuple[str, ...]
    if sk == "STATE":
        needed = ("tracks", "calendar", "calendar_first", "earned", "format", "version")
        kinds = ("missing attribute", "wrong type", "truncated", "later format")
    elif sk.startswith("DAY#"):
        needed = ("tallies",)
        kinds = ("missing attribute", "wrong type", "truncated", "gone")
    else:
        needed = ("digests",) if sk.startswith("APPLIED#") else ("award",)
        kinds = ("missing attribute", "wrong type", "truncated")
    kind = kinds[world.below(len(kinds))]
    name = needed[world.below(len(needed))]
    if kind in ("gone", "later format"):
        return kind, None
    if kind == "truncated":
        return kind, _truncated(world, sk, item)
    if kind == "wrong type":
        return kind, {**item, name: _WRONG}
    return kind, {other: value for other, value in item.items() if other != name}


def _truncated(world: World, sk: str, item: Item) -> Item:
    """Return an item with one of its values cut off."""
    if sk.startswith("EARNED#"):
        return _cut(world, item, "award")
    if sk.startswith("APPLIED#"):
        return _cut(world, item, "digests")
    if sk.startswith("DAY#"):
        tallies = item["tallies"]["M"]
        code = min(tallies)
        return {**item, "tallies": {"M": {**tallies, code: {"M": _cut(world, tallies[code]["M"], "names")}}}}
    if world.chance(0.3):
        return _cut(world, item, "earned")
    if world.chance(0.5) or not item["tracks"]["M"]:
        return {**item, "applied": {"M": _cut(world, item["applied"]["M"], "digests")}}
    tracks = item["tracks"]["M"]
    code = min(tracks)
    return {**item, "tracks": {"M": {**tracks, code: {"M": _cut(world, tracks[code]["M"], "names")}}}}


def _cut(world: World, item: Item, name: str) -> Item:
    """Return an item without the end of a JSON text, or without the last byte of digests."""
    [(kind, value)] = item[name].items()
    return {**item, name: {kind: value[: world.below(len(value))] if kind == "S" else value[:-1]}}
