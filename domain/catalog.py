"""What there is to learn: certifications, their content under stable ordinals, sets of content.

Each content of a certification gets an ordinal when it first appears, and keeps it for good: content
that goes becomes inactive. So a set of content is a bitmap, and a distinct count needs no read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

DIFFICULTIES = ("beginner", "intermediate", "advanced")
NO_DIFFICULTY = "unspecified"
NO_CATEGORY = "Uncategorized"
MAX_CATEGORY_LENGTH = 100
MAX_CATEGORY_BYTES = 160
"""Of UTF-8: a thousand contents must fit into an item of 400 KB, however long their names are."""
MAX_QUESTIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class ContentSet:
    """A set of contents of one certification: a bitmap over their ordinals."""

    bits: int = 0

    def __and__(self, other: "ContentSet") -> "ContentSet":
        return ContentSet(self.bits & other.bits)

    def __or__(self, other: "ContentSet") -> "ContentSet":
        return ContentSet(self.bits | other.bits)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, ordinal: int) -> bool:
        return bool(self.bits >> ordinal & 1)

    def __iter__(self) -> Iterator[int]:
        bits = self.bits
        while bits:
            yield (bits & -bits).bit_length() - 1
            bits &= bits - 1

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> "ContentSet":
        """The set of these ordinals."""
        bits = 0
        for ordinal in ordinals:
            bits |= 1 << ordinal
        return cls(bits)

    def to_bytes(self) -> bytes:
        """Little-endian, without trailing zeros: one set, one form."""
        return self.bits.to_bytes((self.bits.bit_length() + 7) // 8, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "ContentSet":
        """The inverse of `to_bytes`."""
        return cls(int.from_bytes(data, "little"))


class Content(NamedTuple):
    """One content in one certification's catalog."""

    ordinal: int
    content_id: str
    category: str
    difficulty: str
    active: bool
    assigned_at: int
    """When the ordinal was given, in microseconds since 1970."""
    questions: int = 1
    """How many questions it holds, as a weight; at least 1."""
    pass_mark: float | None = None
    """Percent needed to pass the certification, where its content says so."""


@dataclass(frozen=True)
class Certification:
    """The catalog of one certification: its contents, each at the index of its ordinal."""

    code: str
    version: int = 0
    contents: tuple[Content, ...] = ()

    @cached_property
    def active(self) -> ContentSet:
        """The contents that count towards completion now."""
        return ContentSet.of(c.ordinal for c in self.contents if c.active)

    @cached_property
    def pass_mark(self) -> float | None:
        """Percent needed to pass, as the active contents say: the highest, where they differ."""
        marks = [c.pass_mark for c in self.contents if c.active and c.pass_mark is not None]
        return max(marks, default=None)

    @cached_property
    def categories(self) -> Mapping[str, ContentSet]:
        """The active contents by category."""
        groups: dict[str, list[int]] = {}
        for content in self.contents:
            if content.active:
                groups.setdefault(content.category, []).append(content.ordinal)
        return {name: ContentSet.of(ordinals) for name, ordinals in sorted(groups.items())}

    @cached_property
    def by_id(self) -> Mapping[str, Content]:
        """The contents by content_id."""
        return {content.content_id: content for content in self.contents}


class UnknownContent(LookupError):
    """No certification's catalog has this content (`unknown_content`)."""


class UnknownCertification(LookupError):
    """The content is known, but not under the certification asked for (`unknown_certification`)."""


class Place(NamedTuple):
    """Where an interaction counts."""

    certification: str
    content: Content


@dataclass(frozen=True)
class Catalog:
    """All certifications, as of the versions of their catalogs."""

    certifications: Mapping[str, Certification] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, int]:
        """The version of each certification's catalog, as the head has it."""
        return {code: certification.version for code, certification in self.certifications.items()}

    @property
    def newest(self) -> int:
        """When the last ordinal was given, in microseconds since 1970; 0 where none was."""
        contents = (c for certification in self.certifications.values() for c in certification.contents)
        return max((content.assigned_at for content in contents), default=0)

    @cached_property
    def _places(self) -> Mapping[str, tuple[Place, ...]]:
        places: dict[str, list[Place]] = {}
        for code, certification in self.certifications.items():
            for content in certification.contents:
                places.setdefault(content.content_id, []).append(Place(code, content))
        # The oldest first. It stays the oldest whatever is assigned later, so an interaction that names
        # no certification counts for the same one whenever it arrives.
        return {
            content_id: tuple(sorted(found, key=lambda p: (p.content.assigned_at, p.certification)))
            for content_id, found in places.items()
        }

    def knows(self, content_id: str, certification: str | None) -> bool:
        """Whether an interaction with this content has a place."""
        found = self._places.get(content_id, ())
        return any(certification in (None, place.certification) for place in found)

    def place(self, content_id: str, certification: str | None) -> Place:
        """Where an interaction with this content counts.

        Without a certification: for the one whose entry is oldest. Content that became inactive still
        counts: its interactions happened. Raises UnknownContent, UnknownCertification.
        """
        found = self._places.get(content_id)
        if not found:
            raise UnknownContent(content_id)
        if certification is None:
            return found[0]
        for place in found:
            if place.certification == certification:
                return place
        raise UnknownCertification(certification)


class ContentMetadata(NamedTuple):
    """What the platform's content table says of a content in a certification."""

    content_id: str
    category: str = NO_CATEGORY
    difficulty: str = NO_DIFFICULTY
    questions: int = 1
    active: bool = True
    pass_mark: float | None = None


def assign(certification: Certification, changes: Iterable[ContentMetadata], now: int) -> Certification:
    """The certification's catalog after these changes, in order; itself where they change nothing.

    New content gets the next ordinal. Content that goes (`active` false) keeps its own, and gets it
    back when it returns. `now`: microseconds since 1970.
    """
    contents = list(certification.contents)
    ordinals = {content.content_id: content.ordinal for content in contents}
    for change in changes:
        ordinal = ordinals.get(change.content_id)
        if ordinal is None and not change.active:
            continue
        if ordinal is None:
            ordinal = ordinals[change.content_id] = len(contents)
            contents.append(Content(ordinal, *change[:3], True, now, change.questions, change.pass_mark))
        elif change.active:
            contents[ordinal] = contents[ordinal]._replace(
                category=change.category,
                difficulty=change.difficulty,
                active=True,
                questions=change.questions,
                pass_mark=change.pass_mark,
            )
        else:
            contents[ordinal] = contents[ordinal]._replace(active=False)
    if tuple(contents) == certification.contents:
        return certification
    return replace(certification, version=certification.version + 1, contents=tuple(contents))


class Known(NamedTuple):
    """What is generally known of a certification, whoever offers it."""

    level: str
    study_hours: tuple[int, int]
    """Typical, from and to."""


_SPECIALTY = Known("specialty", (100, 180))
KNOWN: Mapping[str, Known] = {
    "CCP": Known("foundational", (20, 40)),
    "AIP": Known("foundational", (20, 40)),
    "SAA": Known("associate", (80, 120)),
    "DVA": Known("associate", (70, 110)),
    "SOA": Known("associate", (70, 110)),
    "DEA": Known("associate", (90, 140)),
    "MLA": Known("associate", (90, 140)),
    "SAP": Known("professional", (120, 200)),
    "DOP": Known("professional", (120, 200)),
    "SCS": _SPECIALTY,
    "ANS": _SPECIALTY,
    "MLS": Known("specialty", (120, 200)),
}
