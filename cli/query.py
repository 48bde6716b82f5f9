"""`streakline query`: ask the event log."""

from datetime import date, datetime

import click
from rich.console import Console
from rich.table import Table

from cli.athena import log_queries, run
from cli.named_queries import QUERIES, USER
from cli.output import doing, print_json
from cli.stack import Stack, on_stack
from domain.interaction import is_user_id
from functions.log_query import Value
from functions.log_views import NoQuery, literal, with_views

LISTED = 50
"""The number of rows to print; `--json` prints all."""
WIDEST = 10_000
"""The widest table, in characters."""
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(epilog="\b\n" + "\n".join(f"{name}: {query.about}" for name, query in QUERIES.items()))
@click.argument("name", required=False, type=click.Choice(list(QUERIES)), metavar="[NAME]")
@click.option("--sql", help="A SELECT over the views events, retractions and lines, in place of NAME.")
@click.option("--user", help="The learner, for the query that is about one.")
@click.option("--since", type=_DAY, metavar="YYYY-MM-DD", help="First day of arrival, in UTC.")
@click.option("--until", type=_DAY, metavar="YYYY-MM-DD", help="Last day of arrival, in UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print all rows as JSON.")
@on_stack
def query(
    stack: Stack,
    name: str | None,
    sql: str | None,
    user: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Ask the event log the query NAME, or one of your own.

    Every event counts once, as it first arrived, and not if it was retracted. Athena's price depends on the
    days that it reads: name them with --since.

    Example: streakline query hardest-contents
    """
    text = with_views_of(stack, chosen(name, sql, user), _date(since), _date(until))
    with doing("asking the event log"):
        rows = list(run(stack, text))
    if as_json:
        print_json(rows)
    else:
        _print(rows)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def chosen(name: str | None, sql: str | None, user: str | None) -> str:
    """Return the SQL of a named query, or the given one. Raise click.UsageError for anything else."""
    if (name is None) == (sql is None):
        raise click.UsageError(f"name a query ({', '.join(QUERIES)}), or give one by --sql")
    if name is None or sql is not None:
        if user is not None:
            raise click.UsageError("--user is for a named query; write the learner's id into your SQL")
        return sql or ""
    named = QUERIES[name]
    if named.needs_user != (user is not None):
        raise click.UsageError(f"{name} {'needs' if named.needs_user else 'takes no'} --user")
    if user is None:
        return named.sql
    if not is_user_id(user):
        raise click.UsageError(f"{user} is no learner's id")
    return named.sql.replace(USER, literal(user))


def with_views_of(stack: Stack, sql: str, since: date | None = None, until: date | None = None) -> str:
    """Return a query with the views of a stack's log. Raise click.ClickException if it is none that reads."""
    try:
        return with_views(sql, log_queries(stack).engine, since, until)
    except NoQuery as error:
        raise click.ClickException(f"--sql: {error}") from error


def _print(rows: list[dict[str, Value]]) -> None:
    if not rows:
        click.echo("No rows.")
        return
    table = Table()
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left")
    for row in rows[:LISTED]:
        table.add_row(*("–" if value is None else str(value) for value in row.values()))
    # A narrow terminal wraps the lines. It must not cut the values.
    console = Console()
    console.width = max(console.width, Console(width=WIDEST).measure(table).maximum)
    console.print(table)
    if len(rows) > LISTED:
        click.echo(f"{len(rows):,} rows, of which the first {LISTED} are shown; --json prints all.")
