"""A learner's state, and the fold of interactions into it.

`fold` is all that Streakline computes as interactions arrive: a new state, the closed days that changed,
the awards that were reached. Folding the same interactions in any order or batching gives the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.achievements import (
    ACHIEVEMENTS,
    Achievement,
    Award,
    CategoryStanding,
    CertificationStanding,
    Standing,
    Waiting,
    award,
    category_rules,
    certification_rules,
)
from domain.catalog import Catalog, Certification, ContentSet, Place, UnknownCertification, UnknownContent
from domain.interaction import Interaction
from domain.streaks import StudyCalendar, streaks
from domain.tally import COUNTERS, EMPTY, PERFECT, Breakdown, Increments, Tally, increments, total, values


@dataclass(frozen=True, slots=True)
class Track:
    """What a learner did towards one certification."""

    tallies: Breakdown = EMPTY
    viewed: ContentSet = ContentSet()
    answered: ContentSet = ContentSet()
    completed: ContentSet = ContentSet()
    best: bytes = b""
    """Best score by ordinal, two bytes each, big-endian: hundredths + 1; 0 or beyond the end: none."""

    def best_score(self, ordinal: int) -> int | None:
        """The best score of a content, in hundredths; None where it has none."""
        mark = int.from_bytes(self.best[2 * ordinal : 2 * ordinal + 2])
        return mark - 1 if mark else None


@dataclass(frozen=True, slots=True)
class Day:
    """The bucket of one local day: its sums by certification, and which interactions are in them."""

    number: int
    tallies: Mapping[str, Breakdown] = field(default_factory=dict)
    digests: frozenset[int] = frozenset()


class Zone(NamedTuple):
    """A zone that an interaction came from; the greatest is the learner's latest zone.

    A named zone outweighs any plain offset.
    """

    named: bool
    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Learner:
    """The state of a learner. `latest` is the bucket of the latest local day, the only one still open."""

    user_id: str
    version: int = 0
    """How many writes made this state; 0: it is not stored."""
    tracks: Mapping[str, Track] = field(default_factory=dict)
    calendar: StudyCalendar = StudyCalendar()
    zone: Zone | None = None
    latest: Day | None = None
    earned: frozenset[str] = frozenset()

    @property
    def total(self) -> Tally:
        """Everything applied."""
        return total(track.tallies.total for track in self.tracks.values())


class Reached(NamedTuple):
    """A learner's `Standing`, at rest."""

    longest_streak: int
    completed_content: int
    seconds: int
    scored: int
    score: int


def standing(learner: Learner, freezes: int) -> Reached:
    """What the rules about a learner look at. `freezes`: the streak policy."""
    sums = learner.total
    return Reached(
        streaks(learner.calendar, freezes=freezes).longest,
        sum(len(track.completed) for track in learner.tracks.values()),
        sums.seconds,
        sums.scored,
        sums.score,
    )


class Goal(NamedTuple):
    """An achievement that is not earned, and how far it is: `value` of `target`."""

    achievement: Award
    """As it would be awarded; its `earned_at` means nothing."""
    value: int
    target: int


def goals(learner: Learner, catalog: Catalog, freezes: int = 0) -> list[Goal]:
    """Every rule that is not earned: about the learner, and the certifications that they have started."""
    found = [_goal(rule, standing(learner, freezes)) for rule in ACHIEVEMENTS]
    for code, track in learner.tracks.items():
        certification = catalog.certifications.get(code, Certification(code))
        reached = CertificationStanding(
            len(track.completed),
            len(track.completed & certification.active),
            len(certification.active),
            track.tallies.total.perfect,
        )
        found += [_goal(rule, reached) for rule in certification_rules(code)]
        for category, contents in certification.categories.items():
            sums = track.tallies.categories.get(category, Tally())
            mastery = CategoryStanding(
                len(track.completed & contents), len(contents), sums.scored, sums.score
            )
            found += [_goal(rule, mastery) for rule in category_rules(code, category)]
    return [goal for goal in found if goal.achievement.achievement_id not in learner.earned]


def overdue(learner: Learner, catalog: Catalog, now: int, freezes: int = 0) -> list[Award]:
    """What today's rules say is earned, and no interaction has brought yet: the rules are newer than it.

    `now`: microseconds since 1970, the awards' earned_at, for when it was reached is not known.
    """
    reached = [goal.achievement for goal in goals(learner, catalog, freezes) if goal.value >= goal.target]
    # Categories that differ in case alone share an achievement.
    once = {achievement.achievement_id: achievement for achievement in reached}
    return [achievement._replace(earned_at=now) for achievement in once.values()]


def _goal[S](rule: Achievement[S], reached: S) -> Goal:
    return Goal(award(rule, 0), min(rule.measure(reached), rule.target), rule.target)


