"""`streakline emit`: puts a log's interactions through one of the doors."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from itertools import batched, groupby
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.logs import FORMATS, CatalogRow, Fields, in_order_of_time
from cli.manifest import emitted, note
from cli.stack import Stack, on_stack, print_json
from cli.stream import MAX_TRIES, pause, record, until_taken
from cli.stream import put as put_records
from cli.token import id_token

CATALOG_SECONDS = 60
"""How long the catalog may take to know new content."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), required=True, help="What FILE is.")
@click.option("--door", type=click.Choice(["stream", "bus", "api"]), default="stream", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N, in the chosen order.")
@click.option("--order", type=click.Choice(["time", "file"]), default="time", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def emit(
    stack: Stack, file: Path, form: str, door: str, limit: int | None, order: str, as_json: bool
) -> None:
    """Emit the interactions of FILE; first make sure that the catalog has their content."""
    log = FORMATS[form](file)
    interactions = in_order_of_time(log.interactions) if order == "time" else log.interactions
    interactions = interactions[:limit]
    offer(stack, log.catalog)
    put(stack, door, interactions)
    summary = {
        "rows": log.rows,
        "emitted": len(interactions),
        "learners": len({str(fields.get("user_id")) for fields in interactions}),
        "left_out": dict(log.left_out.most_common()),
    }
    if as_json:
        print_json(summary)
        return
    click.echo(f"{log.rows:,} rows read, {len(interactions):,} interactions emitted through the {door}.")
    for name, count in log.left_out.most_common():
        click.echo(f"  left out: {count:6,}  {name}")
    click.echo("`streakline wait` returns when they are all in the views.")


def offer(stack: Stack, rows: Sequence[CatalogRow]) -> None:
    """Write content metadata, and wait until the catalog has it."""
    known = stack.store.full_catalog()
    missing = [row for row in rows if not known.knows(row.content_id, row.certification_type)]
    if not missing:
        return
    dynamodb, table = stack.client("dynamodb"), stack.outputs["ContentTableName"]
    for chunk in batched(missing, 25):
        request: Any = {table: [{"PutRequest": {"Item": _content_item(row)}} for row in chunk]}
        for attempt in range(MAX_TRIES):
            request = dynamodb.batch_write_item(RequestItems=request).get("UnprocessedItems")
            if not request:
                break
            pause(attempt)
        else:
            raise click.ClickException("the content table does not take the catalog; try again later")
    deadline = time.monotonic() + CATALOG_SECONDS
    while not all(known.knows(row.content_id, row.certification_type) for row in missing):
        if time.monotonic() > deadline:
            raise click.ClickException(
                "the catalog does not follow the content table; see its function's logs"
            )
        time.sleep(0.2)
        known = stack.store.full_catalog()


def _content_item(row: CatalogRow) -> dict[str, Any]:
    item = {
        "content_id": {"S": row.content_id},
        "certification_type": {"S": row.certification_type},
        "title": {"S": row.content_id},
        "category": {"S": row.category},
    }
    if row.difficulty_level:
        item["difficulty_level"] = {"S": row.difficulty_level}
    return item


def put(stack: Stack, door: str, interactions: Sequence[Fields]) -> None:
    """Emit interactions in order through a door, each noted in the manifest before it goes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"emitting through the {door}", total=len(interactions))
        note(map(emitted, interactions))
        for count in DOORS[door](stack, interactions):
            progress.advance(task, count)


def _through_stream(stack: Stack, interactions: Sequence[Fields]) -> Iterator[int]:
    return put_records(stack, (record(json.dumps(fields).encode()) for fields in interactions))


def _through_bus(stack: Stack, interactions: Sequence[Fields]) -> Iterator[int]:
    events, bus = stack.client("events"), stack.outputs["BusName"]
    for chunk in batched(interactions, 10):
        entries = [
            {
                "EventBusName": bus,
                "Source": "streakline.emit",
                "DetailType": "interaction.recorded",
                "Detail": json.dumps(fields),
            }
            for fields in chunk
        ]

        def attempt(left: list[Any]) -> list[Any]:
            results = events.put_events(Entries=left)["Entries"]
            return [entry for entry, result in zip(left, results, strict=True) if "ErrorCode" in result]

        until_taken(entries, attempt)
        yield len(chunk)


def _through_api(stack: Stack, interactions: Sequence[Fields]) -> Iterator[int]:
    """As an admin, for each learner. What the API refuses is not emitted: it says so and goes on."""
    token = id_token(stack, "streakline-admins", "admins")
    for user_id, of_learner in groupby(interactions, lambda fields: str(fields.get("user_id"))):
        for chunk in batched(of_learner, 500):
            request = urllib.request.Request(
                f"{stack.api_url}/progress/{user_id}/interactions",
                data=json.dumps({"interactions": chunk}).encode(),
                headers={"Authorization": token, "Content-Type": "application/json"},
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    results = json.load(answer)["results"]
            except urllib.error.HTTPError as error:
                raise click.ClickException(
                    f"the API answers {error.code}: {error.read().decode()}"
                ) from error
            for result in results:
                if result["status"] != "accepted":
                    click.echo(f"refused: {json.dumps(result)}", err=True)
            yield len(chunk)


DOORS: dict[str, Callable[[Stack, Sequence[Fields]], Iterator[int]]] = {
    "stream": _through_stream,
    "bus": _through_bus,
    "api": _through_api,
}
