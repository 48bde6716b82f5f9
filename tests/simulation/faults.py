"""The faults that a call to a service can meet, and the plan that decides which calls meet them."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

CRASH_BEFORE = "crash before"
CRASH_AFTER = "crash after"
LOST = "answer lost"
"""The call takes effect, but the caller gets a timeout."""
RETRIED = "lost, retried"
"""The call takes effect, its answer is lost, and botocore silently retries it."""
LATE = "late"
"""The caller gets a timeout; the call takes effect later, or never."""
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
FAULTS = (*dict.fromkeys(WRITE_FAULTS), UNPROCESSED)


class Crash(BaseException):
    """The process died. A BaseException, so that no `except Exception` catches it."""


class Violation(BaseException):
    """An invariant is broken. A BaseException, so that no `except Exception` hides it."""


@dataclass(slots=True)
class Plan:
    """Draws the faults of one history, and counts calls and faults by call site.

    Faults are numbered in the order drawn, so that a history can be run again without some of them.
    """

    random: Random
    rate: float
    budget: int
    without: frozenset[int] = frozenset()
    drawn: int = 0
    fired: list[int] = field(default_factory=list)
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Counts by (call site, fault); by (call site, "calls") for all calls."""

    def draw(self, site: str, faults: tuple[str, ...]) -> str | None:
        """Return the fault that this call meets, or None."""
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
