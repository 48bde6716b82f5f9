"""`streakline redrive`: put quarantined records back into the stream."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import click
from rich.console import Console

from cli.batching import split
from cli.output import print_json
from cli.quarantine import CODES, HIDDEN_SECONDS, BadLetter, Entries, Entry, QuarantinedRecord
from cli.stack import Stack, on_stack
from cli.stream import Record, put_records
from cli.trial import Trial, Verdict
from functions.quarantine import Quarantined

MAX_ENTRIES = 100
MAX_BYTES = 32 * 1024 * 1024
"""Maximum entries, and bytes of payloads, that are checked and put back at once."""


class Staying(NamedTuple):
    """A record that stays in quarantine, and why it would be refused now."""

    record: QuarantinedRecord
    code: str
    why: str


@dataclass(slots=True)
class Redriven:
    """The result of a redrive. Each record counts once, however often it is in quarantine."""

    redriven: Counter[str] = field(default_factory=Counter)
    """By code: interactions that were put back into the stream, or would be without `dry_run`."""
    staying: list[Staying] = field(default_factory=list)
    bad_letters: list[BadLetter] = field(default_factory=list)
    in_flight: int = 0
    """About how many messages could not be seen, because another reader has hidden them."""


@click.command("redrive")
@click.option(
    "--reason", type=click.Choice(CODES), metavar="CODE", help="Only records with this reason code."
)
@click.option("--dry-run", is_flag=True, help="List the records, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def redrive(stack: Stack, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Put quarantined records back into the stream if they would be applied now.

    Records that would be refused again stay in quarantine, and are listed with the reason. It is safe to
    repeat a redrive: a record that has been applied since is recognised as a duplicate. Exits with 1 if
    quarantine contains messages or objects that can't be read. They stay where they are.

    Example: streakline redrive --reason unknown_content --dry-run
    """
    lines: list[str] = []
    with Console(stderr=True).status("reading quarantine") as status:

        def on_redriven(record: QuarantinedRecord) -> None:
            if dry_run:
                lines.append(f"  {record.position}  {record.code}: {record.reason}")
            status.update(f"reading quarantine: {record.position}")

        result = redrive_records(stack, reason, dry_run=dry_run, on_redriven=on_redriven)
    if as_json:
        print_json(_as_json(result, dry_run))
    else:
        _print(result, reason, lines, dry_run)
    if result.bad_letters:
        raise SystemExit(1)


def redrive_records(
    stack: Stack,
    reason: str | None = None,
    *,
    dry_run: bool = False,
    on_redriven: Callable[[QuarantinedRecord], None] = lambda _: None,
) -> Redriven:
    """Put records into the stream, and remove them from quarantine once the stream has accepted them.

    Only what the consumer would apply now goes back. `reason` selects the records with this code. `dry_run`
    changes nothing. `on_redriven` is called for each record that goes back. Raises click.ClickException if
    the stream keeps rejecting records, or if the views can't be read; those records stay.
    """
    result = Redriven()
    trial = Trial(stack)
    is_back: dict[str, bool] = {}
    """By position of each record so far: whether it is back in the stream."""
    with Entries(stack) as entries:
        result.in_flight = entries.in_flight
        selected = _selected(entries, reason, result.bad_letters)
        for some in split(
            selected, max_items=MAX_ENTRIES, max_bytes=MAX_BYTES, size=lambda entry: entry.size
        ):
            # A batch that was delivered again has put the same records into quarantine again.
            new = {r.position: r for entry in some for r in entry.records if r.position not in is_back}
            verdicts = dict(zip(new, trial.judge(list(new.values())), strict=True))
            moves = [_move(entry, verdicts, is_back) for entry in some]
            if not dry_run:
                _carry_out(stack, entries, moves)
            for move in moves:
                result.staying += move.staying
                for record, count in move.back:
                    result.redriven[record.code] += count
                    on_redriven(record)
    return result


