"""`streakline catalog`: put content into the content table, and list what the catalog has."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, assert_never

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from cli.catalog_sync import sync_catalog
from cli.content import wait_for_catalog
from cli.log_files import LogFile
from cli.logs import CatalogRow, listed
from cli.output import doing, print_json, progress_bar
from cli.stack import Stack, ask_first, on_stack, on_stack_if_needed, yes_option
from domain.content_row import ContentRowV1

type Key = tuple[str, str]
"""A certification and a content."""
type Item = dict[str, Any]
KEYS = ("content_id", "certification_type")


@click.group()
def catalog() -> None:
    """Put content into the content table, and list what the catalog has."""


catalog.add_command(sync_catalog)


@catalog.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check FILE and say what would change; write nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that can't be used.")
@yes_option
@on_stack_if_needed
def import_content(
    connected: Callable[[], Stack], file: Path, dry_run: bool, skip_bad: bool, yes: bool
) -> None:
    """Write the contents of FILE into the content table: new rows, and the given attributes of existing ones.

    FILE is CSV with a header, or one JSON object a line. Its columns are those of
    events/schemas/content.metadata.v1.json. What a row leaves empty stays as it is. When the command ends,
    the catalog knows the new content.

    Example: streakline catalog import contents.csv --dry-run
    """
    log = LogFile(file)
    rows = {(row.certification_type, row.content_id): row for row in _rows(log)}
    if log.faults and not skip_bad:
        hint = "Nothing was written. Use --skip-bad to leave these rows out."
        raise click.ClickException("\n".join([*listed(file, log.faults), hint]))
    for line in listed(file, log.faults):
        click.echo(f"left out: {line}", err=True)
    stack = connected()
    if not dry_run:
        ask_first(stack, yes, f"This writes {len(rows):,} contents into the content table")
    dynamodb, table = stack.client("dynamodb"), stack.outputs["ContentTableName"]
    stored = {(item["certification_type"]["S"], item["content_id"]["S"]): item for item in _items(stack)}
    given = {key: _item(row) for key, row in rows.items()}
    # A row changes if it gives anything that is not stored yet.
    changes = {key: item for key, item in given.items() if {**stored.get(key, {}), **item} != stored.get(key)}
    added = changes.keys() - stored.keys()
    new = len(added)
    if not dry_run:
        with progress_bar() as progress:
            for attributes in progress.track(changes.values(), description="writing contents"):
                _write(dynamodb, table, attributes)
        # Whoever emits next expects that its content is known.
        with doing("waiting for the catalog to follow"):
            wait_for_catalog(stack, [CatalogRow(content, code, "") for code, content in added])
    verb = "would be" if dry_run else "were"
    click.echo(
        f"{len(rows):,} contents in {file}: {new:,} {verb} added, {len(changes) - new:,} {verb} changed, "
        f"{len(rows) - len(changes):,} are as they are."
    )


@catalog.command("list")
@click.option("--certification", metavar="CODE", help="Only one certification.")
@click.option("--json", "as_json", is_flag=True, help="Print all contents as JSON.")
@on_stack
def list_content(stack: Stack, certification: str | None, as_json: bool) -> None:
    """List the contents that the catalog has.

    Example: streakline catalog list --certification SAA
    """
    found = stack.store.full_catalog().certifications
    if certification is not None and certification not in found:
        raise click.ClickException(f"there is no certification {certification}; there are {', '.join(found)}")
    contents = [
        (code, content)
        for code, one in sorted(found.items())
        if certification in (None, code)
        for content in one.contents
    ]
    if as_json:
        print_json(
            [
                {
                    "certification_type": code,
                    "content_id": content.content_id,
                    "title": content.title,
                    "category": content.category,
                    "difficulty_level": content.difficulty,
                    "active": content.active,
                    "question_count": content.questions,
                    "pass_mark": content.pass_mark,
                    "correct_rate": content.correct_rate,
                    "answered_by": content.answered_by,
                    "choices": content.choices,
                }
                for code, content in contents
            ]
        )
        return
    table = Table()
    for name in ("code", "content", "title", "category", "level", "right", "active"):
        # Whole words, however narrow the terminal is.
        table.add_column(name, overflow="fold")
    for code, content in contents:
        rate = "–" if content.correct_rate is None else f"{100 * content.correct_rate:.1f} %"
        active = "yes" if content.active else "no"
        names = (code, content.content_id, content.title or "", content.category, content.difficulty)
        table.add_row(*names, rate, active)
    Console().print(table)
    click.echo(f"{len(contents):,} contents")


def _rows(file: LogFile) -> Iterator[ContentRowV1]:
    """Yield the rows of a file, and note the faults of the others."""
    form = _form(file)
    for number, fields in _fields(file, form):
        if unknown := fields.keys() - ContentRowV1.model_fields.keys():
            known = ", ".join(ContentRowV1.model_fields)
            if form == "csv":
                raise file.bad(1, f"column {min(unknown)} is unknown; the columns are {known}")
            file.fault(number, min(unknown), f"is unknown; the attributes are {known}")
            continue
        try:
            yield ContentRowV1.model_validate(fields)
        except ValidationError as error:
            detail = error.errors()[0]
            column = str(detail["loc"][0]) if detail["loc"] else None
            file.fault(number, column, detail["msg"])


def _form(file: LogFile) -> Literal["json", "csv"]:
    first = next((line for _, line in LogFile(file.path).lines() if line.strip()), "")
    return "json" if first.lstrip().startswith("{") else "csv"


def _fields(file: LogFile, form: Literal["json", "csv"]) -> Iterator[tuple[int, dict[str, Any]]]:
    match form:
        case "csv":
            return file.rows(KEYS)
        case "json":
            return file.objects()
        case _:
            assert_never(form)


def _items(stack: Stack) -> Iterable[Item]:
    """Yield all rows of the content table."""
    pages = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.outputs["ContentTableName"], ConsistentRead=True)
    )
    for page in pages:
        yield from page["Items"]


def _item(row: ContentRowV1) -> Item:
    """Return the attributes that a row gives."""
    return {name: _attribute(value) for name, value in row if value is not None}


def _attribute(value: str | float | tuple[str, ...]) -> Item:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, tuple):
        return {"L": [{"S": tag} for tag in value]}
    return {"N": f"{value:.10g}"}


def _write(dynamodb: Any, table: str, attributes: Item) -> None:
    """Write a row's attributes, and keep the others that are stored."""
    given = [name for name in attributes if name not in KEYS]
    if not given:
        dynamodb.put_item(TableName=table, Item=attributes)
        return
    dynamodb.update_item(
        TableName=table,
        Key={name: attributes[name] for name in KEYS},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in given),
        ExpressionAttributeNames={f"#{name}": name for name in given},
        ExpressionAttributeValues={f":{name}": attributes[name] for name in given},
    )
