"""Write content metadata into the content table, and wait for the catalog to follow."""

import time
from collections.abc import Sequence
from itertools import batched
from typing import Any

import click

from cli.logs import CatalogRow
from cli.retry import retry_until_accepted
from cli.stack import Stack
from domain.catalog import Catalog

MAX_WRITES = 25
"""Limit of one BatchWriteItem call."""
CATALOG_SECONDS = 60
"""How long the catalog may take to include new content."""
POLL_SECONDS = 0.2


def ensure_content(stack: Stack, rows: Sequence[CatalogRow]) -> None:
    """Write the rows that the catalog lacks, and return when it includes them.

    Raises click.ClickException if the content table rejects rows or the catalog does not follow in time.
    """
    lacking = missing(stack.store.full_catalog(), rows)
    if not lacking:
        return
    dynamodb, table = stack.client("dynamodb"), stack.outputs["ContentTableName"]

    def attempt(requests: list[Any]) -> list[Any]:
        answer = dynamodb.batch_write_item(RequestItems={table: requests})
        return list(answer.get("UnprocessedItems", {}).get(table, []))

    for batch in batched(lacking, MAX_WRITES):
        retry_until_accepted([{"PutRequest": {"Item": _item(row)}} for row in batch], attempt)
    wait_for_catalog(stack, lacking)


def wait_for_catalog(stack: Stack, rows: Sequence[CatalogRow]) -> None:
    """Return when the catalog includes rows of the content table.

    Raises click.ClickException if it does not follow in time.
    """
    lacking = list(rows)
    deadline = time.monotonic() + CATALOG_SECONDS
    while lacking := missing(stack.store.full_catalog(), lacking):
        if time.monotonic() > deadline:
            raise click.ClickException(
                f"the catalog still lacks {len(lacking)} rows of the content table after {CATALOG_SECONDS} "
                "seconds; see the logs of the catalog function"
            )
        time.sleep(POLL_SECONDS)


def missing(catalog: Catalog, rows: Sequence[CatalogRow]) -> list[CatalogRow]:
    """Return the rows that the catalog lacks."""
    return [
        row
        for row in rows
        if not catalog.knows(row.content_id, None if row.in_any_certification else row.certification_type)
    ]


def _item(row: CatalogRow) -> dict[str, Any]:
    item = {
        "content_id": {"S": row.content_id},
        "certification_type": {"S": row.certification_type},
        "title": {"S": row.title or row.content_id},
    }
    if row.category:
        item["category"] = {"S": row.category}
    if row.difficulty_level:
        item["difficulty_level"] = {"S": row.difficulty_level}
    return item
