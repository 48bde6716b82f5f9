"""Compare a learner's views in two generations, and explain from the event log why they differ.

Left out is what depends on when something was applied, not on what was: versions, awards and their times, and
the categories of content that has moved. Each category's sums enter the sum over all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, Literal, NamedTuple

from domain.catalog import Catalog
from domain.days import day_text, utc_day
from domain.events import Event, Fact
from domain.first_answers import ANSWER_BYTES
from domain.fold import Buckets, Change, fold
from domain.generations import Colour
from domain.interaction import Interaction
from domain.learner import Applied, Day, Learner, Track, overdue
from domain.retraction import Retraction
from domain.tally import Breakdown, total, values

MAX_CHOICES = 256
"""The combinations of variants that are tried. More ambiguous identities of one learner are not explained."""
YOUNG = 15 * 60 * 1_000_000
"""Microseconds within which the log has a record, and a consumer that is not behind has applied it."""
FIRST_COUNTERS = 8
"""The counters that every release knows. A later one may be too low: older releases did not count it."""

type Facts = Mapping[tuple[Any, ...], Any]
"""Everything about a learner that must be equal, by name."""
type Reason = Literal["ambiguous", "refused", "retracted", "counter", "first_answers", "zone_rules"]
type Wrong = Literal["live", "built", "both"]

REASONS: Mapping[Reason, str] = {
    "ambiguous": "an event_id was used twice on one UTC day, and another of the two counts",
    "refused": "a record was refused when it arrived, and is accepted today",
    "retracted": "something was taken back after it was counted; a refold takes it out",
    "counter": "an older release did not know a counter",
    "first_answers": "an older release did not keep first answers",
    "zone_rules": "the rules of a time zone have changed, and an interaction falls on the next day",
}


class Side(NamedTuple):
    """A learner in one generation: the state, and all buckets by number, those in the state included."""

    learner: Learner
    days: Mapping[int, Day]
    applied: Mapping[int, Applied]

    @property
    def digests(self) -> set[tuple[int, int]]:
        """The applied events: pairs of a UTC day and a digest."""
        return {(number, digest) for number, bucket in self.applied.items() for digest in bucket.digests}

    @property
    def retracted(self) -> set[tuple[int, int]]:
        """What was taken back: pairs of a UTC day and a digest."""
        return {(number, digest) for number, bucket in self.applied.items() for digest in bucket.retracted}


def side(learner: Learner, days: Sequence[Day], applied: Sequence[Applied]) -> Side:
    """Return a learner with these closed buckets."""
    all_days = {day.number: day for day in days}
    all_applied = {bucket.number: bucket for bucket in applied}
    # The state's own bucket is never older than an item.
    if learner.latest:
        all_days[learner.latest.number] = learner.latest
    if learner.applied:
        all_applied[learner.applied.number] = learner.applied
    return Side(learner, all_days, all_applied)


class Difference(NamedTuple):
    """Something that is not equal."""

    what: str
    live: str
    built: str


class Logged(NamedTuple):
    """An event of the log."""

    event: Event
    arrived_at: int
    """In microseconds since 1970."""


@dataclass(frozen=True)
class Unexplained:
    """A learner whose views differ without an explanation."""

    user_id: str
    wrong: Wrong
    """The generation that differs from a fold of the log, too."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two generations."""

    live: Colour
    built: Colour
    learners: int = 0
    """The learners that were compared."""
    equal: int = 0
    explained: dict[Reason, int] = field(default_factory=dict)
    """The learners whose differences have an explanation, by reason. One learner can have several."""
    moving: tuple[str, ...] = ()
    """Learners who could not be compared, because one of the generations had more of them each time."""
    unexplained: tuple[Unexplained, ...] = ()
    due_awards: tuple[tuple[str, str], ...] = ()
    """Awards that the built generation lacks although they are due: pairs of a learner and an achievement."""
    unreadable: tuple[str, ...] = ()
    """Why learners can't be read in one of the generations."""
    is_catalog_equal: bool = True

    @property
    def differing(self) -> int:
        """The learners who differ and whose differences have an explanation."""
        return self.learners - self.equal - len(self.unexplained) - len(self.unreadable)

    @property
    def is_safe(self) -> bool:
        """Whether the built generation can become the live one without loss."""
        return self.is_catalog_equal and not (self.unexplained or self.due_awards or self.unreadable)


# -- what must be equal ----------------------------------------------------------------------------


