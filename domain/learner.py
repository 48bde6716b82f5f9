"""A learner's state, and how far the learner is towards each achievement."""

from collections.abc import Callable, Mapping
from struct import unpack
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.achievements import (
    Achievement,
    Award,
    award,
    category_rules,
    certification_rules,
    learner_rules,
)
from domain.catalog import Catalog, Certification
from domain.content_set import SCORE_BYTES, ContentSet, score_of
from domain.days import instant, zone_names, zone_of
from domain.exam_results import Exams
from domain.mastery import Mastered, open_mastery
from domain.standing import CategoryStanding, CertificationStanding, Condition
from domain.streaks import StudyCalendar, longest_streak
from domain.tally import EMPTY, Breakdown, Sums, Tally, total, values

type Unknown = Mapping[str, Any]
"""Stored attributes that a later release added. This one writes them back as they are."""
_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_NO_CONTENT = ContentSet()


class Track(NamedTuple):
    """What a learner did towards one certification."""

    tallies: Breakdown = EMPTY
    viewed: ContentSet = _NO_CONTENT
    answered: ContentSet = _NO_CONTENT
    completed: ContentSet = _NO_CONTENT
    scored: ContentSet = _NO_CONTENT
    """The contents that have a score."""
    best: bytes = b""
    """The best score of each content in `scored`, by ordinal: hundredths in two bytes, big-endian."""
    first_of: ContentSet = _NO_CONTENT
    """The contents in `scored` whose earliest answer is known: all that were scored since this is kept."""
    first: bytes = b""
    """The earliest answer to each content in `first_of`, by ordinal, as `answer_bytes` returns it."""
    mastered: Mastered = _NOTHING
    """The contents of each category that was mastered, as they were then, by the achievement's id."""
    unknown: Unknown = _NOTHING

    def best_score(self, ordinal: int) -> int | None:
        """Return the best score of a content, in hundredths; None if it has no score."""
        return score_of(self.scored, self.best, ordinal)

    def best_scores(self) -> Callable[[int], int]:
        """Return the function from the ordinal of a content in `scored` to its best score, in hundredths."""
        scores = unpack(f">{len(self.best) // SCORE_BYTES}H", self.best)
        if self.scored.bits == (1 << len(scores)) - 1:
            # Without gaps, as at the end of the preparation, the ordinals are the positions.
            return scores.__getitem__
        return dict(zip(self.scored, scores, strict=True)).__getitem__


class Day(NamedTuple):
    """The bucket of one local day: its sums by certification."""

    number: int
    tallies: Mapping[str, Breakdown] = _NOTHING
    unknown: Unknown = _NOTHING
    unknown_of: Mapping[str, Unknown] = _NOTHING
    """Unknown attributes beside the sums, by certification. Only a closed day can have some."""


class Applied(NamedTuple):
    """The bucket of one UTC day: the digests of the interactions that were applied."""

    number: int
    digests: frozenset[int] = frozenset()
    unknown: Unknown = _NOTHING
    retracted: frozenset[int] = frozenset()
    """The digests of events that were taken back. Such an event is not applied any more."""


class Zone(NamedTuple):
    """A zone, and the time of an interaction that came from it."""

    at: int
    """Microseconds since 1970 (UTC)."""
    name: str
    """An IANA name, or an offset such as `+02:00`."""
    unknown: tuple[Any, ...] = ()
    """Fields that a later release added. This one writes them back as long as it keeps the zone."""


def latest_zone(named: Zone | None, offset: Zone | None) -> str | None:
    """Return a learner's latest zone: an IANA name, an offset, or None for UTC.

    `named` is the latest interaction that names a zone, and `offset` the latest that has a plain offset other
    than zero. The name counts unless a later offset contradicts it. A name that this release's tzdata lacks
    does not count.
    """
    if named is None or named.name not in zone_names():
        return offset.name if offset else None
    if offset is None or named.at >= offset.at:
        return named.name
    agrees = f"{instant(offset.at).astimezone(zone_of(named.name)):%:z}" == offset.name
    return named.name if agrees else offset.name


