"""Read the logs that `emit` accepts: their rows as interactions, and the content that the rows name."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, assert_never, get_args
from uuid import NAMESPACE_URL, uuid5

import click

from cli.log_files import BadRow, Fault, LogFile
from cli.mapping import MAPPINGS, CsvMapping, KindRule, read_mapping, slug
from domain.catalog import MAX_TITLE_LENGTH
from domain.interaction import MAX_SECONDS
from domain.xapi import NotUnderstood, described, interaction_of

type Fields = dict[str, Any]
"""An interaction as an app writes it: JSON fields as in `domain.interaction.InteractionV1`."""

type Format = Literal["interactions", "xapi", "csv", "moodle", "statistics", "toeic"]
FORMATS: tuple[Format, ...] = get_args(Format.__value__)
UNKNOWN_CERTIFICATION = "GENERAL"
"""The certification of content that no certification has, if the log names none."""
MAX_LISTED = 20
"""Faults of a file that are printed one by one."""


class CatalogRow(NamedTuple):
    """One row of the content table."""

    content_id: str
    certification_type: str
    category: str
    difficulty_level: str | None = None
    title: str | None = None
    in_any_certification: bool = False
    """Whether the row is not needed if another certification has the content."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log's interactions, in the order of the file."""

    rows: int
    interactions: list[Fields]
    left_out: Counter[str]
    """Counts of rows that are not interactions, by the name of what they record."""
    catalog: list[CatalogRow]
    """The content that the rows name; empty if the format says nothing about it."""
    faults: list[Fault] = field(default_factory=list)
    """The rows that can't be used, and why. They are not among the interactions."""
    not_understood: list[Fault] = field(default_factory=list)
    """The xAPI statements that are no interactions, and why."""


def read_log(
    path: Path,
    log_format: Format,
    mapping: Path | None = None,
    *,
    skip_bad: bool = False,
    prefixes: Sequence[str] = (),
) -> Log:
    """Read a log. Raise click.ClickException if the file is not in this format.

    `mapping`: the file that maps the columns of the format `csv`. `skip_bad`: leave bad rows out instead of
    refusing the file. `prefixes`: what to leave out at the beginning of xAPI objects' ids.
    """
    if mapping is not None and log_format != "csv":
        raise click.ClickException("--map FILE is for --format csv only")
    match log_format:
        case "interactions":
            log = read_interactions(path)
        case "xapi":
            log = read_statements(path, prefixes)
        case "csv":
            if mapping is None:
                raise click.ClickException("--format csv needs --map FILE")
            log = read_csv(path, read_mapping(mapping))
        case "moodle" | "statistics" | "toeic":
            log = read_csv(path, read_mapping(MAPPINGS / f"{log_format}.toml"))
        case _:
            assert_never(log_format)
    if log.faults and not skip_bad:
        hint = "Nothing was done. Use --skip-bad to leave these rows out."
        raise click.ClickException("\n".join([*listed(path, log.faults), hint]))
    return log


def listed(path: Path, faults: list[Fault]) -> list[str]:
    """Return a line for each fault of a file, up to MAX_LISTED, and how many there are."""
    lines = [
        f"{path}:{line}: {f'{column}: ' if column else ''}{message}"
        for line, column, message in sorted(faults[:MAX_LISTED], key=lambda fault: fault.line)
    ]
    if len(faults) > MAX_LISTED:
        lines.append(f"… and {len(faults) - MAX_LISTED:,} more rows of {path}")
    return lines


def read_interactions(path: Path) -> Log:
    """Read JSON lines with the contract's fields. A line that is no JSON object with a learner is a fault."""
    file = LogFile(path)
    interactions: list[Fields] = []
    for number, fields in file.objects():
        if isinstance(fields.get("user_id"), str) and fields["user_id"]:
            interactions.append(fields)
        else:
            file.fault(number, "user_id", "is missing, or no text")
    return Log(len(interactions) + len(file.faults), interactions, Counter(), [], file.faults)


def read_statements(path: Path, prefixes: Sequence[str] = ()) -> Log:
    """Read xAPI statements: JSON lines, an array, or what a learning record store answers."""
    file = LogFile(path)
    rows = 0
    interactions: list[Fields] = []
    categories: dict[str, Counter[str]] = {}
    certifications: dict[str, set[str]] = {}
    titles: dict[str, str] = {}
    not_understood: list[Fault] = []
    for number, statement in file.values("statements"):
        rows += 1
        try:
            fields = interaction_of(statement, prefixes)
        except NotUnderstood as error:
            not_understood.append(Fault(number, error.fault.field or None, error.fault.message))
            continue
        content = fields["content_id"]
        category, title = described(statement)
        categories.setdefault(content, Counter())[category] += 1
        codes = certifications.setdefault(content, set())
        if "certification_type" in fields:
            codes.add(fields["certification_type"])
        if title:
            titles[content] = title[:MAX_TITLE_LENGTH]
        interactions.append(fields)
    catalog = [
        CatalogRow(content, code, _most_common(names), None, titles.get(content), not certifications[content])
        for content, names in sorted(categories.items())
        for code in sorted(certifications[content]) or [UNKNOWN_CERTIFICATION]
    ]
    reasons = Counter(f"{column}: {message}" if column else message for _, column, message in not_understood)
    return Log(rows + len(file.faults), interactions, reasons, catalog, file.faults, not_understood)