def _selected(entries: Entries, reason: str | None, bad_letters: list[BadLetter]) -> Iterator[Entry]:
    """Yield the entries with this reason code, or all. Add letters that can't be read to `bad_letters`."""
    for letter in entries:
        if isinstance(letter, BadLetter):
            bad_letters.append(letter)
        elif reason in (None, letter.records[0].code):
            yield letter


class _Move(NamedTuple):
    """What happens to one entry."""

    entry: Entry
    back: list[tuple[QuarantinedRecord, int]]
    """The records that go back to the stream, with the number of interactions in each that do."""
    puts: list[Record]
    staying: list[Staying]
    letters: list[Quarantined]
    """What stays gets letters of its own if the entry is removed."""
    is_removed: bool


def _move(entry: Entry, verdicts: Mapping[str, list[Verdict]], is_back: dict[str, bool]) -> _Move:
    """Decide what happens to an entry, and note its records in `is_back`.

    A record that was seen before is in the stream or in another letter, so nothing happens to it.
    """
    new = {record.position: record for record in entry.records if record.position not in is_back}
    back: list[tuple[QuarantinedRecord, int]] = []
    puts: list[Record] = []
    refused: list[tuple[QuarantinedRecord, Quarantined]] = []
    for record in new.values():
        passing = [verdict.record for verdict in verdicts[record.position] if verdict.refused is None]
        refused += [(record, v.refused) for v in verdicts[record.position] if v.refused is not None]
        is_back[record.position] = bool(passing)
        if passing:
            back.append((record, len(passing)))
            puts += passing
    is_removed = bool(back) or all(is_back[record.position] for record in entry.records)
    staying = [
        Staying(_part(record, again.position.part), again.code, again.reason) for record, again in refused
    ]
    letters = [again for _, again in refused] if is_removed else []
    return _Move(entry, back, puts, staying, letters, is_removed)


def _part(record: QuarantinedRecord, number: int) -> QuarantinedRecord:
    return replace(record, position=f"{record.position}:{number}") if number else record


def _carry_out(stack: Stack, entries: Entries, moves: Sequence[_Move]) -> None:
    for _ in put_records(stack, (record for move in moves for record in move.puts)):
        pass
    try:
        stack.quarantine.put([letter for move in moves for letter in move.letters])
    except RuntimeError as error:
        raise click.ClickException(f"{error}; run the command again later, which is safe") from error
    entries.remove(move.entry for move in moves if move.is_removed)


def _print(result: Redriven, reason: str | None, lines: Sequence[str], dry_run: bool) -> None:
    for code, count in sorted(result.redriven.items()):
        click.echo(f"{'would be redriven' if dry_run else 'redriven'}: {count:5,}  {code}")
    for line in lines:
        click.echo(line)
    for record, code, why in result.staying:
        was = "" if code == record.code else f" (was {record.code})"
        click.echo(f"stays: {record.position}  {code}: {why}{was}")
    if not (result.redriven or result.staying or result.bad_letters or result.in_flight):
        click.echo("Quarantine is empty." if reason is None else f"Quarantine has no record with {reason}.")
    if result.in_flight:
        click.echo(
            f"About {result.in_flight:,} messages were hidden and not looked at: another command is reading "
            f"them, or one was killed. They are visible again after {HIDDEN_SECONDS // 60} minutes at most."
        )
    for letter in result.bad_letters:
        click.echo(f"can't be read: {letter.location}  {letter.why}", err=True)


def _as_json(result: Redriven, dry_run: bool) -> dict[str, Any]:
    return {
        "redriven": 0 if dry_run else result.redriven.total(),
        "eligible": dict(result.redriven),
        "staying": [
            {
                "position": record.position,
                "code": record.code,
                "reason": record.reason,
                "arrived_at": record.arrived_at.isoformat(),
                "now": {"code": code, "reason": why},
            }
            for record, code, why in result.staying
        ],
        "unreadable": [{**letter.location._asdict(), "reason": letter.why} for letter in result.bad_letters],
        "in_flight": result.in_flight,
    }