class Learner(NamedTuple):
    """The state of a learner. Only the buckets of the latest days are in it; earlier ones are closed."""

    user_id: str
    version: int = 0
    """The number of writes that made this state; 0 if it is not stored."""
    tracks: Mapping[str, Track] = _NOTHING
    calendar: StudyCalendar = StudyCalendar()
    named_zone: Zone | None = None
    """The latest interaction that names a zone."""
    plain_offset: Zone | None = None
    """The latest interaction that names no zone and has an offset other than zero."""
    latest: Day | None = None
    """The bucket of the latest local day."""
    applied: Applied | None = None
    """The bucket of the latest UTC day."""
    earned: frozenset[str] = frozenset()
    unknown: Unknown = _NOTHING
    exams: Exams = _NOTHING
    """The results of exams. A learner can have some of a certification without a track."""
    erased_at: int | None = None
    """When the learner was erased, in microseconds since 1970. Nothing else is left of an erased learner."""
    starts_at: int | None = None
    """When an erased learner started again, in microseconds since 1970. Earlier events stay dropped."""

    @property
    def zone(self) -> str | None:
        """The latest zone; None for UTC."""
        return latest_zone(self.named_zone, self.plain_offset)

    @property
    def total(self) -> Tally:
        """The sum over everything applied."""
        return total(self.totals.values())

    @property
    def totals(self) -> Mapping[str, Tally]:
        """The sum over everything applied, by certification."""
        return {code: track.tallies.total for code, track in self.tracks.items()}


class LearnerStanding(NamedTuple):
    """The `Standing` of a stored learner."""

    longest_streak: int
    completed_content: int
    sums: Sums


def standing(learner: Learner, totals: Mapping[str, Tally], freezes: int) -> LearnerStanding:
    """Return what the rules about a learner read.

    `totals` holds the total of each track, and `freezes` is the streak policy.
    """
    return LearnerStanding(
        longest_streak(learner.calendar, freezes),
        sum([track.completed.bits.bit_count() for track in learner.tracks.values()]),
        values(total(totals.values())),
    )


class Goal(NamedTuple):
    """An achievement that is not earned yet, and the progress towards it: `value` of `target`."""

    achievement: Award
    """The award as it would be given. Its `earned_at` has no meaning."""
    value: int
    target: int
    missing: tuple[Condition, ...]
    """The conditions that are not met. None are missing if it was reached without an interaction."""
    contents: ContentSet | None = None
    """The contents that a mastery would cover."""

    @property
    def is_reached(self) -> bool:
        """Whether the next interaction brings it, because the catalog or the rules have changed."""
        return self.value >= self.target


def goals(learner: Learner, catalog: Catalog, freezes: int = 0) -> list[Goal]:
    """Return every rule that is not earned, about the learner and the certifications that they started."""
    totals = learner.totals
    of_learner = standing(learner, totals, freezes)
    found = [_goal(rule, of_learner) for rule in learner_rules() if rule.id not in learner.earned]
    for code, track in learner.tracks.items():
        certification = catalog.certifications.get(code, Certification(code))
        of_certification = CertificationStanding(
            len(track.completed),
            len(track.completed & certification.active),
            len(certification.active),
            values(totals[code]),
        )
        rules = certification_rules(code)
        found += [_goal(rule, of_certification) for rule in rules if rule.id not in learner.earned]
        for category, contents in certification.categories.items():
            of_category = CategoryStanding(
                len(track.completed & contents),
                len(contents),
                values(track.tallies.categories.get(category, Tally())),
            )
            for rule in category_rules(code, category):
                mastery = open_mastery(rule, category, certification, track.mastered, learner.earned)
                if mastery is not None:
                    found.append(_goal(mastery, of_category, contents))
    return found


class Overdue(NamedTuple):
    """Awards that are overdue, and the learner with them, in the version that was given."""

    awards: tuple[Award, ...]
    learner: Learner


def overdue(learner: Learner, catalog: Catalog, now: int, freezes: int = 0) -> Overdue:
    """Return the awards that today's rules grant but no interaction has brought.

    The rules are newer, or the catalog has changed. `now`, in microseconds since 1970, becomes their
    earned_at: nobody knows when the learner reached them.
    """
    reached = [goal for goal in goals(learner, catalog, freezes) if goal.is_reached]
    # Categories whose names differ in case alone share an achievement.
    once = {goal.achievement.achievement_id: goal for goal in reached}
    tracks = dict(learner.tracks)
    for achievement_id, goal in once.items():
        code = goal.achievement.certification_type
        if code is not None and goal.contents is not None:
            mastered = {**tracks[code].mastered, achievement_id: goal.contents}
            tracks[code] = tracks[code]._replace(mastered=mastered)
    after = learner._replace(earned=learner.earned.union(once), tracks=tracks)
    return Overdue(tuple(goal.achievement._replace(earned_at=now) for goal in once.values()), after)


def _goal[S](rule: Achievement[S], reached: S, contents: ContentSet | None = None) -> Goal:
    value = min(rule.measure(reached), rule.target)
    return Goal(award(rule, 0), value, rule.target, rule.missing(reached), contents)
