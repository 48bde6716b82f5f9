"""Interactions for tests, and the state that a learner has after them.

Each interaction is valid unless a test changes a field.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from domain.achievements import Award
from domain.catalog import Catalog
from domain.events import Event
from domain.fold import Buckets, Change, fold, needed_buckets
from domain.interaction import Interaction, parse
from domain.learner import Applied, Day, Learner
from domain.tally import COUNTERS, Tally, tally_of


def make_interaction(**fields: Any) -> dict[str, Any]:
    """Return an interaction as apps write it, with these fields changed. `...` leaves a field out."""
    whole = {
        "event_id": "e-1",
        "user_id": "ann",
        "content_id": "saa-1",
        "interaction_type": "answered",
        "occurred_at": "2026-03-01T09:00:00+02:00",
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not ...}


_NOON_OF_DAY_1 = datetime(2000, 1, 2, 12, tzinfo=UTC)
_PARSED = parse(make_interaction(occurred_at=_NOON_OF_DAY_1.isoformat()), _NOON_OF_DAY_1)


def make_parsed(**fields: Any) -> Interaction:
    """Return an interaction as the fold takes it, at noon of day 1, with these fields changed.

    It starts from a parsed interaction, so that a new field of `Interaction` needs no line here.
    """
    return _PARSED._replace(**fields)


def make_tally(**counters: int) -> Tally:
    """Return the tally with these counters, and 0 for all others."""
    assert counters.keys() <= set(COUNTERS)
    return tally_of([counters.get(name, 0) for name in COUNTERS])


def needed_of(buckets: Buckets, learner: Learner, events: Sequence[Event]) -> Buckets:
    """Return those of the closed buckets that a fold asks for."""
    numbers = needed_buckets(learner, events)
    return Buckets(
        {number: buckets.days[number] for number in numbers.days},
        {number: buckets.applied[number] for number in numbers.applied & buckets.applied.keys()},
    )


def buckets_after(buckets: Buckets, change: Change) -> Buckets:
    """Return the closed buckets after a change has been written."""
    return Buckets(
        {**buckets.days, **{day.number: day for day in change.days}},
        {**buckets.applied, **{applied.number: applied for applied in change.digests}},
    )


class Folded(NamedTuple):
    """A learner after some batches."""

    learner: Learner
    days: Mapping[int, Day]
    """The closed local days, by number."""
    applied_days: Mapping[int, Applied]
    """The closed UTC days, by number."""
    awards: Sequence[Award]
    """In the order in which they were earned."""
    applied: int
    """The number of interactions that were applied."""


def fold_batches(batches: Iterable[Sequence[Event]], catalog: Catalog, freezes: int = 0) -> Folded:
    """Fold batches one after the other, as the consumer does: each with only the buckets it needs."""
    learner, buckets, applied = Learner("ann"), Buckets(), 0
    awards: list[Award] = []
    for batch in batches:
        change = fold(learner, needed_of(buckets, learner, batch), batch, catalog, freezes)
        learner = change.learner
        buckets = buckets_after(buckets, change)
        awards += change.awards
        applied += change.applied
    return Folded(learner, buckets.days, buckets.applied, awards, applied)
