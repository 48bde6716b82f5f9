"""Compare stored items with recomputed ones, without what depends on the order of application."""

import json
from collections import Counter
from collections.abc import Mapping

from tests.simulation.history import MOVING_CATEGORIES, MOVING_DIFFICULTIES
from tests.simulation.reading import Item
from tests.simulation.stored_bytes import read_numbers, rows, stored_numbers

type Sums = Counter[str]
"""Amounts by name and position of their counter."""


def comparable(item: Item, content_moves: bool) -> Item:
    """Return an item without what depends on the order of application (docs/design.md, Invariants)."""
    item = {name: value for name, value in item.items() if name not in ("version", "earned")}
    if "tracks" in item:
        kept = {
            code: {name: value for name, value in track["M"].items() if name != "mastered"}
            for code, track in item["tracks"]["M"].items()
        }
        item["tracks"] = {"M": {code: {"M": track} for code, track in kept.items()}}
    if not content_moves or item["sk"]["S"].startswith("APPLIED#"):
        return item
    if "tracks" not in item:
        return {**item, "tallies": {"M": _of_day(item)}}
    tracks = {code: track["M"] for code, track in item["tracks"]["M"].items()}
    item["tracks"] = {
        "M": {code: {**track, "names": {}, "sums": _merged(track)} for code, track in tracks.items()}
    }
    if "latest" in item:
        latest = item["latest"]["M"]
        item["latest"] = {**latest, "tallies": {"M": _of_latest(latest, tracks)}}
    return item


def _of_day(day: Item) -> Item:
    return {code: _merged(breakdown["M"]) for code, breakdown in day["tallies"]["M"].items()}


def _of_latest(latest: Item, tracks: Mapping[str, Item]) -> Item:
    """Return the sums of the latest day by the names that its positions stand for."""
    found = {}
    for code, stored in latest["tallies"]["M"].items():
        categories, difficulties, *sums = read_numbers(stored)
        of_track = json.loads(tracks[code]["names"]["S"])
        names = [
            [group[position] for position in positions]
            for group, positions in zip(of_track, (categories, difficulties), strict=True)
        ]
        found[code] = _merged({"names": {"S": json.dumps(names)}, "sums": stored_numbers(sums)})
    return found


def _merged(breakdown: Item) -> Item:
    """Return sums by name, with those merged between which content moves."""
    names = json.loads(breakdown["names"]["S"])
    sums = rows(read_numbers(breakdown["sums"]), sum(map(len, names)))
    groups: list[Sums] = []
    for group, moving in zip(names, (MOVING_CATEGORIES, MOVING_DIFFICULTIES), strict=True):
        merged: Sums = Counter()
        for name, row in zip(group, sums, strict=False):
            name_then = "moving" if name in moving else name
            merged.update({f"{name_then} {n}": amount for n, amount in enumerate(row) if amount})
        groups.append(merged)
        sums = sums[len(group) :]
    return {"merged": groups}