def facts(one: Side) -> dict[tuple[Any, ...], Any]:
    """Return everything about a learner that must be equal."""
    learner = one.learner
    found: dict[tuple[Any, ...], Any] = {
        ("erased",): learner.erased_at is not None,
        ("starts_at",): learner.starts_at,
        ("study days",): frozenset(learner.calendar),
        ("named zone",): learner.named_zone and learner.named_zone[:2],
        ("plain offset",): learner.plain_offset and learner.plain_offset[:2],
    }
    for code, exams in learner.exams.items():
        found["exams", code] = tuple(exam[:3] for exam in exams)
    for code, track in learner.tracks.items():
        found |= {(name, code): value for name, value in _facts_of(track).items()}
    for number, day in one.days.items():
        for code, breakdown in day.tallies.items():
            for by, sums in _sums(breakdown).items():
                found[by, code, number] = sums
    return found


def _facts_of(track: Track) -> dict[str, Any]:
    sets = {name: getattr(track, name).bits for name in ("viewed", "answered", "completed", "scored")}
    # A track without anything holds no more than the contents of masteries, which were taken along.
    found = {name: bits for name, bits in sets.items() if bits}
    if track.best:
        found["best"] = track.best
    if track.first:
        found["first"] = _first_answers(track)
    return found | _sums(track.tallies)


def _first_answers(track: Track) -> Mapping[int, bytes]:
    return {
        ordinal: track.first[n * ANSWER_BYTES : (n + 1) * ANSWER_BYTES]
        for n, ordinal in enumerate(track.first_of)
    }


def _sums(breakdown: Breakdown) -> dict[str, tuple[int, ...]]:
    """Return the counters, summed over all categories and over all difficulties; {} if there are none."""
    found = {
        "sums by category": values(total(breakdown.categories.values())),
        "sums by difficulty": values(total(breakdown.difficulties.values())),
    }
    return {name: sums for name, sums in found.items() if any(sums)}


def differing(one: Facts, another: Facts) -> set[tuple[Any, ...]]:
    """Return the names of what is not equal."""
    return {name for name in one.keys() | another.keys() if one.get(name) != another.get(name)}


def differences(live: Side, built: Side) -> tuple[Difference, ...]:
    """Return what is not equal, for people."""
    one, another = facts(live), facts(built)
    found = [
        Difference(_name(name), _shown(one.get(name)), _shown(another.get(name)))
        for name in sorted(differing(one, another), key=repr)
    ]
    if live.digests != built.digests:
        counts = (len(live.digests - built.digests), len(built.digests - live.digests))
        found.append(Difference("applied events", f"{counts[0]} more", f"{counts[1]} more"))
    return tuple(found)


def _name(name: tuple[Any, ...]) -> str:
    what, *where = name
    if where and isinstance(where[-1], int):
        where[-1] = day_text(where[-1])
    return " ".join([what, *where])


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case frozenset():
            return f"{len(value)} days"
        case bytes():
            return value.hex()
        case Mapping():
            return ", ".join(f"{ordinal}: {answer.hex()}" for ordinal, answer in sorted(value.items()))
        case _:
            return str(value)


def is_moving(live: Side, built: Side) -> bool:
    """Return whether the generations have not applied the same events, so that no sum can be compared."""
    return live.digests | live.retracted != built.digests | built.retracted


def may_catch_up(live: Side, built: Side, events: Sequence[Logged], now: int) -> bool:
    """Return whether all that the built generation lacks is so young that its consumer may still apply it.

    The log lags. What it does not have is taken for young if it is of today or of yesterday, in UTC. `now` is
    in microseconds since 1970.
    """
    lacking = live.digests - built.digests - built.retracted
    arrivals = {
        (logged.event.utc_day, logged.event.digest): logged.arrived_at
        for logged in sorted(events, key=lambda logged: -logged.arrived_at)
    }
    return all(
        now - arrivals[identity] < YOUNG if identity in arrivals else identity[0] >= utc_day(now) - 1
        for identity in lacking
    )


def due_awards(live: Side, built: Side, catalog: Catalog, freezes: int) -> list[str]:
    """Return the awards that the live generation has, and that are due in the built one and missing there."""
    due = {award.achievement_id for award in overdue(built.learner, catalog, 0, freezes).awards}
    return sorted(due & live.learner.earned)


# -- why something is not equal ------------------------------------------------------------------------


