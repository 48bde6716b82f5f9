"""Interactions for tests, and the state that a learner has after them.

Each interaction is valid unless a test changes a field.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from domain.achievements import Award
from domain.catalog import Catalog
from domain.fold import closed_days, fold
from domain.interaction import Interaction, parse
from domain.learner import Day, Learner


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


_NOON_OF_DAY_0 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_PARSED = parse(make_interaction(occurred_at=_NOON_OF_DAY_0.isoformat()), _NOON_OF_DAY_0)


def make_parsed(**fields: Any) -> Interaction:
    """Return an interaction as the fold takes it, at noon of day 0, with these fields changed.

    It starts from a parsed interaction, so that a new field of `Interaction` needs no line here.
    """
    return _PARSED._replace(**fields)


class Folded(NamedTuple):
    """A learner after some batches."""

    learner: Learner
    days: Mapping[int, Day]
    """The closed days, by number."""
    awards: Sequence[Award]
    """In the order in which they were earned."""
    applied: int
    """The number of interactions that were applied."""


def fold_batches(batches: Iterable[Sequence[Interaction]], catalog: Catalog, freezes: int = 0) -> Folded:
    """Fold batches one after the other, as the consumer does: each with only the closed days it needs."""
    learner, days, applied = Learner("ann"), dict[int, Day](), 0
    awards: list[Award] = []
    for batch in batches:
        needed = {number: days[number] for number in closed_days(learner, batch)}
        change = fold(learner, needed, batch, catalog, freezes)
        learner = change.learner
        days |= {day.number: day for day in change.days}
        awards += change.awards
        applied += change.applied
    return Folded(learner, days, awards, applied)
