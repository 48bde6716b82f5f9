"""Counters that add up: everything that is known of a set of interactions by sums alone.

Sums of integers commute exactly, so the same interactions give the same tally in any order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Literal, NamedTuple, Protocol, assert_never

from domain.interaction import KINDS, MAX_HUNDREDTHS, Interaction, Kind

PERFECT = MAX_HUNDREDTHS
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


type Measure = Callable[[Interaction], int]
"""Returns the amount that one interaction adds to a counter."""


class _Counter(int):
    """The value 0 of a counter, with the measure that adds to it."""

    measure: Measure


def counts(measure: Measure) -> int:
    """Declare a counter by the amount that one interaction adds to it."""
    counter = _Counter()
    counter.measure = measure
    return counter


class Tally(NamedTuple):
    """Sums over interactions.

    A new counter is one line after the last counter. Their order never changes, and none is removed, because
    stored tallies are lists of numbers. A tally that was stored before a counter existed reads as 0.
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
    unknown: tuple[int, ...] = ()
    """Counters of a later release, which this one keeps as they are."""

    @property
    def average_score(self) -> float | None:
        """The mean of the scored interactions, 0 to 100, rounded down to two decimals; None without any.

        Rounded down, so that an average that is shown as 70 has earned the achievement for 70.
        """
        return self.score // self.scored / 100 if self.scored else None


type Sums = Sequence[int]
"""The counters of a tally in their order, while a fold adds to them."""

type Increments = tuple[tuple[int, int], ...]
"""Pairs of a counter's position and the amount to add. Counters that stay the same are left out."""

COUNTERS = Tally._fields[:-1]
_MEASURES: tuple[Measure, ...] = tuple(Tally._field_defaults[name].measure for name in COUNTERS)
_NOTHING = Tally()
_make: Callable[..., Tally] = Tally


def values(tally: Tally) -> tuple[int, ...]:
    """Return the counters of a tally that this release knows, in their order."""
    known: tuple[int, ...] = tally[:-1]
    return known


def increments(interaction: Interaction) -> Increments:
    """Return what an interaction adds to every tally that it belongs to."""
    return tuple(
        [(n, int(amount)) for n, measure in enumerate(_MEASURES) if (amount := measure(interaction))]
    )


def all_values(tally: Tally) -> list[int]:
    """Return all counters of a tally in their order, those of a later release included."""
    return [*tally[:-1], *tally.unknown]


def rows_of_sums(tallies: Sequence[Tally]) -> list[Sums]:
    """Return the counters of each tally, those of a later release included. All rows have the same length."""
    later = max([len(tally.unknown) for tally in tallies], default=0)
    if not later:
        return [tally[:-1] for tally in tallies]
    return [(*tally[:-1], *tally.unknown, *[0] * (later - len(tally.unknown))) for tally in tallies]


def tallies_of(rows: Sequence[tuple[int, ...]]) -> list[Tally]:
    """Return the tallies with these counters. Rows have at least all counters that this release knows."""
    known = len(COUNTERS)
    if rows and len(rows[0]) > known:
        return [_make(*row[:known], row[known:]) for row in rows]
    return [tuple.__new__(Tally, (*row, ())) for row in rows]


def tally_of(sums: Sums) -> Tally:
    """Return the tally with these counters. Missing ones are 0; additional ones belong to a later release."""
    known = len(COUNTERS)
    return _make(*sums) if len(sums) <= known else _make(*sums[:known], tuple(sums[known:]))


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies."""
    tallies = list(tallies)
    if len(tallies) == 1:
        return tallies[0]
    if not tallies:
        return _NOTHING
    *known, later = zip(*tallies, strict=True)
    if not any(later):
        return _make(*map(sum, known))
    return _make(*map(sum, known), tuple(map(sum, zip_longest(*later, fillvalue=0))))


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


class Breakdown(NamedTuple):
    """The interactions of one certification by category and by difficulty. Each is in one of both."""

    categories: Mapping[str, Tally]
    difficulties: Mapping[str, Tally]

    @property
    def total(self) -> Tally:
        """The sum over all of them."""
        return total(self.difficulties.values())


EMPTY = Breakdown({}, {})
