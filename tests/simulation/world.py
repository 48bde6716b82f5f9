"""The world of one history: chance, time and the schedule of its actors.

Each actor is a greenlet that yields at every call to a service, and a seeded choice decides which actor
continues. So anything can happen between any two calls, and the seed replays all of it.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from tests.simulation.faults import Plan, Violation
from tests.simulation.history import History

MAX_STEPS = 50_000
"""A history takes some hundred steps. One that does not end has failed, too."""


class World:
    """The chance, time and schedule of one history."""

    def __init__(self, history: History, tracing: bool = False) -> None:
        self.circumstances = c = history.circumstances
        self.random = Random(~history.seed)
        self.plan = Plan(self.random, c.fault_rate, c.fault_budget, history.without_faults)
        self.main = getcurrent()
        self.actors: list[greenlet] = []
        self.names: dict[greenlet, str] = {}
        self.steps = 0
        self.late_writes: list[Callable[[], None]] = []
        """Writes that have not taken effect yet, although their callers gave up on them."""
        self.seen: Counter[str] = Counter()
        """How often the history contained each kind of event: what this run has tested."""
        self.trace: list[str] | None = [] if tracing else None

    # -- chance and time ---------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random.random() < probability

    def below(self, end: int) -> int:
        """Return a whole number from 0 to end - 1."""
        return int(self.random.random() * end)

    def shuffled(self, items: list[Any]) -> list[Any]:
        """Return the items in another order, half of the time."""
        if len(items) < 2 or self.random.random() < 0.5:
            return items
        copy = list(items)
        self.random.shuffle(copy)
        return copy

    def switch(self) -> None:
        """Let other actors continue."""
        if getcurrent() is not self.main:
            self.main.switch()

    def clock(self) -> float:
        """Stand in for `time.monotonic`: a step takes a second."""
        return float(self.steps)

    def sleep(self, seconds: float) -> None:
        """Stand in for `time.sleep`: let other actors continue, without waiting."""
        self.switch()

    # -- actors ------------------------------------------------------------------------------------

    def note(self, what: str, fault: str | None = None) -> None:
        """Add a line to the trace, if there is one."""
        if self.trace is not None:
            name = self.names.get(getcurrent(), "world")
            suffix = f"  <- {fault} (no. {self.plan.drawn})" if fault else ""
            self.trace.append(f"{self.steps:5} {name:14} {what}{suffix}")

    def spawn(self, name: str, run: Callable[..., object], *args: Any) -> None:
        """Add an actor."""
        actor = greenlet(lambda: run(*args))
        self.names[actor] = name
        self.actors.append(actor)

    def run_actors(self) -> None:
        """Run until all actors are done and all writes have taken effect."""
        actors = self.actors
        draw = self.random.random
        while actors:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise Violation(f"the history has not ended after {MAX_STEPS} steps")
            n = int(draw() * len(actors))
            actor = actors[n]
            actor.switch()
            if actor.dead:
                actors[n] = actors[-1]
                actors.pop()
            if self.late_writes and draw() < 0.1:
                self.note("a late write takes effect")
                self._settle_late_write()
        while self.late_writes:
            self._settle_late_write()

    def _settle_late_write(self) -> None:
        write = self.late_writes.pop(self.below(len(self.late_writes)))
        write()
