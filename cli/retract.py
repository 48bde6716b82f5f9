"""`streakline retract`: take back interactions that should not count."""

import json
from datetime import datetime

import click

from cli.output import doing
from cli.refold import POLL_SECONDS, Log, refold_learner, report
from cli.stack import Stack, ask_first, on_stack, yes_option
from cli.stream import Record, put_records
from domain.days import day_number
from domain.interaction import digest_of, is_event_id, is_user_id
from functions.refold import Refolder, kept_of


@click.command("retract")
@click.argument("user_id", metavar="USER")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("event_ids", metavar="EVENT_ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result of the refold as JSON.")
@yes_option
@on_stack
def retract(
    stack: Stack, user_id: str, day: datetime, event_ids: tuple[str, ...], as_json: bool, yes: bool
) -> None:
    """Take back interactions or exam results of one learner.

    DATE is the UTC day on which they occurred. They are left out from now on: the learner is folded anew from
    the event log without them, and a redelivery, a replay or a rebuild leaves them out too. Awards stay.

    Example: streakline retract ann 2026-03-01 e-17
    """
    check_ids(user_id, event_ids)
    ask_first(stack, yes, f"This takes back {len(event_ids):,} events of {user_id}")
    log = Log(stack)
    with doing(f"taking back {len(event_ids):,} events of {user_id}"):
        emit_retractions(stack, [(user_id, day.date().isoformat(), event_id) for event_id in event_ids])
        digests = frozenset(map(digest_of, event_ids))
        wait_until_retracted(log, user_id, day_number(day.date()), digests)
    with doing(f"folding {user_id} from the event log"):
        result = refold_learner(log, user_id)
    report(user_id, result, dry_run=False, as_json=as_json)


def check_ids(user_id: str, event_ids: tuple[str, ...]) -> None:
    """Raise click.BadParameter if one of these can't be an id."""
    if not is_user_id(user_id):
        raise click.BadParameter(f"{user_id!r} is no user_id", param_hint="USER")
    for event_id in event_ids:
        if not is_event_id(event_id):
            raise click.BadParameter(f"{event_id!r} is no event_id", param_hint="EVENT_ID")


def emit_retractions(stack: Stack, identities: list[tuple[str, str, str]]) -> None:
    """Put retractions of these events (learner, UTC date, event_id) into the stream."""
    records = [
        Record(
            json.dumps({"event_id": event_id, "user_id": user_id, "retracted_on": utc_date}).encode(), user_id
        )
        for user_id, utc_date, event_id in identities
    ]
    for _ in put_records(stack, records):
        pass


def wait_until_retracted(log: Log, user_id: str, utc_day: int, digests: frozenset[int]) -> None:
    """Wait until the consumer has noted the retractions.

    Raise click.ClickException if it does not in time.
    """
    refolder: Refolder = log.refolder()
    began = log.clock()
    while True:
        applied = kept_of(refolder.read(user_id)).applied.get(utc_day)
        if applied is not None and digests <= applied.retracted:
            return
        if log.clock() - began >= log.lag:
            raise click.ClickException(
                "the consumer has not noted the retractions yet. They are in the stream and count from then "
                f"on; run `streakline refold {user_id}` when it has caught up"
            )
        log.pause(min(1, POLL_SECONDS))
