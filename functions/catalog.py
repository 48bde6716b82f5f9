"""Update the catalog from the content table's stream: give each content an ordinal that it keeps."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import TypeAdapter, ValidationError

from domain.catalog import (
    DIFFICULTIES,
    MAX_CATEGORY_BYTES,
    MAX_CATEGORY_LENGTH,
    MAX_QUESTIONS,
    MAX_TITLE_LENGTH,
    NO_CATEGORY,
    NO_DIFFICULTY,
    Certification,
    ContentMetadata,
    assign,
)
from domain.interaction import CertificationCode, ContentId
from functions import aws
from functions.catalog_copy import copy_catalog
from functions.catalog_items import with_titles_that_fit
from functions.errors import MAX_RACES, Contended, TooLarge
from functions.generations import tables
from functions.observability import logger, metrics, observed
from functions.store import Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_CONTROL = re.compile(r"[\x00-\x1f]+")
MAX_LEARNERS = 9_999
"""More learners behind a rate make no difference."""
MAX_CHOICES = 100
_key = TypeAdapter(tuple[ContentId, CertificationCode])


@dataclass(slots=True)
class CatalogWriter:
    """Writes the catalog. It remembers what it has written, and reads only what others have changed."""

    store: Store
    """The generation of the views that is written first. It must be the same one for all writers."""
    copies: tuple[Store, ...] = ()
    """The other generations."""
    known: dict[str, Certification] = field(default_factory=dict)

    def update(self, changes: Mapping[str, Sequence[ContentMetadata]], now: int) -> int:
        """Apply changes, by certification, to the catalog. Return the number of certifications that changed.

        `now` is in microseconds since 1970. Applying a change again changes nothing. Raise Contended if other
        writers are always faster.
        """
        for copy in self.copies:
            # A generation that was created just now has nothing yet, and can be the first one.
            copy_catalog(copy, self.store)
        changed = sum(self._update(code, changes[code], now) for code in sorted(changes))
        # Also if nothing has changed: an earlier invocation can have failed before it copied.
        self._copy()
        return changed

    def _copy(self) -> None:
        for copy in self.copies:
            copy_catalog(self.store, copy)

    def _update(self, code: str, changes: Sequence[ContentMetadata], now: int) -> bool:
        """Apply changes to one certification's catalog. Return whether it changed."""
        for _ in range(MAX_RACES):
            head = self.store.head()
            before = self.known[code] = self.store.certification(code, self.known.get(code), head)
            # Clocks differ, and an invocation can be delayed. Later assignments must have later times, or an
            # interaction without a certification would count for another one from then on.
            after = with_titles_that_fit(before, assign(before, changes, max(now, head.newest + 1)))
            try:
                if after is before:
                    # Parts that are newer than the head can hide that a change was taken back meanwhile.
                    if self.store.head().version == head.version:
                        return False
                elif self.store.commit_catalog(head, before, after):
                    self.known[code] = after
                    # At once, so that one transaction can hold what a copy lacks.
                    self._copy()
                    return True
            except TooLarge:
                # The changes are spread over more parts than one transaction can hold.
                if len(changes) == 1:
                    raise
                middle = len(changes) // 2
                first = self._update(code, changes[:middle], now)
                return self._update(code, changes[middle:], now) or first
        raise Contended(f"lost {MAX_RACES} write races for the catalog of {code}")


@cache
def writer() -> CatalogWriter:
    """Return the catalog writer of this process, configured by the environment."""
    first, *others = (Store(aws.dynamodb(), table) for table in tables().values())
    return CatalogWriter(first, tuple(others))


def changes_of(records: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[ContentMetadata]], int]:
    """Return the changes in a table stream's records by certification, and the number of unusable records.

    Raise ValueError if the stream leaves out what the rows have become.
    """
    changes: dict[str, list[ContentMetadata]] = {}
    unusable = 0
    for record in records:
        image = record["dynamodb"].get("NewImage")
        if image is None and record["eventName"] != "REMOVE":
            # Without images, each change would look like a deletion, and retire its content.
            raise ValueError("the content table's stream needs the view type NEW_IMAGE or NEW_AND_OLD_IMAGES")
        try:
            content_id, code = _key.validate_python(
                (
                    record["dynamodb"]["Keys"]["content_id"]["S"],
                    record["dynamodb"]["Keys"]["certification_type"]["S"],
                )
            )
        except ValidationError:
            unusable += 1
            continue
        changes.setdefault(code, []).append(
            metadata(content_id, image) if image else ContentMetadata(content_id, active=False)
        )
    return changes, unusable


def metadata(content_id: str, image: Mapping[str, Any]) -> ContentMetadata:
    """Return the metadata in a row of the content table. Missing or unknown values get a default."""
    category = _line(image, "category") or NO_CATEGORY
    difficulty = image.get("difficulty_level", {}).get("S", "").strip().lower()
    questions = image.get("question_count", {}).get("N", "1")
    rate = _number(content_id, image, "correct_rate", 0, 1)
    learners = _number(content_id, image, "answered_by", 0, math.inf)
    choices = _number(content_id, image, "choices", 2, MAX_CHOICES)
    return ContentMetadata(
        content_id=content_id,
        category=category[:MAX_CATEGORY_LENGTH].encode()[:MAX_CATEGORY_BYTES].decode(errors="ignore"),
        difficulty=difficulty if difficulty in DIFFICULTIES else NO_DIFFICULTY,
        questions=min(max(1, int(float(questions))), MAX_QUESTIONS),
        pass_mark=_pass_mark(content_id, image.get("pass_mark", {})),
        correct_rate=None if rate is None else round(rate, 3),
        answered_by=None if learners is None else int(min(learners, MAX_LEARNERS)),
        choices=None if choices is None else int(choices),
        title=_line(image, "title")[:MAX_TITLE_LENGTH].rstrip() or None,
    )


def _line(image: Mapping[str, Any], name: str) -> str:
    """Return the text in an attribute on one line, without blanks around it; empty without one."""
    return _CONTROL.sub(" ", image.get(name, {}).get("S", "")).strip()


def _number(content_id: str, image: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    """Return the number in an attribute; None without one, or if it is impossible."""
    given = image.get(name, {})
    if not given or "NULL" in given:
        return None
    number = float(given["N"]) if "N" in given else math.nan
    if least <= number <= most:
        return number
    logger.error("content with an impossible value", extra={"content_id": content_id, name: given})
    metrics.add_metric("ImpossibleMetadata", MetricUnit.Count, 1)
    return None


def _pass_mark(content_id: str, given: Mapping[str, Any]) -> float | None:
    """Return a pass mark in per cent. A mark above 100 and up to 1,000 is a scaled score, as AWS gives.

    Any other is not used: a share such as 0.72 would let everybody pass.
    """
    if not given or "NULL" in given:
        return None
    mark = float(given["N"]) if "N" in given else None
    if mark is not None and (mark == 0 or 1 <= mark <= 1000):
        # Rounded, so that a part of the catalog fits into an item.
        return round(mark if mark <= 100 else mark / 10, 4)
    logger.error("content with an impossible pass_mark", extra={"content_id": content_id, "pass_mark": given})
    metrics.add_metric("ImpossiblePassMarks", MetricUnit.Count, 1)
    return None


@observed
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Apply a stream event of the content table to the catalog."""
    changes, unusable = changes_of(event["Records"])
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    changed = writer().update(changes, now)
    logger.info("catalog", extra={"certifications_changed": changed, "unusable": unusable})
    metrics.add_metric("CertificationsChanged", MetricUnit.Count, changed)
    if unusable:
        logger.error("content with a key that no interaction can have", extra={"rows": unusable})
