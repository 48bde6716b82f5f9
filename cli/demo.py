"""`streakline demo`: emit about 4,500 generated interactions, and show one learner's dashboard."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.console import Console

from cli.content import ensure_content
from cli.demo_log import demo_catalog, demo_log
from cli.emit import emit_interactions
from cli.manifest import clear_manifest, end_of_demo, manifest_of, read_manifest
from cli.output import command, doing
from cli.people import sign_in_lines
from cli.show import render
from cli.stack import Stack, ask_first, on_stack, yes_option
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
@click.option(
    "--last-day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day on which the log ends.  [default: now, at the first run]",
)
@yes_option
@on_stack
def demo(stack: Stack, timeout: float, last_day: datetime | None, yes: bool) -> None:
    """Emit a generated log and show a dashboard.

    The log has eight weeks of 40 learners' interactions. Half of them go over the bus, half over the stream.
    If you run it again, all of them are recognised as duplicates and no view changes.

    Example: streakline demo --last-day 2026-03-01
    """
    until = None if last_day else _until(stack)
    end = until.date() if until else (last_day or datetime.now(UTC)).date()
    log = demo_log(last_day=end, until=until)
    interactions = log.interactions
    ask_first(stack, yes, f"This emits {len(interactions):,} generated interactions of 40 learners")
    users = sorted({fields["user_id"] for fields in interactions})
    before = _applied(stack, users)
    with doing("adding the demo's content to the catalog"):
        ensure_content(stack, demo_catalog())
    manifest = manifest_of(stack)
    clear_manifest(manifest)
    emit_interactions(stack, "bus", interactions[::2], manifest)
    emit_interactions(stack, "stream", interactions[1::2], manifest)
    console = Console(stderr=True)
    with console.status("waiting for the views") as status:
        found = find(
            stack,
            read_manifest(manifest),
            timeout,
            lambda left: status.update(f"waiting for {left} learners"),
        )
    if found.missing:
        raise click.ClickException(
            f"{found.missing} interactions are neither in the views nor in quarantine after {timeout:.0f} "
            "seconds; see the logs of the project function"
        )
    clear_manifest(manifest)
    applied = _applied(stack, users) - before
    quarantined = found.quarantined.total()
    duplicates = len(interactions) - applied - quarantined
    today = end if last_day else None
    render(Console(), stack, SHOWN, today)
    click.echo(
        f"\nThe generator knows {SHOWN}'s skills: on the last day, the true share of new questions is "
        f"{100 * log.expected[SHOWN]:.0f} %.\n"
        f"\n{len(interactions):,} interactions emitted, half over the bus and half over the stream:\n"
        f"  {applied:6,} applied\n"
        f"  {duplicates:6,} recognised as duplicates\n"
        f"  {quarantined:6,} in quarantine: {_listed(Counter(found.quarantined))}\n"
    )
    if stack.endpoint_url is not None:
        for line in sign_in_lines(stack, today):
            click.echo(line)
        click.echo()
    call = command()
    hints = {
        "demo": "emit the same again; nothing changes",
        f"show demo-grace{f' --today {today}' if today else ''}": "show another learner",
        "difficulty --apply": "compute from the event log how hard each content is",
        "redrive --dry-run": "list what is in quarantine, and why",
        "token --group instructors": "print a token for the API",
        "down": "stop the local stack",
    }
    click.echo("Try next:")
    for arguments, what in hints.items():
        click.echo(f"  {f'{call} {arguments}':{len(call) + 36}} {what}")


def _until(stack: Stack) -> datetime:
    """Return when the demo's interactions end on a stack: now at the first run, and the same at later ones.

    Otherwise the interactions of a later day would be others, and count besides.
    """
    path = end_of_demo(stack.outputs["ViewsTableName"])
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(datetime.now(UTC).isoformat())
    return datetime.fromisoformat(path.read_text())


def _applied(stack: Stack, users: Sequence[str]) -> int:
    learners = (stack.store.read_state(user_id) for user_id in users)
    return sum(learner.total.interactions for learner in learners if learner)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) or "none"
