"""`streakline retract`: take back interactions that should not count."""

from collections.abc import Iterable
from datetime import UTC, datetime

import click

from cli.output import doing
from cli.refold import Corrected, Log, refold_learner, report
from cli.retractions import emit_retractions, wait_until_retracted
from cli.stack import Stack, ask_first, on_stack, yes_option
from cli.voided import retract_voided
from domain.days import day_number
from domain.interaction import digest_of, is_event_id, is_user_id
from functions.refold import kept_of


@click.command("retract")
@click.argument("user_id", metavar="USER", required=False)
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), required=False)
@click.argument("event_ids", metavar="EVENT_ID...", nargs=-1)
@click.option("--voided", is_flag=True, help="Take back what voiding xAPI statements in quarantine name.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@yes_option
@on_stack
def retract(
    stack: Stack,
    user_id: str | None,
    day: datetime | None,
    event_ids: tuple[str, ...],
    voided: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Take back interactions or exam results of one learner.

    DATE is the UTC day on which they occurred. They are left out from now on: the learner is folded anew from
    the event log without them, and a redelivery, a replay or a rebuild leaves them out too. Awards stay.

    Example: streakline retract ann 2026-03-01 e-17
    """
    if voided:
        if user_id is not None:
            raise click.UsageError("--voided finds the events itself: name no learner")
        ask_first(stack, yes, "This takes back what the voiding statements in quarantine name")
        retract_voided(stack, as_json=as_json)
        return
    if user_id is None or day is None or not event_ids:
        raise click.UsageError("name USER, DATE and at least one EVENT_ID, or give --voided")
    check_ids(user_id, event_ids)
    if day.date() > datetime.now(UTC).date():
        raise click.BadParameter(f"{day:%Y-%m-%d} is in the future", param_hint="DATE")
    ask_first(stack, yes, f"This takes back {len(event_ids):,} events of {user_id}")
    log = Log(stack)
    refuse_erased(log, user_id)
    with doing(f"taking back {len(event_ids):,} events of {user_id}"):
        emit_retractions(stack, [(user_id, day.date().isoformat(), event_id) for event_id in event_ids])
        digests = frozenset(map(digest_of, event_ids))
        wait_until_retracted(log, user_id, day_number(day.date()), digests)
    with doing(f"folding {user_id} from the event log"):
        result = refold_learner(log, user_id)
    report(user_id, result, dry_run=False, as_json=as_json)
    for event_id in unknown(event_ids, day_number(day.date()), result):
        click.echo(
            f"The event log has no event {event_id} of {user_id} on {day:%Y-%m-%d} (UTC). "
            "If one comes, it is left out.",
            err=True,
        )


def refuse_erased(log: Log, user_id: str) -> None:
    """Raise click.ClickException if the learner is erased: the consumer drops their retractions, too."""
    if kept_of(log.refolder().read(user_id)).learner.erased_at is not None:
        raise click.ClickException(f"{user_id} is erased, so there is nothing to take back")


def unknown(event_ids: Iterable[str], utc_day: int, result: Corrected) -> list[str]:
    """Return the ids that no interaction or exam result in the log has on a UTC day."""
    return [event_id for event_id in event_ids if (utc_day, event_id) not in result.in_log]


def check_ids(user_id: str, event_ids: tuple[str, ...]) -> None:
    """Raise click.BadParameter if one of these can't be an id."""
    if not is_user_id(user_id):
        raise click.BadParameter(f"{user_id!r} is no user_id", param_hint="USER")
    for event_id in event_ids:
        if not is_event_id(event_id):
            raise click.BadParameter(f"{event_id!r} is no event_id", param_hint="EVENT_ID")
