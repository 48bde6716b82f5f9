"""What can go wrong with a call, and the plan that says which calls it happens to."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

CRASH_BEFORE = "crash before"
CRASH_AFTER = "crash after"
LOST = "answer lost"
"""The call has its effect, and the caller is told of a timeout."""
RETRIED = "lost, retried"
"""The call has its effect, its answer is lost, and botocore makes it again without telling."""
LATE = "late"
"""The caller is told of a timeout; the call has its effect some time later, or none."""
DELAYED = "delayed"
THROTTLED = "throttled"
INTERNAL = "internal error"
CONFLICT = "conflict"
UNPROCESSED = "unprocessed"

READ_FAULTS = (CRASH_BEFORE, CRASH_AFTER, LOST, DELAYED, THROTTLED, INTERNAL)
BATCH_READ_FAULTS = (*READ_FAULTS, UNPROCESSED, UNPROCESSED)
WRITE_FAULTS = (
    CRASH_BEFORE,
    CRASH_AFTER,
    LOST,
    RETRIED,
    RETRIED,
    LATE,
    DELAYED,
    THROTTLED,
    INTERNAL,
    CONFLICT,
)
FAULTS = (
    CRASH_BEFORE,
    CRASH_AFTER,
    LOST,
    RETRIED,
    LATE,
    DELAYED,
    THROTTLED,
    INTERNAL,
    CONFLICT,
    UNPROCESSED,
)


class Crash(BaseException):
    """The process is gone. No `except Exception` may hold it up."""


class Violation(BaseException):
    """The world has seen what must not happen. No `except Exception` may hide it."""


@dataclass(slots=True)
class Plan:
    """Draws the faults of one history, and counts what was hit by what.

    A fault's number (the how manyth it is) names it, so that a history can be tried again without it.
    """

    random: Random
    rate: float
    budget: int
    without: frozenset[int] = frozenset()
    drawn: int = 0
    fired: list[int] = field(default_factory=list)
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(call-site, fault or "calls") -> how often."""

    def draw(self, site: str, faults: tuple[str, ...]) -> str | None:
        """What happens to this call; None: nothing."""
        self.hits[site, "calls"] += 1
        if self.drawn >= self.budget or self.random.random() >= self.rate:
            return None
        fault = faults[int(self.random.random() * len(faults))]
        self.drawn += 1
        if self.drawn in self.without:
            return None
        self.fired.append(self.drawn)
        self.hits[site, fault] += 1
        return fault
