"""`streakline migrate`: bring the rows of the replaced tracker's progress table in as interactions."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple

import click
from botocore.exceptions import ClientError

from cli.emit import emit_interactions
from cli.logs import Fields, in_order_of_time
from cli.manifest import manifest_of
from cli.output import command, print_json, progress_bar
from cli.retry import MAX_TRIES, pause
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.interaction import InvalidInteraction
from domain.progress_row import KEY, interaction_of
from functions.progress_table import plain_row

SEGMENTS = 4
"""Parts of the table that are scanned in parallel."""
MAX_LISTED = 50
"""Bad rows that are printed one by one without --dry-run; --dry-run and --json list all."""
THROTTLED = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}


class Bad(NamedTuple):
    """A row that is no interaction, and why."""

    user_id: str
    content_id_certification: str
    faults: list[dict[str, str]]


@dataclass(slots=True)
class Table:
    """What was read of the progress table."""

    rows: int = 0
    interactions: list[Fields] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)


@click.command()
@click.option("--table", "name", required=True, help="Name of the progress table.")
@click.option("--dry-run", is_flag=True, help="Check the table and list its bad rows; emit nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that are no interactions.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary, with all bad rows, as JSON.")
@yes_option
@on_stack
def migrate(stack: Stack, name: str, dry_run: bool, skip_bad: bool, as_json: bool, yes: bool) -> None:
    """Bring the rows of the replaced tracker's progress table in as interactions.

    The whole table is checked first. Ids are derived from the rows, so running it again counts nothing twice,
    also beside the table as a door. See docs/migrating.md.

    Example: streakline migrate --table user_progress --dry-run
    """
    found = read_table(stack, name)
    found.bad.sort()
    lacking = _unknown_contents(stack, found.interactions)
    if found.bad and not (skip_bad or dry_run):
        hint = "Nothing was emitted. Use --skip-bad to leave these rows out."
        raise click.ClickException("\n".join([*_listed(name, found.bad), hint]))
    if lacking:
        # Before they are emitted, so that a reader can still stop and add the contents.
        click.echo(_waiting(lacking, found.interactions), err=True)
    emitted = 0
    if not dry_run:
        ask_first(stack, yes, f"This emits {len(found.interactions):,} interactions of the table {name}")
        # In order of time, nearly every write concerns a learner's latest day, which is the cheapest.
        interactions = in_order_of_time(found.interactions)
        emitted = emit_interactions(stack, "stream", interactions, manifest_of(stack)).emitted
    if as_json:
        print_json(
            {
                "rows": found.rows,
                "interactions": len(found.interactions),
                "emitted": emitted,
                "unknown_contents": sorted(map(list, lacking)),
                "bad": [row._asdict() for row in found.bad],
            }
        )
        return
    click.echo(
        f"{found.rows:,} rows read: {len(found.interactions):,} interactions, {len(found.bad):,} bad rows."
    )
    for line in _listed(name, found.bad, len(found.bad) if dry_run else MAX_LISTED):
        click.echo(f"  {line}")
    if emitted:
        click.echo(f"{emitted:,} emitted. Run `{command()} wait` to wait until the views include them.")


def read_table(stack: Stack, name: str) -> Table:
    """Return what is in the progress table, read by several scans at once.

    Raise click.ClickException if there is no such table, or if it has other keys.
    """
    dynamodb = stack.client("dynamodb")
    try:
        described = dynamodb.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise click.ClickException(f"there is no table {name} in the stack's account and region") from error
    keys = tuple(
        key["AttributeName"] for key in sorted(described["KeySchema"], key=lambda key: key["KeyType"])
    )
    if keys != KEY:
        raise click.ClickException(
            f"{name} is no progress table: its keys are {' and '.join(keys)} and not {' and '.join(KEY)}"
        )
    table, lock, now = Table(), Lock(), datetime.now(UTC)
    with progress_bar() as progress:
        task = progress.add_task("reading rows", total=described.get("ItemCount") or None)

        def read(segment: int) -> None:
            for items in _pages(dynamodb, name, segment):
                page = Table()
                for item in items:
                    _add(page, plain_row(item), now)
                with lock:
                    table.rows += page.rows
                    table.interactions += page.interactions
                    table.bad += page.bad
                    progress.advance(task, page.rows)

        with ThreadPoolExecutor(SEGMENTS) as pool:
            list(pool.map(read, range(SEGMENTS)))
    return table


def _pages(dynamodb: Any, name: str, segment: int) -> Iterator[list[dict[str, Any]]]:
    where: dict[str, Any] = {"TableName": name, "Segment": segment, "TotalSegments": SEGMENTS}
    while True:
        page = _scan(dynamodb, where)
        yield page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        where["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _scan(dynamodb: Any, where: dict[str, Any]) -> Any:
    """Return a page of a scan. If DynamoDB throttles it for longer than botocore repeats calls, wait.

    Raise click.ClickException after MAX_TRIES.
    """
    for tries in range(MAX_TRIES):
        try:
            return dynamodb.scan(**where)
        except ClientError as error:
            if error.response["Error"]["Code"] not in THROTTLED:
                raise
            pause(tries)
    raise click.ClickException(
        f"DynamoDB keeps throttling the scan of {where['TableName']}. Nothing was emitted. Raise the table's "
        "read capacity, or run the command again later."
    )


def _add(table: Table, row: dict[str, Any], now: datetime) -> None:
    table.rows += 1
    try:
        table.interactions.append(interaction_of(row, now))
    except InvalidInteraction as error:
        faults = [{"attribute": fault.field, "message": fault.message} for fault in error.faults]
        user_id, place = (str(row[name]) for name in KEY)
        table.bad.append(Bad(user_id, place, faults))


def _unknown_contents(stack: Stack, interactions: list[Fields]) -> set[tuple[str, str]]:
    """Return the contents that the catalog does not know, by certification."""
    catalog = stack.store.full_catalog()
    contents = {(fields["certification_type"], fields["content_id"]) for fields in interactions}
    return {(code, content) for code, content in contents if not catalog.knows(content, code)}


def _waiting(lacking: set[tuple[str, str]], interactions: list[Fields]) -> str:
    """Return what becomes of the interactions with contents that the catalog does not know."""
    waiting = sum((one["certification_type"], one["content_id"]) in lacking for one in interactions)
    return (
        f"The catalog does not know {len(lacking):,} of the contents. {waiting:,} interactions with them "
        "wait in quarantine once they are emitted. Add the contents, for example with "
        f"`{command()} catalog import`; afterwards, `{command()} redrive` puts back what waits already."
    )


def _listed(name: str, bad: list[Bad], most: int = MAX_LISTED) -> list[str]:
    """Return a line for each bad row, up to `most`, and how many there are."""
    lines = [
        f"{name}: {row.user_id}, {row.content_id_certification}: "
        + "; ".join(f"{fault['attribute']}: {fault['message']}" for fault in row.faults)
        for row in bad[:most]
    ]
    if len(bad) > most:
        lines.append(f"… and {len(bad) - most:,} more bad rows; --dry-run lists all")
    return lines
