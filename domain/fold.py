"""The fold of interactions into a learner's state.

`fold` computes everything that changes when interactions arrive: the new state, the closed days that
changed, and the awards that were earned. The same interactions give the same result in any order or batching.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from domain.achievements import Award, Waiting, award, learner_rules
from domain.catalog import Catalog, Certification, Place, UnknownCertification, UnknownContent
from domain.days import start_of
from domain.drafts import DayDraft, TrackDraft
from domain.events import Event, local_day
from domain.exam_results import ExamResult, with_results
from domain.interaction import NO_OFFSET, Interaction
from domain.learner import Applied, Day, Learner, Track, Zone, standing
from domain.retraction import Retraction
from domain.streaks import longest_streak
from domain.tally import Tally, increments


class Refusal(NamedTuple):
    """A valid interaction that can't be applied at present. `code` is stable."""

    position: int
    """Its index among the interactions that were folded."""
    code: str
    reason: str


class Change(NamedTuple):
    """The result of a fold.

    `learner` is the next version of the state, or the same as before if nothing was applied. `days` and
    `digests` are the closed buckets to write as a whole, in order.
    """

    learner: Learner
    days: tuple[Day, ...]
    awards: tuple[Award, ...]
    applied: int
    duplicates: int
    refused: tuple[Refusal, ...]
    digests: tuple[Applied, ...] = ()
    erased: int = 0
    """The events that were dropped, because the learner is erased or has started again later."""


class BucketNumbers(NamedTuple):
    """The numbers of closed buckets: of local days, and of UTC days."""

    days: frozenset[int]
    applied: frozenset[int]


class Buckets(NamedTuple):
    """Closed buckets by number. A UTC day without a bucket has no applied interaction."""

    days: Mapping[int, Day] = MappingProxyType({})
    applied: Mapping[int, Applied] = MappingProxyType({})


class MissingBucket(LookupError):
    """The state says that a local day has a bucket, but it was not among those given to the fold."""


def needed_buckets(learner: Learner, events: Sequence[Event]) -> BucketNumbers:
    """Return the numbers of the closed buckets that a fold of these events needs.

    A local day that is not in the calendar has no bucket, and neither has a UTC day after the latest.
    """
    if learner.applied is None:
        return BucketNumbers(frozenset(), frozenset())
    latest_day = learner.latest.number if learner.latest else None
    latest_utc_day = learner.applied.number
    calendar = learner.calendar
    local_days = [day for event in events if (day := local_day(event)) is not None]
    return BucketNumbers(
        frozenset([day for day in local_days if day != latest_day and day in calendar]),
        frozenset([day for event in events if (day := event.utc_day) < latest_utc_day]),
    )


def is_applied(learner: Learner, buckets: Buckets, event: Event) -> bool:
    """Return whether an event has been applied already, or taken back. `buckets` is as for `fold`."""
    bucket = _applied_bucket(learner, buckets, event.utc_day)
    if isinstance(event, Retraction):
        return event.digest in bucket.retracted
    return event.digest in bucket.digests or event.digest in bucket.retracted


def applied_on(learner: Learner, buckets: Buckets, utc_day: int) -> frozenset[int]:
    """Return the digests of a UTC day's events that were applied or taken back.

    `buckets` is as for `fold`.
    """
    bucket = _applied_bucket(learner, buckets, utc_day)
    return bucket.digests | bucket.retracted


def is_dropped(learner: Learner, event: Event) -> bool:
    """Return whether an event is to be dropped: the learner is erased, or has started again after it."""
    if learner.starts_at is not None:
        # A retraction has no time of its own. On the day of the start it may be of a later event.
        at = start_of(event.utc_day + 1) - 1 if isinstance(event, Retraction) else event.at
        return at < learner.starts_at
    return learner.erased_at is not None


def _applied_bucket(learner: Learner, buckets: Buckets, utc_day: int) -> Applied:
    latest = learner.applied
    if latest is None or utc_day > latest.number:
        return Applied(utc_day)
    return latest if utc_day == latest.number else buckets.applied.get(utc_day) or Applied(utc_day)


