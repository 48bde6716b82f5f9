"""The metadata of a content, as a platform writes it into the content table."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.catalog import MAX_CATEGORY_LENGTH, MAX_QUESTIONS, MAX_TITLE_LENGTH
from domain.interaction import CertificationCode, ContentId

MAX_TAGS = 50


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(tag.strip() for tag in value.split(",") if tag.strip())
    return value


type Tag = Annotated[str, Field(min_length=1, max_length=100)]


class ContentRowV1(BaseModel):
    """A row of the content table: a content in a certification. All but its two keys is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content_id: ContentId
    certification_type: CertificationCode
    title: Annotated[str, Field(max_length=MAX_TITLE_LENGTH)] | None = None
    content_type: Annotated[str, Field(max_length=100)] | None = None
    category: Annotated[str, Field(max_length=MAX_CATEGORY_LENGTH)] | None = None
    subcategory: Annotated[str, Field(max_length=MAX_CATEGORY_LENGTH)] | None = None
    difficulty_level: Literal["beginner", "intermediate", "advanced"] | None = None
    tags: Annotated[
        Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] | None,
        BeforeValidator(_split),
        Field(description="In CSV, separated by commas within the cell"),
    ] = None
    question_count: Annotated[int, Field(ge=1, le=MAX_QUESTIONS)] | None = None
    pass_mark: Annotated[float, Field(ge=1, le=1000, description="Per cent, or scaled")] | None = None
    correct_rate: Annotated[float, Field(ge=0, le=1, description="Share right at first")] | None = None
    answered_by: Annotated[int, Field(ge=0, description="Learners behind correct_rate")] | None = None
    choices: Annotated[int, Field(ge=2, le=100, description="Options of multiple choice")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_empty_cells(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            return {name: value for name, value in fields.items() if value is not None and value != ""}
        return fields