class Refusal(NamedTuple):
    """A valid interaction that can't be applied as things are; `code` is stable."""

    position: int
    """Which of the interactions that were folded."""
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a fold came to: the learner as before where nothing was applied, else a version on.

    `days` are closed days to be written whole, in order.
    """

    learner: Learner
    days: tuple[Day, ...]
    awards: tuple[Award, ...]
    applied: int
    duplicates: int
    refused: tuple[Refusal, ...]


def closed_days(learner: Learner, interactions: Iterable[Interaction]) -> set[int]:
    """The closed days that a fold of these interactions must be given.

    A day that is not in the calendar has no bucket.
    """
    latest = learner.latest.number if learner.latest else None
    return {i.day for i in interactions if i.day != latest and i.day in learner.calendar}


def is_applied(learner: Learner, days: Mapping[int, Day], interaction: Interaction) -> bool:
    """Whether an interaction is in the state already; `days` as for `fold`."""
    if interaction.day not in learner.calendar:
        return False
    latest = learner.latest
    day = latest if latest and latest.number == interaction.day else days[interaction.day]
    return interaction.digest in day.digests


def fold(
    learner: Learner,
    days: Mapping[int, Day],
    interactions: Sequence[Interaction],
    catalog: Catalog,
    freezes: int = 0,
) -> Change:
    """Apply the interactions that are not applied yet, one after the other.

    `days`: the buckets that `closed_days` asked for, by number (KeyError where one lacks).
    `freezes`: the streak policy that streak achievements go by.
    """
    draft = _Draft(learner, days, freezes)
    awards: list[Award] = []
    refused: list[Refusal] = []
    duplicates = 0
    for position, interaction in enumerate(interactions):
        # Before anything else: what was applied once is applied, whatever became of the catalog since.
        digest = interaction.digest
        if draft.has(interaction.day, digest):
            duplicates += 1
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
        draft.apply(interaction, digest, place)
        awards += draft.newly_earned(interaction, place, catalog.certifications[place.certification])
    applied = len(interactions) - duplicates - len(refused)
    if not applied:
        return Change(learner, (), (), 0, duplicates, tuple(refused))
    after, closed = draft.freeze()
    return Change(after, closed, tuple(awards), applied, duplicates, tuple(refused))


class _Tallies:
    """A breakdown open for adding: copies only the tallies that something is added to."""

    __slots__ = ("before", "categories", "difficulties")

    def __init__(self, before: Breakdown) -> None:
        self.before = before
        self.categories: dict[str, list[int]] = {}
        self.difficulties: dict[str, list[int]] = {}

    def add(self, category: str, difficulty: str, amounts: Increments) -> None:
        sums = self.categories.get(category)
        if sums is None:
            sums = self.categories[category] = values(self.before.categories.get(category, Tally()))
        more = self.difficulties.get(difficulty)
        if more is None:
            more = self.difficulties[difficulty] = values(self.before.difficulties.get(difficulty, Tally()))
        for counter, amount in amounts:
            sums[counter] += amount
            more[counter] += amount

    def freeze(self) -> Breakdown:
        return Breakdown(
            {**self.before.categories, **{name: Tally(*sums) for name, sums in self.categories.items()}},
            {**self.before.difficulties, **{name: Tally(*sums) for name, sums in self.difficulties.items()}},
        )


class _TrackDraft:
    """A track open for adding."""

    __slots__ = ("answered", "before", "best", "completed", "perfect", "tallies", "viewed")

    def __init__(self, before: Track) -> None:
        self.before = before
        self.tallies = _Tallies(before.tallies)
        self.viewed = before.viewed.bits
        self.answered = before.answered.bits
        self.completed = before.completed.bits
        self.best: bytearray | None = None
        self.perfect = before.tallies.total.perfect

    def touch(self, interaction: Interaction, ordinal: int) -> None:
        bit = 1 << ordinal
        if interaction.kind == "viewed":
            self.viewed |= bit
        elif interaction.kind == "answered":
            self.answered |= bit
        else:
            self.completed |= bit
        if interaction.score is not None:
            self.perfect += interaction.score == PERFECT
            self._keep_best(ordinal, interaction.score + 1)

    def _keep_best(self, ordinal: int, mark: int) -> None:
        if self.best is None:
            self.best = bytearray(self.before.best)
        start = 2 * ordinal
        if len(self.best) < start + 2:
            self.best.extend(bytes(start + 2 - len(self.best)))
        if mark > int.from_bytes(self.best[start : start + 2]):
            self.best[start : start + 2] = mark.to_bytes(2)

    def freeze(self) -> Track:
        return Track(
            self.tallies.freeze(),
            ContentSet(self.viewed),
            ContentSet(self.answered),
            ContentSet(self.completed),
            self.before.best if self.best is None else bytes(self.best),
        )


class _DayDraft:
    """A day's bucket open for adding."""

    __slots__ = ("before", "changed", "digests", "tallies")

    def __init__(self, before: Day) -> None:
        self.before = before
        self.digests = set(before.digests)
        self.tallies: dict[str, _Tallies] = {}
        self.changed = False

    def add(self, digest: int, place: Place, amounts: Increments) -> None:
        self.changed = True
        self.digests.add(digest)
        tallies = self.tallies.get(place.certification)
        if tallies is None:
            tallies = _Tallies(self.before.tallies.get(place.certification, EMPTY))
            self.tallies[place.certification] = tallies
        tallies.add(place.content.category, place.content.difficulty, amounts)

    def freeze(self) -> Day:
        if not self.changed:
            return self.before
        tallies = {code: draft.freeze() for code, draft in self.tallies.items()}
        return Day(self.before.number, {**self.before.tallies, **tallies}, frozenset(self.digests))


