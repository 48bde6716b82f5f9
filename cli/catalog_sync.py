"""`streakline catalog sync`: bring what is in the content table into the catalog, while its stream runs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import click

from cli.checkpoint import Checkpoint
from cli.output import progress_bar
from cli.retry import retry_until_accepted
from cli.stack import LOCAL, Stack, on_stack
from domain.catalog import Content
from functions.catalog import CatalogWriter, changes_of
from functions.errors import Contended

PROGRESS_FILE = LOCAL / "catalog-sync.json"
MAX_READS = 100
"""Limit of one BatchGetItem call."""
MAX_LISTED = 20

type Item = dict[str, Any]
type Key = tuple[str, str]
"""A certification and a content."""


@dataclass(slots=True)
class CatalogSync:
    """Applies rows of the content table to the catalog. The table's stream may do the same meanwhile."""

    dynamodb: Any
    table: str
    writer: CatalogWriter
    unusable: list[Key] = field(default_factory=list)

    def apply(self, rows: Mapping[Key, Item | None]) -> None:
        """Apply rows as they were read; None is a row that does not exist. Raise Contended.

        A row can change after it was read, and the stream can bring the change into the catalog before this
        does the older row. So each row that changed the catalog is read again, until what was applied last is
        what the table has. Any later change reaches the catalog through the stream.
        """
        while rows:
            changes, _ = changes_of(_record(key, row) for key, row in rows.items())
            if not self.writer.update(changes, int(datetime.now(UTC).timestamp() * 1_000_000)):
                return
            stored = self.read(rows)
            rows = {key: stored.get(key) for key in rows if stored.get(key) != rows[key]}

    def read(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Return the rows with these keys that exist, in strongly consistent reads."""
        found: dict[Key, Item] = {}

        def attempt(wanted: list[Item]) -> list[Item]:
            request = {self.table: {"Keys": wanted, "ConsistentRead": True}}
            answer = self.dynamodb.batch_get_item(RequestItems=request)
            found.update({_key(row): row for row in answer["Responses"].get(self.table, [])})
            return list(answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", []))

        for batch in batched(keys, MAX_READS):
            retry_until_accepted([_key_item(key) for key in batch], attempt)
        return found

    def scan(self, checkpoint: Checkpoint) -> Iterator[dict[Key, Item | None]]:
        """Yield the table's rows, page by page, from where an interrupted run stopped.

        The checkpoint moves when the next page is asked for. Rows with a key that no interaction can have are
        noted and left out.
        """
        after = checkpoint.after.get("0", {})
        while after is not None:
            start = {"ExclusiveStartKey": after} if after else {}
            answer = self.dynamodb.scan(TableName=self.table, ConsistentRead=True, **start)
            rows: dict[Key, Item | None] = {_key(row): row for row in answer["Items"]}
            for key in [key for key in rows if changes_of([_record(key, None)])[1]]:
                self.unusable.append(key)
                del rows[key]
            yield rows
            after = answer.get("LastEvaluatedKey")
            checkpoint.save(0, after)


@click.command("sync")
@on_stack
def sync_catalog(stack: Stack) -> None:
    """Bring what is in the content table into the catalog.

    Use it once when the stack gets an existing table (parameter ContentTableStreamArn), whose stream has only
    what changes from then on, or after the stream could not be read for a day. It only reads the table. It is
    safe while the table changes, continues where an interrupted run stopped, and running it again changes
    nothing. Content that the table no longer has is retired.

    Example: streakline catalog sync
    """
    table = stack.outputs["ContentTableName"]
    checkpoint = Checkpoint.load(PROGRESS_FILE, table)
    sync = CatalogSync(stack.client("dynamodb"), table, stack.catalog_writer)
    before = _contents(stack)
    seen: set[Key] = set()
    if checkpoint.after:
        click.echo("continuing where an interrupted run stopped", err=True)
    try:
        with progress_bar() as progress:
            task = progress.add_task("rows", total=None)
            for rows in sync.scan(checkpoint):
                sync.apply(rows)
                seen |= rows.keys()
                progress.advance(task, len(rows))
            known = [key for key, content in _contents(stack).items() if content.active and key not in seen]
            for keys in batched(known, MAX_READS):
                stored = sync.read(keys)
                sync.apply({key: stored.get(key) for key in keys})
    except Contended as error:
        raise click.ClickException(f"{error}; run the command again to continue") from error
    checkpoint.path.unlink(missing_ok=True)
    _report(table, len(seen), before, _contents(stack), sync.unusable)


def _report(
    table: str, rows: int, before: Mapping[Key, Content], after: Mapping[Key, Content], unusable: list[Key]
) -> None:
    added = len(after.keys() - before.keys())
    retired = sum(before[key].active and not after[key].active for key in before)
    changed = sum(before[key] != after[key] for key in before) - retired
    click.echo(
        f"{rows:,} rows of {table}: {added:,} contents were added to the catalog, {changed:,} changed, and "
        f"{retired:,} retired."
    )
    for code, content_id in unusable[:MAX_LISTED]:
        click.echo(f"left out: {content_id!r} of {code!r}: no interaction can have such an id", err=True)
    if len(unusable) > MAX_LISTED:
        click.echo(f"… and {len(unusable) - MAX_LISTED:,} more rows", err=True)
    if unusable:
        raise SystemExit(1)


def _contents(stack: Stack) -> dict[Key, Content]:
    return {
        (code, content.content_id): content
        for code, certification in stack.store.full_catalog().certifications.items()
        for content in certification.contents
    }


def _key(row: Item) -> Key:
    return row["certification_type"]["S"], row["content_id"]["S"]


def _key_item(key: Key) -> Item:
    return {"certification_type": {"S": key[0]}, "content_id": {"S": key[1]}}


def _record(key: Key, row: Item | None) -> Item:
    """Return a row as the table's stream would deliver it."""
    if row is None:
        return {"eventName": "REMOVE", "dynamodb": {"Keys": _key_item(key)}}
    return {"eventName": "MODIFY", "dynamodb": {"Keys": _key_item(key), "NewImage": row}}
