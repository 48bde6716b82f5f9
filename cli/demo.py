"""`streakline demo`: emit about 4,500 generated interactions, and show one learner's dashboard."""

from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console

from cli.content import ensure_content
from cli.demo_log import LAST_DAY, demo_catalog, demo_log
from cli.emit import emit_interactions
from cli.manifest import clear_manifest, read_manifest
from cli.output import command
from cli.show import render
from cli.stack import Stack, on_stack
from cli.wait import find

SHOWN = "demo-ada"
"""The learner whose dashboard is shown."""


@click.command()
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=180,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the views.",
)
@on_stack
def demo(stack: Stack, timeout: float) -> None:
    """Emit a generated log and show a dashboard.

    The log has eight weeks of 40 learners' interactions. Half of them go over the bus, half over the stream.
    If you run it again, all of them are recognised as duplicates and no view changes.
    """
    log = demo_log()
    interactions = log.interactions
    users = sorted({fields["user_id"] for fields in interactions})
    before = _applied(stack, users)
    ensure_content(stack, demo_catalog())
    clear_manifest()
    emit_interactions(stack, "bus", interactions[::2])
    emit_interactions(stack, "stream", interactions[1::2])
    console = Console(stderr=True)
    with console.status("waiting for the views") as status:
        found = find(
            stack, read_manifest(), timeout, lambda left: status.update(f"waiting for {left} learners")
        )
    if found.missing:
        raise click.ClickException(
            f"{found.missing} interactions are neither in the views nor in quarantine after {timeout:.0f} "
            "seconds; see the logs of the project function"
        )
    clear_manifest()
    applied = _applied(stack, users) - before
    quarantined = found.quarantined.total()
    duplicates = len(interactions) - applied - quarantined
    render(Console(), stack, SHOWN, LAST_DAY)
    click.echo(
        f"\nThe generator knows {SHOWN}'s skills: on the last day, the true share of new questions is "
        f"{100 * log.expected[SHOWN]:.0f} %.\n"
        f"\n{len(interactions):,} interactions emitted, half over the bus and half over the stream:\n"
        f"  {applied:6,} applied\n"
        f"  {duplicates:6,} recognised as duplicates\n"
        f"  {quarantined:6,} in quarantine: {_listed(Counter(found.quarantined))}\n"
    )
    call = command()
    hints = {
        "demo": "emit the same again; nothing changes",
        f"show demo-grace --today {LAST_DAY}": "show another learner",
        "redrive --dry-run": "list what is in quarantine, and why",
        "token --group instructors": "print a token for the API",
        "down": "stop the local stack",
    }
    click.echo("Try next:")
    for arguments, what in hints.items():
        click.echo(f"  {f'{call} {arguments}':{len(call) + 36}} {what}")


def _applied(stack: Stack, users: Sequence[str]) -> int:
    learners = (stack.store.read_state(user_id) for user_id in users)
    return sum(learner.total.interactions for learner in learners if learner)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) or "none"
