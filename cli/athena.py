"""Ask a stack's event log, by Athena on AWS and by its stand-in on the local stack."""

import os
from collections.abc import Iterator

import click

from cli.stack import Stack
from functions.log_query import LogQueries, QueryFailed, Value


def has_log_table(stack: Stack) -> bool:
    """Return whether queries can read the stack's event log."""
    return "EventLogWorkGroup" in stack.outputs


def log_queries(stack: Stack) -> LogQueries:
    """Return the queries of a stack's event log. Raise click.ClickException if it keeps none."""
    if not has_log_table(stack):
        raise click.ClickException(
            "this stack has no event log to query; deploy this release with the parameter EventLog=on"
        )
    return LogQueries(
        stack.client("athena"),
        stack.client("s3"),
        stack.outputs["EventLogDatabase"],
        stack.outputs["EventLogWorkGroup"],
        stack.outputs["EventLogBucket"],
        # The variable leads a stack that is named as on AWS to an emulator, too.
        "duckdb" if stack.endpoint_url or os.environ.get("AWS_ENDPOINT_URL") else "athena",
    )


def run(stack: Stack, sql: str) -> Iterator[dict[str, Value]]:
    """Yield the rows of a query's answer. Raise click.ClickException if it fails."""
    try:
        yield from log_queries(stack).run(sql)
    except QueryFailed as error:
        raise click.ClickException(f"the query of the event log failed: {error}") from error
