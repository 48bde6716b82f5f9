"""Update the catalog from the content table's stream: give each content an ordinal that it keeps."""

import os
import re
from collections.abc import Iterable, Mapping
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
    NO_CATEGORY,
    NO_DIFFICULTY,
    Catalog,
    Certification,
    ContentMetadata,
    assign,
)
from domain.interaction import CertificationCode, ContentId
from functions import aws
from functions.errors import MAX_RACES, Contended
from functions.observability import logger, metrics
from functions.store import Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_CONTROL = re.compile(r"[\x00-\x1f]+")
_key = TypeAdapter(tuple[ContentId, CertificationCode])


@cache
def store() -> Store:
    """Return the store of this process, configured by the environment."""
    return Store(aws.dynamodb(), os.environ["VIEWS_TABLE"])


def update_catalog(views: Store, changes: Mapping[str, list[ContentMetadata]], now: int) -> int:
    """Apply changes, by certification, to the catalog. Return the number of certifications that changed.

    `now` is in microseconds since 1970. Applying a change again changes nothing. Raise Contended if other
    writers are always faster.
    """
    changed = 0
    catalog = Catalog()
    for code, of_certification in sorted(changes.items()):
        for _ in range(MAX_RACES):
            head = views.head()
            catalog = views.catalog(catalog, head)
            before = catalog.certifications.get(code, Certification(code))
            # Clocks differ, and an invocation can be delayed. Later assignments must have later times, or an
            # interaction without a certification would count for another one from then on.
            after = assign(before, of_certification, max(now, catalog.newest + 1))
            if after is before:
                break
            if views.commit_catalog(head, before, after):
                changed += 1
                break
        else:
            raise Contended(f"lost {MAX_RACES} write races for the catalog of {code}")
    return changed


def changes_of(records: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[ContentMetadata]], int]:
    """Return the changes in a table stream's records by certification, and the number of unusable records."""
    changes: dict[str, list[ContentMetadata]] = {}
    unusable = 0
    for record in records:
        image = record["dynamodb"].get("NewImage")
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
    category = _CONTROL.sub(" ", image.get("category", {}).get("S", "")).strip() or NO_CATEGORY
    difficulty = image.get("difficulty_level", {}).get("S", "").strip().lower()
    questions = image.get("question_count", {}).get("N", "1")
    return ContentMetadata(
        content_id=content_id,
        category=category[:MAX_CATEGORY_LENGTH].encode()[:MAX_CATEGORY_BYTES].decode(errors="ignore"),
        difficulty=difficulty if difficulty in DIFFICULTIES else NO_DIFFICULTY,
        questions=min(max(1, int(float(questions))), MAX_QUESTIONS),
        pass_mark=_pass_mark(content_id, image.get("pass_mark", {}).get("N")),
    )


def _pass_mark(content_id: str, number: str | None) -> float | None:
    """Return a pass mark in per cent. A mark above 100 and up to 1,000 is a scaled score, as AWS gives."""
    if number is None:
        return None
    mark = float(number)
    if 0 <= mark <= 1000:
        return mark if mark <= 100 else mark / 10
    logger.error("content with an impossible pass_mark", extra={"content_id": content_id, "pass_mark": mark})
    metrics.add_metric("ImpossiblePassMarks", MetricUnit.Count, 1)
    return None


@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Apply a stream event of the content table to the catalog."""
    changes, unusable = changes_of(event["Records"])
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    changed = update_catalog(store(), changes, now)
    logger.info("catalog", extra={"certifications_changed": changed, "unusable": unusable})
    metrics.add_metric("CertificationsChanged", MetricUnit.Count, changed)
    if unusable:
        logger.error("content with a key that no interaction can have", extra={"rows": unusable})
