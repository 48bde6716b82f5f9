"""What is known of the catalog's contents, for teachers: the hardest first."""

from collections.abc import Iterable
from typing import Annotated, TypedDict

from pydantic import Field

from domain.catalog import Catalog, Content
from domain.shapes import Code, Count, Share


class CatalogContent(TypedDict):
    """An active content of the catalog, and how hard it is for all learners."""

    certification_type: Code
    content_id: str
    title: Annotated[str | None, Field(description="Its name, if the catalog has it")]
    category: str
    difficulty_level: str
    correct_rate: Annotated[
        Share | None, Field(description="Share of the learners' first answers that were right, if known")
    ]
    answered_by: Annotated[Count | None, Field(description="Learners behind `correct_rate`, if known")]


class CatalogContents(TypedDict):
    """The hardest contents of the catalog, and then those whose difficulty is not known."""

    certification_type: Annotated[Code | None, Field(description="null: all certifications")]
    total: Annotated[Count, Field(description="Active contents")]
    total_with_rate: Annotated[Count, Field(description="Active contents with a `correct_rate`")]
    content: list[CatalogContent]


def hardest(catalog: Catalog, certification: str | None, limit: int) -> CatalogContents:
    """Return at most `limit` active contents, those with the lowest correct rate first.

    The contents without a rate come last, by certification and then in the catalog's order.
    """
    active = list(_active(catalog, certification))
    ranked = sorted(active, key=lambda one: (one[1].correct_rate is None, one[1].correct_rate or 0.0))
    return {
        "certification_type": certification,
        "total": len(active),
        "total_with_rate": sum(content.correct_rate is not None for _, content in active),
        "content": [
            {
                "certification_type": code,
                "content_id": content.content_id,
                "title": content.title,
                "category": content.category,
                "difficulty_level": content.difficulty,
                "correct_rate": content.correct_rate,
                "answered_by": content.answered_by,
            }
            for code, content in ranked[:limit]
        ],
    }


def _active(catalog: Catalog, certification: str | None) -> Iterable[tuple[str, Content]]:
    for code, found in sorted(catalog.certifications.items()):
        if certification in (None, code):
            yield from ((code, content) for content in found.contents if content.active)
