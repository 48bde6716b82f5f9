"""`streakline cutover`: make the other generation of the views the live one."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import click
from botocore.exceptions import ClientError

from cli.compare import compare_generations, problems_of
from cli.lag import find_lag
from cli.output import doing, print_json
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.generations import COLOURS, FIRST, Colour, Epoch, epochs_of, live_at, other, to_text
from functions.errors import is_contention
from functions.generations import LIVE

NOTICE_SECONDS = 10
"""Seconds from the writing of an epoch to its beginning.

Every process knows the epochs as they were at most five seconds ago. So both consumers know of an epoch
before the first record arrives that it is about, and agree on who answers for that record. The other five
seconds are for what differs between the clocks of AWS.
"""


class _Control(NamedTuple):
    """What the control table says."""

    stored: str | None
    """The epochs as they are stored; None if there was no cutover yet."""
    now: datetime
    """The time by DynamoDB's clock. The clock of this machine may be wrong by minutes."""

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        return FIRST if self.stored is None else epochs_of(self.stored)


@click.command()
@click.option(
    "--to", type=click.Choice(COLOURS), help="The generation to make live.  [default: the other one]"
)
@click.option(
    "--force", is_flag=True, help="Cut over although a check fails, to leave a generation that is wrong."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@yes_option
@on_stack
def cutover(stack: Stack, to: Colour | None, force: bool, as_json: bool, yes: bool) -> None:
    """Make the other generation of the views the live one.

    Dashboards read it ten seconds later, all at once, and no interaction waits. The consumers of both
    generations go on, so the same command goes back. It refuses while the consumer of the other generation is
    behind, if `streakline compare` finds something unexplained, and if an award is due and missing.

    Example: streakline cutover --to green
    """
    control = _read(stack)
    live = live_at(control.epochs, control.now)
    to = to or other(live)
    _check_possible(stack, control, live, to)
    if to == live:
        _report(control.epochs[-1], as_json, f"The {live} generation is live already.")
        return
    ask_first(stack, yes, f"This makes the {to} generation of the views the live one")
    with doing(f"checking the {to} generation"):
        problems = _problems(stack, live, to)
    for problem in problems:
        click.echo(problem, err=True)
    if problems and not force:
        raise click.ClickException(f"{live} stays live. If it is wrong, --force cuts over all the same.")
    epoch = _write(stack, control, to)
    with doing("waiting until it begins"):
        time.sleep(NOTICE_SECONDS)
    _report(epoch, as_json, f"The {to} generation is live. To go back: streakline cutover --to {live}")


def _check_possible(stack: Stack, control: _Control, live: Colour, to: Colour) -> None:
    """Raise click.ClickException if the generation does not exist, or another cutover is about to begin."""
    stack.generation(to)
    last = control.epochs[-1]
    if last.since > control.now.timestamp() * 1000:
        raise click.ClickException(f"a cutover to {last.live} begins at {_time(last)}; wait for it")


def _problems(stack: Stack, live: Colour, to: Colour) -> list[str]:
    """Return why the other generation should not become the live one."""
    if live not in stack.colours:
        return [
            f"The {live} generation is live, but the stack has dropped it. {to} can't be compared with it."
        ]
    lag = find_lag(stack, live, to)
    # A generation that is behind differs in any case.
    return problems_of(compare_generations(stack)) if lag is None else [lag]


def _read(stack: Stack) -> _Control:
    """Return what the control table says now."""
    answer: Any = stack.client("dynamodb").get_item(
        TableName=stack.outputs["ControlTableName"], Key=LIVE, ConsistentRead=True
    )
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return _Control(answer.get("Item", {}).get("epochs", {}).get("S"), now)


def _write(stack: Stack, checked: _Control, to: Colour) -> Epoch:
    """Write an epoch that begins in ten seconds, if the epochs are still those that were checked."""
    # The checks took a while.
    begins = _read(stack).now + timedelta(seconds=NOTICE_SECONDS)
    epoch = Epoch(to, int(begins.timestamp() * 1000))
    values = {":epochs": {"S": to_text((*checked.epochs, epoch))}}
    condition = "attribute_not_exists(epochs)"
    if checked.stored is not None:
        condition, values[":read"] = "epochs = :read", {"S": checked.stored}
    try:
        stack.client("dynamodb").update_item(
            TableName=stack.outputs["ControlTableName"],
            Key=LIVE,
            UpdateExpression="SET epochs = :epochs",
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )
    except ClientError as error:
        if not is_contention(error):
            raise
        raise click.ClickException("another cutover was faster; see which generation is live now") from error
    return epoch


def _report(epoch: Epoch, as_json: bool, text: str) -> None:
    if as_json:
        print_json({"live": epoch.live, "since": _time(epoch)})
    else:
        click.echo(text)


def _time(epoch: Epoch) -> str:
    return datetime.fromtimestamp(epoch.since / 1000, UTC).isoformat(timespec="milliseconds")
