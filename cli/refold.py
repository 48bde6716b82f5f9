"""`streakline refold`: fold one learner anew from the event log."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import click

from cli.log_lines import lines_of
from cli.output import doing, print_json
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.retraction import Retraction
from functions.errors import LaterFormat, TooLarge, Unreadable
from functions.log_objects import read_line
from functions.project import Projector
from functions.records import Received
from functions.refold import Erased, LogLags, OvertakenRefold, Refolded, Refolder

MOST_LAG = 900
"""Seconds after which the event log has a record, on AWS: Firehose gathers for five minutes, and retries."""
LOCAL_LAG = 5
"""The same on a local stack, which writes each record at once."""
POLL_SECONDS = 5


@click.command("refold")
@click.argument("user_id", metavar="USER")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@yes_option
@on_stack
def refold(stack: Stack, user_id: str, dry_run: bool, as_json: bool, yes: bool) -> None:
    """Fold one learner anew from the event log, and replace what is stored.

    It mends a state that can't be read or was folded wrongly, and leaves out what was retracted. Nothing is
    replaced before the log has everything that is stored; the command waits for it, up to a quarter of an
    hour. Awards stay.

    Example: streakline refold ann --dry-run
    """
    if not dry_run:
        ask_first(stack, yes, f"This replaces the views of {user_id} by a fold of the event log")
    with doing(f"folding {user_id} from the event log"):
        result = refold_learner(Log(stack), user_id, dry_run=dry_run)
    report(user_id, result, dry_run=dry_run, as_json=as_json)


class Corrected(NamedTuple):
    """The result of the command for one learner."""

    folded: Refolded
    applied: int
    """The events that the log has besides, and that were not stored; those that would be, in a dry run."""
    refused: tuple[str, ...]
    """Why others of them are not applied now."""
    in_log: frozenset[tuple[int, str]] = frozenset()
    """The UTC day and the event_id of each interaction and exam result in the log, retracted or not."""


def report(user_id: str, result: Corrected, *, dry_run: bool, as_json: bool) -> None:
    """Print the result of a refold."""
    folded = result.folded
    if as_json:
        print_json(
            {
                "user_id": user_id,
                "dry_run": dry_run,
                "events": folded.events,
                "changed": list(folded.changed),
                "awards": list(folded.awards),
                "applied": result.applied,
                "refused": list(result.refused),
            }
        )
        return
    would = "would be " if dry_run else ""
    if folded.changed:
        click.echo(
            f"{user_id}: {folded.events:,} events folded, {len(folded.changed):,} items {would}changed:"
        )
        for sk in folded.changed:
            click.echo(f"  {sk}")
    else:
        click.echo(f"{user_id}: {folded.events:,} events folded, and nothing differs.")
    if result.applied:
        click.echo(f"  {result.applied:,} more events of the log {would}applied, which were not stored")
    for reason in result.refused:
        click.echo(f"  left out: {reason}")


@dataclass(frozen=True)
class Log:
    """What a refold needs of a stack."""

    stack: Stack
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def projector(self) -> Projector:
        """Return a consumer of the live generation that announces no award."""
        stack = self.stack
        return Projector(stack.store, stack.quarantine, stack.freezes, was_live=lambda _: False)

    def refolder(self) -> Refolder:
        """Return the refolder of the live generation."""
        store = self.stack.store
        return Refolder(store.client, store.table, store.full_catalog(), self.stack.freezes)

    def received(self, user_id: str) -> list[Received]:
        """Return the learner's valid events in the log, in order of arrival."""
        found = [one for line in lines_of(self.stack, user_id) for one in read_line(line)]
        return valid_of(user_id, found)

    @property
    def lag(self) -> float:
        """Seconds after which the log has a record."""
        return LOCAL_LAG if self.stack.endpoint_url else MOST_LAG


def valid_of(user_id: str, found: Iterable[object]) -> list[Received]:
    """Return those of a learner's records that are valid, in order of arrival."""
    received = [one for one in found if isinstance(one, Received) and one.interaction.user_id == user_id]
    return sorted(received, key=_arrival)


def _arrival(one: Received) -> tuple[datetime, str, int]:
    return one.arrived_at, one.position.sequence_number.zfill(64), one.position.part


def refold_learner(log: Log, user_id: str, *, dry_run: bool = False) -> Corrected:
    """Fold a learner from the log, as soon as the log has everything that is stored.

    What the log has besides is applied afterwards, like any other delivery, and announces no award.

    Raise click.ClickException if it does not in time, or if the learner can't be folded.
    """
    refolder = log.refolder()
    began = log.clock()
    while True:
        waited = log.clock() - began
        stored = refolder.read(user_id)
        state = stored.learner()
        if isinstance(state, Unreadable) and not isinstance(state, LaterFormat) and waited < log.lag:
            # The state can't tell what was applied last, so the log must be past everything before now.
            log.pause(min(POLL_SECONDS, log.lag - waited))
            continue
        try:
            received = log.received(user_id)
            folded = refolder.refold(stored, received, dry_run=dry_run)
            return _with_the_rest(log, folded, dry_run)._replace(in_log=_facts(received))
        except (LogLags, OvertakenRefold) as error:
            if waited >= log.lag:
                raise click.ClickException(f"{error}; nothing was replaced") from error
        except (Erased, LaterFormat, TooLarge) as error:
            raise click.ClickException(f"{error}; nothing was replaced") from error
        log.pause(POLL_SECONDS)


def _facts(received: Iterable[Received]) -> frozenset[tuple[int, str]]:
    events = (one.interaction for one in received)
    return frozenset((one.utc_day, one.event_id) for one in events if not isinstance(one, Retraction))


def _with_the_rest(log: Log, folded: Refolded, dry_run: bool) -> Corrected:
    """Apply what the log has besides what was stored."""
    if dry_run or not folded.left:
        return Corrected(folded, len(folded.left), ())
    outcome = log.projector().apply(folded.left)
    if outcome.errors or outcome.troubles:
        error = [*outcome.errors, *(trouble.error for trouble in outcome.troubles)][0]
        raise click.ClickException(
            f"the rest of the log could not be applied: {error}; run the command again"
        )
    return Corrected(folded, outcome.applied, tuple(entry.reason for entry in outcome.quarantined))
