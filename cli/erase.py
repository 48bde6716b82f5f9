"""`streakline erase` and `streakline restart`: forget a learner, and let them start again."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from cli.output import doing, print_json
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.days import instant
from domain.erasure import Erasure
from domain.interaction import is_user_id
from functions.erasure import Eraser, Erasing, ErasureGoesOn, NotErased, announcer
from functions.erasure_list import ErasureList
from functions.errors import Contended
from functions.export_jobs import ExportJobs

POLL_SECONDS = 2.0


@click.command("erase")
@click.argument("user_id", metavar="[USER]", required=False)
@click.option("--log", "with_log", is_flag=True, help="Make the next pass over the event log now.")
@click.option("--json", "as_json", is_flag=True, help="Print what is left to do as JSON.")
@yes_option
@on_stack
def erase(stack: Stack, user_id: str | None, with_log: bool, as_json: bool, yes: bool) -> None:
    """Erase the learner USER, for good.

    The views are erased at once: nothing stays but a mark that keeps the learner's interactions from counting
    again. The event log, the quarantine and failed batches follow with the next pass, which takes all
    erasures since the last one along; --log makes one now, also without a USER. A second pass follows when
    the stream has forgotten the learner, at least eight days later.

    Example: streakline erase ann --log
    """
    if user_id is None and not with_log:
        raise click.UsageError("Say who, or --log for a pass over the event log.")
    erasing = erasing_of(stack)
    if user_id is not None:
        check_id(user_id)
        ask_first(stack, yes, f"This erases everything of {user_id} for good")
        with doing(f"erasing {user_id} from the views"):
            erase_learner(erasing, user_id)
    elif with_log:
        ask_first(stack, yes, f"This erases {len(erasing.listed.all()):,} learners from the event log")
    if with_log:
        with doing("erasing from the event log"):
            make_pass(stack)
    left = sorted(erasing.listed.all(), key=lambda erasure: erasure.erased_at)
    if as_json:
        print_json({"erased": user_id, "waiting": [_fields(erasure) for erasure in left]})
        return
    if user_id is not None:
        click.echo(f"{user_id} is erased from the views.")
    for erasure in left:
        click.echo(f"  {erasure.user_id}: {_next_step(erasure)}")


def erasing_of(stack: Stack) -> Erasing:
    """Return what an erasure needs of a stack."""
    client: Any = stack.client("dynamodb")
    control, bucket = stack.outputs["ControlTableName"], stack.outputs["EventLogBucket"]
    return Erasing(
        [Eraser(client, table) for table in views_tables(stack)],
        ErasureList(client, control),
        announcer(stack.outputs["BusName"], stack.client("events")),
        ExportJobs(client, control, stack.client("s3"), bucket).forget,
    )


def views_tables(stack: Stack) -> list[str]:
    """Return the tables of all generations of the views that exist."""
    names = ("BlueViewsTableName", "GreenViewsTableName", "ViewsTableName")
    return list(dict.fromkeys(stack.outputs[name] for name in names if name in stack.outputs))


def check_id(user_id: str) -> None:
    """Raise click.BadParameter if this can't be a learner's id."""
    if not is_user_id(user_id):
        raise click.BadParameter(f"{user_id!r} is no user_id", param_hint="USER")


def erase_learner(erasing: Erasing, user_id: str) -> Erasure:
    """Erase a learner from all views. Raise click.ClickException if other writers keep winning."""
    try:
        return erasing.erase(user_id, datetime.now(UTC))
    except Contended as error:
        raise click.ClickException(f"{error}; run the command again, which is safe") from error


def make_pass(stack: Stack) -> None:
    """Make a pass over the event log, and wait for it. Raise click.ClickException if it fails."""
    states = stack.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=stack.outputs["ErasurePassArn"])["executionArn"]
    while (found := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(POLL_SECONDS if stack.endpoint_url is None else 0.2)
    if found["status"] != "SUCCEEDED":
        cause = _first_line(found.get("cause") or found.get("error") or "no cause given")
        raise click.ClickException(
            f"the pass {arn} ended as {found['status']}: {cause}. The next one erases what it has left"
        )


def _first_line(cause: str) -> str:
    """Return what a person needs of a cause, which can be a function's error as JSON."""
    try:
        return str(json.loads(cause)["errorMessage"]).splitlines()[0]
    except (IndexError, KeyError, TypeError, ValueError):
        return cause.splitlines()[0] if cause else cause


def _next_step(erasure: Erasure) -> str:
    if not erasure.is_out_of_views:
        return "is not erased from all views yet; erase again, or wait for the next pass"
    if erasure.passed_at is None:
        return "waits for a pass over the event log"
    due = f"{instant(erasure.second_pass_from):%Y-%m-%d %H:%M} UTC"
    return (
        f"is out of the event log as of {instant(erasure.passed_at):%Y-%m-%d %H:%M} UTC; again from {due} on"
    )


def _fields(erasure: Erasure) -> dict[str, Any]:
    def time_of(at: int | None) -> str | None:
        return None if at is None else instant(at).isoformat()

    return {
        "user_id": erasure.user_id,
        "erased_at": time_of(erasure.erased_at),
        "starts_at": time_of(erasure.starts_at),
        "out_of_views": erasure.is_out_of_views,
        "passed_at": time_of(erasure.passed_at),
        "next_step": _next_step(erasure),
    }


@click.command("restart")
@click.argument("user_id", metavar="USER")
@yes_option
@on_stack
def restart(stack: Stack, user_id: str, yes: bool) -> None:
    """Let the erased learner USER start again.

    What occurs from now on counts. What occurred before stays dropped, however often it is delivered.

    Example: streakline restart ann
    """
    check_id(user_id)
    ask_first(stack, yes, f"This lets {user_id} start again")
    try:
        erasing_of(stack).restart(user_id, datetime.now(UTC))
    except NotErased as error:
        raise click.ClickException(
            f"{user_id} is not erased, or not any more; nothing was changed"
        ) from error
    except (ErasureGoesOn, Contended) as error:
        raise click.ClickException(
            f"{user_id} is not erased from all views yet; run `streakline erase {user_id}` again first"
        ) from error
    click.echo(f"{user_id} starts again. What occurs from now on counts.")
