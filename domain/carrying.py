"""What a learner takes along from the live generation of the views into another one.

The log does not tell everything: which awards were ever earned, what masteries cover, who was erased.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from domain.content_set import ContentSet
from domain.fold import Buckets, Change
from domain.learner import Applied, Learner, Track

_NOTHING: Mapping[str, Mapping[str, ContentSet]] = MappingProxyType({})
_NO_DIGESTS: Mapping[int, frozenset[int]] = MappingProxyType({})


class Carried(NamedTuple):
    """What one learner takes along, or a part of it."""

    earned: frozenset[str] = frozenset()
    """The ids of awards."""
    mastered: Mapping[str, Mapping[str, ContentSet]] = _NOTHING
    """The contents that masteries cover, by certification and achievement."""
    retracted: Mapping[int, frozenset[int]] = _NO_DIGESTS
    """The digests of what was taken back, by UTC day."""
    erased_at: int | None = None
    """When the learner was erased, in microseconds since 1970."""
    starts_at: int | None = None
    """When an erased learner started again, in microseconds since 1970."""

    def plus(self, other: "Carried") -> "Carried":
        """Return what both parts hold. Retractions on the same day add up."""
        days = self.retracted.keys() | other.retracted.keys()
        none = frozenset[int]()
        return Carried(
            self.earned | other.earned,
            {**self.mastered, **other.mastered},
            {day: self.retracted.get(day, none) | other.retracted.get(day, none) for day in sorted(days)},
            other.erased_at if self.erased_at is None else self.erased_at,
            other.starts_at if self.starts_at is None else self.starts_at,
        )


def carried_from(learner: Learner) -> Carried:
    """Return what a live state gives its learner to take along."""
    mastered = {code: track.mastered for code, track in learner.tracks.items() if track.mastered}
    return Carried(
        learner.earned,
        mastered,
        {} if learner.applied is None else retracted_in(learner.applied),
        learner.erased_at,
        learner.starts_at,
    )


def retracted_in(bucket: Applied) -> dict[int, frozenset[int]]:
    """Return the digests of what was taken back on a UTC day, under its number; {} without any."""
    return {bucket.number: bucket.retracted} if bucket.retracted else {}


def needed_days(learner: Learner, taken: Carried) -> frozenset[int]:
    """Return the numbers of the closed UTC days that `carry` needs."""
    latest = learner.applied.number if learner.applied else -1
    return frozenset(day for day in taken.retracted if day < latest)


def carry(learner: Learner, buckets: Buckets, taken: Carried, *, is_folded: bool) -> Change | None:
    """Return the state that has everything that a learner takes along; None if it has it already.

    `buckets` holds the closed UTC days that `needed_days` asked for. The awards themselves are not in the
    change: their items are copied as they are. `is_folded` says that the log is folded already: a
    certification without an interaction has none in the log, and is left out.
    """
    tracks = dict(learner.tracks)
    for code, covered in taken.mastered.items():
        track = tracks.get(code, Track())
        # What this generation has mastered itself stays as it is.
        tracks[code] = track._replace(mastered={**covered, **track.mastered})
    if is_folded:
        tracks = {code: track for code, track in tracks.items() if track.tallies.categories}
    latest, closed = _with_retracted(learner, buckets, taken)
    after = learner._replace(
        earned=learner.earned | taken.earned,
        tracks=tracks,
        applied=latest,
        starts_at=learner.starts_at if taken.starts_at is None else taken.starts_at,
    )
    if after == learner and not closed:
        return None
    return Change(after._replace(version=learner.version + 1), (), (), 0, 0, (), closed)


def _with_retracted(
    learner: Learner, buckets: Buckets, taken: Carried
) -> tuple[Applied | None, tuple[Applied, ...]]:
    """Return the bucket of the latest UTC day, and the closed ones that change."""
    before = dict(buckets.applied)
    if learner.applied:
        before[learner.applied.number] = learner.applied
    changed: dict[int, Applied] = {}
    for day, digests in taken.retracted.items():
        bucket = before.get(day, Applied(day))
        if not digests <= bucket.retracted:
            changed[day] = bucket._replace(retracted=bucket.retracted | digests)
    if not changed:
        return learner.applied, ()
    if learner.applied:
        changed.setdefault(learner.applied.number, learner.applied)
    latest = changed.pop(max(changed))
    return latest, tuple(changed[day] for day in sorted(changed))
