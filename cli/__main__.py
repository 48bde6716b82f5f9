"""The `streakline` command."""

import click

from cli.backfill import backfill_achievements
from cli.demo import demo
from cli.emit import emit
from cli.local import down, up
from cli.redrive import redrive
from cli.show import show
from cli.token import token
from cli.wait import wait


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Streakline: learners' interactions in, dashboards out."""


for command in (up, down, demo, emit, wait, show, redrive, backfill_achievements, token):
    main.add_command(command)

if __name__ == "__main__":
    main()
