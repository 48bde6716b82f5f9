"""Stored sums: the breakdowns of tracks and days as attributes, and back.

Names are stored once for each track, and sums in columns, because they are most of a state's bytes.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import from_json, to_json

from domain.learner import Day, Track
from domain.tally import COUNTERS, Breakdown, Tally, rows_of_sums, tallies_of
from functions.packing import Lists, columns_of, pack_lists, rows_of, unpack_lists

type Attributes = dict[str, Any]
"""Attributes of an item in DynamoDB's JSON form."""


SUMS = frozenset({"names", "sums"})
"""The attributes of a breakdown."""


def dumps(value: Any) -> str:
    """Return a value as JSON. The caller sorts the names of objects: equal values must be equal texts."""
    return to_json(value).decode()


def breakdown_fields(breakdown: Breakdown) -> Attributes:
    """Return the attributes of a breakdown: the names of its categories and difficulties, and their sums."""
    names, tallies = _in_order(breakdown)
    return {"names": {"S": dumps(names)}, "sums": {"B": pack_lists(columns_of(rows_of_sums(tallies)))}}


def _in_order(breakdown: Breakdown) -> tuple[tuple[list[str], list[str]], list[Tally]]:
    categories, difficulties = sorted(breakdown.categories), sorted(breakdown.difficulties)
    tallies = [breakdown.categories[name] for name in categories]
    tallies += [breakdown.difficulties[name] for name in difficulties]
    return (categories, difficulties), tallies


def breakdown_of(attributes: Attributes) -> Breakdown:
    """Return the breakdown that `breakdown_fields` wrote.

    Raise LookupError, TypeError or ValueError if the attributes have another form.
    """
    return _with_names(*_names(attributes["names"]["S"]), unpack_lists(attributes["sums"]["B"]))


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[Sequence[str], Sequence[str]]:
    # Cached, because many learners touch the same categories.
    categories, difficulties = from_json(text)
    if not all(isinstance(name, str) for name in (*categories, *difficulties)):
        raise TypeError(f"{text} are not names")
    return tuple(categories), tuple(difficulties)


def _with_names(categories: Sequence[str], difficulties: Sequence[str], columns: Lists) -> Breakdown:
    first = len(categories)
    tallies = tallies_of(rows_of(columns, first + len(difficulties), len(COUNTERS)))
    return Breakdown(
        dict(zip(categories, tallies, strict=False)), dict(zip(difficulties, tallies[first:], strict=True))
    )


def latest_fields(latest: Day, tracks: Mapping[str, Track]) -> Attributes:
    """Return the sums of the latest day by certification. Each has positions among the names of its track."""
    packed = {}
    for code, breakdown in latest.tallies.items():
        names, tallies = _in_order(breakdown)
        known, _ = _in_order(tracks[code].tallies)
        positions = [[group.index(name) for name in found] for group, found in zip(known, names, strict=True)]
        packed[code] = {"B": pack_lists([*positions, *columns_of(rows_of_sums(tallies))])}
    return packed


def latest_of(attributes: Attributes, tracks: Mapping[str, Track]) -> dict[str, Breakdown]:
    """Return the sums of the latest day by certification. `tracks` are those of the same state."""
    breakdowns = {}
    for code, packed in attributes.items():
        categories, difficulties, *columns = unpack_lists(packed["B"])
        of_track = tracks[code].tallies
        breakdowns[code] = _with_names(
            _at(list(of_track.categories), categories),
            _at(list(of_track.difficulties), difficulties),
            columns,
        )
    return breakdowns


def _at(names: list[str], positions: list[int]) -> list[str]:
    if min(positions, default=0) < 0:
        raise IndexError(f"there is no name {min(positions)}")
    return [names[position] for position in positions]
