"""The catalog: certifications, and their content under stable ordinals.

Each content of a certification gets an ordinal when it first appears and keeps it forever. Content that is
removed becomes inactive. So a set of content is a bitmap, and a distinct count needs no read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from domain.content_set import ContentSet

DIFFICULTIES = ("beginner", "intermediate", "advanced")
NO_DIFFICULTY = "unspecified"
NO_CATEGORY = "Uncategorized"
MAX_CATEGORY_LENGTH = 100
MAX_CATEGORY_BYTES = 160
"""Maximum length of a category in UTF-8. A thousand contents must fit into an item of 400 KB."""
MAX_QUESTIONS = 1_000_000


class Content(NamedTuple):
    """One content in one certification's catalog."""

    ordinal: int
    content_id: str
    category: str
    difficulty: str
    active: bool
    assigned_at: int
    """The time of assignment of the ordinal, in microseconds since 1970."""
    questions: int = 1
    """The number of questions in it, used as a weight; at least 1."""
    pass_mark: float | None = None
    """The per cent needed to pass the certification, if the content metadata gives it."""
    unknown: tuple[Any, ...] = ()
    """Fields that a later release added. This one writes them back as they are."""


@dataclass(frozen=True)
class Certification:
    """The catalog of one certification. Each content stands at the index of its ordinal."""

    code: str
    version: int = 0
    contents: tuple[Content, ...] = ()

    @cached_property
    def active(self) -> ContentSet:
        """The contents that count towards completion now."""
        return ContentSet.of(c.ordinal for c in self.contents if c.active)

    @cached_property
    def pass_mark(self) -> float | None:
        """The per cent needed to pass: the highest that the active contents give; None without any."""
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
    """The certification and the content that an interaction counts for."""

    certification: str
    content: Content


@dataclass(frozen=True)
class Catalog:
    """All certifications, each in one version of its catalog."""

    certifications: Mapping[str, Certification] = field(default_factory=dict)

    @cached_property
    def _places(self) -> Mapping[str, tuple[Place, ...]]:
        places: dict[str, list[Place]] = {}
        for code, certification in self.certifications.items():
            for content in certification.contents:
                places.setdefault(content.content_id, []).append(Place(code, content))
        # The oldest comes first. It stays the oldest whatever is assigned later, so an interaction without a
        # certification counts for the same one whenever it arrives.
        return {
            content_id: tuple(sorted(found, key=lambda p: (p.content.assigned_at, p.certification)))
            for content_id, found in places.items()
        }

    def knows(self, content_id: str, certification: str | None) -> bool:
        """Return whether an interaction with this content has a place."""
        found = self._places.get(content_id, ())
        return any(certification in (None, place.certification) for place in found)

    def place(self, content_id: str, certification: str | None) -> Place:
        """Return the place that an interaction with this content counts for.

        Without a certification, it counts for the one whose entry is oldest. Inactive content still counts,
        because the interaction happened. Raise UnknownContent or UnknownCertification if there is no place.
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
    """One row of the platform's content table: a content in a certification."""

    content_id: str
    category: str = NO_CATEGORY
    difficulty: str = NO_DIFFICULTY
    questions: int = 1
    active: bool = True
    pass_mark: float | None = None


def assign(certification: Certification, changes: Iterable[ContentMetadata], now: int) -> Certification:
    """Return the certification's catalog after these changes, in order; the same object if nothing changes.

    New content gets the next ordinal. Content that is removed (`active` is false) keeps its ordinal and has
    it again when it returns. `now` is in microseconds since 1970.
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
    """Facts about a certification that hold on every platform."""

    level: str
    study_hours: tuple[int, int]
    """Typical study time in hours, from and to."""


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