class _Draft:
    """A learner's state open for adding, so that a batch costs one copy of what it touches.

    It is also the `Standing` that achievements are measured on.
    """

    def __init__(self, learner: Learner, days: Mapping[int, Day], freezes: int) -> None:
        self._before = learner
        self._given = days
        self._freezes = freezes
        self._days: dict[int, _DayDraft] = {}
        self._tracks: dict[str, _TrackDraft] = {}
        self._calendar = learner.calendar
        self._zone = learner.zone
        before = standing(learner, freezes)
        self.longest_streak = before.longest_streak
        self.completed_content = before.completed_content
        self.seconds = before.seconds
        self.scored = before.scored
        self.score = before.score
        self._earned = learner.earned
        self._waiting: Waiting[Standing] = Waiting.of(ACHIEVEMENTS, learner.earned)
        self._waiting_by_certification: dict[str, Waiting[CertificationStanding]] = {}
        self._waiting_by_category: dict[tuple[str, str], Waiting[CategoryStanding]] = {}

    def has(self, day: int, digest: int) -> bool:
        return digest in self._day(day).digests

    def apply(self, interaction: Interaction, digest: int, place: Place) -> None:
        code, content = place
        amounts = increments(interaction)
        track = self._tracks.get(code)
        if track is None:
            track = self._tracks[code] = _TrackDraft(self._before.tracks.get(code, Track()))
        track.tallies.add(content.category, content.difficulty, amounts)
        completed = track.completed
        track.touch(interaction, content.ordinal)
        self.completed_content += track.completed != completed
        self.seconds += interaction.seconds
        if interaction.score is not None:
            self.scored += 1
            self.score += interaction.score
        self._day(interaction.day).add(digest, place, amounts)
        if interaction.day not in self._calendar:
            self._calendar = self._calendar.add(interaction.day)
            self.longest_streak = streaks(self._calendar, freezes=self._freezes).longest
        zone = Zone(interaction.zone_named, interaction.at, interaction.zone)
        if self._zone is None or zone > self._zone:
            self._zone = zone

    def newly_earned(
        self, interaction: Interaction, place: Place, certification: Certification
    ) -> Iterator[Award]:
        """What the interaction that was just applied has reached, each once."""
        for rule in self._reached(place, certification):
            # Categories that differ in case alone share an achievement.
            if rule.id not in self._earned:
                self._earned |= {rule.id}
                yield award(rule, interaction.at)

    def _reached(self, place: Place, certification: Certification) -> Iterator[Achievement[Any]]:
        """The rules that are fulfilled now, and were not before."""
        code, content = place
        track = self._tracks[code]
        yield from self._waiting.take(self)

        of_certification = self._waiting_by_certification.get(code)
        if of_certification is None:
            of_certification = Waiting.of(certification_rules(code), self._before.earned)
            self._waiting_by_certification[code] = of_certification
        reached = CertificationStanding(
            track.completed.bit_count(),
            (track.completed & certification.active.bits).bit_count(),
            len(certification.active),
            track.perfect,
        )
        yield from of_certification.take(reached)

        category = content.category
        of_category = self._waiting_by_category.get((code, category))
        if of_category is None:
            of_category = Waiting.of(category_rules(code, category), self._before.earned)
            self._waiting_by_category[code, category] = of_category
        contents = certification.categories.get(category, ContentSet())
        sums = track.tallies.categories[category]
        mastery = CategoryStanding(
            (track.completed & contents.bits).bit_count(), len(contents), sums[_SCORED], sums[_SCORE]
        )
        yield from of_category.take(mastery)

    def _day(self, number: int) -> _DayDraft:
        draft = self._days.get(number)
        if draft is None:
            latest = self._before.latest
            if latest and latest.number == number:
                day = latest
            elif number in self._before.calendar:
                day = self._given[number]
            else:
                day = Day(number)
            draft = self._days[number] = _DayDraft(day)
        return draft

    def freeze(self) -> tuple[Learner, tuple[Day, ...]]:
        """The new state, and the closed days to be written."""
        changed = {number: draft.freeze() for number, draft in self._days.items() if draft.changed}
        latest = self._before.latest
        if latest:
            changed.setdefault(latest.number, latest)
        newest = changed.pop(max(changed))
        after = Learner(
            self._before.user_id,
            self._before.version + 1,
            {**self._before.tracks, **{code: draft.freeze() for code, draft in self._tracks.items()}},
            self._calendar,
            self._zone,
            newest,
            self._earned,
        )
        return after, tuple(changed[number] for number in sorted(changed))


_SCORED, _SCORE = COUNTERS.index("scored"), COUNTERS.index("score")
