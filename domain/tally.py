"""Counters that add up: everything that is known of a set of interactions by sums alone.

Sums of integers commute exactly, so the same interactions give the same tally in any order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from operator import add, attrgetter
from typing import Any, Literal, Protocol, assert_never

from domain.interaction import KINDS, Interaction, Kind

PERFECT = 10_000
"""A score of 100, in hundredths."""


def counter_of(kind: Kind) -> Literal["views", "answers", "completions"]:
    """Return the name of the counter that counts the interactions of a kind."""
    match kind:
        case "viewed":
            return "views"
        case "answered":
            return "answers"
        case "completed":
            return "completions"
        case _:
            assert_never(kind)


_COUNTERS_OF_KINDS = {kind: counter_of(kind) for kind in KINDS}


def counts(measure: Callable[[Interaction], int]) -> Any:
    """Declare a counter by the amount that one interaction adds to it."""
    return field(default=0, metadata={"measure": measure})


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over interactions.

    A new counter is one line at the end of this list. Tallies stored before it existed read as 0.
    """

    interactions: int = counts(lambda i: 1)
    views: int = counts(lambda i: _COUNTERS_OF_KINDS[i.kind] == "views")
    answers: int = counts(lambda i: _COUNTERS_OF_KINDS[i.kind] == "answers")
    completions: int = counts(lambda i: _COUNTERS_OF_KINDS[i.kind] == "completions")
    seconds: int = counts(lambda i: i.seconds)
    scored: int = counts(lambda i: i.score is not None)
    score: int = counts(lambda i: i.score or 0)
    """Sum of scores, in hundredths."""
    perfect: int = counts(lambda i: i.score == PERFECT)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(add, values(self), values(other)))

    @property
    def average_score(self) -> float | None:
        """The mean of the scored interactions, 0 to 100, to two decimals; None without any."""
        return round(self.score / self.scored / 100, 2) if self.scored else None


type Sums = Sequence[int]
"""The counters of a tally in their order, while a fold adds to them."""

type Increments = tuple[tuple[int, int], ...]
"""Pairs of a counter's position and the amount to add. Counters that stay the same are left out."""

_MEASURES: tuple[Callable[[Interaction], int], ...] = tuple(f.metadata["measure"] for f in fields(Tally))
COUNTERS = tuple(f.name for f in fields(Tally))
values: Callable[[Tally], tuple[int, ...]] = attrgetter(*COUNTERS)
"""Return the counters of a tally, in their order."""


def increments(interaction: Interaction) -> Increments:
    """Return what an interaction adds to every tally that it belongs to."""
    return tuple((n, int(amount)) for n, measure in enumerate(_MEASURES) if (amount := measure(interaction)))


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies."""
    return (
        Tally(*map(sum, zip(*map(values, tallies), strict=True))) if (tallies := list(tallies)) else Tally()
    )


class HasSums(Protocol):
    """Anything whose counters an achievement can measure."""

    @property
    def sums(self) -> Sums:
        """The counters, in the order of `COUNTERS`."""


@cache
def sum_of(counter: str) -> Callable[[HasSums], int]:
    """Return the measure that reads this counter. Raise ValueError if no counter has this name.

    Cached, so that rules that read the same counter share one measure.
    """
    if counter not in COUNTERS:
        raise ValueError(f"there is no counter {counter!r}; there are {', '.join(COUNTERS)}")
    position = COUNTERS.index(counter)
    return lambda standing: standing.sums[position]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The interactions of one certification by category and by difficulty. Each is in one of both."""

    categories: Mapping[str, Tally]
    difficulties: Mapping[str, Tally]

    @property
    def total(self) -> Tally:
        """The sum over all of them."""
        return total(self.difficulties.values())


EMPTY = Breakdown({}, {})
