"""How the columns of a CSV log become interactions: a mapping in a TOML file that anybody can write."""

import re
import tomllib
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import click
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.days import zone_names, zone_of
from domain.interaction import CertificationCode, Kind

MAPPINGS = Path(__file__).parent / "mappings"
"""The mappings that come with the command."""
MAX_SLUG = 119
"""Length of an id made of a text, before a digest of 8 characters. An id has at most 128."""
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_SIGNS = re.compile(r"[+#*=<>@$%^|~]")
"""Signs that tell names apart: `C`, `C++` and `C#` are three contents."""
_MOST_LOST = 0.2
"""Share of a text's letters that an id may lose because they are not ASCII."""

type Column = Annotated[str, Field(min_length=1)]


def _known_zone(name: str) -> str:
    if name not in zone_names():
        raise ValueError("is no IANA time zone")
    return name


def _one_group(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if pattern.groups != 1:
        raise ValueError("must have one group")
    return pattern


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KindRule(_Strict):
    """Which values of the column `kind` are interactions, and of which kind."""

    value: str
    """A value, in which * stands for any characters."""
    interaction_type: Kind
    score: Annotated[float, Field(ge=0, le=100)] | None = None


class CsvMapping(_Strict):
    """The columns of a CSV log. Each names a column of the file but for the first three."""

    certification_type: CertificationCode
    zone: Annotated[str, AfterValidator(_known_zone)] | None = None
    """The IANA zone of times without an offset, and of the learners."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    time_format: str | None = None
    """The form of a time as Python's strptime reads it; ISO 8601 if it is left out."""
    user_id: Column
    user_id_pattern: Annotated[re.Pattern[str], AfterValidator(_one_group)] | None = None
    """A regular expression whose group is the learner's id in the column, which else is the whole cell."""
    occurred_at: Column
    content_id: Column
    content_id_is_text: bool = False
    """Whether the column has a text, from which an id is made."""
    title: Column | None = None
    """The content's name for people. Without it, the text from which an id is made, if there is one."""
    category: Column | None = None
    difficulty_level: Column | None = None
    time_spent: Column | None = None
    """Seconds."""
    score: Column | None = None
    """0 to 100, or empty."""
    event_id: Column | None = None
    """If it is left out, ids are derived from the row, so that a file can be emitted again."""
    kind: Column | None = None
    kinds: tuple[KindRule, ...] = ()
    interaction_type: Kind | None = None
    """The kind of all rows, if there is no column for it."""

    @model_validator(mode="after")
    def _has_a_kind(self) -> "CsvMapping":
        if (self.interaction_type is None) == (self.kind is None or not self.kinds):
            raise ValueError("it needs either interaction_type, or kind and kinds")
        return self

    @property
    def title_column(self) -> str | None:
        """The column with the content's name for people."""
        return self.title or (self.content_id if self.content_id_is_text else None)

    @property
    def columns(self) -> list[str]:
        """The columns that a file must have."""
        required = [self.user_id, self.occurred_at, self.content_id]
        optional = [
            self.title,
            self.category,
            self.difficulty_level,
            self.time_spent,
            self.score,
            self.event_id,
        ]
        return [*dict.fromkeys([*required, *filter(None, [*optional, self.kind])])]

    def rule(self, row: dict[str, str]) -> KindRule | None:
        """Return the rule for a row's kind; None if it is no interaction."""
        if self.interaction_type is not None:
            return KindRule(value="*", interaction_type=self.interaction_type)
        value = row[self.kind or ""]
        return next((rule for rule in self.kinds if fnmatchcase(value, rule.value)), None)

    def learner(self, text: str) -> str | None:
        """Return the learner's id in a cell; None if it has none."""
        if self.user_id_pattern is None:
            return text if text.strip() else None
        found = self.user_id_pattern.search(text)
        return found[1] if found else None

    def time(self, text: str) -> str:
        """Return a time in ISO 8601 with its offset. Raise ValueError if it can't be read.

        A time that occurs twice, as summer time ends, is the first one.
        """
        try:
            moment = (
                datetime.strptime(text, self.time_format)  # noqa: DTZ007 (the zone follows)
                if self.time_format
                else datetime.fromisoformat(text)
            )
        except ValueError:
            form = self.time_format or "2019-10-27 03:30:00"
            raise ValueError(f"{text[:40]!r} is no time such as {form}") from None
        if moment.tzinfo is None:
            if self.zone is None:
                raise ValueError(f"{text[:40]!r} has no offset, and the mapping no zone")
            moment = moment.replace(tzinfo=zone_of(self.zone))
        return moment.isoformat()


def read_mapping(path: Path) -> CsvMapping:
    """Return the mapping in a file. Raise click.ClickException with every fault in it."""
    try:
        with path.open("rb") as file:
            return CsvMapping.model_validate(tomllib.load(file))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or 'mapping'}: {detail['msg']}" for detail in error.errors()
        )
        raise click.ClickException(f"{path} is no mapping: {faults}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror or error}") from error


def slug(text: str) -> str:
    """Return an id made of a text: lower case, with one hyphen for each run of other characters.

    If that loses much of the text, such as Cyrillic letters or the signs of `C++`, or is too long, a digest
    of the text is added.
    """
    found = _SEPARATORS.sub("-", text.lower()).strip("-")
    letters = [character for character in text if character.isalpha()]
    lost = sum(not letter.isascii() for letter in letters)
    if found and len(found) <= MAX_SLUG and lost <= _MOST_LOST * len(letters) and not _SIGNS.search(text):
        return found
    digest = sha256(text.encode()).hexdigest()[:8]
    return f"{found[:MAX_SLUG].strip('-')}-{digest}".lstrip("-")
