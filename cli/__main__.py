"""The entry point of the `streakline` command."""

import click

from cli.backfill import backfill_achievements
from cli.catalog import catalog
from cli.compare import compare
from cli.cutover import cutover
from cli.demo import demo
from cli.difficulty import difficulty
from cli.emit import emit
from cli.env import env
from cli.erase import erase, restart
from cli.exam_results import exam_results
from cli.export import export
from cli.local import down, up
from cli.migrate import migrate
from cli.practice_log import practice_log
from cli.quarantine_commands import quarantine
from cli.query import query
from cli.rebuild import rebuild
from cli.redrive import redrive
from cli.refold import refold
from cli.remove import remove
from cli.retract import retract
from cli.show import show
from cli.token import token
from cli.wait import wait


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="streakline", prog_name="streakline")
def main() -> None:
    """Run Streakline, emit learners' interactions, and look at the dashboards.

    Commands work on the local stack, which `streakline up` starts. Give them --stack-name to work on a stack
    on AWS.
    """


COMMANDS = (
    up,
    down,
    env,
    demo,
    emit,
    wait,
    show,
    compare,
    rebuild,
    redrive,
    refold,
    retract,
    quarantine,
    export,
    erase,
    restart,
    backfill_achievements,
    catalog,
    cutover,
    difficulty,
    exam_results,
    practice_log,
    migrate,
    query,
    token,
    remove,
)
for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