def explain(
    live: Side, built: Side, events: Sequence[Logged], catalog: Catalog, freezes: int = 0
) -> set[Reason] | Wrong:
    """Return why a learner's views differ, or which generation differs from the log without a reason.

    `events` are all that the log has of the learner, in order of arrival.
    """
    reasons: set[Reason] = set()
    wrong: list[Wrong] = []
    if _begin(live) != _begin(built):
        return "built"
    if live.digests - built.digests - built.retracted or live.retracted - built.retracted:
        # The built generation lacks something that learners see today.
        return "built"
    if built.digests - live.digests - live.retracted:
        reasons.add("refused")
    if live.digests & built.retracted - built.digests:
        reasons.add("retracted")
    sides: tuple[tuple[Wrong, Side], ...] = (("live", live), ("built", built))
    for name, one in sides:
        found = _reasons(one, events, catalog, freezes)
        if found is None:
            wrong.append(name)
        else:
            reasons |= found
    if wrong:
        return wrong[0] if len(wrong) == 1 else "both"
    return reasons


def _begin(one: Side) -> tuple[bool, int | None]:
    return one.learner.erased_at is not None, one.learner.starts_at


def _reasons(one: Side, events: Sequence[Logged], catalog: Catalog, freezes: int) -> set[Reason] | None:
    """Return why a generation differs from a fold of the log; empty if it does not, None without a reason."""
    variants = _variants(one, events)
    if variants is None:
        return None
    actual = facts(one)
    best: set[Reason] | None = None
    for number, choice in enumerate(islice(product(*variants), MAX_CHOICES)):
        expected = facts(_folded(one.learner, choice, catalog, freezes))
        found = _tolerated(actual, expected, choice)
        if found is None:
            continue
        by_choice: set[Reason] = {"ambiguous"} if number else set()
        if not found:
            return by_choice
        best = best or found | by_choice
    return best


def _variants(one: Side, events: Sequence[Logged]) -> list[list[Fact]] | None:
    """Return the different events of each applied identity; None if the log lacks one that was applied."""
    found: dict[tuple[int, int], list[Fact]] = {identity: [] for identity in one.digests}
    for logged in events:
        event = logged.event
        if not isinstance(event, Retraction):
            identity = event.utc_day, event.digest
            if identity in found and event not in found[identity]:
                found[identity].append(event)
    return None if any(not variants for variants in found.values()) else list(found.values())


def _folded(learner: Learner, events: Sequence[Fact], catalog: Catalog, freezes: int) -> Side:
    # A state without anything begins where the stored one began: nothing of these events was dropped.
    change: Change = fold(Learner(learner.user_id), Buckets(), list(events), catalog, freezes)
    folded = side(change.learner, change.days, change.digests)
    return folded._replace(learner=folded.learner._replace(starts_at=learner.starts_at))


def _tolerated(actual: Facts, expected: Facts, events: Sequence[Fact]) -> set[Reason] | None:
    """Return the reasons for all that is not equal; None if something has none."""
    reasons: set[Reason] = set()
    for name in differing(actual, expected):
        reason = _reason(name, actual.get(name), expected.get(name), events)
        if reason is None:
            return None
        reasons.add(reason)
    # Under other rules an interaction moves to another day. None is lost or gained.
    if "zone_rules" in reasons and _over_days(actual) != _over_days(expected):
        return None
    return reasons


def _over_days(found: Facts) -> dict[tuple[Any, ...], list[int]]:
    sums: dict[tuple[Any, ...], list[int]] = {}
    for name, value in found.items():
        if len(name) == 3:
            before = sums.setdefault(name[:2], [0] * len(value))
            sums[name[:2]] = [mine + more for mine, more in zip(before, value, strict=True)]
    return sums


def _reason(name: tuple[Any, ...], actual: Any, expected: Any, events: Sequence[Fact]) -> Reason | None:
    match name:
        case ("first", _):
            # What is known of fewer contents must still be right.
            known: Mapping[int, bytes] = actual or {}
            return "first_answers" if known.items() <= (expected or {}).items() else None
        case ("sums by category" | "sums by difficulty", _) if actual and expected:
            return "counter" if _only_later_counters(actual, expected) else None
        case ("sums by category" | "sums by difficulty", _, number):
            if actual and expected and _only_later_counters(actual, expected):
                return "counter"
            return "zone_rules" if number in set(_days_of_zones(events)) else None
        case ("study days",):
            return "zone_rules" if actual ^ expected <= set(_days_of_zones(events)) else None
        case _:
            return None


def _only_later_counters(actual: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    pairs = zip(actual[FIRST_COUNTERS:], expected[FIRST_COUNTERS:], strict=True)
    return actual[:FIRST_COUNTERS] == expected[:FIRST_COUNTERS] and all(mine <= due for mine, due in pairs)


def _days_of_zones(events: Sequence[Fact]) -> Iterator[int]:
    """Yield the local days on which interactions with a named zone could fall under other rules."""
    for event in events:
        if isinstance(event, Interaction) and event.zone_named:
            yield from (event.day - 1, event.day, event.day + 1)