def fold(
    learner: Learner,
    buckets: Buckets,
    events: Sequence[Event],
    catalog: Catalog,
    freezes: int = 0,
) -> Change:
    """Apply the events that have not been applied yet, one after the other.

    `buckets` holds what `needed_buckets` asked for. Raise MissingBucket if a local day is missing. `freezes`
    is the streak policy that streak achievements follow.
    """
    draft = _Draft(learner, buckets, freezes)
    awards: list[Award] = []
    refused: list[Refusal] = []
    duplicates = erased = 0
    may_drop = learner.erased_at is not None or learner.starts_at is not None
    for position, interaction in enumerate(events):
        if may_drop and is_dropped(learner, interaction):
            erased += 1
            continue
        # This check comes first: an applied event stays applied, however the catalog changes.
        digest, utc_day = interaction.digest, interaction.utc_day
        if isinstance(interaction, Retraction):
            duplicates += not draft.retract(utc_day, digest)
            continue
        if draft.has(utc_day, digest):
            duplicates += 1
            continue
        if isinstance(interaction, ExamResult):
            if interaction.certification in catalog.certifications:
                draft.apply_exam(interaction, utc_day, digest)
            else:
                reason = f"no catalog has certification {interaction.certification}"
                refused.append(Refusal(position, "unknown_certification", reason))
            continue
        try:
            place = catalog.place(interaction.content_id, interaction.certification)
        except UnknownContent:
            reason = f"no catalog has content {interaction.content_id}"
            refused.append(Refusal(position, "unknown_content", reason))
            continue
        except UnknownCertification:
            reason = f"content {interaction.content_id} is not in the catalog of {interaction.certification}"
            refused.append(Refusal(position, "unknown_certification", reason))
            continue
        draft.apply(interaction, utc_day, digest, place)
        awards += draft.newly_earned(interaction, place, catalog.certifications[place.certification])
    applied = len(events) - duplicates - len(refused) - erased
    if not applied:
        return Change(learner, (), (), 0, duplicates, tuple(refused), (), erased)
    after, days, closed = draft.freeze()
    return Change(after, days, tuple(awards), applied, duplicates, tuple(refused), closed, erased)


