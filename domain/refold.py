"""Fold a learner anew from everything in the event log, to repair or to correct what is stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from domain.catalog import Catalog
from domain.events import Event
from domain.fold import Buckets, Change, fold
from domain.learner import Applied, Learner
from domain.retraction import Retraction


class Kept(NamedTuple):
    """What a refold takes over from the stored items, because the log does not tell it."""

    learner: Learner
    """The stored state; one without anything if it can't be read."""
    earned: frozenset[str]
    """The ids of the stored awards."""
    applied: Mapping[int, Applied]
    """The stored digests by UTC day, those in the state included."""


def is_stored(kept: Kept, event: Event) -> bool:
    """Return whether an event is a retraction, or was applied when the items were stored."""
    bucket = kept.applied.get(event.utc_day)
    return isinstance(event, Retraction) or (bucket is not None and event.digest in bucket.digests)


def refold(kept: Kept, events: Iterable[Event], catalog: Catalog, freezes: int = 0) -> Change:
    """Return the learner as these events make it. The version is the stored one.

    `events` are those of the log that are stored, in order of arrival. What was retracted counts nowhere,
    whenever the retraction came. An award stays once it is earned, whatever the events say.
    """
    before = kept.learner
    start = Learner(
        before.user_id,
        earned=before.earned | kept.earned,
        unknown=before.unknown,
        starts_at=before.starts_at,
    )
    change = fold(start, Buckets(), _retractions_first(events), catalog, freezes)
    after = change.learner
    tracks = {
        code: track._replace(
            mastered={**track.mastered, **before.tracks[code].mastered},
            unknown=before.tracks[code].unknown,
        )
        if code in before.tracks
        else track
        for code, track in after.tracks.items()
    }
    return change._replace(learner=after._replace(version=before.version, tracks=tracks))


def _retractions_first(events: Iterable[Event]) -> Sequence[Event]:
    return sorted(events, key=lambda event: not isinstance(event, Retraction))


def missing(kept: Kept, change: Change) -> dict[int, frozenset[int]]:
    """Return the digests that are stored and that a refold did not meet, by UTC day.

    If there are some, the log does not have everything yet, and the refold must not replace anything.
    """
    latest = change.learner.applied
    folded = {bucket.number: bucket for bucket in (*change.digests, *((latest,) if latest else ()))}
    found = {}
    for number, stored in kept.applied.items():
        after = folded.get(number, Applied(number))
        if lost := (stored.digests - after.digests - after.retracted) | (stored.retracted - after.retracted):
            found[number] = lost
    return found
