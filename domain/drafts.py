"""Tracks and days that are open for adding, so that a batch costs one copy of what it touches."""

from collections.abc import Mapping
from typing import Any, assert_never

from domain.achievements import Achievement, Waiting, category_rules, certification_rules
from domain.catalog import Certification, Place
from domain.content_set import SCORE_BYTES, ContentSet, position_of
from domain.first_answers import ANSWER_BYTES, answer_bytes
from domain.interaction import Interaction
from domain.learner import Day, Track
from domain.mastery import open_mastery
from domain.standing import CategoryStanding, CertificationStanding
from domain.tally import EMPTY, Breakdown, Increments, Tally, all_values, tally_of, values

_NO_CONTENT = ContentSet()


class _Tallies:
    """A breakdown that is open for adding. It copies only the tallies that something is added to."""

    __slots__ = ("before", "categories", "difficulties")

    def __init__(self, before: Breakdown) -> None:
        self.before = before
        self.categories: dict[str, list[int]] = {}
        self.difficulties: dict[str, list[int]] = {}

    def add(self, category: str, difficulty: str, amounts: Increments) -> None:
        of_category = self.categories.get(category)
        if of_category is None:
            of_category = _open(self.before.categories, category)
            self.categories[category] = of_category
        of_difficulty = self.difficulties.get(difficulty)
        if of_difficulty is None:
            of_difficulty = _open(self.before.difficulties, difficulty)
            self.difficulties[difficulty] = of_difficulty
        for counter, amount in amounts:
            of_category[counter] += amount
            of_difficulty[counter] += amount

    def freeze(self) -> Breakdown:
        return Breakdown(
            {**self.before.categories, **{name: tally_of(sums) for name, sums in self.categories.items()}},
            {
                **self.before.difficulties,
                **{name: tally_of(sums) for name, sums in self.difficulties.items()},
            },
        )


def _open(tallies: Mapping[str, Tally], name: str) -> list[int]:
    return all_values(tallies.get(name, Tally()))


class TrackDraft:
    """A track that is open for adding."""

    __slots__ = (
        *("answered", "before", "best", "by_category", "code", "completed", "first", "first_of", "mastered"),
        *("scored", "standing", "sums", "tallies", "viewed", "waiting", "waiting_by_category"),
    )

    def __init__(self, code: str, before: Track, total: Tally) -> None:
        self.code = code
        self.before = before
        self.tallies = _Tallies(before.tallies)
        self.sums = list(values(total))
        self.viewed = before.viewed.bits
        self.answered = before.answered.bits
        self.completed = before.completed.bits
        self.scored = before.scored.bits
        self.best: bytearray | None = None
        self.first_of = before.first_of.bits
        self.first: bytearray | None = None
        self.waiting = Waiting(certification_rules(code))
        self.waiting_by_category: dict[str, Waiting[CategoryStanding]] = {}
        # Standings are kept while the completed contents stay the same. Their sums are added to in place.
        self.standing: CertificationStanding | None = None
        self.by_category: dict[str, CategoryStanding] = {}
        self.mastered = before.mastered

    def touch(self, interaction: Interaction, ordinal: int) -> None:
        """Add the content to the sets of its kind, and note its score."""
        bit = 1 << ordinal
        match interaction.kind:
            case "viewed":
                self.viewed |= bit
            case "answered":
                self.answered |= bit
            case "completed":
                if not self.completed & bit:
                    self.completed |= bit
                    self.standing = None
                    self.by_category.clear()
            case _:
                assert_never(interaction.kind)
        if interaction.score is not None:
            self._note_first(ordinal, bit, answer_bytes(interaction.at, interaction.score))
            self._raise_best(ordinal, bit, interaction.score)

    def _note_first(self, ordinal: int, bit: int, answer: bytes) -> None:
        if self.first is None:
            self.first = bytearray(self.before.first)
        start = ANSWER_BYTES * position_of(self.first_of, ordinal)
        end = start + ANSWER_BYTES
        if not self.scored & bit:
            self.first_of |= bit
            self.first[start:start] = answer
        elif self.first_of & bit and answer < self.first[start:end]:
            self.first[start:end] = answer

    def _raise_best(self, ordinal: int, bit: int, score: int) -> None:
        if self.best is None:
            self.best = bytearray(self.before.best)
        start = SCORE_BYTES * position_of(self.scored, ordinal)
        end = start + SCORE_BYTES
        if not self.scored & bit:
            self.scored |= bit
            self.best[start:start] = score.to_bytes(SCORE_BYTES)
        elif score > int.from_bytes(self.best[start:end]):
            self.best[start:end] = score.to_bytes(SCORE_BYTES)

    def reached(
        self, certification: Certification, category: str, earned: frozenset[str]
    ) -> list[Achievement[Any]]:
        """Return the rules that are fulfilled now, about the certification and one of its categories.

        Those that were fulfilled before this batch are returned once, too, but for masteries.
        """
        if self.standing is None:
            self.standing = CertificationStanding(
                self.completed.bit_count(),
                (self.completed & certification.active.bits).bit_count(),
                len(certification.active),
                self.sums,
            )
        of_category = self.by_category.get(category)
        if of_category is None:
            contents = certification.categories.get(category, _NO_CONTENT)
            of_category = self.by_category[category] = CategoryStanding(
                (self.completed & contents.bits).bit_count(), len(contents), self.tallies.categories[category]
            )
        waiting = self.waiting_by_category.get(category)
        if waiting is None:
            waiting = self.waiting_by_category[category] = Waiting(category_rules(self.code, category))
        reached: list[Achievement[Any]] = [*self.waiting.take(self.standing)]
        for rule in waiting.take(of_category):
            mastery = open_mastery(rule, category, certification, self.mastered, earned)
            if mastery is not None:
                self.mastered = {**self.mastered, mastery.id: certification.categories[category]}
                reached.append(mastery)
        return reached

    def freeze(self) -> Track:
        """Return the track with everything that was added."""
        return Track(
            self.tallies.freeze(),
            _changed(self.before.viewed, self.viewed),
            _changed(self.before.answered, self.answered),
            _changed(self.before.completed, self.completed),
            _changed(self.before.scored, self.scored),
            self.before.best if self.best is None else bytes(self.best),
            _changed(self.before.first_of, self.first_of),
            self.before.first if self.first is None else bytes(self.first),
            self.mastered,
            self.before.unknown,
        )


def _changed(before: ContentSet, bits: int) -> ContentSet:
    return before if bits == before.bits else ContentSet(bits)


class DayDraft:
    """A day's bucket that is open for adding."""

    __slots__ = ("before", "tallies")

    def __init__(self, before: Day) -> None:
        self.before = before
        self.tallies: dict[str, _Tallies] = {}

    def add(self, place: Place, amounts: Increments) -> None:
        """Add an interaction's amounts to the sums of its certification."""
        tallies = self.tallies.get(place.certification)
        if tallies is None:
            tallies = _Tallies(self.before.tallies.get(place.certification, EMPTY))
            self.tallies[place.certification] = tallies
        tallies.add(place.content.category, place.content.difficulty, amounts)

    def freeze(self) -> Day:
        """Return the day with everything that was added."""
        tallies = {code: draft.freeze() for code, draft in self.tallies.items()}
        return self.before._replace(tallies={**self.before.tallies, **tallies})
