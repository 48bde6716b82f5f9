"""`streakline export`: everything that is stored about a learner."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from cli.athena import has_log_table
from cli.erase import check_id, views_tables
from cli.log_lines import lines_of
from cli.output import doing
from cli.stack import Stack, on_stack
from functions.export import make_export, to_bytes
from functions.refusals import Refusals


@click.command("export")
@click.argument("user_id", metavar="USER")
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file.  [default: print]",
)
@on_stack
def export(stack: Stack, user_id: str, path: Path | None) -> None:
    """Export everything that is stored about the learner USER, as JSON that a person can read.

    That is the views, awards, results of exams, refusals, and every record in the event log, which the
    command asks for with a query.

    Example: streakline export ann --to ann.json
    """
    check_id(user_id)
    with doing(f"exporting {user_id}"):
        made = make_export(
            stack.store,
            [Refusals(stack.store.client, table) for table in views_tables(stack)],
            (lambda: lines_of(stack, user_id)) if has_log_table(stack) else None,
            user_id,
            datetime.now(UTC),
        )
    if path is None:
        sys.stdout.buffer.writelines(to_bytes(made))
        return
    try:
        with path.open("wb") as file:
            file.writelines(to_bytes(made))
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from error
    click.echo(f"{path} has everything that is stored about {user_id}.")
