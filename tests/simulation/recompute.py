"""Recompute a learner's views from raw records, in one pass over their distinct valid interactions.

Shares no code with the parser, the fold and the store, so a result that both agree on is right.
A new counter is one line of `COUNTERS`; a new achievement is one line in `rules.py`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from tests.simulation.history import CATEGORIES, MOVING_CATEGORIES, MOVING_DIFFICULTIES
from tests.simulation.reading import Content, Interaction, Item, Key, StoredCatalog, day_number
from tests.simulation.rules import (
    CATEGORY_RULES,
    CERTIFICATION_RULES,
    LEARNER_RULES,
    CategoryFacts,
    CertificationFacts,
    LearnerFacts,
)
from tests.simulation.stored_bytes import (
    bitmap,
    columns,
    read_numbers,
    rows,
    stored_numbers,
    stored_scores,
    stored_set,
)

if TYPE_CHECKING:
    # Only the type: a new kind must fail mypy here.
    from domain.interaction import Kind

type Sums = Counter[str]
"""Amounts by the name of their counter."""

ALL_CATEGORIES = (*CATEGORIES, "Uncategorized", *MOVING_CATEGORIES)


# Written again instead of imported from domain/tally.py: the recomputation shares no code with the fold.
def counter_of(kind: "Kind") -> str:
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


COUNTERS: dict[str, Callable[[Interaction], int]] = {
    "interactions": lambda i: 1,
    "views": lambda i: counter_of(i.kind) == "views",
    "answers": lambda i: counter_of(i.kind) == "answers",
    "completions": lambda i: counter_of(i.kind) == "completions",
    "seconds": lambda i: i.seconds,
    "scored": lambda i: i.score is not None,
    "score": lambda i: i.score or 0,
    "perfect": lambda i: i.score == 100_00,
}
"""The counters in the order in which they are stored, and how much one interaction adds to each."""


# -- views -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Breakdown:
    """The sums of interactions by category, and again by difficulty."""

    categories: dict[str, Sums] = field(default_factory=dict)
    difficulties: dict[str, Sums] = field(default_factory=dict)

    def add(self, content: Content, amounts: Mapping[str, int]) -> None:
        self.categories.setdefault(content.category, Counter()).update(amounts)
        self.difficulties.setdefault(content.difficulty, Counter()).update(amounts)

    def total(self) -> Sums:
        return _total(self.difficulties.values())

    def names(self) -> list[list[str]]:
        """Return the names of the categories and of the difficulties, in the order of their sums."""
        return [sorted(self.categories), sorted(self.difficulties)]

    def columns(self) -> list[list[int]]:
        """Return the sums as they are stored: a list for each counter."""
        groups = [
            (self.categories, sorted(self.categories)),
            (self.difficulties, sorted(self.difficulties)),
        ]
        return columns(
            [[group[name][counter] for counter in COUNTERS] for group, names in groups for name in names]
        )

    def to_item(self) -> Item:
        """Return the sums as they are stored, with their names."""
        return {"names": {"S": _json(self.names())}, "sums": stored_numbers(self.columns())}


@dataclass(slots=True)
class Track:
    """A learner's progress in one certification."""

    sums: Breakdown = field(default_factory=Breakdown)
    viewed: set[int] = field(default_factory=set)
    answered: set[int] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)
    best: dict[int, int] = field(default_factory=dict)
    """Best score by ordinal, in hundredths."""

    def mark(self, kind: "Kind", ordinal: int) -> None:
        """Add a content to the set of contents that were viewed, answered or completed."""
        match kind:
            case "viewed":
                self.viewed.add(ordinal)
            case "answered":
                self.answered.add(ordinal)
            case "completed":
                self.completed.add(ordinal)
            case _:
                assert_never(kind)

    def to_item(self) -> Item:
        """Return the track as it is stored."""
        item = self.sums.to_item()
        sets = {"viewed": self.viewed, "answered": self.answered, "completed": self.completed}
        if self.best.keys() != self.answered:
            sets["scored"] = set(self.best)
        item |= {name: {"B": stored_set(ordinals)} for name, ordinals in sets.items() if ordinals}
        if self.best:
            item["best"] = {"B": stored_scores([self.best[ordinal] for ordinal in sorted(self.best)])}
        return item


