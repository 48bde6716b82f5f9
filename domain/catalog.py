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
MAX_TITLE_LENGTH = 300


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
    correct_rate: float | None = None
    """The share of the learners' first answers that were right, 0 to 1, if the content metadata gives it."""
    answered_by: int | None = None
    """The number of learners behind `correct_rate`, if the content metadata gives it."""
    choices: int | None = None
    """The number of options of multiple-choice content, at least 2, if the content metadata gives it."""
    title: str | None = None
    """The name that learners know it by, if the content metadata gives it."""
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
    _found: dict[tuple[str, str | None], Place] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The places that were looked up. Few of a large catalog's contents are in use at a time."""

    @cached_property
    def _certification_of(self) -> Mapping[str, str | None]:
        """The certification that has a content, by content_id; None if several have it."""
        found: dict[str, str | None] = {}
        for code, certification in self.certifications.items():
            several = found.keys() & certification.by_id.keys()
            # Without a loop over the contents: each change of a large catalog builds this anew.
            found.update(dict.fromkeys(certification.by_id, code))
            found.update(dict.fromkeys(several))
        return found

    def _oldest(self, content_id: str) -> str:
        """Return the certification whose entry for a content is oldest.

        It stays the oldest whatever is assigned later, so an interaction without a certification counts for
        the same one whenever it arrives.
        """
        _, code = min(
            (content.assigned_at, code)
            for code, certification in self.certifications.items()
            if (content := certification.by_id.get(content_id)) is not None
        )
        return code

    def knows(self, content_id: str, certification: str | None) -> bool:
        """Return whether an interaction with this content has a place."""
        if certification is None:
            return content_id in self._certification_of
        return certification in self.certifications and content_id in self.certifications[certification].by_id

    def place(self, content_id: str, certification: str | None) -> Place:
        """Return the place that an interaction with this content counts for.

        Without a certification, it counts for the one whose entry is oldest. Inactive content still counts,
        because the interaction happened. Raise UnknownContent or UnknownCertification if there is no place.
        """
        found = self._found.get((content_id, certification))
        if found is None:
            found = self._found[content_id, certification] = self._place(content_id, certification)
        return found

    def _place(self, content_id: str, certification: str | None) -> Place:
        if content_id not in self._certification_of:
            raise UnknownContent(content_id)
        if certification is None:
            certification = self._certification_of[content_id] or self._oldest(content_id)
        elif not self.knows(content_id, certification):
            raise UnknownCertification(certification)
        return Place(certification, self.certifications[certification].by_id[content_id])


class ContentMetadata(NamedTuple):
    """One row of the platform's content table: a content in a certification."""

    content_id: str
    category: str = NO_CATEGORY
    difficulty: str = NO_DIFFICULTY
    questions: int = 1
    active: bool = True
    pass_mark: float | None = None
    correct_rate: float | None = None
    answered_by: int | None = None
    choices: int | None = None
    title: str | None = None


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
            contents.append(
                Content(
                    ordinal,
                    *change[:3],
                    True,
                    now,
                    change.questions,
                    change.pass_mark,
                    change.correct_rate,
                    change.answered_by,
                    change.choices,
                    change.title,
                )
            )
        elif change.active:
            contents[ordinal] = contents[ordinal]._replace(
                category=change.category,
                difficulty=change.difficulty,
                active=True,
                questions=change.questions,
                pass_mark=change.pass_mark,
                correct_rate=change.correct_rate,
                answered_by=change.answered_by,
                choices=change.choices,
                title=change.title,
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
