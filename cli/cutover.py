"""`streakline cutover`: make the other generation of the views the live one."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import click
from botocore.exceptions import ClientError

from cli.compare import compare_generations
from cli.lag import find_lag
from cli.output import doing, print_json, progress_bar
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.comparing import Comparison
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
@click.option("--force", is_flag=True, help="Check nothing: to leave a generation that is wrong, at once.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@yes_option
@on_stack
def cutover(stack: Stack, to: Colour | None, force: bool, as_json: bool, yes: bool) -> None:
    """Make the other generation of the views the live one.

    Dashboards read it ten seconds later, all at once, and no interaction waits. The consumers of both
    generations go on, so the same command goes back. It refuses while the consumer of the other generation is
    behind, and if `streakline compare` finds something wrong with it.

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
    is_wrong = not force and _check(stack, live, to)
    epoch = _write(stack, control, to)
    with doing("waiting until it begins"):
        time.sleep(NOTICE_SECONDS)
    way_back = f"streakline cutover --to {live}{' --force' if is_wrong else ''}"
    _report(epoch, as_json, f"The {to} generation is live. To go back: {way_back}")


def _check_possible(stack: Stack, control: _Control, live: Colour, to: Colour) -> None:
    """Raise click.ClickException if the generation does not exist, or another cutover is about to begin."""
    stack.generation(to)
    last = control.epochs[-1]
    if last.since > control.now.timestamp() * 1000:
        raise click.ClickException(f"a cutover to {last.live} begins at {_time(last)}; wait for it")


def _check(stack: Stack, live: Colour, to: Colour) -> bool:
    """Return whether the live generation is wrong, so that the way back needs --force.

    Raise click.ClickException if the other generation should not become the live one.
    """
    if live not in stack.colours:
        raise click.ClickException(
            f"the {live} generation is live, but the stack has dropped it, so there is nothing to compare "
            f"{to} with. --force does not compare"
        )
    with doing(f"checking whether the consumer of {to} is behind"):
        lag = find_lag(stack, live, to)
    if lag is not None:
        raise click.ClickException(lag)
    with progress_bar() as progress:
        task = progress.add_task("comparing learners", total=None)
        found = compare_generations(stack, live, on_progress=lambda: progress.advance(task))
    problems = _problems(found)
    if problems:
        raise click.ClickException(
            f"{to} does not become live: {'; '.join(problems)}. `streakline compare` lists what "
            f"differs; --force makes {to} live all the same"
        )
    if found.unexplained:
        click.echo(
            f"{len(found.unexplained):,} learners have wrong views in {live} and right ones in {to}. The "
            f"way back to {live} needs --force, until {live} is dropped and rebuilt.",
            err=True,
        )
    return bool(found.unexplained)


def _problems(found: Comparison) -> list[str]:
    """Return what is wrong with the generation that shall become live.

    A learner whose live views alone differ from the log is none: that is what a rebuild repairs, and what a
    cutover goes back from.
    """
    wrong = sum(one.wrong != "live" for one in found.unexplained)
    counts = {
        "learners differ without an explanation": wrong,
        "due awards are missing": len(found.due_awards),
        "learners can't be read": len(found.unreadable),
    }
    problems = [f"{count:,} {what}" for what, count in counts.items() if count]
    return problems if found.is_catalog_equal else [*problems, "the catalogs differ"]


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