type Day = dict[str, Breakdown]
"""The sums of one local day by certification."""
type Digests = set[bytes]
"""The digests of the interactions of one UTC day."""


def day_fields(day: Day) -> Item:
    """Return a local day's bucket as it is stored."""
    return {"tallies": {"M": {code: {"M": breakdown.to_item()} for code, breakdown in day.items()}}}


def latest_fields(day: Day, tracks: Mapping[str, Track]) -> Item:
    """Return the fields of the latest day, whose names are positions among those of the tracks."""
    stored = {}
    for code, breakdown in day.items():
        named = zip(tracks[code].sums.names(), breakdown.names(), strict=True)
        positions = [[of_track.index(name) for name in names] for of_track, names in named]
        stored[code] = stored_numbers([*positions, *breakdown.columns()])
    return {"tallies": {"M": stored}}


def applied_fields(digests: Digests) -> Item:
    """Return a UTC day's bucket as it is stored."""
    return {"digests": {"B": b"".join(sorted(digests))}}


@dataclass(slots=True)
class Recomputed:
    """The views that one learner must have, and the achievements that they must or may have earned."""

    items: dict[Key, Item] = field(default_factory=dict)
    """The STATE item (without version and earned), and the DAY# and APPLIED# items."""
    due: set[str] = field(default_factory=set)
    """Achievements that must have been earned, in whichever order the interactions were applied."""
    possible: dict[str, int] = field(default_factory=dict)
    """Points of the achievements that some order of the interactions earns, those that are due included."""
    instants: set[int] = field(default_factory=set)
    """Instants of the interactions, one of which is an award's earned_at."""


def learner(
    user: str,
    interactions: Iterable[Interaction],
    catalog: StoredCatalog,
    freezes: int,
    catalog_is_fixed: bool,
) -> Recomputed:
    """Recompute the views of a learner from their distinct interactions, all of known content.

    `catalog_is_fixed`: the catalog did not change after the first interaction.
    """
    interactions = list(interactions)
    if not interactions:
        return Recomputed()
    tracks: dict[str, Track] = {}
    days: dict[date, Day] = {}
    applied: dict[date, Digests] = {}
    for interaction in interactions:
        content = catalog.place(interaction)
        assert content is not None
        code = content.certification
        amounts = {name: int(measure(interaction)) for name, measure in COUNTERS.items()}
        track = tracks.setdefault(code, Track())
        track.sums.add(content, amounts)
        track.mark(interaction.kind, content.ordinal)
        if interaction.score is not None:
            track.best[content.ordinal] = max(interaction.score, track.best.get(content.ordinal, 0))
        days.setdefault(interaction.day, {}).setdefault(code, Breakdown()).add(content, amounts)
        applied.setdefault(interaction.utc_day, set()).add(interaction.digest)
    result = Recomputed(
        _items(f"USER#{user}", tracks, days, applied, latest_zones(interactions)),
        instants={interaction.at for interaction in interactions},
    )
    facts = LearnerFacts(
        longest_streak(set(days), freezes),
        sum(len(track.completed) for track in tracks.values()),
        [interaction.score for interaction in interactions if interaction.score is not None],
        _total(track.sums.total() for track in tracks.values()),
    )
    _judge_achievements(result, facts, tracks, catalog, catalog_is_fixed)
    return result


def latest_zones(interactions: Iterable[Interaction]) -> Item:
    """Return the attributes for the latest named zone and the latest plain offset, each with its time."""
    latest: dict[str, tuple[int, str]] = {}
    for interaction in interactions:
        zones = {"named_zone": interaction.named_zone, "plain_offset": interaction.plain_offset}
        for attribute, name in zones.items():
            if name is not None:
                zone = interaction.at, name
                latest[attribute] = max(zone, latest.get(attribute, zone))
    return {attribute: {"S": _json(list(zone))} for attribute, zone in latest.items()}