def read_csv(path: Path, mapping: CsvMapping) -> Log:
    """Read a CSV file by a mapping. A row that can't be mapped is a fault."""
    file = LogFile(path)
    rows = 0
    left_out: Counter[str] = Counter()
    interactions: list[Fields] = []
    categories: dict[str, Counter[str]] = {}
    levels: dict[str, str] = {}
    titles: dict[str, str] = {}
    event_id = _event_ids()
    for number, row in file.rows(mapping.columns, mapping.separator):
        rows += 1
        rule = mapping.rule(row)
        if rule is None:
            left_out[row[mapping.kind or ""]] += 1
            continue
        try:
            fields = _interaction(row, mapping, rule)
        except BadRow as bad:
            file.fault(number, bad.column, bad.message)
            continue
        content_id = fields["content_id"]
        if mapping.category:
            categories.setdefault(content_id, Counter())[row[mapping.category]] += 1
        if mapping.difficulty_level:
            levels[content_id] = row[mapping.difficulty_level]
        if mapping.title_column:
            titles[content_id] = row[mapping.title_column].strip()[:MAX_TITLE_LENGTH]
        if "event_id" not in fields:
            facts = (row[mapping.user_id], row[mapping.occurred_at], content_id, rule.interaction_type)
            fields = {"event_id": event_id(*facts), **fields}
        interactions.append(fields)
    code = mapping.certification_type
    contents = sorted({fields["content_id"] for fields in interactions})
    catalog = [
        CatalogRow(
            content,
            code,
            _most_common(categories.get(content)),
            levels.get(content) or None,
            titles.get(content) or None,
        )
        for content in contents
    ]
    return Log(rows, interactions, left_out, catalog, file.faults)


def _interaction(row: dict[str, str], mapping: CsvMapping, rule: KindRule) -> Fields:
    """Return the interaction in a row. Raise BadRow if a cell can't be used."""
    learner = mapping.learner(row[mapping.user_id])
    if learner is None:
        raise BadRow(mapping.user_id, "is empty" if mapping.user_id_pattern is None else "names no learner")
    if not row[mapping.content_id].strip():
        raise BadRow(mapping.content_id, "is empty")
    try:
        occurred_at = mapping.time(row[mapping.occurred_at])
    except (ValueError, OverflowError) as error:
        raise BadRow(mapping.occurred_at, str(error)) from error
    content = row[mapping.content_id]
    fields: Fields = {
        "user_id": learner,
        "content_id": slug(content) if mapping.content_id_is_text else content,
        "interaction_type": rule.interaction_type,
        "occurred_at": occurred_at,
    }
    if mapping.zone:
        fields["timezone"] = mapping.zone
    if mapping.event_id:
        fields["event_id"] = row[mapping.event_id]
    if rule.score is not None:
        fields["score"] = _plain(rule.score)
    elif mapping.score and row[mapping.score].strip():
        fields["score"] = _plain(_number(row, mapping.score, 100))
    if mapping.time_spent:
        fields["time_spent"] = int(_number(row, mapping.time_spent, MAX_SECONDS))
    return fields


def _plain(number: float) -> float:
    """Return a whole number as an int, as an app would write it."""
    return int(number) if number == int(number) else number


def _number(row: dict[str, str], column: str, most: float) -> float:
    try:
        number = float(row[column].strip() or 0)
    except ValueError:
        raise BadRow(column, f"{row[column][:40]!r} is no number") from None
    if not 0 <= number <= most:
        raise BadRow(column, f"{row[column][:40]} is not between 0 and {most:,}")
    return number


def in_order_of_time(interactions: Iterable[Fields]) -> list[Fields]:
    """Sort interactions by the time they happened; equal times keep their order.

    An interaction whose time can't be read comes first. It is refused at any position.
    """
    return sorted(interactions, key=_timestamp)


def _timestamp(fields: Fields) -> float:
    try:
        return datetime.fromisoformat(str(fields.get("occurred_at"))).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")


def _most_common(names: Counter[str] | None) -> str:
    return min(names, key=lambda name: (-names[name], name)) if names else ""


def _event_ids() -> Callable[..., str]:
    """Return a function that makes a row's id from its facts and the number of equal rows before it.

    The ids are therefore the same at each import, and equal rows have different ones.
    """
    seen: Counter[str] = Counter()

    def event_id(*facts: str) -> str:
        name = "|".join(facts)
        seen[name] += 1
        return str(uuid5(NAMESPACE_URL, f"{name}|{seen[name] - 1}"))

    return event_id
