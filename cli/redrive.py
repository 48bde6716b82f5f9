"""`streakline redrive`: put quarantined records back into the stream."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import click
from rich.console import Console

from cli.output import print_json
from cli.quarantine import Entries, Entry, QuarantinedRecord
from cli.stack import Stack, on_stack
from cli.stream import put_records

NOT_REDRIVABLE = {"malformed", "invalid", "failed_change"}
"""Codes of records that would fail again. They stay in quarantine until their producer is fixed."""
ENTRIES_AT_ONCE = 100


@dataclass(slots=True)
class Redriven:
    """The result of a redrive. Each record counts once, however often it is in quarantine."""

    redriven: Counter[str] = field(default_factory=Counter)
    """By code: records that were put back into the stream, or would be without `dry_run`."""
    staying: list[QuarantinedRecord] = field(default_factory=list)


@click.command("redrive")
@click.option("--reason", help="Only records with this reason code, such as unknown_content.")
@click.option("--dry-run", is_flag=True, help="List the records, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def redrive(stack: Stack, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Put quarantined records back into the stream.

    Records that would fail again stay in quarantine, and are listed. It is safe to repeat a redrive: a record
    that has been applied since is recognised as a duplicate.
    """
    lines: list[str] = []
    with Console(stderr=True).status("reading quarantine") as status:

        def on_redriven(record: QuarantinedRecord) -> None:
            if dry_run:
                lines.append(f"  {_line(record)}")
            status.update(f"reading quarantine: {record.position}")

        result = redrive_records(stack, reason, dry_run=dry_run, on_redriven=on_redriven)
    if as_json:
        print_json(
            {
                "redriven": 0 if dry_run else result.redriven.total(),
                "eligible": dict(result.redriven),
                "staying": [_as_json(record) for record in result.staying],
            }
        )
        return
    for code, count in sorted(result.redriven.items()):
        click.echo(f"{'would be redriven' if dry_run else 'redriven'}: {count:5,}  {code}")
    for line in lines:
        click.echo(line)
    for record in result.staying:
        click.echo(f"stays: {_line(record)}")
    if not result.redriven and not result.staying:
        click.echo("Quarantine is empty." if reason is None else f"Quarantine has no record with {reason}.")


def redrive_records(
    stack: Stack,
    reason: str | None = None,
    *,
    dry_run: bool = False,
    on_redriven: Callable[[QuarantinedRecord], None] = lambda _: None,
) -> Redriven:
    """Put records into the stream, and remove them from quarantine once the stream has accepted them.

    `reason` selects the records with this code. `dry_run` changes nothing. `on_redriven` is called for each
    record that goes back. Raises click.ClickException if the stream keeps rejecting records; those stay.
    """
    result = Redriven()
    known: set[str] = set()
    with Entries(stack) as entries:
        for some in batched(_redrivable(entries, result.staying, reason), ENTRIES_AT_ONCE):
            # A batch that was delivered again has put the same records into quarantine again.
            records = {
                record.position: record
                for entry in some
                for record in entry.records
                if record.position not in known
            }
            known |= records.keys()
            if not dry_run:
                for _ in put_records(stack, map(entries.payload, records.values())):
                    pass
                entries.remove(some)
            for record in records.values():
                result.redriven[record.code] += 1
                on_redriven(record)
    return result


def _redrivable(
    entries: Iterable[Entry], staying: list[QuarantinedRecord], reason: str | None
) -> Iterator[Entry]:
    """Yield the entries that can go back, and add the records of the others to `staying`."""
    listed: set[str] = set()
    for entry in entries:
        code = entry.records[0].code
        if reason not in (None, code):
            continue
        if code not in NOT_REDRIVABLE:
            yield entry
            continue
        staying += [record for record in entry.records if record.position not in listed]
        listed.update(record.position for record in entry.records)


def _line(record: QuarantinedRecord) -> str:
    return f"{record.position}  {record.code}: {record.reason}"


def _as_json(record: QuarantinedRecord) -> dict[str, Any]:
    return {
        "position": record.position,
        "code": record.code,
        "reason": record.reason,
        "arrived_at": record.arrived_at,
    }
