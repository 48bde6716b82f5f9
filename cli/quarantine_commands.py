"""`streakline quarantine`: look at what is in quarantine, and drop what will never count."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from cli.output import doing, print_json
from cli.quarantine import CODES, BadLetter, Entries, Entry, QuarantinedRecord
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.refusals import refusal_of


class Wanted(NamedTuple):
    """Which records a command is about. None means any."""

    reason: str | None
    user: str | None
    before: datetime | None

    def has(self, record: QuarantinedRecord) -> bool:
        """Return whether the command is about a record."""
        return (
            self.reason in (None, record.code)
            and (self.user is None or self.user == _user(record))
            and (self.before is None or record.arrived_at < self.before)
        )


@click.group()
def quarantine() -> None:
    """Look at what is in quarantine, and drop what will never count. `redrive` puts records back."""


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select records, and pass the argument `wanted`."""

    @click.option(
        "--reason", type=click.Choice(CODES), metavar="CODE", help="Only records with this reason code."
    )
    @click.option("--user", metavar="ID", help="Only records of this learner.")
    @click.option(
        "--older-than",
        type=click.IntRange(min=0),
        metavar="DAYS",
        help="Only records that arrived more days ago.",
    )
    @wraps(command)
    def run(reason: str | None, user: str | None, older_than: int | None, **arguments: Any) -> Any:
        before = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
        return command(wanted=Wanted(reason, user, before), **arguments)

    return run


def _user(record: QuarantinedRecord) -> str | None:
    """Return the learner that a record names; None if it names none, or has no event_id."""
    found = refusal_of(record.payload.data, record.code, record.reason)
    return found.user_id if found else None


@quarantine.command("list")
@selecting
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@on_stack
def list_quarantine(stack: Stack, wanted: Wanted, as_json: bool) -> None:
    """List the records in quarantine, each once.

    Example: streakline quarantine list --reason invalid
    """
    with doing("reading quarantine"), Entries(stack) as entries:
        records = sorted(_records(entries, wanted.has), key=lambda record: record.arrived_at)
    if as_json:
        print_json([_summary(record) for record in records])
        return
    if not records:
        click.echo("There is no such record in quarantine.")
        return
    table = Table()
    for name in ("arrived", "code", "learner", "position", "reason"):
        table.add_column(name, overflow="fold")
    for record in records:
        arrived = f"{record.arrived_at:%Y-%m-%d %H:%M}"
        table.add_row(arrived, record.code, _user(record) or "–", record.position, record.reason)
    Console().print(table)
    for code, count in Counter(record.code for record in records).most_common():
        click.echo(f"{count:6,}  {code}")


@quarantine.command("show")
@click.argument("position")
@on_stack
def show_quarantined(stack: Stack, position: str) -> None:
    """Print the record at POSITION, as `list` names it, with its payload as JSON.

    Example: streakline quarantine show shardId-000000000000:42
    """
    with doing("reading quarantine"), Entries(stack) as entries:
        found = next(_records(entries, lambda record: record.position == position), None)
    if found is None:
        raise click.ClickException(
            f"there is no record at {position} in quarantine; `quarantine list` has all"
        )
    print_json({**_summary(found), "payload": found.payload.data.decode(errors="backslashreplace")})


@quarantine.command("drop")
@selecting
@click.option("--position", metavar="POSITION", help="Only the record at this position, as `list` names it.")
@click.option(
    "--unreadable", is_flag=True, help="Messages and batches that can't be read, as `list` names them."
)
@click.option("--dry-run", is_flag=True, help="Say how many records would be dropped; drop none.")
@yes_option
@on_stack
def drop_quarantined(
    stack: Stack, wanted: Wanted, position: str | None, unreadable: bool, dry_run: bool, yes: bool
) -> None:
    """Delete records from quarantine that will never count.

    They are gone, but for the event log. A message or batch with other records besides stays as it is.

    Example: streakline quarantine drop --reason malformed --dry-run
    """
    some = position is not None or any(wanted)
    if some and unreadable:
        raise click.UsageError("--unreadable goes alone: of these nothing is known.")
    if not some and not unreadable:
        raise click.UsageError(
            "Say which records: --reason, --user, --older-than, --position or --unreadable."
        )

    def selected(record: QuarantinedRecord) -> bool:
        return wanted.has(record) and position in (None, record.position)

    with doing("reading quarantine"), Entries(stack) as entries:
        if unreadable:
            _drop_unreadable(stack, entries, dry_run, yes)
            return
        letters = [letter for letter in entries if isinstance(letter, Entry)]
        dropped = [letter for letter in letters if all(map(selected, letter.records))]
        mixed = [letter for letter in letters if letter not in dropped and any(map(selected, letter.records))]
        count = len({record.position for letter in dropped for record in letter.records})
        if not dry_run and dropped:
            ask_first(stack, yes, f"This deletes {count:,} records from quarantine for good")
            entries.remove(dropped)
    click.echo(f"{count:,} records {'would be' if dry_run else 'were'} dropped.")
    for letter in mixed:
        click.echo(f"stays, because it has other records besides: {letter.location}")


def _drop_unreadable(stack: Stack, entries: Entries, dry_run: bool, yes: bool) -> None:
    bad = [letter for letter in entries if isinstance(letter, BadLetter)]
    for letter in bad:
        click.echo(f"{letter.location}  {letter.why}")
    if not dry_run and bad:
        ask_first(stack, yes, f"This deletes {len(bad):,} messages and batches that can't be read for good")
        entries.remove(bad)
    click.echo(f"{len(bad):,} that can't be read {'would be' if dry_run else 'were'} dropped.")


def _records(entries: Entries, wanted: Callable[[QuarantinedRecord], bool]) -> Iterator[QuarantinedRecord]:
    """Yield the records that are wanted, each once: a batch that was delivered again repeats them."""
    seen: set[str] = set()
    for letter in entries:
        if isinstance(letter, BadLetter):
            click.echo(f"can't be read: {letter.location}  {letter.why}", err=True)
            continue
        for record in letter.records:
            if record.position not in seen and wanted(record):
                seen.add(record.position)
                yield record


def _summary(record: QuarantinedRecord) -> dict[str, Any]:
    return {
        "position": record.position,
        "code": record.code,
        "reason": record.reason,
        "user_id": _user(record),
        "arrived_at": record.arrived_at.isoformat(),
    }