class _Draft:
    """A learner's state that is open for adding, so that a batch costs one copy of what it touches.

    It is also the `Standing` that achievements are measured on.
    """

    def __init__(self, learner: Learner, buckets: Buckets, freezes: int) -> None:
        self._before = learner
        self._given = buckets
        self._freezes = freezes
        self._days: dict[int, DayDraft] = {}
        self._applied: dict[int, tuple[Applied, set[int]]] = {}
        self._retracted: dict[int, set[int]] = {}
        self._tracks: dict[str, TrackDraft] = {}
        self._calendar = learner.calendar
        self._named_zone = learner.named_zone
        self._plain_offset = learner.plain_offset
        self._totals = learner.totals
        before = standing(learner, self._totals, freezes)
        self.longest_streak = before.longest_streak
        self.completed_content = before.completed_content
        self.sums = list(before.sums)
        self._earned = learner.earned
        self._exams: list[ExamResult] = []
        self._waiting = Waiting(learner_rules())

    def has(self, utc_day: int, digest: int) -> bool:
        """Return whether an event has been applied or taken back."""
        before, new = self._bucket(utc_day)
        return (
            digest in before.digests
            or digest in new
            or digest in before.retracted
            or digest in self._retracted.get(utc_day, ())
        )

    def retract(self, utc_day: int, digest: int) -> bool:
        """Take an event back, if it comes later. Return False if it is taken back already.

        What was applied stays applied: a set of contents can't be subtracted from. A refold leaves it out.
        """
        before, _ = self._bucket(utc_day)
        new = self._retracted.setdefault(utc_day, set())
        if digest in before.retracted or digest in new:
            return False
        new.add(digest)
        return True

    def _bucket(self, utc_day: int) -> tuple[Applied, set[int]]:
        bucket = self._applied.get(utc_day)
        if bucket is None:
            bucket = (_applied_bucket(self._before, self._given, utc_day), set())
            self._applied[utc_day] = bucket
        return bucket

    def apply(self, interaction: Interaction, utc_day: int, digest: int, place: Place) -> None:
        code, content = place
        amounts = increments(interaction)
        track = self._tracks.get(code)
        if track is None:
            track = self._tracks[code] = self._open_track(code)
        track.tallies.add(content.category, content.difficulty, amounts)
        of_track, of_learner = track.sums, self.sums
        for counter, amount in amounts:
            of_track[counter] += amount
            of_learner[counter] += amount
        completed = track.completed
        track.touch(interaction, content.ordinal)
        self.completed_content += track.completed != completed
        self._day(interaction.day).add(place, amounts)
        self._applied[utc_day][1].add(digest)
        if interaction.day not in self._calendar:
            self._calendar = self._calendar.add(interaction.day)
            self.longest_streak = longest_streak(self._calendar, self._freezes)
        self._note_zone(interaction)

    def apply_exam(self, result: ExamResult, utc_day: int, digest: int) -> None:
        self._applied[utc_day][1].add(digest)
        self._exams.append(result)

    def _open_track(self, code: str) -> TrackDraft:
        before = self._before.tracks.get(code)
        if before is None:
            return TrackDraft(code, Track(), Tally())
        return TrackDraft(code, before, self._totals[code])

    def _note_zone(self, interaction: Interaction) -> None:
        zone = (interaction.at, interaction.zone)
        if interaction.zone_named:
            if self._named_zone is None or zone > self._named_zone:
                self._named_zone = Zone(*zone)
        elif interaction.zone != NO_OFFSET and (self._plain_offset is None or zone > self._plain_offset):
            self._plain_offset = Zone(*zone)

    def newly_earned(
        self, interaction: Interaction, place: Place, certification: Certification
    ) -> list[Award]:
        """Return what the interaction that was just applied has earned, each achievement once."""
        of_learner = self._waiting.take(self)
        track = self._tracks[place.certification]
        of_track = track.reached(certification, place.content.category, self._earned)
        earned = []
        for rule in (*of_learner, *of_track):
            if rule.id not in self._earned:
                self._earned |= {rule.id}
                earned.append(award(rule, interaction.at))
        return earned

    def _day(self, number: int) -> DayDraft:
        draft = self._days.get(number)
        if draft is None:
            latest = self._before.latest
            if latest and latest.number == number:
                day = latest
            elif number in self._before.calendar:
                if number not in self._given.days:
                    raise MissingBucket(f"day {number} of {self._before.user_id}")
                day = self._given.days[number]
            else:
                day = Day(number)
            draft = self._days[number] = DayDraft(day)
        return draft

    def freeze(self) -> tuple[Learner, tuple[Day, ...], tuple[Applied, ...]]:
        """Return the new state, and the closed buckets of local days and of UTC days to write."""
        days = {number: draft.freeze() for number, draft in self._days.items()}
        latest = self._before.latest
        if latest:
            days.setdefault(latest.number, latest)
        applied = self._before.applied
        digests = {
            number: Applied(number, before.digests | new, before.unknown, before.retracted.union(retracted))
            for number, (before, new) in self._applied.items()
            if (retracted := self._retracted.get(number, ())) or new
        }
        if applied:
            digests.setdefault(applied.number, applied)
        # A learner with nothing but exams has no local day.
        newest_day = days.pop(max(days)) if days else None
        newest_digests = digests.pop(max(digests))
        tracks = {code: draft.freeze() for code, draft in self._tracks.items()}
        after = Learner(
            self._before.user_id,
            self._before.version + 1,
            {**self._before.tracks, **tracks},
            self._calendar,
            self._named_zone,
            self._plain_offset,
            newest_day,
            newest_digests,
            self._earned,
            self._before.unknown,
            with_results(self._before.exams, self._exams),
            starts_at=self._before.starts_at,
        )
        return after, tuple(days[n] for n in sorted(days)), tuple(digests[n] for n in sorted(digests))