def _items(
    pk: str,
    tracks: Mapping[str, Track],
    days: Mapping[date, Day],
    applied: Mapping[date, Digests],
    zones: Item,
) -> dict[Key, Item]:
    """Return the items. The state holds the latest bucket of each kind; the others are closed."""
    first, latest, latest_applied = min(days), max(days), max(applied)
    items: dict[Key, Item] = {}
    closed = {f"DAY#{date_}": day_fields(day) for date_, day in days.items() if date_ != latest}
    closed |= {
        f"APPLIED#{date_}": applied_fields(digests)
        for date_, digests in applied.items()
        if date_ != latest_applied
    }
    for sk, fields in closed.items():
        items[pk, sk] = {"pk": {"S": pk}, "sk": {"S": sk}, **fields}
    items[pk, "STATE"] = {
        "pk": {"S": pk},
        "sk": {"S": "STATE"},
        "format": {"N": "2"},
        "tracks": {"M": {code: {"M": track.to_item()} for code, track in tracks.items()}},
        "calendar_first": {"N": str(day_number(first))},
        "calendar": {"B": bitmap((date_ - first).days for date_ in days)},
        **zones,
        "latest": {"M": {"day": {"N": str(day_number(latest))}, **latest_fields(days[latest], tracks)}},
        "applied": {
            "M": {"day": {"N": str(day_number(latest_applied))}, **applied_fields(applied[latest_applied])}
        },
    }
    return items


def _total(sums: Iterable[Sums]) -> Sums:
    total: Sums = Counter()
    for each in sums:
        total.update(each)
    return total


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


# -- achievements ------------------------------------------------------------------------------------


def longest_streak(days: set[date], freezes: int) -> int:
    """Return the longest streak, found by walking day by day from the first day to the last."""
    longest = run = in_a_row = banked = 0
    day, last = min(days), max(days)
    while day <= last:
        if day in days:
            run += 1
            in_a_row += 1
            longest = max(longest, run)
            if in_a_row % 7 == 0:
                banked = min(freezes, banked + 1)
        else:
            in_a_row = 0
            if banked:
                banked -= 1
            else:
                run = 0
        day += timedelta(days=1)
    return longest


def _judge_achievements(
    result: Recomputed,
    facts: LearnerFacts,
    tracks: Mapping[str, Track],
    catalog: StoredCatalog,
    catalog_is_fixed: bool,
) -> None:
    """Fill in the achievements that are due, and those that are possible."""

    def judge(name: str, points: int, due: bool, possible: bool) -> None:
        if due:
            result.due.add(name)
        if due or possible:
            result.possible[name] = points

    for name, rule in LEARNER_RULES.items():
        judge(name, rule.points, rule.due(facts), rule.is_possible(facts))
    for code, track in tracks.items():
        active = catalog.active(code)
        reached = CertificationFacts(
            len(track.completed), _completed(track, active), len(active), track.sums.total()
        )
        # While the catalog changes, a rule that uses it may have been reached at some moment.
        was_possible = bool(track.completed) and not catalog_is_fixed
        for name, certification_rule in CERTIFICATION_RULES.items():
            stands = catalog_is_fixed or not certification_rule.uses_catalog
            judge(
                f"{code}:{name}",
                certification_rule.points,
                stands and certification_rule.due(reached),
                certification_rule.is_possible(reached) if stands else was_possible,
            )
        for category in ALL_CATEGORIES:
            contents = [content for content in active if content.category == category]
            mastery = CategoryFacts(
                _completed(track, contents), len(contents), track.sums.categories.get(category, Counter())
            )
            for name, category_rule in CATEGORY_RULES.items():
                judge(
                    f"{code}:{name}:{_slug(category)}",
                    category_rule.points,
                    catalog_is_fixed and category_rule.due(mastery),
                    category_rule.is_possible(mastery) if catalog_is_fixed else was_possible,
                )


def _completed(track: Track, contents: Iterable[Content]) -> int:
    return sum(content.ordinal in track.completed for content in contents)


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


# -- comparison --------------------------------------------------------------------------------------


def comparable(item: Item, content_moves: bool) -> Item:
    """Return an item without what depends on the order of application (docs/design.md, Invariants)."""
    item = {name: value for name, value in item.items() if name not in ("version", "earned")}
    if "tracks" in item:
        tracks = {code: dict(track["M"]) for code, track in item["tracks"]["M"].items()}
        for track in tracks.values():
            track.pop("mastered", None)
        item["tracks"] = {"M": {code: {"M": track} for code, track in tracks.items()}}
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
        found[code] = _merged({"names": {"S": _json(names)}, "sums": stored_numbers(sums)})
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
