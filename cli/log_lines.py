"""Read the lines of some learners in the event log."""

from collections.abc import Collection, Iterator

from cli.athena import has_log_table, log_queries, run
from cli.stack import Stack
from domain.log_line import LogLine
from functions.erasure_objects import Objects
from functions.log_objects import LOG, LOG_ERRORS, BadLine
from functions.log_query import lines_in
from functions.log_views import lines_of_learners


def lines_of(stack: Stack, user_id: str) -> Iterator[LogLine]:
    """Yield the lines of a learner, as `lines_of_all` does."""
    return lines_of_all(stack, {user_id})


def lines_of_all(stack: Stack, user_ids: Collection[str]) -> Iterator[LogLine]:
    """Yield the lines of some learners, and those whose learner can't be read, with their times of arrival.

    They come in no particular order, and can come twice. Athena finds them among the lines of the log; what
    Firehose could not transform is read whole, and so is the log of a stack without a table for queries.
    Raise click.ClickException if the query fails.
    """
    if has_log_table(stack):
        yield from lines_in(run(stack, lines_of_learners(user_ids, log_queries(stack).engine)))
    else:
        yield from _read(stack, LOG, user_ids)
    yield from _read(stack, LOG_ERRORS, user_ids)


def _read(stack: Stack, prefix: str, user_ids: Collection[str]) -> Iterator[LogLine]:
    objects = Objects(stack.client("s3"), stack.outputs["EventLogBucket"])
    for key in objects.keys(prefix):
        for line in objects.lines(key):  # None if an erasure has deleted the object meanwhile.
            if not isinstance(line, BadLine) and (line.user_id is None or line.user_id in user_ids):
                yield line
