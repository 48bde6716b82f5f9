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

from tests.simulation.history import CATEGORIES, MOVING_CATEGORIES
from tests.simulation.reading import (
    FIRST_DAY,
    Content,
    Event,
    Exam,
    Interaction,
    Item,
    Key,
    StoredCatalog,
    day_number,
)
from tests.simulation.rules import (
    CATEGORY_RULES,
    CERTIFICATION_RULES,
    LEARNER_RULES,
    NEXT_LEARNER_RULES,
    CategoryFacts,
    CertificationFacts,
    LearnerFacts,
)
from tests.simulation.stored_bytes import (
    bitmap,
    columns,
    stored_answers,
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
NEXT_COUNTERS: dict[str, Callable[[Interaction], int]] = {"minutes": lambda i: i.seconds // 60}
"""The counters that the next release adds. They count only what that release applies."""


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
        counters = (*COUNTERS, *NEXT_COUNTERS)
        return columns(
            [[group[name][counter] for counter in counters] for group, names in groups for name in names]
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
    first: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Minute and score of the earliest answer by ordinal: the lowest score among those of a minute."""
    by_next: int = 0
    """How many of the interactions the next release applied."""

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
            item["first"] = {"B": stored_answers([self.first[ordinal] for ordinal in sorted(self.first)])}
        return item | marked(self.by_next)


@dataclass(slots=True)
class Day:
    """The sums of one local day by certification."""

    sums: dict[str, Breakdown] = field(default_factory=dict)
    by_next: int = 0

    def fields(self) -> Item:
        """Return a closed day's bucket as it is stored."""
        stored = {code: {"M": breakdown.to_item()} for code, breakdown in self.sums.items()}
        return {"tallies": {"M": stored}} | marked(self.by_next)

    def latest_fields(self, tracks: Mapping[str, Track]) -> Item:
        """Return the fields of the latest day, whose names are positions among those of the tracks."""
        stored = {}
        for code, breakdown in self.sums.items():
            named = zip(tracks[code].sums.names(), breakdown.names(), strict=True)
            positions = [[of_track.index(name) for name in names] for of_track, names in named]
            stored[code] = stored_numbers([*positions, *breakdown.columns()])
        return {"tallies": {"M": stored}} | marked(self.by_next)


@dataclass(slots=True)
class Digests:
    """The digests of the interactions of one UTC day."""

    digests: set[bytes] = field(default_factory=set)
    by_next: int = 0

    def fields(self) -> Item:
        """Return the bucket as it is stored."""
        return {"digests": {"B": b"".join(sorted(self.digests))}} | marked(self.by_next)


def marked(by_next: int) -> Item:
    """Return the attribute in which the next release counts the interactions that it applies."""
    return {"marked": {"N": str(by_next)}} if by_next else {}


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
    undecided_zones: set[str] = field(default_factory=set)
    """Attributes of zones that either release may have set, because both applied such an interaction."""


def learner(
    user: str,
    events: Iterable[Event],
    catalog: StoredCatalog,
    freezes: int,
    catalog_is_fixed: bool,
    by_next: Callable[[Event], bool] = lambda _: False,
) -> Recomputed:
    """Recompute the views of a learner from their distinct events, all of known content.

    `catalog_is_fixed`: the catalog did not change after the first event. `by_next` returns whether the
    next release applied an event.
    """
    events = list(events)
    if not events:
        return Recomputed()
    interactions = [event for event in events if isinstance(event, Interaction)]
    exams = [event for event in events if isinstance(event, Exam)]
    tracks: dict[str, Track] = {}
    days: dict[date, Day] = {}
    applied: dict[date, Digests] = {}
    for event in events:
        digests = applied.setdefault(event.utc_day, Digests())
        digests.digests.add(event.digest)
        digests.by_next += by_next(event)
    for interaction in interactions:
        content = catalog.place(interaction)
        assert content is not None
        code = content.certification
        counted_by_next = by_next(interaction)
        counters = COUNTERS | NEXT_COUNTERS if counted_by_next else COUNTERS
        amounts = {name: int(measure(interaction)) for name, measure in counters.items()}
        track = tracks.setdefault(code, Track())
        track.sums.add(content, amounts)
        track.mark(interaction.kind, content.ordinal)
        if interaction.score is not None:
            track.best[content.ordinal] = max(interaction.score, track.best.get(content.ordinal, 0))
            answer = interaction.at // 60_000_000, interaction.score
            track.first[content.ordinal] = min(answer, track.first.get(content.ordinal, answer))
        day = days.setdefault(interaction.day, Day())
        day.sums.setdefault(code, Breakdown()).add(content, amounts)
        track.by_next += counted_by_next
        day.by_next += counted_by_next
    result = Recomputed(instants={interaction.at for interaction in interactions})
    zones = latest_zones(interactions, by_next, result.undecided_zones)
    exams_by_next = sum(by_next(exam) for exam in exams)
    result.items = _items(f"USER#{user}", tracks, days, applied, zones, stored_exams(exams), exams_by_next)
    if not interactions:
        return result
    facts = LearnerFacts(
        longest_streak(set(days), freezes),
        sum(len(track.completed) for track in tracks.values()),
        [interaction.score for interaction in interactions if interaction.score is not None],
        _total(track.sums.total() for track in tracks.values()),
    )
    _judge_achievements(result, facts, tracks, catalog, catalog_is_fixed)
    return result


def latest_zones(
    interactions: Iterable[Interaction], by_next: Callable[[Interaction], bool], undecided: set[str]
) -> Item:
    """Return the attributes for the latest named zone and the latest plain offset, each with its time.

    The next release adds two values to a zone that it sets. If both releases applied an interaction with the
    latest time and zone, the first one decides: the attribute is added to `undecided`.
    """
    latest: dict[str, tuple[int, str]] = {}
    set_by: dict[str, set[bool]] = {}
    for interaction in interactions:
        zones = {"named_zone": interaction.named_zone, "plain_offset": interaction.plain_offset}
        for attribute, name in zones.items():
            if name is None:
                continue
            zone = interaction.at, name
            if attribute not in latest or zone > latest[attribute]:
                latest[attribute], set_by[attribute] = zone, set()
            if zone == latest[attribute]:
                set_by[attribute].add(by_next(interaction))
    undecided.update(attribute for attribute, releases in set_by.items() if len(releases) == 2)
    return {
        attribute: {"S": _json([at, name, at % 997, "next"] if True in set_by[attribute] else [at, name])}
        for attribute, (at, name) in latest.items()
    }


def stored_exams(exams: Iterable[Exam]) -> Item:
    """Return the attribute for the results of exams: for each certification, all of them in order of time."""
    rows: dict[str, list[list[int]]] = {}
    for exam in exams:
        score = -1 if exam.score is None else exam.score
        rows.setdefault(exam.certification, []).append([exam.at, exam.passed * 1, score])
    stored = {code: stored_numbers(sorted(of_code)) for code, of_code in rows.items()}
    return {"exams": {"M": stored}} if stored else {}


def _items(
    pk: str,
    tracks: Mapping[str, Track],
    days: Mapping[date, Day],
    applied: Mapping[date, Digests],
    zones: Item,
    exams: Item,
    exams_by_next: int,
) -> dict[Key, Item]:
    """Return the items. The state holds the latest bucket of each kind; the others are closed."""
    first, latest, latest_applied = min(days, default=FIRST_DAY), max(days, default=None), max(applied)
    items: dict[Key, Item] = {}
    closed = {f"DAY#{date_}": day.fields() for date_, day in days.items() if date_ != latest}
    closed |= {
        f"APPLIED#{date_}": digests.fields() for date_, digests in applied.items() if date_ != latest_applied
    }
    for sk, fields in closed.items():
        items[pk, sk] = {"pk": {"S": pk}, "sk": {"S": sk}, **fields}
    items[pk, "STATE"] = {
        "pk": {"S": pk},
        "sk": {"S": "STATE"},
        "format": {"N": "2"},
        "tracks": {"M": {code: {"M": track.to_item()} for code, track in tracks.items()}},
        "calendar_first": {"N": str(day_number(first))},
        "calendar": {"B": bitmap((date_ - first).days for date_ in days) if days else b""},
        **zones,
        **exams,
        "applied": {"M": {"day": {"N": str(day_number(latest_applied))}, **applied[latest_applied].fields()}},
        **marked(sum(track.by_next for track in tracks.values()) + exams_by_next),
    }
    if latest:
        fields = {"day": {"N": str(day_number(latest))}, **days[latest].latest_fields(tracks)}
        items[pk, "STATE"]["latest"] = {"M": fields}
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

    for name, rule in (LEARNER_RULES | NEXT_LEARNER_RULES).items():
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
