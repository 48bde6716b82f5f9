"""Counters that add: what is known of a set of interactions by sums alone.

Sums of integers commute exactly, so the same interactions give the same tally in any order.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from operator import add, attrgetter
from typing import Any

from domain.interaction import Interaction

PERFECT = 10_000
"""A score of 100, in hundredths."""


def counts(measure: Callable[[Interaction], int]) -> Any:
    """Declare a counter: how much of it one interaction adds."""
    return field(default=0, metadata={"measure": measure})


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over interactions. A new counter is one line, at the end: stored tallies lack it, and read 0."""

    interactions: int = counts(lambda i: 1)
    views: int = counts(lambda i: i.kind == "viewed")
    answers: int = counts(lambda i: i.kind == "answered")
    completions: int = counts(lambda i: i.kind == "completed")
    seconds: int = counts(lambda i: i.seconds)
    scored: int = counts(lambda i: i.score is not None)
    score: int = counts(lambda i: i.score or 0)
    """Sum of scores, in hundredths."""
    perfect: int = counts(lambda i: i.score == PERFECT)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(add, _values(self), _values(other)))

    @property
    def average_score(self) -> float | None:
        """Mean of the scored interactions, 0 to 100, two decimals; None where none is scored."""
        return round(self.score / self.scored / 100, 2) if self.scored else None


type Increments = tuple[tuple[int, int], ...]
"""(position of a counter, what to add), only where there is something to add."""

_MEASURES: tuple[Callable[[Interaction], int], ...] = tuple(f.metadata["measure"] for f in fields(Tally))
COUNTERS = tuple(f.name for f in fields(Tally))
_values: Callable[[Tally], tuple[int, ...]] = attrgetter(*COUNTERS)


def increments(interaction: Interaction) -> Increments:
    """What an interaction adds to every tally it belongs to."""
    return tuple((n, int(amount)) for n, measure in enumerate(_MEASURES) if (amount := measure(interaction)))


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    return (
        Tally(*map(sum, zip(*map(_values, tallies), strict=True))) if (tallies := list(tallies)) else Tally()
    )


def values(tally: Tally) -> list[int]:
    """The counters, in their order, open for adding."""
    return list(_values(tally))


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The interactions of one certification, by category and by difficulty; each is in one of both."""

    categories: Mapping[str, Tally]
    difficulties: Mapping[str, Tally]

    @property
    def total(self) -> Tally:
        """All of them."""
        return total(self.difficulties.values())


EMPTY = Breakdown({}, {})
