"""`streakline emit`: emit a log's interactions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

import click

from cli.api_client import UNAVAILABLE, Refusal
from cli.content import ensure_content
from cli.doors import DOORS, Door, deliver
from cli.logs import FORMATS, Fields, Format, in_order_of_time, listed, read_log
from cli.manifest import add_to_manifest, manifest_entry, manifest_of
from cli.output import command, doing, print_json, progress_bar
from cli.stack import Stack, ask_first, on_stack, yes_option

MAX_LISTED = 20
"""Refused interactions that are printed one by one; the summary counts all of them."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "log_format",
    type=click.Choice(FORMATS),
    required=True,
    help="Format of FILE: `interactions` is one JSON object a line, `xapi` statements; `csv` needs --map.",
)
@click.option(
    "--map",
    "mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file that says what the columns of a CSV file are; see docs/importing.md.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out rows that can't be used.")
@click.option(
    "--door",
    type=click.Choice(DOORS),
    default="stream",
    show_default=True,
    help="Where to send the interactions. `api` posts them as an admin, within the age limit of the API.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Emit only the first N, in the chosen order.")
@click.option(
    "--order",
    type=click.Choice(["time", "file"]),
    default="time",
    show_default=True,
    help="Emit in order of occurred_at, or in the order of FILE.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@yes_option
@on_stack
def emit(
    stack: Stack,
    file: Path,
    log_format: Format,
    mapping: Path | None,
    skip_bad: bool,
    door: Door,
    limit: int | None,
    order: Literal["time", "file"],
    as_json: bool,
    yes: bool,
) -> None:
    """Emit the interactions of FILE.

    Content that the catalog lacks is added first. Interactions keep their ids, so emitting a file again
    counts nothing twice. Exits with 1 if some could not be emitted because the API was unavailable.

    Example: streakline emit log.jsonl --format interactions
    """
    with doing(f"reading and checking {file}"):
        prefixes = stack.xapi_content_prefixes
        log = read_log(file, log_format, mapping, skip_bad=skip_bad, prefixes=prefixes)
    interactions = _ordered(log.interactions, order)[:limit]
    ask_first(stack, yes, f"This emits {len(interactions):,} interactions of {file}")
    with doing("adding content that the catalog lacks"):
        ensure_content(stack, log.catalog)
    summary = emit_interactions(stack, door, interactions, manifest_of(stack))
    if as_json:
        print_json(
            {
                "rows": log.rows,
                "emitted": summary.emitted,
                "learners": len(summary.learners),
                "left_out": dict(log.left_out.most_common()),
                "bad": [fault._asdict() for fault in log.faults],
                "not_understood": [fault._asdict() for fault in log.not_understood],
                "refused": dict(summary.refused.most_common()),
            }
        )
    else:
        click.echo(f"{log.rows:,} rows read, {summary.emitted:,} interactions emitted through the {door}.")
        for line in listed(file, log.faults):
            click.echo(f"  left out: {line}")
        for line in listed(file, log.not_understood):
            click.echo(f"  not understood: {line}")
        for name, count in log.left_out.most_common():
            click.echo(f"  not an interaction: {count:6,}  {name}")
        for reason, count in summary.refused.most_common():
            click.echo(f"  not emitted:        {count:6,}  {reason}")
        if summary.emitted:
            click.echo(f"Run `{command()} wait` to wait until the views include them.")
    if summary.refused[UNAVAILABLE]:
        raise SystemExit(1)


@dataclass(slots=True)
class Summary:
    """Counts of what was emitted, and of what was refused by reason."""

    emitted: int = 0
    learners: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)


def emit_interactions(stack: Stack, door: Door, interactions: Sequence[Fields], manifest: Path) -> Summary:
    """Emit interactions in order, add them to the manifest, and print those that are refused.

    Raises click.ClickException if the door stays unavailable; the manifest then has those emitted before.
    """
    summary = Summary()
    with progress_bar() as progress:
        task = progress.add_task(f"emitting through the {door}", total=len(interactions))
        for delivery in deliver(stack, door, interactions):
            add_to_manifest(map(manifest_entry, delivery.emitted), manifest)
            summary.emitted += len(delivery.emitted)
            summary.learners.update(
                user_id for fields in delivery.emitted if isinstance(user_id := fields.get("user_id"), str)
            )
            for refusal in delivery.refused:
                summary.refused[refusal.reason] += 1
                if summary.refused.total() <= MAX_LISTED:
                    progress.console.print(_described(refusal), markup=False, highlight=False, soft_wrap=True)
            progress.advance(task, len(delivery.emitted) + len(delivery.refused))
    return summary


def _ordered(interactions: list[Fields], order: Literal["time", "file"]) -> list[Fields]:
    match order:
        case "time":
            return in_order_of_time(interactions)
        case "file":
            return interactions
        case _:
            assert_never(order)


def _described(refusal: Refusal) -> str:
    event_id, user_id = refusal.interaction.get("event_id"), refusal.interaction.get("user_id")
    return f"not emitted: event_id {event_id}, user_id {user_id}: {refusal.reason}"
